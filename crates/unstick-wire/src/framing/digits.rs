//! `ascii`, `hex`, `decimal`, `netstring`, `octet-count`: lengths written in digits.

use super::prefixed::{Prefix, Prefixed};
use crate::byte_count::ByteCount;
use crate::codec::{FrameError, Row, quoted};
use crate::error::{EncodeError, SpecError};
use crate::limits::{MAX_DECIMAL_DIGITS, MAX_HEX_DIGITS, MAX_LENGTH_OFFSET, MAX_TEXT_LENGTH};
use crate::recipe::Recipe;

pub(super) const ASCII: Row<Prefixed<Field>> = Row {
    name: "ascii",
    syntax: "ascii:N[,off=N][,adj=N]",
    frame: "a decimal length of N characters, zero-padded (blanks on either side are also read), then that many bytes, plus adj; off=N: the length follows N bytes, and the whole frame is the message",
    examples: &[
        "ascii:4",
        "ascii:10",
        "ascii:64",
        "ascii:1",
        "ascii:4,max=100,oversize=discard",
        "ascii:4,adj=-4",
        "ascii:3,off=2,adj=1",
    ],
    keeps_boundaries: true,
    matches: |name| name == "ascii",
    parse: |args| {
        let width = args.count(1..=MAX_TEXT_LENGTH as u64, "how many characters the length has, as in ascii:4")?;
        let offset = args.number("off", 0..=MAX_LENGTH_OFFSET as u64)?.unwrap_or(0) as usize;
        let adjust = args.signed("adj")?.unwrap_or(0);
        Ok(Prefixed(Field { width: width as usize, radix: 10, itself: false, offset, adjust }))
    },
};

pub(super) const HEX: Row<Prefixed<Field>> = Row {
    name: "hex",
    syntax: "hex:N[,itself=yes]",
    frame: "a length of N hexadecimal digits, then that many bytes; itself=yes: the length counts its own digits, which are part of the message; if it is smaller, they are the whole message (git)",
    examples: &["hex:4", "hex:8", "hex:2", "hex:4,itself=yes"],
    keeps_boundaries: true,
    matches: |name| name == "hex",
    parse: |args| {
        let width = args.count(1..=MAX_HEX_DIGITS as u64, "how many digits the length has, as in hex:4")?;
        Ok(Prefixed(Field { width: width as usize, radix: 16, itself: args.flag("itself")?, offset: 0, adjust: 0 }))
    },
};

pub(super) const DECIMAL: Row<Prefixed<Count>> = Row {
    name: "decimal",
    syntax: "decimal:N[,end=HEX]",
    frame: "a length of at most N decimal digits, LF (or another end byte), then that many bytes",
    examples: &["decimal:20", "decimal:5,end=20", "decimal:3,end=3a", "decimal:20,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "decimal",
    parse: |args| {
        let most = args.count(1..=MAX_DECIMAL_DIGITS as u64, "the most digits a length has, as in decimal:20")?;
        let end = match args.bytes("end", 1)?.as_deref() {
            None => b'\n',
            Some([digit]) if digit.is_ascii_digit() => {
                return Err(SpecError::new("the byte that ends a decimal length cannot be a digit"));
            }
            Some(byte) => byte[0],
        };
        Ok(Prefixed(Count { most: most as usize, end, padded: true, zero: true, trailer: b"" }))
    },
};

/// D. J. Bernstein's netstrings, <https://cr.yp.to/proto/netstrings.txt>.
pub(super) const NETSTRING: Row<Prefixed<Count>> = Row {
    name: "netstring",
    syntax: "netstring",
    frame: "a decimal length without leading zeros, a colon, that many bytes, a comma",
    examples: &["netstring", "netstring,max=10,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "netstring",
    parse: |_| Ok(Prefixed(Count { most: MAX_DECIMAL_DIGITS, end: b':', padded: false, zero: true, trailer: b"," })),
};

/// Syslog over TCP, RFC 6587 section 3.4.1.
pub(super) const OCTET_COUNT: Row<Prefixed<Count>> = Row {
    name: "octet-count",
    syntax: "octet-count",
    frame: "syslog over TCP: a decimal length without leading zeros, a space, that many bytes (at least one)",
    examples: &["octet-count"],
    keeps_boundaries: true,
    matches: |name| name == "octet-count",
    parse: |_| Ok(Prefixed(Count { most: MAX_DECIMAL_DIGITS, end: b' ', padded: false, zero: false, trailer: b"" })),
};

/// A length of a fixed number of characters.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    width: usize,
    /// 10 or 16.
    radix: u32,
    /// The length counts its own digits and is part of the message. A smaller value announces no bytes, like git's flush packet.
    itself: bool,
    /// Bytes before the length. If there are any, the header is part of the message.
    offset: usize,
    /// Added to the length to get the number of bytes after it.
    adjust: i64,
}

impl Field {
    /// The digits in a field, without the padding of a decimal one: Python's `f"{n:<10}"` puts blanks after the digits, and C's
    /// `sprintf` into a cleared array leaves zero bytes there.
    fn digits<'a>(&self, field: &'a [u8]) -> &'a [u8] {
        let padding: &[u8] = if self.radix == 10 { b" \0" } else { b"" };
        let end = field.iter().rposition(|byte| !padding.contains(byte)).map_or(0, |last| last + 1);
        let start = if self.radix == 10 { field[..end].iter().take_while(|byte| **byte == b' ').count() } else { 0 };
        &field[start..end]
    }

    /// The largest number that fits in the field.
    fn largest(&self) -> u64 {
        u64::from(self.radix).checked_pow(self.width as u32).map_or(u64::MAX, |n| n - 1)
    }
}

