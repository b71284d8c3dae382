//! A fixed run of bytes that marks where messages end or frames begin, ready to search for.

use std::sync::Arc;

use memchr::{memchr, memmem};

use crate::codec::{Discard, quoted};
use crate::error::EncodeError;

/// The bytes that end a message, ready to search for.
#[derive(Debug, Clone)]
pub(super) enum Needle {
    One(u8),
    /// A direct search for two bytes is far quicker than a searcher, and CRLF is two bytes.
    Two([u8; 2]),
    More(Arc<memmem::Finder<'static>>),
}

impl Needle {
    pub(super) fn new(bytes: &[u8]) -> Self {
        match *bytes {
            [byte] => Self::One(byte),
            [first, second] => Self::Two([first, second]),
            _ => Self::More(Arc::new(memmem::Finder::new(bytes).into_owned())),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::One(byte) => std::slice::from_ref(byte),
            Self::Two(bytes) => bytes,
            Self::More(finder) => finder.needle(),
        }
    }

    /// Returns where it first occurs in `haystack`.
    #[inline]
    pub(super) fn find(&self, haystack: &[u8]) -> Option<usize> {
        match self {
            Self::One(byte) => memchr(*byte, haystack),
            Self::Two([first, second]) => {
                let mut from = 1;
                loop {
                    let at = from + memchr(*second, haystack.get(from..)?)?;
                    if haystack[at - 1] == *first {
                        return Some(at - 1);
                    }
                    from = at + 1;
                }
            }
            Self::More(finder) => finder.find(haystack),
        }
    }

    /// Number of bytes at the end of `haystack`, which does not contain the needle, that may be the needle's first
    /// bytes.
    #[inline]
    pub(super) fn keep(&self, haystack: &[u8]) -> usize {
        haystack.len().min(self.bytes().len() - 1)
    }

    /// Appends it to `out`, whose bytes from `from` on are a message.
    ///
    /// The search covers the message and the needle after it: the message's last bytes and the needle's first may form
    /// another needle.
    pub(super) fn put(&self, from: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(self.bytes());
        match self.find(&out[from..]) {
            Some(at) if from + at + self.bytes().len() < out.len() => {
                Err(EncodeError::ContainsDelimiter { delimiter: quoted(self.bytes()), at })
            }
            _ => Ok(()),
        }
    }

    /// Skips an over-long or damaged frame that ends with the needle.
    pub(super) fn discard_behind(&self, input: &[u8]) -> Discard {
        match self.find(input) {
            Some(at) => Discard::Done(at + self.bytes().len()),
            None => Discard::More(input.len() - self.keep(input)),
        }
    }

    /// Skips bytes up to the next frame, which starts with the needle, from `from` on.
    pub(super) fn discard_up_to(&self, input: &[u8], from: usize) -> Discard {
        match input.get(from..).and_then(|rest| self.find(rest)) {
            Some(at) => Discard::Done(from + at),
            // The bytes that are kept may be the first bytes of a mark, but must never be the whole frame that is to be
            // skipped.
            None => Discard::More((input.len() - self.keep(input)).max(from.min(input.len()))),
        }
    }
}
