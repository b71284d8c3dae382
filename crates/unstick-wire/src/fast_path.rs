//! Finds whole frames of two kinds in a few instructions, inlined into loops over many small messages. It leaves
//! everything else to the framing's codec.

use memchr::memchr;

/// A quick way to find what the codec would find at the start of a frame.
///
/// One plain struct serves all kinds, not an enum with fields. If kinds used the same bytes for fields of different
/// sizes, a loop would hold those fields as single bytes in registers, and join them again for every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FastPath {
    kind: Kind,
    header: Header,
    /// Number of bits of the eight bytes that are not part of the length.
    unused: u64,
}

/// What the frames look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// There is no quick way.
    Closed,
    /// A header with a big-endian length of two bytes in it.
    Big16,
    /// A header with a big-endian length of four bytes.
    Big32,
    /// A header with a little-endian length of four bytes.
    Little32,
    /// A big-endian length in the first of eight bytes.
    Big,
    /// A little-endian length in the first of eight bytes.
    Little,
    /// A LEB128 length of one or two bytes after `offset` bytes; the message is at most `most` bytes long.
    Varint,
    /// The same, but the message includes all of that.
    VarintKept,
    /// A line of at most `most` bytes that ends in CRLF or in LF alone.
    AnyLine,
    /// A line that ends in LF alone.
    LfLine,
    /// A line that ends in CRLF.
    CrlfLine,
}

/// A length in a header, and what it says about the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Number of bytes before the length.
    pub(crate) offset: usize,
    /// Number of bytes before the message that are not part of it.
    pub(crate) start: usize,
    /// What is added to the length to get the size of the frame.
    pub(crate) add: usize,
    /// The smallest length that a frame can have.
    pub(crate) least: u64,
    /// The largest length that is not over the limit.
    pub(crate) most: u64,
}

/// A frame: its message is `input[start..end]`, if that has arrived, and the next frame begins at `next`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameBounds {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) next: usize,
}

impl FrameBounds {
    /// Whether its message has arrived completely, and with it the frame.
    #[inline(always)]
    pub(crate) fn is_in(self, input: &[u8]) -> bool {
        self.start <= self.end && self.end <= input.len()
    }
}

impl FastPath {
    /// No fast path.
    pub(crate) const CLOSED: Self = Self::of(Kind::Closed, Header { offset: 0, start: 0, add: 0, least: 0, most: 0 });

    const fn of(kind: Kind, header: Header) -> Self {
        Self { kind, header, unused: 0 }
    }

    /// The fast path for frames with a length of `width` bytes, 1 to 8, in their header.
    pub(crate) fn with_length(width: usize, little: bool, header: Header) -> Self {
        let kind = match (width, little) {
            (2, false) => Kind::Big16,
            (4, false) => Kind::Big32,
            (4, true) => Kind::Little32,
            (_, false) => Kind::Big,
            (_, true) => Kind::Little,
        };
        Self { unused: 64 - 8 * width as u64, ..Self::of(kind, header) }
    }

    /// The fast path for frames with a LEB128 length after `offset` bytes. `keep`: messages include everything before
    /// them.
    pub(crate) fn varint(offset: usize, max: usize, keep: bool) -> Self {
        let kind = if keep { Kind::VarintKept } else { Kind::Varint };
        Self::of(kind, Header { offset, start: 0, add: 0, least: 0, most: max as u64 })
    }

    /// The fast path for lines. `crlf`: lines that end in CRLF; `lf`: lines that end in LF alone.
    pub(crate) fn line(max: usize, crlf: bool, lf: bool) -> Self {
        let kind = match (crlf, lf) {
            (true, true) => Kind::AnyLine,
            (false, true) => Kind::LfLine,
            (true, false) => Kind::CrlfLine,
            (false, false) => Kind::Closed,
        };
        Self::of(kind, Header { offset: 0, start: 0, add: 0, least: 0, most: max as u64 })
    }

    /// The frame that starts at `input[at]`, if it is visible here. `None` proves nothing.
    #[inline(always)]
    pub(crate) fn bounds(&self, input: &[u8], at: usize) -> Option<FrameBounds> {
        let header = &self.header;
        match self.kind {
            Kind::Big16 => header.frame(input, at, |field| u16::from_be_bytes(field).into()),
            Kind::Big32 => header.frame(input, at, |field| u32::from_be_bytes(field).into()),
            Kind::Little32 => header.frame(input, at, |field| u32::from_le_bytes(field).into()),
            // Eight bytes are loaded at once, whatever the width. The last messages in a buffer may have fewer bytes
            // before and after them, and take the slow path.
            Kind::Big => header.frame(input, at, |field| u64::from_be_bytes(field) >> self.unused),
            Kind::Little => header.frame(input, at, |field| u64::from_le_bytes(field) << self.unused >> self.unused),
            Kind::Varint => header.varint(input, at, false),
            Kind::VarintKept => header.varint(input, at, true),
            Kind::AnyLine => header.line(input, at, true, true),
            Kind::LfLine => header.line(input, at, false, true),
            Kind::CrlfLine => header.line(input, at, true, false),
            Kind::Closed => None,
        }
    }
}

