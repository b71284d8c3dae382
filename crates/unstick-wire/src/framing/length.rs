//! `length:...`: a header that contains a binary length.
//!
//! Bytes after the length field = (value & mask) × unit + adj. This counts the trailer, but not the padding of `align`.
//! Not here: a header with only a length that counts only the message (`integer`), which is the most common case and
//! quicker; messages in several frames (`joined`).

use super::integer::{self, Endian};
use crate::byte_count::ByteCount;
use crate::codec::{Codec, Context, FrameError, Shape, Step, quoted};
use crate::error::{EncodeError, SpecError};
use crate::fast_path::{self, FastPath};
use crate::recipe::{Recipe, Told};
use crate::{limits, quantity};

/// A header that contains a length.
#[derive(Debug, Clone)]
pub(crate) struct Length {
    /// Number of bytes before the length field.
    pub(crate) offset: usize,
    /// Size of the length field, 1 to 8 bytes.
    pub(crate) width: usize,
    pub(crate) endian: Endian,
    pub(crate) signed: bool,
    /// Each byte of the length is two decimal digits.
    pub(crate) bcd: bool,
    /// The number to add to the value to get the number of bytes after the length field.
    pub(crate) adjust: i64,
    pub(crate) unit: u64,
    pub(crate) mask: u64,
    /// Frames are padded to a multiple of this many bytes.
    pub(crate) align: usize,
    pub(crate) trailer: Box<[u8]>,
    /// Whether the message contains the header.
    pub(crate) keep: bool,
    /// If the header is not kept: the whole header to send, with its length field still empty.
    pub(crate) head: Box<[u8]>,
    /// Whether `head` is what the user gave, or holds nothing but the length.
    pub(crate) head_known: bool,
    /// The bit of the header that marks the length as little-endian, if there is one.
    pub(crate) little: Option<Bit>,
    /// A second length in the header, whose bytes are added.
    pub(crate) plus: Option<Plus>,
    /// The value for "nothing follows": such a frame is only the header.
    pub(crate) none: Option<u64>,
}

/// A bit of a header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bit {
    pub(crate) offset: usize,
    pub(crate) mask: u8,
}

impl Bit {
    /// Parses `OFF:MASK`, the mask in hexadecimal.
    pub(super) fn parse(key: &str, text: &str) -> Result<Self, SpecError> {
        let wrong = || SpecError::new(format!("{key}={text}: a byte's offset and a mask in hexadecimal, such as 6:01"));
        let (offset, mask) = text.split_once(':').ok_or_else(wrong)?;
        let offset =
            quantity::parse_number(offset).filter(|offset| *offset < limits::MAX_LENGTH_OFFSET).ok_or_else(wrong)?;
        let mask = quantity::parse_hex_number(mask).and_then(|mask| u8::try_from(mask).ok());
        let mask = mask.filter(|mask| *mask != 0).ok_or_else(wrong)?;
        Ok(Self { offset, mask })
    }

    pub(crate) fn is_set(self, head: &[u8]) -> bool {
        head[self.offset] & self.mask != 0
    }
}

/// A second length in the same header and byte order: a number of units, and their padding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plus {
    offset: usize,
    width: usize,
    unit: u64,
    align: u64,
}

impl Plus {
    /// Parses `OFF:WIDTH[:UNIT[:ALIGN]]`.
    pub(super) fn parse(text: &str) -> Result<Self, SpecError> {
        let wrong = || {
            SpecError::new(format!(
                "plus={text}: the second length's offset and width, such as 6:1, then unit and alignment"
            ))
        };
        let numbers =
            text.split(':').map(quantity::parse_number::<u64>).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let (offset, width, unit, align) = match numbers[..] {
            [offset, width] => (offset, width, 1, 1),
            [offset, width, unit] => (offset, width, unit, 1),
            [offset, width, unit, align] => (offset, width, unit, align),
            _ => return Err(wrong()),
        };
        let most = limits::MAX_LENGTH_OFFSET as u64;
        let known = (1..=4).contains(&width) && (1..=most).contains(&unit) && (1..=most).contains(&align);
        if offset + width > most || !known {
            return Err(wrong());
        }
        Ok(Self { offset: offset as usize, width: width as usize, unit, align })
    }

