//! Owned small messages: slices of a short copy of what has arrived.
//!
//! A slice of the read buffer would keep 64 KiB alive for a message of a few bytes. An allocation for each message costs
//! more than the message on some processors.

use bytes::Bytes;

/// The longest message in bytes that is a slice of a copy.
const SMALL: usize = 128;

/// The most bytes that a copy holds, and that a small message can keep alive.
const CLIP: usize = 2048;

/// A copy of a part of the buffer, which the messages in it are slices of.
#[derive(Debug, Default)]
pub(super) struct Clip {
    copy: Bytes,
    /// Where in the buffer the copy begins.
    at: usize,
}

impl Clip {
    /// Whether a message of this many bytes is small.
    #[inline(always)]
    pub(super) fn takes(length: usize) -> bool {
        length <= SMALL
    }

    /// The message at `input[start..end]`, owned. `input`: all that has arrived, and the same until
    /// [`drop_copy`](Self::drop_copy).
    #[inline(always)]
    pub(super) fn slice(&mut self, input: &[u8], start: usize, end: usize) -> Bytes {
        // A start before the copy wraps around to a place far behind it.
        let from = start.wrapping_sub(self.at);
        if from <= self.copy.len() && end - start <= self.copy.len() - from {
            return self.copy.slice(from..from + (end - start));
        }
        self.renew(input, start, end)
    }

    /// Copies what has arrived from this message on. A message that nothing small follows gets an allocation of its own.
    #[inline(never)]
    fn renew(&mut self, input: &[u8], start: usize, end: usize) -> Bytes {
        let until = input.len().min(start + CLIP);
        if until - end < end - start {
            return Bytes::copy_from_slice(&input[start..end]);
        }
        self.copy = Bytes::copy_from_slice(&input[start..until]);
        self.at = start;
        self.copy.slice(..end - start)
    }

    /// Forgets the copy: what lies in the buffer has moved.
    #[inline]
    pub(super) fn drop_copy(&mut self) {
        if !self.copy.is_empty() {
            self.copy = Bytes::new();
        }
    }
}
