//! The fast lane: what a loop over many small messages needs of a framing, in a few instructions that are inlined into
//! that loop. It knows whole frames of two kinds, and leaves everything else to the framing's codec.

use memchr::memchr;

/// A quick way to what the codec would find at the start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// There is none.
    Closed,
    /// A big-endian integer of so many bytes, and the message.
    Big(Integer),
    /// A little-endian one.
    Little(Integer),
    /// A header with a length in it.
    Header(Header),
    /// A LEB128 length of one byte or two behind so many bytes, and the longest message; whether it holds all of that.
    Varint { offset: usize, most: usize, keep: bool },
    /// A line of at most so many bytes: one that ends in CRLF, one that ends in LF alone, or either.
    Line { max: usize, crlf: bool, lf: bool },
}

/// A length that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integer {
    /// Bytes of the length, 1 to 8.
    pub(crate) width: u32,
    /// The longest message in bytes.
    pub(crate) most: u64,
}

/// A length somewhere in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes before the length.
    pub(crate) offset: u16,
    /// Bytes of the length, 1 to 8.
    pub(crate) width: u8,
    pub(crate) little: bool,
    /// Bytes in front that are not of the message.
    pub(crate) start: u16,
    /// What is added to the length to get the bytes of the frame, modulo 2^64.
    pub(crate) add: u64,
    /// The smallest length that a frame can have.
    pub(crate) least: u64,
    /// The largest one that is not over the limit.
    pub(crate) most: u64,
}

/// A whole frame: its message is `input[start..end]`, and it takes up `input[..total]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glance {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) total: usize,
}

impl Lane {
    /// The frame that starts at `input[0]`, if it can be seen to be whole. `None` says nothing.
    #[inline(always)]
    pub(crate) fn glance(&self, input: &[u8]) -> Option<Glance> {
        match self {
            // Eight bytes are loaded at once, whatever the width. The last messages in a buffer may have fewer before
            // them and behind, and go the long way.
            Self::Big(integer) => {
                let value = u64::from_be_bytes(*input.first_chunk()?);
                integer.frame(value >> (64 - 8 * integer.width), input)
            }
            Self::Little(integer) => {
                let value = u64::from_le_bytes(*input.first_chunk()?);
                let unused = 64 - 8 * integer.width;
                integer.frame(value << unused >> unused, input)
            }
            Self::Header(header) => header.frame(input),
            Self::Varint { offset, most, keep } => {
                let (low, high) = (*input.get(*offset)?, *input.get(offset + 1).unwrap_or(&0x80));
                let (header, length) = match (low, high) {
                    (0..0x80, _) => (offset + 1, usize::from(low)),
                    (_, 0..0x80) => (offset + 2, usize::from(low & 0x7f) + (usize::from(high) << 7)),
                    _ => return None,
                };
                let (start, end) = (if *keep { 0 } else { header }, header + length);
                (end - start <= *most && end <= input.len()).then_some(Glance { start, end, total: end })
            }
            Self::Line { max, crlf, lf } => {
                let at = find_lf(input)?;
                let cr = at > 0 && input[at - 1] == b'\r';
                let end = at - usize::from(cr);
                (end <= *max && if cr { *crlf } else { *lf }).then_some(Glance { start: 0, end, total: at + 1 })
            }
            Self::Closed => None,
        }
    }
}

/// Where the first LF is. Lines are mostly short, and a call of `memchr` costs more than looking through one.
#[inline(always)]
fn find_lf(input: &[u8]) -> Option<usize> {
    const BLOCKS: usize = 8;
    let (blocks, _) = input.as_chunks::<32>();
    let blocks = &blocks[..blocks.len().min(BLOCKS)];
    for (i, block) in blocks.iter().enumerate() {
        // Without a branch for each byte, so that the compiler makes vector instructions of it.
        if block.iter().fold(false, |any, byte| any | (*byte == b'\n')) {
            return Some(32 * i + first_lf(block)?);
        }
    }
    let seen = 32 * blocks.len();
    Some(seen + memchr(b'\n', &input[seen..])?)
}

/// Where in a block with an LF the first one is, eight bytes at a time.
#[inline(always)]
fn first_lf(block: &[u8; 32]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    block.as_chunks::<8>().0.iter().enumerate().find_map(|(i, word)| {
        // A byte that was LF is zero now, and the lowest that is shows in its top bit.
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\n'));
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        (zeros != 0).then(|| 8 * i + zeros.trailing_zeros() as usize / 8)
    })
}

impl Integer {
    #[inline(always)]
    fn frame(self, value: u64, input: &[u8]) -> Option<Glance> {
        let start = self.width as usize;
        // Compared apart, so that a large value cannot overflow the sum.
        if value > self.most || value > (input.len() - start) as u64 {
            return None;
        }
        let end = start + value as usize;
        Some(Glance { start, end, total: end })
    }
}

impl Header {
    #[inline(always)]
    fn frame(&self, input: &[u8]) -> Option<Glance> {
        let field = *input.get(usize::from(self.offset)..)?.first_chunk()?;
        let unused = 64 - 8 * u32::from(self.width);
        let value = match self.little {
            false => u64::from_be_bytes(field) >> unused,
            true => u64::from_le_bytes(field) << unused >> unused,
        };
        if value < self.least || value > self.most {
            return None;
        }
        let total = value.wrapping_add(self.add);
        let start = usize::from(self.start);
        (total <= input.len() as u64).then_some(Glance { start, end: total as usize, total: total as usize })
    }
}