impl Prefix for Field {
    fn recipe(&self) -> Option<Recipe> {
        let recipe = Recipe::new("digits").size("offset", self.offset).size("width", self.width);
        Some(recipe.number("radix", self.radix).flag("itself", self.itself).number("adjust", self.adjust))
    }

    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let header = self.offset + self.width;
        let Some(field) = input.get(self.offset..header) else {
            return Ok(None);
        };
        let mut value = Some(0u64);
        let digits = self.digits(field);
        for &byte in digits {
            let digit = char::from(byte).to_digit(self.radix).ok_or_else(|| self.not_a_number(field))?;
            value = value.and_then(|v| v.checked_mul(self.radix.into())?.checked_add(digit.into()));
        }
        if digits.is_empty() {
            return Err(self.not_a_number(field));
        }
        let value = value.ok_or_else(|| FrameError::broken("the length is over 64 bits"))?;
        if self.itself {
            return Ok(Some((header, value.saturating_sub(self.width as u64))));
        }
        let length = value.checked_add_signed(self.adjust).ok_or_else(|| match self.adjust {
            ..0 => FrameError::broken(format!(
                "length {value} is less than the {} that it counts",
                ByteCount(-self.adjust)
            )),
            _ => FrameError::broken("the length is over 64 bits"),
        })?;
        Ok(Some((header, length)))
    }

    fn write(&self, length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let value = i128::from(length as u64) - i128::from(self.adjust);
        if value > i128::from(self.largest()) {
            let largest = self.largest().saturating_add_signed(self.adjust);
            return Err(EncodeError::DoesNotFit { length, largest });
        }
        if value < 0 {
            return Err(EncodeError::unfit(format!("a message has at least {} here (adj)", ByteCount(self.adjust))));
        }
        let text = if self.radix == 10 { value.to_string() } else { format!("{value:x}") };
        out.resize(out.len() + self.width - text.len(), b'0');
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn keeps(&self) -> bool {
        self.itself || self.offset > 0
    }
}

impl Field {
    #[cold]
    fn not_a_number(&self, field: &[u8]) -> FrameError {
        let kind = if self.radix == 10 { "decimal" } else { "hexadecimal" };
        FrameError::broken(format!("{} is not a {kind} length", quoted(field)))
    }
}

/// A decimal length without a fixed width, and the byte that ends it.
#[derive(Debug, Clone)]
pub(crate) struct Count {
    /// The most digits of a length.
    most: usize,
    end: u8,
    /// The decoder accepts leading zeros. The encoder never writes them.
    padded: bool,
    /// A message may be empty.
    zero: bool,
    trailer: &'static [u8],
}

impl Prefix for Count {
    fn recipe(&self) -> Option<Recipe> {
        let recipe = Recipe::new("count").size("most", self.most).number("ending", self.end);
        Some(recipe.flag("padded", self.padded).flag("zero", self.zero).bytes("trailer", self.trailer))
    }

    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let mut value = 0u64;
        for (at, &byte) in input.iter().enumerate() {
            if byte == self.end && at > 0 {
                return Ok(Some((at + 1, value)));
            }
            if !byte.is_ascii_digit() || at == self.most {
                return Err(self.unexpected(at, byte));
            }
            if at > 0 && input[0] == b'0' && !self.padded || byte == b'0' && at == 0 && !self.zero {
                return Err(FrameError::broken("the length begins with a zero, which this framing forbids"));
            }
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(byte - b'0')))
                .ok_or_else(|| FrameError::broken("the length is over 64 bits"))?;
        }
        Ok(None)
    }

    fn write(&self, length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let text = length.to_string();
        if text.len() > self.most {
            return Err(EncodeError::DoesNotFit { length, largest: 10u64.pow(self.most as u32) - 1 });
        }
        if length == 0 && !self.zero {
            return Err(EncodeError::unfit("this framing has no empty messages"));
        }
        out.reserve(text.len() + 1 + length + self.trailer.len());
        out.extend_from_slice(text.as_bytes());
        out.push(self.end);
        Ok(())
    }

    fn trailer(&self) -> &'static [u8] {
        self.trailer
    }
}

impl Count {
    #[cold]
    fn unexpected(&self, at: usize, byte: u8) -> FrameError {
        FrameError::broken(match at {
            0 => format!("expected a length in digits, found {}", quoted(&[byte])),
            _ if at == self.most => {
                format!("expected {} after {at} digits of a length, found {}", quoted(&[self.end]), quoted(&[byte]))
            }
            _ => format!("expected a digit or {} in a length, found {}", quoted(&[self.end]), quoted(&[byte])),
        })
    }
}
