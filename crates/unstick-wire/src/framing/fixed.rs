//! `fixed`: frames of a fixed number of bytes each.

use crate::args::Args;
use crate::byte_count::ByteCount;
use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::{EncodeError, SpecError};
use crate::quantity;
use crate::recipe::Recipe;

pub(super) const FIXED: Row<Fixed> = Row {
    name: "fixed",
    syntax: "fixed:SIZE",
    frame: "N bytes each",
    examples: &["fixed:512", "fixed:1", "fixed:3,max=3"],
    keeps_boundaries: true,
    matches: |name| name == "fixed",
    parse: parse_fixed,
};

fn parse_fixed(args: &mut Args<'_>) -> Result<Fixed, SpecError> {
    let word = args.required("how many bytes each message has, as in fixed:512")?;
    let length = quantity::parse_size(word).filter(|length| *length > 0);
    let length = length.ok_or_else(|| SpecError::new(format!("`fixed:{word}`: a size of at least one byte")))?;
    if length > args.max as u64 {
        let limit = quantity::size(args.max as u64);
        return Err(SpecError::new(format!("`fixed:{word}` is over the limit of {limit} a message"))
            .with_hint(format!("raise it: fixed:{word},max={word}")));
    }
    Ok(Fixed { length: length as usize })
}

/// Messages that all have the same length.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    /// The length in bytes: at least 1, at most `max`.
    length: usize,
}

impl Codec for Fixed {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("fixed").size("size", self.length))
    }

    #[inline]
    fn decode(&mut self, input: &[u8], _: &mut Context<'_>) -> Result<Step, FrameError> {
        if input.len() < self.length {
            return Ok(Step::Need);
        }
        Ok(Step::Frame { start: 0, end: self.length, total: self.length })
    }

    #[inline]
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if message.len() != self.length {
            return Err(EncodeError::unfit(format!(
                "the message has {}, and every frame has {}",
                ByteCount(message.len()),
                self.length
            )));
        }
        out.extend_from_slice(message);
        Ok(())
    }

    fn announced(&self, _input: &[u8]) -> Option<u64> {
        Some(self.length as u64)
    }
}
