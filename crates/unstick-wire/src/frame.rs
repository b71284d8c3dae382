//! A message with the frame in which it arrived, and where the parts of the frame lie.

use std::ops::Range;

use crate::codec::{Codec, Shape};

/// A message with the frame in which it arrived: [`Decoder::next_frame`](crate::Decoder::next_frame).
///
/// ```
/// use unstick_wire::Framing;
///
/// let mut decoder = Framing::parse("crlf")?.decoder();
/// decoder.feed(b"hello\r\n");
/// let frame = decoder.next_frame()?.expect("one frame has arrived");
/// assert_eq!((frame.message, frame.bytes), (&b"hello"[..], &b"hello\r\n"[..]));
/// assert_eq!(frame.layout.trailer(), 5..7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// The message.
    pub message: &'a [u8],
    /// All bytes of the frame, as they arrived. Bytes between two frames belong to neither.
    pub bytes: &'a [u8],
    /// Where header, payload and trailer lie in these bytes.
    pub layout: FrameLayout,
    /// Where the frame begins in its stream, in bytes from the start.
    pub offset: u64,
}

impl<'a> Frame<'a> {
    /// A message without header and trailer, such as a datagram.
    pub fn bare(message: &'a [u8]) -> Self {
        let layout = FrameLayout { total: message.len(), message: Some(0..message.len()), length: None };
        Self { message, bytes: message, layout, offset: 0 }
    }
}

/// The parts of one frame, as ranges of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameLayout {
    /// Length of the frame in bytes.
    pub total: usize,
    /// The range of the message. `None` if the frame holds it in other bytes: escaped, in digits, in several parts.
    pub message: Option<Range<usize>>,
    /// The binary length in it, if there is one.
    pub length: Option<LengthField>,
}

/// A binary length in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LengthField {
    /// The bytes of the length itself.
    pub bytes: Range<usize>,
    /// Whether the least significant byte comes first.
    pub little_endian: bool,
    /// The bytes that it counts, if it is a plain number of bytes.
    pub counted: Option<Range<usize>>,
}

impl FrameLayout {
    /// Makes the layout of this frame, with the message at this place.
    pub(crate) fn new(codec: &impl Codec, frame: &[u8], message: Option<Range<usize>>) -> Self {
        Self { total: frame.len(), message, length: length_field(codec.shape(), frame) }
    }

    /// The bytes before the payload. If a message holds its own header, that header is meant. The whole frame, where
    /// the frame holds the message in other bytes.
    pub fn header(&self) -> Range<usize> {
        match (&self.message, &self.length) {
            (None, _) => 0..self.total,
            (Some(message), Some(length)) if message.start == 0 => 0..length.bytes.end,
            (Some(message), _) => 0..message.start,
        }
    }

    /// The bytes of the message, without a header that it holds itself.
    pub fn payload(&self) -> Range<usize> {
        let end = self.message.as_ref().map_or(self.total, |message| message.end);
        self.header().end..end
    }

    /// The bytes after the message.
    pub fn trailer(&self) -> Range<usize> {
        self.payload().end..self.total
    }
}

/// Finds the length in a frame, and what it counts: the value is the number of bytes after it, less `adjust`.
fn length_field(shape: Shape, frame: &[u8]) -> Option<LengthField> {
    let Shape::Binary { offset, width, little, adjust, simple } = shape else { return None };
    let bytes = offset..offset + width;
    let field = frame.get(bytes.clone())?;
    let value = match little {
        true => field.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)),
        false => field.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)),
    };
    let from = i64::try_from(bytes.end).ok()?.checked_add(adjust).and_then(|from| usize::try_from(from).ok());
    let to = |from: usize| from.checked_add(usize::try_from(value).ok()?).filter(|to| *to <= frame.len());
    let counted = from.filter(|_| simple).and_then(|from| Some(from..to(from)?));
    Some(LengthField { bytes, little_endian: little, counted })
}