impl Header {
    /// The frame whose length `read` takes from its field.
    #[inline(always)]
    fn frame<const WIDTH: usize>(
        &self,
        input: &[u8],
        at: usize,
        read: impl Fn([u8; WIDTH]) -> u64,
    ) -> Option<FrameBounds> {
        // The next frame waits for the end of this one. So what is known without the length is added before the length
        // is loaded, and the field is looked up in the input after the offset. That saves one addition between `at` and
        // its bytes.
        let floor = at.wrapping_add(self.add);
        let value = read(*input.get(self.offset..)?.get(at..)?.first_chunk()?);
        if value < self.least || value > self.most {
            return None;
        }
        let end = floor.wrapping_add(value as usize);
        Some(FrameBounds { start: at + self.start, end, next: end })
    }

    /// The frame with a LEB128 length of one or two bytes.
    #[inline(always)]
    fn varint(&self, input: &[u8], at: usize, keep: bool) -> Option<FrameBounds> {
        let field = input.get(self.offset..)?.get(at..)?;
        let (low, high) = (*field.first()?, *field.get(1).unwrap_or(&0x80));
        let (header, length) = match (low, high) {
            (0..0x80, _) => (self.offset + 1, usize::from(low)),
            (_, 0..0x80) => (self.offset + 2, usize::from(low & 0x7f) + (usize::from(high) << 7)),
            _ => return None,
        };
        let (start, end) = (if keep { 0 } else { header }, header + length);
        let fits = (end - start) as u64 <= self.most;
        fits.then_some(FrameBounds { start: at + start, end: at + end, next: at + end })
    }

    /// The line that ends in one of these ways.
    #[inline(always)]
    fn line(&self, input: &[u8], at: usize, crlf: bool, lf: bool) -> Option<FrameBounds> {
        let input = input.get(at..)?;
        let found = find_lf(input)?;
        let cr = found > 0 && input[found - 1] == b'\r';
        let end = found - usize::from(cr);
        let fits = end as u64 <= self.most && if cr { crlf } else { lf };
        fits.then_some(FrameBounds { start: at, end: at + end, next: at + found + 1 })
    }
}

/// Finds the first LF. Lines are usually short, and a call of `memchr` costs more than a search through one.
#[inline(always)]
fn find_lf(input: &[u8]) -> Option<usize> {
    const BLOCKS: usize = 8;
    let (blocks, _) = input.as_chunks::<32>();
    let blocks = &blocks[..blocks.len().min(BLOCKS)];
    for (i, block) in blocks.iter().enumerate() {
        // No branch per byte, so that the compiler can vectorize the loop.
        if block.iter().fold(false, |any, byte| any | (*byte == b'\n')) {
            return Some(32 * i + first_lf(block)?);
        }
    }
    let seen = 32 * blocks.len();
    Some(seen + memchr(b'\n', &input[seen..])?)
}

/// Finds the first LF in a block that has one, eight bytes at a time.
#[inline(always)]
fn first_lf(block: &[u8; 32]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    block.as_chunks::<8>().0.iter().enumerate().find_map(|(i, word)| {
        // A byte that was LF is zero now, and the lowest zero byte shows in its top bit.
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\n'));
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        (zeros != 0).then(|| 8 * i + zeros.trailing_zeros() as usize / 8)
    })
}

#[cfg(test)]
mod tests {
    use super::FastPath;
    use crate::Framing;
    use crate::codec::{Codec, Context, Step};
    use crate::splitmix::mix;

    /// Bytes that make lengths around the limits, signs, long varints and line ends.
    const BYTES: [u8; 16] = [0, 0, 0, 0, 0, 0, 1, 2, 4, 9, 12, 0x7f, 0x80, 0xff, b'\r', b'\n'];

    #[test]
    fn a_glance_sees_nothing_but_what_the_codec_finds() {
        for spec in [
            "u8,max=5",
            "i8",
            "u16be,max=9",
            "i16be",
            "u16le",
            "u24be",
            "i32be,max=4",
            "u32le",
            "i32le",
            "u48be",
            "u64be",
            "i64le",
            "length:off=1,width=4,adj=-4",
            "length:off=1,width=4,adj=-4,max=12",
            "length:width=4,endian=le,adj=-4,header=keep",
            "length:width=4,endian=le,adj=-4,header=keep,max=12",
            "length:width=3,adj=6,header=keep",
            "length:off=4,width=2",
            "length:off=2,width=1,adj=3,header=strip",
            "length:off=3,width=2,endian=le,sign=yes",
            "varint",
            "varint:2,max=8",
            "varint:4,off=1,max=6",
            "line,max=5",
            "crlf,max=5",
        ] {
            let framing = Framing::parse(spec).unwrap();
            let phase = &framing.phases[0];
            let fast_path = phase.codec.fast_path(phase.max);
            assert_ne!(fast_path, FastPath::CLOSED, "{spec}");
            let mut seen = 0;
            for draw in 0..20_000 {
                let bytes: Vec<u8> =
                    (0..mix(draw) % 24).map(|i| BYTES[(mix(draw ^ i << 32) % BYTES.len() as u64) as usize]).collect();
                let at = (mix(!draw) % 3) as usize;
                let Some(frame) = fast_path.bounds(&bytes, at).filter(|frame| frame.is_in(&bytes)) else { continue };
                let mut cx = Context { max: phase.max, scratch: &mut Vec::new() };
                let found = phase.codec.clone().decode(&bytes[at..], &mut cx);
                let told = Step::Frame { start: frame.start - at, end: frame.end - at, total: frame.next - at };
                assert_eq!(found, Ok(told), "{spec}, {bytes:?} from {at} on");
                seen += 1;
            }
            assert!(seen > 0, "{spec}");
        }
    }
}
