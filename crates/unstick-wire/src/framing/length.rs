//! `length:...`: a header with a binary length in it.
//!
//! Bytes after the length field = (value & mask) × unit + adj, trailer included, align padding not. Not here: a length
//! that stands alone and counts the message alone (`integer`), which is most of them and quicker; messages in several
//! frames (`joined`).

use super::integer::{self, Endian, Integer};
use super::joined::Joined;
use super::{Codec, Cx, Entry, Fault, Machine, Shape, Step, shown};
use crate::args::Args;
use crate::error::{EncodeError, SpecError};
use crate::lane::{self, Lane};
use crate::{limits, quantity};

pub(super) const GENERAL: Entry = Entry {
    name: "length",
    syntax: "length:[off=N,]width=N[,endian=be|le|ne|OFF:MASK][,adj=N][,unit=N][,mask=HEX][,align=N][,trailer=HEX][,header=keep|strip][,head=HEX][,sign=yes][,none=HEX][,plus=OFF:WIDTH[:UNIT[:ALIGN]]][,last=full|empty|OFF:MASK]",
    frame: "a header with a length in it, then (value & mask) × unit + adj bytes; endian from a bit, bcd=yes: two decimal digits a byte, plus a second length, in parts up to the last",
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

/// A header with a length in it.
#[derive(Debug, Clone)]
pub(crate) struct Length {
    /// Bytes before the length field.
    pub(crate) offset: usize,
    /// Bytes of the length field, 1 to 8.
    pub(crate) width: usize,
    pub(crate) endian: Endian,
    pub(crate) signed: bool,
    /// Each byte of the length is two decimal digits.
    pub(crate) bcd: bool,
    /// What is added to the value to get the bytes after the length field.
    pub(crate) adjust: i64,
    pub(crate) unit: u64,
    pub(crate) mask: u64,
    /// Frames are padded to a multiple of this many bytes.
    pub(crate) align: usize,
    pub(crate) trailer: Box<[u8]>,
    /// The message holds the header.
    pub(crate) keep: bool,
    /// The whole header as it is sent, its length field not yet filled in; where it is not kept.
    pub(crate) head: Box<[u8]>,
    /// `head` is what the user said, or holds nothing but the length.
    pub(crate) head_known: bool,
    /// The bit of the header that says the length is little-endian, where one does.
    pub(crate) little: Option<Bit>,
    /// A second length, whose bytes come too.
    pub(crate) plus: Option<Plus>,
    /// The value that announces nothing: its frame is the header alone.
    pub(crate) none: Option<u64>,
}

/// A bit of a header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bit {
    pub(crate) offset: usize,
    pub(crate) mask: u8,
}

impl Bit {
    /// `OFF:MASK`, the mask in hexadecimal.
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

/// A second length in the same header and byte order: so many units, and their padding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plus {
    offset: usize,
    width: usize,
    unit: u64,
    align: u64,
}

