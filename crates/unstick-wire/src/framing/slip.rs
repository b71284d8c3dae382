//! `slip`: serial line IP framing, RFC 1055: END ends a packet, and an END or ESC inside it becomes two bytes.

use super::needle::Needle;
use super::stuffing::{Search, Stuffing};
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step};
use crate::error::EncodeError;

pub(super) const SLIP: Row<Slip> = Row {
    name: "slip",
    syntax: "slip",
    frame: "RFC 1055: ends in C0; C0 and DB inside are escaped",
    examples: &["slip", "slip,max=10,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "slip",
    parse: |_| Ok(Slip::default()),
};

/// Packets between ENDs.
///
/// The decoder skips empty packets, as the RFC advises, so it understands peers that also begin a packet with END. For that
/// reason the encoder refuses an empty message. It writes END only after a packet: the END before one flushes the noise of a
/// serial line, and a stream has no noise. ESC before anything but its two codes is an error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slip(Search);

impl Stuffing for Slip {
    const MARK: u8 = 0xc0;
    const ESCAPE: u8 = 0xdb;
    const NAME: &'static str = "ESC";
    const MARK_CODE: u8 = 0xdc;
    const ESCAPE_CODE: u8 = 0xdd;
}

impl Codec for Slip {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if input[0] == Self::MARK {
            return Ok(Step::Blank { total: Self::leading_marks(input) });
        }
        let Some(end) = self.0.find_end::<Self>(input, cx.max)? else {
            return Ok(Step::Need);
        };
        let escapes = std::mem::take(self).0.escapes;
        if escapes == 0 {
            return Ok(Step::Frame { start: 0, end, total: end + 1 });
        }
        Self::unescape(&input[..end], cx.scratch);
        Ok(Step::Built { total: end + 1 })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if message.is_empty() {
            return Err(EncodeError::unfit("SLIP has no empty messages: a reader passes over them"));
        }
        out.reserve(message.len() + 1);
        Self::write(message, out);
        out.push(Self::MARK);
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        Ok(self.0.discard::<Self>(input))
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Needle::One(Self::MARK).discard_behind(input)
    }
}
