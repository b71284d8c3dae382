//! What happens in a transfer, and its result.

use std::sync::Arc;
use std::time::Duration;

use unstick_wire::transfer::{Entry, Hash, Outcome, Reason};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The list is complete.
    Listed {
        /// Number of entries.
        entries: usize,
        /// Sum of the sizes of all files, in bytes.
        size: u64,
    },
    /// The list has this entry. Reported only if this side just looks and takes nothing.
    Offered {
        /// The entry as the sender lists it.
        entry: &'a Entry,
    },
    /// These bytes of a file need not be sent, because the receiver has them from an earlier connection.
    Kept {
        /// Number of bytes.
        bytes: u64,
    },
    /// Bytes of a file have been sent or received. Holes count, although no bytes are sent for them.
    Moved {
        /// Number of bytes.
        bytes: u64,
        /// The file.
        entry: &'a Entry,
        /// The offset in the file after the last of them.
        offset: u64,
    },
    /// The receiver has a file.
    Resolved {
        /// Path of the file.
        path: &'a [u8],
        /// Size of the file in bytes.
        size: u64,
        /// BLAKE3 hash of the file.
        hash: Hash,
        /// Whether it was received or was there already.
        outcome: Outcome,
    },
    /// The receiver does not get a file, directory or link.
    Failed {
        /// Path of the entry.
        path: &'a [u8],
        /// Why.
        reason: Reason,
        /// The reason as a sentence, in the words of the side where it failed.
        text: &'a str,
    },
    /// A connection was lost, an attempt to connect failed, or a client was turned away. The transfer goes on.
    Lost {
        /// Why.
        error: &'a crate::Error,
        /// What this side does now.
        next: Next,
    },
}

/// What a side of a transfer does after a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It connects again after this pause.
    Connect(Duration),
    /// It waits for the other side to connect.
    Wait,
    /// It goes on over another connection, which was not lost.
    GoOn,
}

/// The function that gets the events.
pub type Observer = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// The result of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Number of files that the receiver has.
    pub resolved: u64,
    /// Number of files, directories and links that the receiver does not get.
    pub failed: u64,
    /// How many of the failed files had other bytes than those that were sent.
    pub mismatched: u64,
    /// Whether everything is flushed to the receiver's disk.
    pub(super) flushed: bool,
    /// Whether the sender may not know that. The connection was lost at the very end.
    pub(super) unconfirmed: bool,
}

impl Tally {
    pub(super) fn unconfirmed(self) -> Self {
        Self { unconfirmed: true, ..self }
    }

    pub(super) fn failed(&mut self, reason: Reason) {
        self.failed += 1;
        self.mismatched += u64::from(reason == Reason::Mismatch);
    }
}
