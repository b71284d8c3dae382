//! `u32be` and its kin: an integer length that stands alone before each message. The hottest of all decoders.

use super::length::Length;
use super::{Codec, Cx, Entry, Fault, Machine, Shape, Step};
use crate::args::Args;
use crate::error::{EncodeError, SpecError};
use crate::lane::{self, Lane};

pub(super) const INTEGERS: Entry = Entry {
    name: "[ui]{8..64}{be,le,ne}",
    syntax: "u8 u16be u24le i32ne u48be u64le ...[,adj=N]",
    frame: "an integer length, then that many bytes (and adj more)",
    examples: &[
        "u32be",
        "u8",
        "i8",
        "u16le",
        "u24be",
        "i32le",
        "i32ne",
        "u40le",
        "u48be",
        "u56be",
        "u64be",
        "i64le",
        "u32be,adj=-4",
        "u16be,max=64,oversize=discard",
    ],
    keeps_boundaries: true,
    matches: is_integer,
    parse: parse_integer,
};

/// The order of a length's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Big,
    Little,
}

impl Endian {
    pub(crate) const NATIVE: Self = if cfg!(target_endian = "little") { Self::Little } else { Self::Big };
}

/// An integer of so many bytes, and the message.
#[derive(Debug, Clone)]
pub(crate) struct Integer {
    /// Bytes of the length, 1 to 8.
    width: usize,
    endian: Endian,
    /// The largest length that it can say.
    largest: u64,
}

impl Integer {
    pub(super) fn new(width: usize, endian: Endian, signed: bool) -> Self {
        let bits = width as u32 * 8 - u32::from(signed);
        Self { width, endian, largest: u64::MAX >> (64 - bits) }
    }

    /// The length; `None` until it is whole.
    fn value(&self, input: &[u8]) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..self.width].copy_from_slice(input.get(..self.width)?);
        Some(match self.endian {
            Endian::Big => u64::from_be_bytes(bytes) >> (64 - 8 * self.width),
            Endian::Little => u64::from_le_bytes(bytes),
        })
    }

    #[cold]
    fn refuse(&self, value: u64) -> Fault {
        if value > self.largest {
            let unused = 64 - 8 * self.width;
            return negative((value << unused) as i64 >> unused);
        }
        Fault::TooLong { length: Some(value), skip: Some(value.saturating_add(self.width as u64)) }
    }
}

#[cold]
pub(super) fn negative(length: i64) -> Fault {
    Fault::broken(format!("length {length} is negative"))
}

impl Codec for Integer {
    fn lane(&self, max: usize) -> Lane {
        let (start, most) = (self.width, self.largest.min(max as u64));
        let header = lane::Header { offset: 0, start, add: start, least: 0, most };
        Lane::with_length(self.width, self.endian == Endian::Little, header)
    }

    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
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

/// `u16`, `i48le`, ... without a look at whether the width exists.
fn is_integer(name: &str) -> bool {
    let digits = name.strip_prefix(['u', 'i']).unwrap_or("");
    let digits =
        digits.strip_suffix("be").or(digits.strip_suffix("le")).or(digits.strip_suffix("ne")).unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn parse_integer(args: &mut Args<'_>) -> Result<Machine, SpecError> {
    let name = args.name();
    let (bits, order) = name[1..].split_at(name[1..].bytes().take_while(u8::is_ascii_digit).count());
    let width = match bits.parse() {
        Ok(bits @ (8 | 16 | 24 | 32 | 40 | 48 | 56 | 64)) => bits / 8,
        _ => {
            return Err(SpecError::new(format!("`{name}`: a length has 8, 16, 24, 32, 40, 48, 56 or 64 bits")));
        }
    };
    let endian = match order {
        "be" => Endian::Big,
        "le" => Endian::Little,
        "ne" => Endian::NATIVE,
        _ if width == 1 => Endian::Big,
        _ => {
            return Err(SpecError::new(format!("`{name}` does not say in which order its bytes come"))
                .with_hint(format!("write {name}be (network order), {name}le, or {name}ne (this machine's own)")));
        }
    };
    let mut length = Length::plain(width, endian, name.starts_with('i'));
    length.adjust = args.signed("adj")?.unwrap_or(0);
    Ok(length.into_machine())
}
