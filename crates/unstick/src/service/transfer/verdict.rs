//! What the receiver's disk thread decides about an entry.

use std::io;

use tokio::sync::mpsc;
use unstick_wire::transfer::{Hash, Outcome, Reason};

use crate::error::plain;

/// What the receiver reports to the sender.
#[derive(Debug)]
pub(super) enum Verdict {
    Want {
        file: u32,
        from: u64,
        tree: Vec<Hash>,
    },
    Compare {
        file: u32,
    },
    Directory {
        file: u32,
    },
    Resolved {
        file: u32,
        outcome: Outcome,
        hash: Hash,
    },
    Failed {
        file: u32,
        reason: Reason,
        text: String,
    },
    Flushed,
    /// The thread that writes or flushes has panicked: nothing more comes from it.
    Gone,
}

/// Held by a thread that reports verdicts: says [`Gone`](Verdict::Gone) if the thread panics. Without it, the connection would wait
/// for ever, because other threads hold the channel open too.
#[derive(Debug)]
pub(super) struct Watch(mpsc::Sender<Verdict>);

impl Watch {
    pub(super) fn new(verdicts: &mpsc::Sender<Verdict>) -> Self {
        Self(verdicts.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // This fails if the connection is over.
            let _ = self.0.blocking_send(Verdict::Gone);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_says_so_and_one_that_ends_does_not() {
        let (verdicts, mut come) = mpsc::channel(1);
        let watch = Watch::new(&verdicts);
        let panicked = std::thread::spawn(move || {
            let _watch = watch;
            std::panic::resume_unwind(Box::new("a panic without a message on standard error"));
        });
        assert!(panicked.join().is_err());
        assert!(matches!(come.try_recv(), Ok(Verdict::Gone)));
        drop(Watch::new(&verdicts));
        assert!(come.try_recv().is_err());
    }
}
