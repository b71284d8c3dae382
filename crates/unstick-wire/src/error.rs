//! Errors of specs, messages and bytes, in words that a user can act on.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::quantity::size;

/// The text of an error: usually fixed, sometimes built.
pub(crate) type Text = Cow<'static, str>;

/// A framing spec that has no meaning, or something that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    what: Text,
    hint: Option<Text>,
    needs_framing: bool,
}

impl SpecError {
    pub(crate) fn new(what: impl Into<Text>) -> Self {
        Self { what: what.into(), hint: None, needs_framing: false }
    }

    /// Marks that a framing would help.
    pub(crate) fn needing_framing(self) -> Self {
        Self { needs_framing: true, ..self }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<Text>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether it would make sense if the bytes had a framing.
    pub fn needs_framing(&self) -> bool {
        self.needs_framing
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for SpecError {}

/// Bytes of a stream that are not what its framing says. The boundaries are lost: the stream must be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Details>);

/// The details, boxed so that a decoder's result for each message stays small.
#[derive(Debug, Clone)]
struct Details {
    kind: DecodeErrorKind,
    hint: Option<Text>,
    offset: u64,
    head: Arc<[u8]>,
}

/// The same error, however much of the frame had arrived by then.
impl PartialEq for Details {
    fn eq(&self, other: &Self) -> bool {
        (&self.kind, &self.hint, self.offset) == (&other.kind, &other.hint, other.offset)
    }
}

impl Eq for Details {}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecodeErrorKind {
    /// A message over `max`; `None` if its length is not known yet.
    TooLong { length: Option<u64>, limit: usize },
    /// Bytes that no frame of this framing holds.
    Broken(Text),
    /// The stream ended inside a frame.
    Incomplete { got: u64, of: Option<u64> },
    /// The frame's deadline passed.
    TimedOut { got: u64, after: Duration },
}

impl DecodeError {
    pub(crate) fn new(kind: DecodeErrorKind, hint: Option<Text>, offset: u64, head: &[u8]) -> Self {
        Self(Box::new(Details { kind, hint, offset, head: head.into() }))
    }

    /// A hint at what the peer may really speak, if its bytes are recognised. The text contains it too.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the stream the broken frame begins, in bytes from the start.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The first bytes of the broken frame, and of what came behind it by then: at most 1,024.
    pub fn head(&self) -> &[u8] {
        &self.0.head
    }

    /// Whether the message is longer than `max`.
    pub fn is_too_long(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::TooLong { .. })
    }

    /// Whether no frame of this framing holds such bytes.
    pub fn is_broken(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::Broken(_))
    }

    /// Whether the stream ended inside a frame.
    pub fn is_incomplete(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::Incomplete { .. })
    }

    /// Whether the frame did not end within the frame timeout.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::TimedOut { .. })
    }
}

/// An exact number of bytes, in words.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 byte"),
            many => write!(f, "{many} bytes"),
        }
    }
}

/// The article of a number as people say it: an 8, an 11, an 18,000.
fn article(number: u64) -> &'static str {
    let digits = number.to_string();
    let eleven = digits.len() % 3 == 2 && (digits.starts_with("11") || digits.starts_with("18"));
    if digits.starts_with('8') || eleven { "an" } else { "a" }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length: Some(length), limit } => {
                write!(f, "length {length} is over the limit of {}", size(*limit as u64))
            }
            Self::TooLong { length: None, limit } => {
                write!(f, "the message is over the limit of {}", size(*limit as u64))
            }
            Self::Broken(what) => f.write_str(what),
            Self::Incomplete { got, of: Some(of) } => {
                write!(f, "the stream ended {} into {} {of}-byte frame", Bytes(*got), article(*of))
            }
            Self::Incomplete { got, of: None } => {
                write!(f, "the stream ended inside a frame, after {} of it", Bytes(*got))
            }
            Self::TimedOut { got, after } => {
                write!(f, "a frame did not end within {after:?}: {} of it arrived", Bytes(*got))
            }
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A message that this framing cannot carry unchanged. Nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The message is over `max`.
    #[error("the message has {}, over the limit of {}", Bytes(*length as u64), size(*limit as u64))]
    TooLong {
        /// Number of bytes in the message.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The message is longer than the length field can say.
    #[error("the message has {}, more than its length field can say (at most {largest})", Bytes(*length as u64))]
    DoesNotFit {
        /// Number of bytes in the message.
        length: usize,
        /// The longest message that fits, in bytes.
        largest: u64,
    },
    /// The message contains its own delimiter, and would arrive as two.
    #[error("the message contains its own delimiter ({delimiter}) at byte {at}, and would arrive in pieces")]
    ContainsDelimiter {
        /// The delimiter, named.
        delimiter: String,
        /// Its place in the message, in bytes.
        at: usize,
    },
    /// Frames of this kind cannot hold the message.
    #[error("{what}")]
    Unfit {
        /// Why not.
        what: Cow<'static, str>,
        /// What to do about it, if that is known.
        hint: Option<&'static str>,
    },
}

impl EncodeError {
    pub(crate) fn unfit(what: impl Into<Text>) -> Self {
        Self::Unfit { what: what.into(), hint: None }
    }

    /// The same, with what to do about it.
    pub(crate) fn unfit_but(what: impl Into<Text>, hint: &'static str) -> Self {
        Self::Unfit { what: what.into(), hint: Some(hint) }
    }

    /// What to do about it, if that is known. Not part of the text.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooLong { .. } => Some("max= raises the limit at this end, as in line,max=64M"),
            Self::DoesNotFit { .. } => Some("a framing with a wider length carries it, if the peer speaks that too"),
            Self::ContainsDelimiter { .. } => {
                Some("a framing with a length, such as u32be, carries any bytes, if the peer speaks that too")
            }
            Self::Unfit { hint, .. } => *hint,
        }
    }
}
