//! What the two directions of a pipe report about their progress, and how each ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::activity::Activity;
use crate::endpoint::write_error::WriteError;
use crate::error::Result;
use crate::half_close::HalfClose;

/// How long the writing thread may take to record what it has sent, or its error: time to be scheduled on a busy
/// machine.
pub(super) const NOTE_PATIENCE: Duration = Duration::from_millis(100);

/// Transforms what arrives before it is written, piece by piece; an empty piece is the end. For terminals.
pub type Filter = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// One direction has ended.
pub(super) enum Done {
    Input(Result<(), Failure>),
    Peer(Result<(), Failure>),
}

/// Which side of a direction failed, and how.
pub(super) enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

/// The progress of the two directions.
pub(super) struct Progress {
    /// When a byte was last sent to the peer, and when one last came from it.
    pub(super) sent: Activity,
    pub(super) came: Activity,
    /// Whether there is input that the peer does not take.
    pub(super) held_up: AtomicBool,
    /// The error of a failed write to the socket.
    pub(super) failed: WriteError,
    /// Whether all of the input has been sent: no write can fail any more.
    pub(super) sent_all: AtomicBool,
    /// Whether nothing more should be read.
    pub(super) stopped: AtomicBool,
    /// Number of directions that have read something and have not written it yet.
    pub(super) carrying: AtomicUsize,
}

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            sent: Activity::new(),
            came: Activity::new(),
            held_up: AtomicBool::new(false),
            failed: WriteError::default(),
            sent_all: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            carrying: AtomicUsize::new(0),
        })
    }

    /// When a byte was last moved.
    pub(super) fn last(&self) -> Instant {
        self.sent.last().max(self.came.last())
    }
}

/// When the direction to the peer ends its side.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    pub(super) half_close: HalfClose,
    pub(super) serve_on: bool,
    pub(super) wait: bool,
}

impl Closing {
    /// Whether the sending side ends at once, at the end of input.
    pub(super) fn at_once(self, progress: &Progress) -> bool {
        let empty = progress.sent.noted().is_none();
        match self.half_close {
            _ if !self.wait => true,
            _ if empty && self.serve_on => false,
            HalfClose::Now => true,
            HalfClose::Answered => empty,
            HalfClose::Never => false,
        }
    }

    /// Returns when to end the sending side, if it does not end at once.
    pub(super) fn due(self, progress: &Progress) -> Option<Instant> {
        let sent = progress.sent.noted()?;
        // The sending thread may record the send only after the answer has come.
        let came = progress.came.noted().map(|came| if came + NOTE_PATIENCE >= sent { came.max(sent) } else { came });
        self.half_close.due(Some(sent), came, sent)
    }
}

/// Bytes read and written at a time, if the kernel cannot move them without this process.
pub(super) const COPY: usize = 256 << 10;

/// What the direction to the peer does at the end of input: it ends its side at once, or when it is told to.
pub(super) struct EndOfInput {
    pub(super) closing: Closing,
    pub(super) closed: oneshot::Receiver<()>,
}