impl Plus {
    /// `OFF:WIDTH[:UNIT[:ALIGN]]`.
    fn parse(text: &str) -> Result<Self, SpecError> {
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

/// Where a frame lies that starts at the input's first byte, as its header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// The value of the length field, with what the mask hides.
    pub(super) value: u64,
    /// The first byte of the message.
    pub(super) start: usize,
    /// Bytes of the message.
    pub(super) length: u64,
    /// Bytes of the frame, padding included.
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

/// The number whose decimal digits are the hexadecimal digits of `value`, if they are decimal.
fn from_bcd(value: u64) -> Option<u64> {
    let digits = (0..16).rev().map(|at| (value >> (4 * at)) & 0xf);
    digits.into_iter().try_fold(0, |number, digit| (digit < 10).then_some(number * 10 + digit))
}

/// The reverse, of at most 16 digits.
fn to_bcd(value: u64) -> u64 {
    (0..16).fold(0, |bcd, at| bcd | ((value / 10_u64.pow(at) % 10) << (4 * at)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Length {
    /// A length and nothing else before the message.
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

    /// The codec for it: the quicker one where the length stands alone and counts the message alone.
    pub(crate) fn into_machine(self) -> Machine {
        let alone = self.head.len() == self.width && self.trailer.is_empty() && !self.keep;
        let alone = alone && self.little.is_none() && self.plus.is_none() && !self.bcd;
        if alone && self.unit == 1 && self.adjust == 0 && self.mask == u64::MAX && self.align == 1 {
            return Integer::new(self.width, self.endian, self.signed).into();
        }
        self.into()
    }

    fn field_end(&self) -> usize {
        self.offset + self.width
    }

    /// Bytes at the front of a frame that are not of the message.
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

    /// Bytes of the header that have to be there before the frame's length is known.
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

    /// Bytes after the length field, with the trailer. `head` has all that is seen.
    #[inline]
    fn body(&self, head: &[u8]) -> Result<u64, Fault> {
        let value = self.value(head);
        if self.bcd && value > self.largest_value() {
            let field = &head[self.offset..self.field_end()];
            return Err(Fault::broken(format!("length {} is not in decimal digits (BCD)", hex(field))));
        }
        if self.none == Some(value) {
            return Ok(0);
        }
        if self.signed && value >> (self.width * 8 - 1) != 0 {
            let shift = 64 - self.width * 8;
            return Err(integer::negative((value << shift) as i64 >> shift));
        }
        // What is more than a u64 can say is over any limit too.
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

    /// The frame that begins `input`; `None` until its header tells.
    #[inline]
    pub(super) fn extent(&self, input: &[u8]) -> Result<Option<Extent>, Fault> {
        let Some(head) = input.get(..self.seen()) else { return Ok(None) };
        let body = self.body(head)?;
        let start = self.stripped();
        let outside = (start + self.trailer.len()) as i64 - self.field_end() as i64;
        let length = body.saturating_add_signed(-outside);
        Ok(Some(Extent { value: self.value(head), start, length, total: self.padded(body) }))
    }

    #[cold]
    fn implausible(&self, value: u64) -> Fault {
        if self.adjust < 0 && value < self.adjust.unsigned_abs() {
            return Fault::broken(format!(
                "length {value} is less than the {} bytes that it counts itself",
                -self.adjust
            ));
        }
        Fault::broken(format!("length {value} makes no frame here"))
    }

    /// Bytes in a frame with so many after its length field, the padding behind it included.
    #[inline]
    fn padded(&self, body: u64) -> u64 {
        let (length, align) = (body.saturating_add(self.field_end() as u64), self.align as u64);
        if align == 1 { length } else { length.saturating_add(align - 1) / align * align }
    }

    fn check_trailer(&self, found: &[u8]) -> Result<(), Fault> {
        if found == &self.trailer[..] {
            return Ok(());
        }
        Err(Fault::broken(format!(
            "the frame ends in {} where {} belongs: its length is wrong, or this is another framing",
            shown(found),
            shown(&self.trailer)
        )))
    }

    /// Puts `value` into the length field of a header.
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
            let what = format!("the message has {length} bytes, less than its own header of {header}");
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

/// What to do about a message that is not its own header's.
const OWN_HEADER: &str = "a message begins with its header here; with header=strip,head=HEX that is written for it";

impl Codec for Length {
    /// Where the length is a plain number, and nothing stands behind the message.
    fn lane(&self, max: usize) -> Lane {
        let plain = self.unit == 1 && self.mask == u64::MAX && self.align == 1 && self.trailer.is_empty() && !self.bcd;
        let fixed = self.little.is_none() && self.plus.is_none() && self.none.is_none();
        let (add, start) = (self.field_end() as i64 + self.adjust, self.stripped());
        // A frame is at least its header, and a message at most the limit; both as values of the length.
        let least = self.field_end().max(start) as i64 - add;
        let most = max.saturating_add(start) as i64 - add;
        if !plain || !fixed || most < 0 || add < 0 {
            return Lane::Closed;
        }
        let (least, most) = (least.max(0) as u64, self.largest_value().min(most as u64));
        let header = lane::Header { offset: self.offset, start, add: add as usize, least, most };
        Lane::with_length(self.width, self.endian == Endian::Little, header)
    }

    #[inline]
    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        let Some(Extent { start, length: message, total: padded, .. }) = self.extent(input)? else {
            return Ok(Step::Need);
        };
        if message > cx.max as u64 {
            return Err(Fault::TooLong { length: Some(message), skip: Some(padded) });
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
                "a message of {} bytes cannot be said in units of {} with adj={}",
                message.len(),
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

    fn unsendable(&self) -> Option<SpecError> {
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

fn parse_general(args: &mut Args<'_>) -> Result<Machine, SpecError> {
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
        // Bytes before the length carry meaning, so they are kept unless the user says otherwise.
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
        None => Ok(length.into_machine()),
        Some(last) => Joined::parse(length, last),
    }
}
