//! The SHA-256 of a file that passes in pieces. That of a large file has a thread of its own, so that hashing, reading and
//! writing take their time beside each other.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use ring::digest::{Context, SHA256};

/// Size in bytes up to which a file is not worth a thread.
const SMALL: u64 = 256 << 10;

/// Number of pieces that wait to be hashed, which bounds memory, too.
const AHEAD: usize = 4;

/// A hash that is being computed. Its thread ends when it is finished or dropped.
pub(super) enum Sha256 {
    Inline(Context),
    Threaded { pieces: SyncSender<Bytes>, thread: JoinHandle<Context> },
}

impl Sha256 {
    /// Begins the hash of a file of this size in bytes. Without a thread, if the system has no more threads.
    pub(super) fn new(size: u64) -> Self {
        match size {
            0..=SMALL => Self::Inline(Context::new(&SHA256)),
            _ => Self::threaded(Builder::new().name("sha256".into())),
        }
    }

    fn threaded(thread: Builder) -> Self {
        let (pieces, waiting) = sync_channel::<Bytes>(AHEAD);
        let thread = thread.spawn(move || {
            let mut hash = Context::new(&SHA256);
            waiting.into_iter().for_each(|piece| hash.update(&piece));
            hash
        });
        match thread {
            Ok(thread) => Self::Threaded { pieces, thread },
            Err(_) => Self::Inline(Context::new(&SHA256)),
        }
    }

    /// Adds the next bytes. Blocks while [`AHEAD`] pieces wait.
    pub(super) fn update(&mut self, piece: &Bytes) {
        match self {
            Self::Inline(hash) => hash.update(piece),
            // If the thread has panicked, `finish` passes that on.
            Self::Threaded { pieces, .. } => drop(pieces.send(piece.clone())),
        }
    }

    /// Blocks until all bytes are hashed.
    pub(super) fn finish(self) -> [u8; 32] {
        let hash = match self {
            Self::Inline(hash) => hash,
            Self::Threaded { pieces, thread } => {
                drop(pieces);
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        };
        hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn the_hash_is_the_same_with_a_thread_and_without() {
        // No machine has room for this stack.
        let no_thread = Sha256::threaded(Builder::new().stack_size(1 << 46));
        assert!(matches!(no_thread, Sha256::Inline(_)));
        let large = Sha256::new(SMALL + 1);
        assert!(matches!(large, Sha256::Threaded { .. }));
        for mut hash in [no_thread, large, Sha256::new(SMALL)] {
            // The million letters of FIPS 180-4's examples.
            (0..1000).for_each(|_| hash.update(&Bytes::from_static(&[b'a'; 1000])));
            let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
            assert_eq!(HEXLOWER.encode(&hash.finish()), expected);
        }
    }
}