    fn bytes(self, head: &[u8], endian: Endian) -> u64 {
        let value = integer_of(&head[self.offset..self.offset + self.width], endian);
        (value * self.unit).next_multiple_of(self.align)
    }
}

/// The position of a frame that starts at the input's first byte, according to its header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// The value of the length field, including the bits that the mask removes.
    pub(super) value: u64,
    /// The position of the message's first byte.
    pub(super) start: usize,
    /// Size of the message, in bytes.
    pub(super) length: u64,
    /// Size of the frame with its padding, in bytes.
    pub(super) total: u64,
}

#[inline]
fn integer_of(field: &[u8], endian: Endian) -> u64 {
    match (field, endian) {
        (&[a, b, c, d], Endian::Big) => u64::from(u32::from_be_bytes([a, b, c, d])),
        (&[a, b, c, d], Endian::Little) => u64::from(u32::from_le_bytes([a, b, c, d])),
        (bytes, Endian::Big) => bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        (bytes, Endian::Little) => bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    }
}

/// Reads the hexadecimal digits of `value` as a decimal number, if all are decimal digits.
fn from_bcd(value: u64) -> Option<u64> {
    let digits = (0..16).rev().map(|at| (value >> (4 * at)) & 0xf);
    digits.into_iter().try_fold(0, |number, digit| (digit < 10).then_some(number * 10 + digit))
}

