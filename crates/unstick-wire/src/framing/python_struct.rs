//! `struct`: a length as Python's `struct` module packs it: sizes, byte order, alignment and padding included.

use std::ffi::{c_int, c_long, c_longlong, c_short};

use super::integer::Endian;
use super::length::Length;
use super::lengths::AnyLength;
use crate::args::Args;
use crate::codec::Row;
use crate::error::SpecError;
use crate::limits::MAX_LENGTH_OFFSET;

/// The format strings of Python's `struct`, as far as they hold exactly one integer.
pub(super) const STRUCT: Row<AnyLength> = Row {
    name: "struct",
    syntax: "struct:[native|ne|le|be|net:]FORMAT[,adj=N]",
    frame: "a length as Python's struct packs it (one of bBhHiIlLqQnN, x for padding), then that many bytes",
    examples: &[
        "struct:i",
        "struct:net:I",
        "struct:le:H",
        "struct:be:q",
        "struct:ne:L",
        "struct:native:N",
        "struct:!I",
        "struct:<H",
        "struct:=I",
        "struct:>q",
        "struct:@l",
        "struct:B",
        "struct:xh",
        "struct:>b3x",
        "struct:2x1I2x",
        "struct:!I,adj=-4",
        "struct:H,max=100,oversize=discard",
    ],
    keeps_boundaries: true,
    matches: |name| name == "struct",
    parse: parse_struct,
};

fn parse_struct(args: &mut Args<'_>) -> Result<AnyLength, SpecError> {
    let first = args.required("a format as Python's struct has them, such as struct:i or struct:net:I")?;
    let (mode, codes) = match args.argument() {
        Some(codes) => (Mode::named(first)?, codes),
        None => Mode::prefix(first),
    };
    let layout = Layout::read(mode, codes)?;
    let mut length = Length::plain(layout.width, mode.endian, layout.signed);
    let behind = layout.size - layout.offset - layout.width;
    length.offset = layout.offset;
    length.adjust = behind as i64 + args.signed("adj")?.unwrap_or(0);
    // Python writes zero bytes as padding, and ignores its content when it reads.
    length.head = vec![0; layout.size].into();
    Ok(length.into())
}

/// Byte order, and whether sizes and alignment are this machine's.
#[derive(Debug, Clone, Copy)]
struct Mode {
    endian: Endian,
    native: bool,
}

impl Mode {
    const NATIVE: Self = Self { endian: Endian::NATIVE, native: true };

    fn standard(endian: Endian) -> Self {
        Self { endian, native: false }
    }

    /// Names for Python's signs, which a user would have to quote in a shell.
    fn named(name: &str) -> Result<Self, SpecError> {
        Ok(match name {
            "native" => Self::NATIVE,
            "ne" => Self::standard(Endian::NATIVE),
            "le" => Self::standard(Endian::Little),
            "be" | "net" => Self::standard(Endian::Big),
            _ => {
                return Err(SpecError::new(format!("`struct:{name}:`: native, ne, le, be or net"))
                    .with_hint("as Python's @, =, <, > and !"));
            }
        })
    }

    fn prefix(format: &str) -> (Self, &str) {
        let mode = match format.as_bytes().first() {
            Some(b'=') => Self::standard(Endian::NATIVE),
            Some(b'<') => Self::standard(Endian::Little),
            Some(b'>' | b'!') => Self::standard(Endian::Big),
            Some(b'@') => Self::NATIVE,
            _ => return (Self::NATIVE, format),
        };
        (mode, &format[1..])
    }

    /// Size and alignment of an integer code; `None` if the code is not an integer.
    fn integer(self, code: char) -> Option<(usize, usize)> {
        fn native<T>() -> (usize, usize) {
            (size_of::<T>(), align_of::<T>())
        }
        Some(match (code.to_ascii_lowercase(), self.native) {
            ('b', _) => (1, 1),
            ('h', true) => native::<c_short>(),
            ('i', true) => native::<c_int>(),
            ('l', true) => native::<c_long>(),
            ('q', true) => native::<c_longlong>(),
            ('n', true) => native::<usize>(),
            ('h', false) => (2, 1),
            ('i' | 'l', false) => (4, 1),
            ('q', false) => (8, 1),
            _ => return None,
        })
    }
}

/// Where the one integer of a format is.
#[derive(Debug, Default)]
struct Layout {
    offset: usize,
    /// 0 until it has been found.
    width: usize,
    signed: bool,
    /// Bytes in all.
    size: usize,
}

impl Layout {
    fn read(mode: Mode, codes: &str) -> Result<Self, SpecError> {
        let mut layout = Self::default();
        let mut rest = codes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (count, behind) = rest.split_at(digits);
            let Some(code) = behind.chars().next() else {
                break;
            };
            let count = if count.is_empty() { Some(1) } else { count.parse().ok() };
            let count = count.filter(|count| *count <= MAX_LENGTH_OFFSET).ok_or_else(|| too_large(codes))?;
            layout.add(mode, codes, code, count)?;
            rest = &behind[code.len_utf8()..];
        }
        if layout.width == 0 || !rest.is_empty() {
            return Err(SpecError::new(format!("`struct:{codes}` needs exactly one integer code"))
                .with_hint("one of bBhHiIlLqQ, or nN with native sizes; x is padding"));
        }
        Ok(layout)
    }

    fn add(&mut self, mode: Mode, codes: &str, code: char, count: usize) -> Result<(), SpecError> {
        if code == 'x' {
            self.size += count;
        } else {
            let (width, align) = mode.integer(code).ok_or_else(|| no_integer(mode, codes, code))?;
            // Padding goes before a member, as in C; a count of 0 adds only the padding, as in `H0i`.
            self.size = self.size.next_multiple_of(align);
            if count > 1 || count == 1 && self.width > 0 {
                return Err(SpecError::new(format!("`struct:{codes}` has more than one integer"))
                    .with_hint("the length is the only one; for other header bytes see length:off=...,width=..."));
            }
            if count == 1 {
                *self = Self { offset: self.size, width, signed: code.is_ascii_lowercase(), size: self.size + width };
            }
        }
        if self.size > MAX_LENGTH_OFFSET { Err(too_large(codes)) } else { Ok(()) }
    }
}

fn too_large(codes: &str) -> SpecError {
    SpecError::new(format!("`struct:{codes}` has over {MAX_LENGTH_OFFSET} bytes"))
}

fn no_integer(mode: Mode, codes: &str, code: char) -> SpecError {
    if matches!(code, 'n' | 'N') && !mode.native {
        return SpecError::new(format!("`struct:{codes}`: {code} exists with native sizes only"))
            .with_hint("as in struct:native:N");
    }
    SpecError::new(format!("`struct:{codes}`: `{code}` is not an integer code"))
        .with_hint("the length is one of bBhHiIlLqQ, or nN with native sizes; x is padding")
}
