//! What the two directions of a pipe let be seen of their work, and how each ends.

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

/// How long the writing thread may take to note what it has sent, or its error: time to be scheduled on a busy machine.
pub(super) const NOTE_PATIENCE: Duration = Duration::from_millis(100);

/// What arrives passes through this before it is written, piece by piece; an empty piece is the end. For terminals.
pub type Filter = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// One direction has ended.
pub(super) enum Done {
    Input(Result<(), Failure>),
    Peer(Result<(), Failure>),
}

/// Which side of a pump failed, and how.
pub(super) enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

/// What the two directions let be seen of their work.
pub(super) struct Progress {
    /// When a byte was last sent to the peer, and when one last came from it.
    pub(super) sent: Activity,
    pub(super) came: Activity,
    /// There is input, and the peer does not take it.
    pub(super) held_up: AtomicBool,
    /// What a write to the socket has failed with.
    pub(super) failed: WriteError,
    /// All of the input has been sent: no write can fail any more.
    pub(super) sent_all: AtomicBool,
    /// Nothing more is to be read.
    pub(super) stopped: AtomicBool,
    /// Directions that have read something which is not written yet.
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

/// What a direction to the peer needs to know of its end.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    pub(super) half_close: HalfClose,
    pub(super) serve_on: bool,
    pub(super) wait: bool,
}

impl Closing {
    /// Whether the sending side ends at the end of input, and nobody waits with it.
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

    /// When the sending side is to end, of those that do not at once.
    pub(super) fn due(self, progress: &Progress) -> Option<Instant> {
        let sent = progress.sent.noted()?;
        // The thread that sends may note it only after the answer has come.
        let came = progress.came.noted().map(|came| if came + NOTE_PATIENCE >= sent { came.max(sent) } else { came });
        self.half_close.due(Some(sent), came, sent)
    }
}

/// Bytes read and written at a time where the kernel cannot move them by itself.
pub(super) const COPY: usize = 256 << 10;

/// What the direction to the peer does at the end of input: ends the sending side at once, or when it is told to.
pub(super) struct EndOfInput {
    pub(super) closing: Closing,
    pub(super) closed: oneshot::Receiver<()>,
}
