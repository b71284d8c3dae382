//! `varint`: a length in LEB128, seven bits per byte, lowest first, as Protocol Buffers write it before a message.

use super::prefixed::{Prefix, Prefixed};
use crate::args::Args;
use crate::codec::{FrameError, Row, Shape};
use crate::error::{EncodeError, SpecError};
use crate::fast_path::FastPath;
use crate::limits::{MAX_LENGTH_OFFSET, MAX_VARINT};
use crate::quantity;
use crate::recipe::Recipe;

/// Base 128 varints as in the Protocol Buffers encoding guide; streams of messages as `writeDelimitedTo` writes them.
pub(super) const VARINT: Row<Prefixed<Varint>> = Row {
    name: "varint",
    syntax: "varint[:BYTES][,off=N]",
    frame: "a LEB128 length of at most 10 bytes, then that many bytes; off=N: the length follows N bytes, and the whole frame is the message",
    examples: &["varint", "varint:4,off=1", "varint,max=200,oversize=discard", "varint:3", "varint:2,off=3,max=60"],
    keeps_boundaries: true,
    matches: |name| name == "varint",
    parse: parse_varint,
};

fn parse_varint(args: &mut Args<'_>) -> Result<Prefixed<Varint>, SpecError> {
    let most = match args.argument() {
        None => MAX_VARINT,
        Some(word) => quantity::parse_number(word)
            .filter(|n| (1..=MAX_VARINT).contains(n))
            .ok_or_else(|| SpecError::new(format!("`varint:{word}`: a length has 1 to {MAX_VARINT} bytes")))?,
    };
    let offset = args.number("off", 0..=MAX_LENGTH_OFFSET as u64)?.unwrap_or(0) as usize;
    Ok(Prefixed(Varint { most, offset }))
}

/// A length in base 128, and the bytes before it.
///
/// The encoder writes the shortest form. The decoder accepts longer ones (`80 00` for 0), as every protobuf reader does: some
/// writers leave room for a length that they fill in later.
#[derive(Debug, Clone)]
pub(crate) struct Varint {
    /// The most bytes of a length.
    most: usize,
    /// Bytes before the length. They carry meaning, so they are part of the message.
    offset: usize,
}

impl Varint {
    #[cold]
    fn too_long(&self) -> FrameError {
        match self.most {
            MAX_VARINT => FrameError::broken("the varint length is over 64 bits"),
            most => FrameError::broken(format!("the varint length does not end within {most} bytes")),
        }
    }
}

impl Prefix for Varint {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("varint").size("most", self.most).size("offset", self.offset))
    }

    #[inline]
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let mut value = 0u64;
        for (at, &byte) in input.iter().skip(self.offset).take(self.most).enumerate() {
            // The tenth byte has room for the topmost bit only, and no byte can follow the last one.
            if at == self.most - 1 && (byte >= 0x80 || at == MAX_VARINT - 1 && byte > 1) {
                return Err(self.too_long());
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Ok(Some((self.offset + at + 1, value)));
            }
        }
        Ok(None)
    }

    #[inline]
    fn write(&self, length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let largest = u64::MAX >> 64u32.saturating_sub(7 * self.most as u32);
        if length as u64 > largest {
            return Err(EncodeError::DoesNotFit { length, largest });
        }
        let mut left = length;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
        Ok(())
    }

    fn fast_path(&self, max: usize) -> FastPath {
        match self.most {
            0..2 => FastPath::CLOSED,
            _ => FastPath::varint(self.offset, max, self.keeps()),
        }
    }

    fn keeps(&self) -> bool {
        self.offset > 0
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}
