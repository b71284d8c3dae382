//! What happens in a transfer, and what came of it.

use std::sync::Arc;

use unstick_wire::transfer::{Entry, Hash, Outcome, Reason};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The list is whole.
    Listed {
        /// Files and directories.
        entries: usize,
        /// Bytes of all files.
        size: u64,
    },
    /// A file, directory or link is offered: told of each where nothing of it is taken.
    Offered {
        /// As the sender has it.
        entry: &'a Entry,
    },
    /// Bytes of a file need not move: they are there from an earlier connection.
    Kept {
        /// How many.
        bytes: u64,
    },
    /// Bytes of a file have moved.
    Moved {
        /// How many.
        bytes: u64,
        /// Whose.
        entry: &'a Entry,
        /// Where the last of them ends in the file.
        offset: u64,
    },
    /// A file stands at the receiver.
    Resolved {
        /// Its path.
        path: &'a [u8],
        /// Its bytes.
        size: u64,
        /// Its BLAKE3 hash.
        hash: Hash,
        /// Whether it has come, or was there.
        outcome: Outcome,
    },
    /// A file or directory is not there.
    Failed {
        /// Its path.
        path: &'a [u8],
        /// Why.
        reason: Reason,
        /// The same in a sentence, in the words of the side where it failed.
        text: &'a str,
    },
    /// A connection was lost, or is tried in vain: it is made again.
    Lost {
        /// Why.
        error: &'a crate::Error,
    },
}

/// Told what happens.
pub type Observer = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// What came of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Files that stand at the receiver.
    pub resolved: u64,
    /// Files and directories that do not.
    pub failed: u64,
    /// Of those, files whose bytes were not those that were sent.
    pub mismatched: u64,
    /// Everything is on the receiver's disk.
    pub(super) flushed: bool,
}

impl Tally {
    pub(super) fn failed(&mut self, reason: Reason) {
        self.failed += 1;
        self.mismatched += u64::from(reason == Reason::Mismatch);
    }
}
