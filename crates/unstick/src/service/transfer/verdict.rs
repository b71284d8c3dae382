//! What the receiver's disk thread decides about an entry.

use std::io;

use unstick_wire::transfer::{Hash, Outcome, Reason};

use crate::error::plain;

/// What the receiver reports to the sender.
#[derive(Debug)]
pub(super) enum Verdict {
    Want { file: u32, from: u64, tree: Vec<Hash> },
    Compare { file: u32 },
    Directory { file: u32 },
    Resolved { file: u32, outcome: Outcome, hash: Hash },
    Failed { file: u32, reason: Reason, text: String },
    Flushed,
}

/// Why a file is not received.
pub(super) type Failure = (Reason, String);

pub(super) fn unwritable(error: io::Error) -> Failure {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    (if full { Reason::Full } else { Reason::Unwritable }, plain(&error))
}

pub(super) fn exists() -> Failure {
    (Reason::Exists, "another file of this name is there".into())
}
