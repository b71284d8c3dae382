//! `turn-message`: the messages of TURN on a stream: STUN messages, and between them ChannelData, padded to a multiple
//! of four.
//!
//! The message is everything except the padding. Not here: a message's attributes, and STUN without channels, which is
//! `stun`.

use crate::codec::{Codec, Context, FrameError, Row, Step, quoted};
use crate::error::EncodeError;

/// RFC 8656: sections 12 (how to distinguish ChannelData from STUN), 12.4 and 12.5; RFC 8489: section 5 (STUN
/// messages).
pub(super) const TURN: Row<Turn> = Row {
    name: "turn-message",
    syntax: "turn-message",
    frame: "a whole STUN message or TURN ChannelData, distinguished by the first two bits; ChannelData is padded to a multiple of 4, and the padding is stripped",
    examples: &["turn-message", "turn-message,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "turn-message",
    parse: |_| Ok(Turn),
};

/// Bytes up to the end of the length, which is all of ChannelData's header.
const CHANNEL_HEADER: u64 = 4;

/// Bytes of a STUN message's header, which its length does not count.
const STUN_HEADER: u64 = 20;

/// What ChannelData is padded to.
const WORD: u64 = 4;

#[derive(Debug, Clone)]
pub(crate) struct Turn;

/// Returns the sizes of the message that starts at `input[0]` and of its frame; `None` until its length has arrived.
fn extent(input: &[u8]) -> Result<Option<(u64, u64)>, FrameError> {
    let first = input[0];
    let header = match first >> 6 {
        0b00 => STUN_HEADER,
        0b01 => CHANNEL_HEADER,
        _ => {
            let what = "begins neither a STUN message (00 to 3f) nor ChannelData (40 to 7f)";
            return Err(FrameError::broken(format!("{} {what}", quoted(&[first]))));
        }
    };
    let Some(&[_, _, high, low]) = input.get(..CHANNEL_HEADER as usize) else { return Ok(None) };
    let length = header + u64::from(u16::from_be_bytes([high, low]));
    // A STUN message gives its exact length, which is a multiple of four, or before RFC 5389 may be another number.
    Ok(Some((length, if header == STUN_HEADER { length } else { length.next_multiple_of(WORD) })))
}

impl Codec for Turn {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some((length, total)) = extent(input)? else { return Ok(Step::Need) };
        if length > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(length), skip: Some(total) });
        }
        let (end, total) = (length as usize, total as usize);
        Ok(if input.len() < total { Step::Need } else { Step::Frame { start: 0, end, total } })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let found = if message.is_empty() { Ok(None) } else { extent(message) };
        match found {
            Ok(Some((length, total))) if length == message.len() as u64 => {
                out.extend_from_slice(message);
                out.resize(out.len() + (total - length) as usize, 0);
                Ok(())
            }
            Ok(Some((length, _))) => Err(EncodeError::unfit(format!(
                "the message's own header announces {length} bytes in all, and {} are there",
                message.len()
            ))),
            Err(FrameError::Broken(what)) => Err(EncodeError::unfit(format!("not a TURN message: {what}"))),
            Ok(None) | Err(FrameError::TooLong { .. }) => {
                Err(EncodeError::unfit("the message ends inside its own header"))
            }
        }
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        extent(input).ok()?.map(|(_, total)| total)
    }

    fn can_discard(&self) -> bool {
        true
    }
}
