//! `arrow-message`: the messages of an Arrow IPC stream: metadata, which contains the length of the body, and the body.
//! The message is the whole frame.
//!
//! Not here: the rest of the metadata, and the file format, whose footer is not a message.

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;

/// The Arrow columnar format, "Encapsulated message format"; without the continuation marker as before version 0.15.
pub(super) const ARROW: Row<Arrow> = Row {
    name: "arrow-message",
    syntax: "arrow-message",
    frame: "a whole message of an Arrow IPC stream: ffffffff, the metadata's length, the metadata, the body that it announces",
    examples: &["arrow-message", "arrow-message,max=200"],
    keeps_boundaries: true,
    matches: |name| name == "arrow-message",
    parse: |_| Ok(Arrow),
};

/// The bytes before the metadata's length.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Which field of the flatbuffer `Message` is the length of the body: after version, the header's type and the header.
const BODY_LENGTH: usize = 3;

#[derive(Debug, Clone)]
pub(crate) struct Arrow;

fn bytes<const N: usize>(buffer: &[u8], at: usize) -> Option<[u8; N]> {
    buffer.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Finds the length of the body in the metadata, which is a flatbuffer: from its root to a table, from that to the
/// table of field positions, from that to the field. `None` if a position is outside the metadata.
fn body_length(metadata: &[u8]) -> Option<i64> {
    let table = u32::from_le_bytes(bytes(metadata, 0)?) as usize;
    let back = i64::from(i32::from_le_bytes(bytes(metadata, table)?));
    let fields = usize::try_from(table as i64 - back).ok()?;
    let size = usize::from(u16::from_le_bytes(bytes(metadata, fields)?));
    let place = 4 + 2 * BODY_LENGTH;
    // A missing field has its default value.
    if size < place + 2 {
        return Some(0);
    }
    match u16::from_le_bytes(bytes(metadata, fields + place)?) {
        0 => Some(0),
        field => Some(i64::from_le_bytes(bytes(metadata, table + usize::from(field))?)),
    }
}

/// Returns where the metadata is in the message at the start of `input`; `None` until its length is there.
fn metadata_place(input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
    let Some(first) = bytes::<4>(input, 0) else { return Ok(None) };
    let start = if first == CONTINUATION { 4 } else { 0 };
    let Some(length) = bytes(input, start).map(i32::from_le_bytes) else { return Ok(None) };
    match u64::try_from(length) {
        Ok(length) => Ok(Some((start + 4, start as u64 + 4 + length))),
        Err(_) => Err(FrameError::broken(format!("the metadata's length {length} is negative"))),
    }
}

/// Size of the message, once its metadata has arrived. The caller has checked that the metadata is not over a limit.
fn whole(input: &[u8], start: usize, end: u64) -> Result<Option<u64>, FrameError> {
    if end == start as u64 {
        // The end of the stream.
        return Ok(Some(end));
    }
    let Some(metadata) = usize::try_from(end).ok().and_then(|end| input.get(start..end)) else { return Ok(None) };
    match body_length(metadata).and_then(|body| u64::try_from(body).ok()) {
        Some(body) => Ok(Some(end.saturating_add(body))),
        None => Err(FrameError::broken("the metadata is not an Arrow message with the length of its body")),
    }
}

impl Codec for Arrow {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some((start, end)) = metadata_place(input)? else { return Ok(Step::Need) };
        if end > cx.max as u64 {
            return Err(FrameError::TooLong { length: None, skip: None });
        }
        let Some(total) = whole(input, start, end)? else { return Ok(Step::Need) };
        if total > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(total), skip: None });
        }
        let total = total as usize;
        Ok(if input.len() < total { Step::Need } else { Step::Frame { start: 0, end: total, total } })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        crate::codec::encode_as_it_stands(Self, message, b"", "one message of Arrow, its lengths right", out)
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        let (start, end) = metadata_place(input).ok()??;
        whole(input, start, end).ok()?
    }
}
