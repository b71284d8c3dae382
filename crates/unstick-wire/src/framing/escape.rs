//! `escape` and `msgpack`: lengths with a short form, and with longer ones that a mark in the first bytes announces.

use super::prefixed::{Prefix, Prefixed};
use crate::args::Args;
use crate::codec::{FrameError, Row, Shape, quoted};
use crate::error::{EncodeError, SpecError};
use crate::recipe::Recipe;

pub(super) const ESCAPE: Row<Prefixed<Escape>> = Row {
    name: "escape",
    syntax: "escape:WIDTH:LONG[,sign=yes]",
    frame: "a length of WIDTH bytes, or, if all their bits are set (sign=yes: -1), a length of LONG bytes after them; big-endian",
    examples: &["escape:4:8,sign=yes", "escape:1:8", "escape:1:2,max=300"],
    keeps_boundaries: true,
    matches: |name| name == "escape",
    parse: parse_escape,
};

/// The MessagePack specification, "int format family": positive fixint, uint 8, 16, 32 and 64.
pub(super) const MSGPACK: Row<Prefixed<Msgpack>> = Row {
    name: "msgpack",
    syntax: "msgpack",
    frame: "a length as a MessagePack unsigned integer, then that many bytes (Tarantool)",
    examples: &["msgpack", "msgpack,max=300,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "msgpack",
    parse: |_| Ok(Prefixed(Msgpack)),
};

fn parse_escape(args: &mut Args<'_>) -> Result<Prefixed<Escape>, SpecError> {
    let width = args.count(1..=4, "how many bytes a short length has, as in escape:4:8")? as usize;
    let long = args.count(2..=8, "how many bytes a long length has, as in escape:4:8")? as usize;
    if long <= width {
        return Err(SpecError::new(format!(
            "escape:{width}:{long}: the long length has more bytes than the short one"
        )));
    }
    Ok(Prefixed(Escape { width, long, signed: args.flag("sign")? }))
}

/// A short length, or a mark and a long length.
#[derive(Debug, Clone)]
pub(crate) struct Escape {
    width: usize,
    long: usize,
    /// The short length is signed, and a negative one other than the mark is an error.
    signed: bool,
}

impl Escape {
    fn mark(&self) -> u64 {
        u64::MAX >> (64 - 8 * self.width)
    }

    /// The largest length in the short form.
    fn largest_short(&self) -> u64 {
        if self.signed { self.mark() >> 1 } else { self.mark() - 1 }
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Prefix for Escape {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("escape").size("width", self.width).size("long", self.long).flag("signed", self.signed))
    }

    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let Some(short) = input.get(..self.width) else { return Ok(None) };
        let value = big_endian(short);
        if value == self.mark() {
            let header = self.width + self.long;
            return Ok(input.get(self.width..header).map(|long| (header, big_endian(long))));
        }
        if value > self.largest_short() {
            return Err(FrameError::broken(format!("length {} is negative", value as i64 - self.mark() as i64 - 1)));
        }
        Ok(Some((self.width, value)))
    }

    fn write(&self, length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (length, bits) = (length as u64, 8 * self.long as u32);
        if length <= self.largest_short() {
            out.extend_from_slice(&length.to_be_bytes()[8 - self.width..]);
            return Ok(());
        }
        if bits < 64 && length >> bits != 0 {
            return Err(EncodeError::DoesNotFit { length: length as usize, largest: (1 << bits) - 1 });
        }
        out.extend_from_slice(&self.mark().to_be_bytes()[8 - self.width..]);
        out.extend_from_slice(&length.to_be_bytes()[8 - self.long..]);
        Ok(())
    }

    fn shape(&self) -> Shape {
        Shape::Binary { offset: 0, width: self.width, little: false, adjust: 0, simple: true }
    }
}

/// A MessagePack integer. The decoder accepts longer forms than necessary: servers always write 32 bits.
#[derive(Debug, Clone)]
pub(crate) struct Msgpack;

impl Prefix for Msgpack {
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let width = match input[0] {
            small @ 0..0x80 => return Ok(Some((1, small.into()))),
            0xcc => 1,
            0xcd => 2,
            0xce => 4,
            0xcf => 8,
            other => return Err(FrameError::broken(format!("{} begins no MessagePack length", quoted(&[other])))),
        };
        Ok(input.get(1..1 + width).map(|bytes| (1 + width, big_endian(bytes))))
    }

    fn write(&self, length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let bytes = (length as u64).to_be_bytes();
        let (kind, width) = match length as u64 {
            small @ 0..0x80 => {
                out.push(small as u8);
                return Ok(());
            }
            0x80..=0xff => (0xcc, 1),
            0x100..=0xffff => (0xcd, 2),
            0x1_0000..=0xffff_ffff => (0xce, 4),
            _ => (0xcf, 8),
        };
        out.push(kind);
        out.extend_from_slice(&bytes[8 - width..]);
        Ok(())
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}
