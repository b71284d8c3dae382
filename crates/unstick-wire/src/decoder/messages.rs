//! A cursor over what has arrived: the messages of a hot loop, without a store for each.

use crate::error::DecodeError;
use crate::fast_path::FastPath;

use super::finder::{Finder, Span};

/// The messages that have arrived, one after the other: [`Decoder::messages`](super::Decoder::messages).
///
/// ```
/// use unstick_wire::Framing;
///
/// let mut decoder = Framing::parse("u32be")?.decoder();
/// decoder.feed(b"\0\0\0\x05hello\0\0\0\x03you\0\0");
/// let mut messages = decoder.messages();
/// let mut lengths = Vec::new();
/// while let Some(message) = messages.next()? {
///     lengths.push(message.len());
/// }
/// assert_eq!(lengths, [5, 3]);
/// drop(messages);
/// assert_eq!(decoder.pending(), b"\0\0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A cursor that is dropped early leaves the messages that it has not returned. One that is leaked
/// ([`std::mem::forget`]) also leaves some that it has returned: they are returned twice.
#[derive(Debug)]
pub struct Messages<'a> {
    /// What has arrived; from `pos` on it is not taken yet.
    arrived: &'a [u8],
    /// The finder's own position is older than this until the cursor is dropped, or the finder searches.
    pos: usize,
    /// A copy of the finder's, which changes only when the finder searches.
    fast_path: FastPath,
    finder: &'a mut Finder,
}

impl<'a> Messages<'a> {
    #[inline]
    pub(super) fn new(arrived: &'a [u8], finder: &'a mut Finder) -> Self {
        Self { arrived, pos: finder.pos, fast_path: finder.fast_path, finder }
    }

    /// Returns the next message, borrowed from the read buffer; `None` until the cursor is dropped and more is fed.
    ///
    /// # Errors
    ///
    /// As [`Decoder::next`](super::Decoder::next).
    #[inline(always)]
    #[allow(clippy::should_implement_trait)] // It lends, which no Iterator can.
    pub fn next(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        if let Some(frame) = self.fast_path.bounds(self.arrived, self.pos)
            && frame.is_in(self.arrived)
        {
            self.pos = frame.next;
            return Ok(Some(&self.arrived[frame.start..frame.end]));
        }
        // By value in both directions: where nothing points at the cursor, it needs no place in memory.
        self.finder.pos = self.pos;
        let found = self.finder.search(self.arrived);
        (self.pos, self.fast_path) = (self.finder.pos, self.finder.fast_path);
        Ok(match found? {
            None => None,
            Some(Span::Scratch) => Some(&self.finder.scratch),
            Some(Span::Input(start, end)) => Some(&self.arrived[start..end]),
        })
    }
}

impl Drop for Messages<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.finder.pos = self.pos;
    }
}
