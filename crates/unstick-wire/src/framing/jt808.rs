//! `jt808-frame`: frames of JT/T 808 between 7E flags. 7E and 7D inside are escaped, and the last byte is a check byte.
//!
//! Not here: the header, which stays in the message, and joining the packages of one message: here each is a message.

use super::needle::Needle;
use super::stuffing::{Search, Stuffing};
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step};
use crate::error::EncodeError;

/// JT/T 808-2019, section 4.4: flags, escapes and the check byte, alike in the editions of 2011 and 2013.
pub(super) const JT808: Row<Jt808> = Row {
    name: "jt808-frame",
    syntax: "jt808-frame",
    frame: "JT/T 808: between 7E flags, 7E as 7D02 and 7D as 7D01 inside; the last byte, the XOR of the others, is checked and stripped",
    examples: &["jt808-frame", "jt808-frame,max=10,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "jt808-frame",
    parse: |_| Ok(Jt808::default()),
};

/// Frames between flags. A flag may end one frame and begin the next; an empty space between two flags is not a frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jt808(Search);

impl Stuffing for Jt808 {
    const MARK: u8 = 0x7e;
    const ESCAPE: u8 = 0x7d;
    const NAME: &'static str = "7d";
    const MARK_CODE: u8 = 0x02;
    const ESCAPE_CODE: u8 = 0x01;
}

fn check(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// Returns the length of the message in a frame without escapes, if its check byte is right.
fn checked(frame: &[u8]) -> Result<usize, FrameError> {
    let end = frame.len() - 1;
    match (frame[end], check(&frame[..end])) {
        (found, right) if found == right => Ok(end),
        (found, right) => {
            let what = format!("a frame ends in the check byte {found:02x}, and its bytes make {right:02x}");
            Err(FrameError::broken(what))
        }
    }
}

impl Codec for Jt808 {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if input[0] == Self::MARK {
            return Ok(Step::Blank { total: Self::leading_marks(input) });
        }
        // The check byte is not part of the message.
        let Some(end) = self.0.find_end::<Self>(input, cx.max.saturating_add(1))? else {
            return Ok(Step::Need);
        };
        let total = end + 1;
        if std::mem::take(self).0.escapes == 0 {
            return Ok(Step::Frame { start: 0, end: checked(&input[..end])?, total });
        }
        Self::unescape(&input[..end], cx.scratch);
        let message = checked(cx.scratch)?;
        cx.scratch.truncate(message);
        Ok(Step::Built { total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.reserve(message.len() + 3);
        out.push(Self::MARK);
        Self::write(message, out);
        Self::write(&[check(message)], out);
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
