//! What a recorder is told: the trait, and what happens in a connection.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::endpoint::closing::Closing;
use crate::endpoint::transport::PeerAddrs;

/// Takes a copy of everything that passes over connections: the plain text, inside TLS and WebSocket. It is called by the
/// tasks of the conversations, so it must not block.
///
/// A connection that is recorded always passes through this process: bridges do not splice it.
pub trait Recorder: Send + Sync {
    /// A connection has opened. Returns the number that later calls name it by.
    fn open(&self, names: &PeerAddrs, carries: Carries) -> u64;

    /// Something has happened in a connection.
    fn record(&self, connection: u64, what: Recorded<'_>);
}

/// What a connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carries {
    /// Bytes.
    Stream,
    /// Datagrams.
    Datagrams,
    /// Messages, of which none is lost.
    Messages,
}

/// The direction, as seen from this end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// What has happened in a connection.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Recorded<'a> {
    /// One read or write of a stream.
    Segment {
        /// Whose.
        way: Way,
        /// What it carried.
        bytes: &'a [u8],
    },
    /// A datagram, or a message of a transport that has messages.
    Message {
        /// Whose.
        way: Way,
        /// Its content.
        message: &'a [u8],
        /// Whether it came as a binary message or as text; `None` if that is unknown or makes no difference.
        binary: Option<bool>,
        /// Whether it is the beginning of a longer datagram.
        cut_short: bool,
    },
    /// One direction has ended in order.
    End {
        /// Which one.
        way: Way,
        /// How the peer closed a WebSocket.
        closing: Option<&'a Closing>,
    },
    /// The connection is reset.
    Reset {
        /// Who has reset it: the peer (in) or this end (out).
        way: Way,
    },
    /// The connection has failed in another way.
    Failed {
        /// In which direction that was seen.
        way: Way,
        /// How.
        error: &'a dyn Display,
    },
    /// Both halves of the connection are gone.
    Close,
}

/// One connection and its recorder. When both halves are gone, the connection is closed.
pub(super) struct Tape {
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) connection: u64,
    /// Whether it has failed. Both halves see that, and it is recorded once.
    pub(super) failed: AtomicBool,
}

impl Tape {
    pub(super) fn record(&self, what: Recorded<'_>) {
        let is_over = match what {
            Recorded::Reset { .. } | Recorded::Failed { .. } => self.failed.swap(true, Ordering::Relaxed),
            // A half that is shut down after a reset has not ended in order.
            Recorded::End { .. } => self.failed.load(Ordering::Relaxed),
            _ => false,
        };
        if !is_over {
            self.recorder.record(self.connection, what);
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.record(Recorded::Close);
    }
}
