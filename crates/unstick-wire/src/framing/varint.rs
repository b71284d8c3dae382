//! `varint`: a length in LEB128, seven bits a byte, lowest first, as Protocol Buffers write it before a message.

use super::prefixed::{Prefix, Prefixed};
use super::{Entry, Fault, Shape};
use crate::error::EncodeError;
use crate::limits::MAX_VARINT;

/// Base 128 varints as in the Protocol Buffers encoding guide; streams of them as `writeDelimitedTo` makes them.
pub(super) const VARINT: Entry = Entry {
    name: "varint",
    syntax: "varint",
    frame: "a LEB128 length of at most 10 bytes, then so many bytes",
    examples: &["varint", "varint,max=200,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "varint",
    parse: |_| Ok(Prefixed(Varint).into()),
};

/// A length in base 128.
///
/// Written as short as it can be. Longer forms (`80 00` for 0) are read: every protobuf reader takes them, and some
/// writers leave room for a length that they fill in later.
#[derive(Debug, Clone)]
pub(crate) struct Varint;

impl Prefix for Varint {
    #[inline]
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, Fault> {
        let mut value = 0u64;
        for (at, &byte) in input.iter().take(MAX_VARINT).enumerate() {
            // The tenth byte has room for the topmost bit only, and nothing can follow it.
            if at == MAX_VARINT - 1 && byte > 1 {
                return Err(Fault::broken("the varint length is over 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Ok(Some((at + 1, value)));
            }
        }
        Ok(None)
    }

    #[inline]
    fn write(&self, length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut left = length;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
        Ok(())
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}
