//! The parsers of the framings with lengths. They choose the codec that a spec needs: `integer`, `length` or `joined`.

use super::integer::{Endian, Integer};
use super::joined::Joined;
use super::length::{Bit, Length, Plus};
use crate::args::Args;
use crate::codec::Row;
use crate::error::SpecError;
use crate::limits;

pub(super) const INTEGERS: Row<AnyLength> = Row {
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

pub(super) const GENERAL: Row<AnyLength> = Row {
    name: "length",
    syntax: "length:[off=N,]width=N[,endian=be|le|ne|OFF:MASK][,adj=N][,unit=N][,mask=HEX][,align=N][,trailer=HEX][,header=keep|strip][,head=HEX][,sign=yes][,none=HEX][,plus=OFF:WIDTH[:UNIT[:ALIGN]]][,last=full|empty|OFF:MASK]",
    frame: "a header with a length in it, then (value & mask) × unit + adj bytes; endian from a bit, bcd=yes: two decimal digits per byte, plus a second length, in parts up to the last",
    examples: &[
        "length:off=1,width=4,adj=-4",
        "length:width=2",
        "length:off=2,width=2,endian=le,adj=20,header=keep",
        "length:off=3,width=4,adj=1,trailer=ce",
        "length:off=2,width=2,adj=-4,unit=4",
        "length:off=1,width=3,mask=01ffff,header=strip,head=00000000",
        "length:off=2,width=2,align=4",
        "length:width=4,adj=-4,header=keep",
        "length:off=4,width=4,endian=3:01,header=keep",
        "length:off=4,width=2,adj=2,plus=6:1",
        "length:off=5,width=3,adj=40,plus=4:1:4,align=4",
        "length:width=2,adj=6,header=keep,plus=4:2:1:8",
        "length:width=4,mask=7fffffff,last=0:80",
        "length:off=2,width=2,adj=-4,last=1:01",
        "length:width=1,last=empty",
        "length:width=1,adj=1,header=keep,last=full",
        "length:width=1,mask=3f,last=full",
        "length:width=2,mask=7fff,last=0:80,max=20,oversize=discard",
        "length:off=2,width=4,sign=yes,none=ffffffff",
        "length:width=2,bcd=yes",
        "length:width=2,bcd=yes,endian=le,adj=1,max=20,oversize=discard",
    ],
    keeps_boundaries: true,
    matches: |name| name == "length",
    parse: parse_general,
};

/// The codec for a length, whichever way the spec is written.
#[derive(Debug, Clone)]
pub(crate) enum AnyLength {
    Integer(Integer),
    Length(Length),
    Joined(Joined),
}

impl From<Length> for AnyLength {
    /// Uses the quicker codec if the header is only a length, and that counts only the message.
    fn from(length: Length) -> Self {
        let alone = length.head.len() == length.width && length.trailer.is_empty() && !length.keep;
        let alone = alone && length.little.is_none() && length.plus.is_none() && !length.bcd;
        if alone && length.unit == 1 && length.adjust == 0 && length.mask == u64::MAX && length.align == 1 {
            return Self::Integer(Integer::new(length.width, length.endian, length.signed));
        }
        Self::Length(length)
    }
}

/// Whether a name looks like `u16`, `i48le`, ...; it does not check whether the width exists.
fn is_integer(name: &str) -> bool {
    let digits = name.strip_prefix(['u', 'i']).unwrap_or("");
    let digits =
        digits.strip_suffix("be").or(digits.strip_suffix("le")).or(digits.strip_suffix("ne")).unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn parse_integer(args: &mut Args<'_>) -> Result<AnyLength, SpecError> {
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
            return Err(SpecError::new(format!("`{name}` needs a byte order"))
                .with_hint(format!("write {name}be (network order), {name}le, or {name}ne (this machine's own)")));
        }
    };
    let mut length = Length::plain(width, endian, name.starts_with('i'));
    length.adjust = args.signed("adj")?.unwrap_or(0);
    Ok(length.into())
}

fn parse_general(args: &mut Args<'_>) -> Result<AnyLength, SpecError> {
    let offset = args.number("off", 0..=limits::MAX_LENGTH_OFFSET as u64)?.unwrap_or(0) as usize;
    let width = args.number("width", 1..=8)?.ok_or_else(|| {
        SpecError::new("`length` needs the width of its length field in bytes")
            .with_hint("such as length:off=1,width=4")
    })?;
    let (endian, little) = match args.value("endian") {
        None | Some("be") => (Endian::Big, None),
        Some("le") => (Endian::Little, None),
        Some("ne") => (Endian::NATIVE, None),
        Some(bit) if bit.contains(':') => (Endian::Big, Some(Bit::parse("endian", bit)?)),
        Some(other) => return Err(SpecError::new(format!("endian={other}: be, le, ne, or a bit such as 6:01"))),
    };
    let mut length = Length::plain(width as usize, endian, args.flag("sign")?);
    length.offset = offset;
    length.little = little;
    length.plus = args.value("plus").map(Plus::parse).transpose()?;
    length.adjust = args.signed("adj")?.unwrap_or(0);
    length.unit = args.number("unit", 1..=1 << 20)?.unwrap_or(1);
    length.mask = args.mask("mask")?.unwrap_or(u64::MAX);
    length.align = args.number("align", 1..=4096)?.unwrap_or(1) as usize;
    length.bcd = args.flag("bcd")?;
    let odd = length.signed || length.mask != u64::MAX || length.little.is_some() || length.plus.is_some();
    if length.bcd && (odd || args.has("none") || args.has("last")) {
        return Err(SpecError::new(
            "bcd=yes is for a length alone, without sign, mask, plus, none, last or a bit for endian",
        ));
    }
    length.trailer = args.bytes("trailer", limits::MAX_DELIMITER)?.unwrap_or_default().into();
    length.keep = match args.value("header") {
        // Bytes before the length carry meaning, so they are kept unless the user chooses otherwise.
        None => offset > 0 && !args.has("head"),
        Some("keep") => true,
        Some("strip") => false,
        Some(other) => return Err(SpecError::new(format!("header={other}: keep or strip"))),
    };
    let head = args.bytes("head", limits::MAX_LENGTH_OFFSET)?;
    if length.keep && head.is_some() {
        return Err(SpecError::new("head= is what is sent with header=strip; a kept header is in the message"));
    }
    length.head_known = head.is_some() || offset == 0;
    length.head = head.unwrap_or_else(|| vec![0; length.field_end()]).into();
    if length.head.len() < length.field_end() {
        return Err(SpecError::new(format!(
            "head={} bytes: the length field ends at byte {}",
            length.head.len(),
            length.field_end()
        )));
    }
    if !length.keep && (length.little.is_some() || length.plus.is_some()) {
        return Err(SpecError::new("endian=OFF:MASK and plus= are for headers that the message holds: header=keep"));
    }
    length.none = args.mask("none")?;
    let alone = length.keep && length.seen() == length.field_end() && length.trailer.is_empty();
    if length.none.is_some_and(|none| !alone || none > u64::MAX >> (64 - 8 * width)) {
        return Err(SpecError::new("none= is a value of the length field, of a kept header that ends with it"));
    }
    match args.value("last") {
        None => Ok(length.into()),
        Some(last) => Ok(AnyLength::Joined(Joined::parse(length, last)?)),
    }
}
