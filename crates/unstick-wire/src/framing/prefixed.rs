//! The codec of all framings that write a length before each message, whatever the length looks like.
//!
//! Not here: how each framing writes the length (`varint`, `digits`), and binary integers of fixed width inside a larger
//! header (`length`).

use std::fmt::Debug;

use crate::codec::{Codec, Context, FrameError, Shape, Step, quoted};
use crate::error::EncodeError;
use crate::fast_path::FastPath;
use crate::recipe::Recipe;

/// One way to write a length.
pub(crate) trait Prefix: Clone + Debug {
    /// The number of bytes that the length takes, and its value; `None` until all of it has arrived.
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError>;

    /// Appends the length of a message. Never called if the length is part of the message ([`keeps`](Self::keeps)).
    fn write(&self, _length: usize, _out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Err(EncodeError::unfit("this framing's header is part of the message"))
    }

    /// Whether the length, with everything else that `read` counts as the header, is part of the message.
    fn keeps(&self) -> bool {
        false
    }

    /// A faster decoder for most frames.
    fn fast_path(&self, _max: usize) -> FastPath {
        FastPath::CLOSED
    }

    /// Bytes after each message.
    fn trailer(&self) -> &'static [u8] {
        b""
    }

    /// How the length is found, as data; `None` if that cannot be described.
    fn recipe(&self) -> Option<Recipe> {
        None
    }

    /// What the framing's headers look like, to recognize what a peer really speaks.
    fn shape(&self) -> Shape {
        Shape::TextHeader
    }
}

/// A length, then that many bytes, then the trailer if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Prefixed<P>(pub(crate) P);

impl<P: Prefix> Codec for Prefixed<P> {
    fn recipe(&self) -> Option<Recipe> {
        self.0.recipe()
    }

    fn fast_path(&self, max: usize) -> FastPath {
        self.0.fast_path(max)
    }

    #[inline]
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some((header, length)) = self.0.read(input)? else {
            return Ok(Step::Need);
        };
        let trailer = self.0.trailer();
        let total = length.saturating_add((header + trailer.len()) as u64);
        let (start, message) = if self.0.keeps() { (0, total - trailer.len() as u64) } else { (header, length) };
        if message > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(message), skip: Some(total) });
        }
        if (input.len() as u64) < total {
            return Ok(Step::Need);
        }
        let total = total as usize;
        let end = total - trailer.len();
        if input[end..total] != *trailer {
            return Err(FrameError::broken(format!(
                "expected {} after a message of {length} bytes, found {}",
                quoted(trailer),
                quoted(&input[end..total])
            )));
        }
        Ok(Step::Frame { start, end, total })
    }

    #[inline]
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.0.keeps() {
            check_kept(&self.0, message)?;
        } else {
            self.0.write(message.len(), out)?;
        }
        out.extend_from_slice(message);
        out.extend_from_slice(self.0.trailer());
        Ok(())
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        let (start, length) = self.0.read(input).ok()??;
        length.checked_add((start + self.0.trailer().len()) as u64)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }
}

/// Checks that the message begins with its own length, and that this length is right.
fn check_kept<P: Prefix>(prefix: &P, message: &[u8]) -> Result<(), EncodeError> {
    let read = if message.is_empty() { Ok(None) } else { prefix.read(message) };
    match read {
        Ok(Some((header, length))) => match message.len().checked_sub(header) {
            Some(here) if here as u64 == length => Ok(()),
            Some(here) => Err(EncodeError::unfit(format!(
                "the message's own header announces {length} bytes after it, but {here} follow"
            ))),
            None => Err(EncodeError::unfit("the message ends inside its own header")),
        },
        Ok(None) => Err(EncodeError::unfit("the message ends inside its own header")),
        Err(FrameError::Broken(what)) => Err(EncodeError::unfit(format!("the message's own header is broken: {what}"))),
        Err(FrameError::TooLong { .. }) => Err(EncodeError::unfit("the message's own header announces too much")),
    }
}