/// The reverse of `from_bcd`, for at most 16 digits.
fn to_bcd(value: u64) -> u64 {
    (0..16).fold(0, |bcd, at| bcd | ((value / 10_u64.pow(at) % 10) << (4 * at)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Length {
    /// A header that consists only of a length.
    pub(crate) fn plain(width: usize, endian: Endian, signed: bool) -> Self {
        Self {
            offset: 0,
            width,
            endian,
            signed,
            bcd: false,
            adjust: 0,
            unit: 1,
            mask: u64::MAX,
            align: 1,
            trailer: Box::default(),
            keep: false,
            head: vec![0; width].into(),
            head_known: true,
            little: None,
            plus: None,
            none: None,
        }
    }

    pub(super) fn field_end(&self) -> usize {
        self.offset + self.width
    }

    /// Number of bytes at the start of a frame that do not belong to the message.
    fn stripped(&self) -> usize {
        if self.keep { 0 } else { self.head.len() }
    }

    /// The largest value that the field can hold.
    pub(super) fn largest_value(&self) -> u64 {
        if self.bcd {
            return 100_u64.pow(self.width as u32) - 1;
        }
        let bits = self.width as u32 * 8 - u32::from(self.signed);
        (u64::MAX >> (64 - bits)) & self.mask
    }

    /// Number of header bytes that must have arrived before the frame's length is known.
    pub(super) fn seen(&self) -> usize {
        let bit = self.little.map_or(0, |bit| bit.offset + 1);
        let plus = self.plus.map_or(0, |plus| plus.offset + plus.width);
        self.field_end().max(bit).max(plus)
    }

    #[inline]
    fn endian(&self, head: &[u8]) -> Endian {
        match self.little {
            None => self.endian,
            Some(bit) if bit.is_set(head) => Endian::Little,
            Some(_) => Endian::Big,
        }
    }

    #[inline]
    fn value(&self, head: &[u8]) -> u64 {
        let value = integer_of(&head[self.offset..self.field_end()], self.endian(head));
        if self.bcd { from_bcd(value).unwrap_or(u64::MAX) } else { value }
    }

    /// Number of bytes after the length field, with the trailer. `head` holds all that [`seen`](Self::seen) asks for.
    #[inline]
    fn body(&self, head: &[u8]) -> Result<u64, FrameError> {
        let value = self.value(head);
        if self.bcd && value > self.largest_value() {
            let field = &head[self.offset..self.field_end()];
            return Err(FrameError::broken(format!("length {} is not in decimal digits (BCD)", hex(field))));
        }
        if self.none == Some(value) {
            return Ok(0);
        }
        if self.signed && value >> (self.width * 8 - 1) != 0 {
            let shift = 64 - self.width * 8;
            return Err(integer::negative((value << shift) as i64 >> shift));
        }
        // A number that does not fit into a u64 is over any limit too.
        let body = (value & self.mask).saturating_mul(self.unit);
        let plus = self.plus.map_or(0, |plus| plus.bytes(head, self.endian(head)));
        let body = match self.adjust {
            0.. => Some(body.saturating_add(self.adjust.unsigned_abs())),
            _ => body.checked_sub(self.adjust.unsigned_abs()),
        };
        let body = body.map(|body| body.saturating_add(plus));
        let outside = if self.keep { self.seen() } else { self.head.len() };
        let least = (outside.saturating_sub(self.field_end()) + self.trailer.len()) as u64;
        match body {
            Some(body) if body >= least => Ok(body),
            _ => Err(self.implausible(value)),
        }
    }

    /// Returns the frame that starts at `input[0]`; `None` until its header shows where it ends.
    #[inline]
    pub(super) fn extent(&self, input: &[u8]) -> Result<Option<Extent>, FrameError> {
        let Some(head) = input.get(..self.seen()) else { return Ok(None) };
        let body = self.body(head)?;
        let start = self.stripped();
        let outside = (start + self.trailer.len()) as i64 - self.field_end() as i64;
        let length = body.saturating_add_signed(-outside);
        Ok(Some(Extent { value: self.value(head), start, length, total: self.padded(body) }))
    }

    #[cold]
    fn implausible(&self, value: u64) -> FrameError {
        if self.adjust < 0 && value < self.adjust.unsigned_abs() {
            return FrameError::broken(format!(
                "length {value} is less than the {} that it counts itself",
                ByteCount(-self.adjust)
            ));
        }
        FrameError::broken(format!("length {value} makes no frame here"))
    }

    /// Size of a frame with this many bytes after its length field, including the padding.
    #[inline]
    fn padded(&self, body: u64) -> u64 {
        let (length, align) = (body.saturating_add(self.field_end() as u64), self.align as u64);
        if align == 1 { length } else { length.saturating_add(align - 1) / align * align }
    }

    fn check_trailer(&self, found: &[u8]) -> Result<(), FrameError> {
        if found == &self.trailer[..] {
            return Ok(());
        }
        Err(FrameError::broken(format!(
            "expected {} at the end of the frame, found {}: its length is wrong, or this is another framing",
            quoted(&self.trailer),
            quoted(found)
        )))
    }

    /// Writes `value` into the length field of a header.
    fn put(&self, value: u64, head: &mut [u8]) {
        let field = &mut head[self.offset..self.offset + self.width];
        let keep = integer_of(field, self.endian) & !self.mask;
        let value = if self.bcd { to_bcd(value) } else { value };
        let bytes = (value | keep).to_be_bytes();
        field.copy_from_slice(&bytes[8 - self.width..]);
        if self.endian == Endian::Little {
            field.reverse();
        }
    }

    fn pad(&self, frame: usize, out: &mut Vec<u8>) {
        out.resize(out.len() + frame.next_multiple_of(self.align) - frame, 0);
    }

    fn encode_kept(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(head) = message.get(..self.seen()) else {
            let (length, header) = (message.len(), self.seen());
            let what = format!("the message has {}, less than its own header of {header}", ByteCount(length));
            return Err(EncodeError::unfit_but(what, OWN_HEADER));
        };
        let total = message.len() + self.trailer.len();
        if self.body(head) != Ok((total - self.field_end()) as u64) {
            let (said, length) = (self.value(head), message.len());
            let what = format!(
                "the length in the message's header is {said}, which is not right for a message of {length} bytes"
            );
            return Err(EncodeError::unfit_but(what, OWN_HEADER));
        }
        out.extend_from_slice(message);
        out.extend_from_slice(&self.trailer);
        self.pad(total, out);
        Ok(())
    }
}

/// The hint for a message that does not begin with its own header.
const OWN_HEADER: &str = "a message begins with its header here; with header=strip,head=HEX that is written for it";

impl Codec for Length {
    fn recipe(&self) -> Option<Recipe> {
        let mut recipe = Recipe::new("length").size("offset", self.offset).size("width", self.width);
        recipe = recipe.flag("little", self.endian == Endian::Little).flag("signed", self.signed).flag("bcd", self.bcd);
        recipe = recipe.number("adjust", self.adjust).number("unit", self.unit).size("align", self.align);
        recipe = recipe.bytes("trailer", &self.trailer).flag("keep", self.keep);
        recipe = recipe.size("start", self.stripped()).size("seen", self.seen());
        if self.mask != u64::MAX {
            recipe = recipe.number("mask", self.mask);
        }
        if let Some(none) = self.none {
            recipe = recipe.number("none", none);
        }
        if let Some(bit) = self.little {
            let told = [("offset", bit.offset as u64), ("mask", bit.mask.into())];
            recipe = recipe.table("bit", told.map(|(name, number)| (name, Told::Number(number.into()))).to_vec());
        }
        if let Some(Plus { offset, width, unit, align }) = self.plus {
            let told = [("offset", offset as u64), ("width", width as u64), ("unit", unit), ("align", align)];
            recipe = recipe.table("plus", told.map(|(name, number)| (name, Told::Number(number.into()))).to_vec());
        }
        Some(recipe)
    }

    /// Returns a fast path if the length is a plain number and nothing follows the message; otherwise a closed one.
    fn fast_path(&self, max: usize) -> FastPath {
        let plain = self.unit == 1 && self.mask == u64::MAX && self.align == 1 && self.trailer.is_empty() && !self.bcd;
        let fixed = self.little.is_none() && self.plus.is_none() && self.none.is_none();
        let (add, start) = (self.field_end() as i64 + self.adjust, self.stripped());
        // The smallest frame is its header, and the largest message has the size of the limit: both as values of the
        // length.
        let least = self.field_end().max(start) as i64 - add;
        let most = max.saturating_add(start) as i64 - add;
        if !plain || !fixed || most < 0 || add < 0 {
            return FastPath::CLOSED;
        }
        let (least, most) = (least.max(0) as u64, self.largest_value().min(most as u64));
        let header = fast_path::Header { offset: self.offset, start, add: add as usize, least, most };
        FastPath::with_length(self.width, self.endian == Endian::Little, header)
    }

    #[inline]
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(Extent { start, length: message, total: padded, .. }) = self.extent(input)? else {
            return Ok(Step::Need);
        };
        if message > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(message), skip: Some(padded) });
        }
        if (input.len() as u64) < padded {
            return Ok(Step::Need);
        }
        let end = start + message as usize;
        if !self.trailer.is_empty() {
            self.check_trailer(&input[end..end + self.trailer.len()])?;
        }
        Ok(Step::Frame { start, end, total: padded as usize })
    }

    #[inline]
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.keep {
            return self.encode_kept(message, out);
        }
        let body = (self.head.len() - self.field_end() + message.len() + self.trailer.len()) as i128;
        let scaled = body - i128::from(self.adjust);
        let value = scaled / i128::from(self.unit);
        if value > i128::from(self.largest_value()) || value as u64 & !self.mask != 0 {
            let largest = i128::from(self.largest_value()) * i128::from(self.unit) + i128::from(self.adjust);
            let largest = largest - (body - message.len() as i128);
            return Err(EncodeError::DoesNotFit {
                length: message.len(),
                largest: largest.clamp(0, u64::MAX.into()) as u64,
            });
        }
        if scaled < 0 || scaled % i128::from(self.unit) != 0 {
            return Err(EncodeError::unfit(format!(
                "a message of {} cannot be said in units of {} with adj={}",
                ByteCount(message.len()),
                self.unit,
                self.adjust
            )));
        }
        let from = out.len();
        out.reserve(self.head.len() + message.len() + self.trailer.len());
        out.extend_from_slice(&self.head);
        self.put(value as u64, &mut out[from..]);
        out.extend_from_slice(message);
        out.extend_from_slice(&self.trailer);
        self.pad(out.len() - from, out);
        Ok(())
    }

    fn decode_only(&self) -> Option<SpecError> {
        (!self.keep && !self.head_known).then(|| {
            SpecError::new("this framing cannot send: the header bytes around the length are unknown")
                .with_hint("give them with head=HEX, or keep the header in the message with header=keep")
        })
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        self.extent(input).ok()?.map(|extent| extent.total)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Binary {
            offset: self.offset,
            width: self.width,
            little: self.endian == Endian::Little,
            adjust: self.adjust,
            simple: !self.bcd
                && self.unit == 1
                && self.mask == u64::MAX
                && self.little.is_none()
                && self.plus.is_none(),
        }
    }
}
