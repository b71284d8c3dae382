//! `u32be` and its relatives: an integer length, and nothing else, before each message. This is the decoder that runs most.

use crate::codec::{Codec, Context, FrameError, Shape, Step};
use crate::error::EncodeError;
use crate::fast_path::{self, FastPath};
use crate::recipe::Recipe;

/// The order of a length's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Big,
    Little,
}

impl Endian {
    pub(crate) const NATIVE: Self = if cfg!(target_endian = "little") { Self::Little } else { Self::Big };
}

/// A length of a fixed number of bytes, then the message.
#[derive(Debug, Clone)]
pub(crate) struct Integer {
    /// Bytes of the length, 1 to 8.
    width: usize,
    endian: Endian,
    /// The largest length that fits.
    largest: u64,
}

impl Integer {
    pub(super) fn new(width: usize, endian: Endian, signed: bool) -> Self {
        let bits = width as u32 * 8 - u32::from(signed);
        Self { width, endian, largest: u64::MAX >> (64 - bits) }
    }

    /// The length; `None` until all of its bytes have arrived.
    fn value(&self, input: &[u8]) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..self.width].copy_from_slice(input.get(..self.width)?);
        Some(match self.endian {
            Endian::Big => u64::from_be_bytes(bytes) >> (64 - 8 * self.width),
            Endian::Little => u64::from_le_bytes(bytes),
        })
    }

    #[cold]
    fn refuse(&self, value: u64) -> FrameError {
        if value > self.largest {
            let unused = 64 - 8 * self.width;
            return negative((value << unused) as i64 >> unused);
        }
        FrameError::TooLong { length: Some(value), skip: Some(value.saturating_add(self.width as u64)) }
    }
}

#[cold]
pub(super) fn negative(length: i64) -> FrameError {
    FrameError::broken(format!("length {length} is negative"))
}

impl Codec for Integer {
    fn recipe(&self) -> Option<Recipe> {
        let signed = self.largest != u64::MAX >> (64 - 8 * self.width);
        let recipe = Recipe::new("length").size("offset", 0).size("width", self.width);
        let recipe = recipe.flag("little", self.endian == Endian::Little).flag("signed", signed).flag("bcd", false);
        let recipe = recipe.number("adjust", 0).number("unit", 1).size("align", 1).bytes("trailer", b"");
        Some(recipe.flag("keep", false).size("start", self.width).size("seen", self.width))
    }

    fn fast_path(&self, max: usize) -> FastPath {
        let (start, most) = (self.width, self.largest.min(max as u64));
        let header = fast_path::Header { offset: 0, start, add: start, least: 0, most };
        FastPath::with_length(self.width, self.endian == Endian::Little, header)
    }

    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(value) = self.value(input) else { return Ok(Step::Need) };
        if value > self.largest.min(cx.max as u64) {
            return Err(self.refuse(value));
        }
        let end = self.width + value as usize;
        if end > input.len() {
            return Ok(Step::Need);
        }
        Ok(Step::Frame { start: self.width, end, total: end })
    }

    #[inline]
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let length = message.len() as u64;
        if length > self.largest {
            return Err(EncodeError::DoesNotFit { length: message.len(), largest: self.largest });
        }
        out.reserve(8 + message.len());
        match self.endian {
            Endian::Big => out.extend_from_slice(&length.to_be_bytes()[8 - self.width..]),
            Endian::Little => out.extend_from_slice(&length.to_le_bytes()[..self.width]),
        }
        out.extend_from_slice(message);
        Ok(())
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        self.value(input)?.checked_add(self.width as u64)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        let little = self.endian == Endian::Little;
        Shape::Binary { offset: 0, width: self.width, little, adjust: 0, simple: true }
    }
}
