//! `messagepack-value`: MessagePack values; each is a whole value with everything inside it. The message is its bytes.
//!
//! Not here: lengths that are written as MessagePack integers, which is `msgpack`; what a value means.

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;

/// The MessagePack specification, "Formats".
pub(super) const MESSAGEPACK: Row<MessagePack> = Row {
    name: "messagepack-value",
    syntax: "messagepack-value",
    frame: "a whole MessagePack value, with everything nested in it (MessagePack-RPC, Fluentd)",
    examples: &["messagepack-value", "messagepack-value,max=100"],
    keeps_boundaries: true,
    matches: |name| name == "messagepack-value",
    parse: |_| Ok(MessagePack::default()),
};

/// A value in progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessagePack {
    /// Bytes of the input that have been understood; what a string still lacks is counted.
    at: u64,
    /// Number of values that are still to come.
    left: u64,
}

impl Default for MessagePack {
    fn default() -> Self {
        Self { at: 0, left: 1 }
    }
}

/// What the first byte of a value shows.
struct Kind {
    /// Size of the number after that byte.
    width: usize,
    /// What the number counts.
    counts: Counts,
    /// If no number follows: the count that the byte itself contains.
    value: u64,
}

/// What follows a number.
enum Counts {
    /// Bytes, and this many more.
    Bytes(u64),
    /// Values, times this number.
    Values(u64),
}

fn kind(first: u8) -> Result<Kind, FrameError> {
    let plain = |bytes: u64| Kind { width: 0, counts: Counts::Bytes(0), value: bytes };
    let counted = |step: u8, counts| Kind { width: 1 << step, counts, value: 0 };
    Ok(match first {
        0x80..=0x8f => Kind { width: 0, counts: Counts::Values(2), value: u64::from(first & 0x0f) },
        0x90..=0x9f => Kind { width: 0, counts: Counts::Values(1), value: u64::from(first & 0x0f) },
        0xa0..=0xbf => plain(u64::from(first & 0x1f)),
        0xc1 => return Err(FrameError::broken("c1 begins no MessagePack value")),
        0xc4..=0xc6 => counted(first - 0xc4, Counts::Bytes(0)),
        // An extension: after the length, one byte gives its type.
        0xc7..=0xc9 => counted(first - 0xc7, Counts::Bytes(1)),
        0xca => plain(4),
        0xcb => plain(8),
        0xcc..=0xcf => plain(1 << (first - 0xcc)),
        0xd0..=0xd3 => plain(1 << (first - 0xd0)),
        0xd4..=0xd8 => plain(1 + (1 << (first - 0xd4))),
        0xd9..=0xdb => counted(first - 0xd9, Counts::Bytes(0)),
        0xdc | 0xdd => counted(first - 0xdb, Counts::Values(1)),
        0xde | 0xdf => counted(first - 0xdd, Counts::Values(2)),
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => plain(0),
    })
}

impl MessagePack {
    /// Finds where the value that starts at `input[0]` ends, if all of it has arrived. Looks at every byte once.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        while self.left > 0 {
            let Some(rest) = usize::try_from(self.at).ok().and_then(|at| input.get(at..)) else { return Ok(None) };
            let Some(&first) = rest.first() else { return Ok(None) };
            let Kind { width, counts, value } = kind(first)?;
            let Some(number) = rest.get(1..1 + width) else { return Ok(None) };
            let value = number.iter().fold(value, |value, byte| value << 8 | u64::from(*byte));
            let (bytes, values) = match counts {
                Counts::Bytes(more) => (value + more, 0),
                Counts::Values(times) => (0, value * times),
            };
            self.at = self.at.saturating_add(1 + width as u64 + bytes);
            self.left = (self.left - 1).saturating_add(values);
            // Each value still to come has at least one byte.
            if self.at.saturating_add(self.left) > max as u64 {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
        }
        Ok(Some(self.at as usize).filter(|end| input.len() >= *end))
    }
}

impl Codec for MessagePack {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(end) = self.find_end(input, cx.max)? else { return Ok(Step::Need) };
        *self = Self::default();
        Ok(Step::Frame { start: 0, end, total: end })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        crate::codec::encode_as_it_stands(Self::default(), message, b"", "one whole MessagePack value", out)
    }
}
