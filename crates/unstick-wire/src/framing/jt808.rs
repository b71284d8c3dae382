//! `jt808-frame`: frames of JT/T 808, between 7E flags, 7E and 7D inside escaped, a check byte behind them.
//!
//! Not here: the header, which stays in the message, and packages of one message, which are messages here.

use memchr::{memchr, memchr2};

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step, quoted};
use crate::error::EncodeError;

/// JT/T 808-2019, section 4.4: flags, escapes and the check byte, alike in the editions of 2011 and 2013.
pub(super) const JT808: Row<Jt808> = Row {
    name: "jt808-frame",
    syntax: "jt808-frame",
    frame: "JT/T 808: between 7E flags, 7E as 7D02 and 7D as 7D01 inside; a byte at the end, the XOR of the others, is checked and stripped",
    examples: &["jt808-frame", "jt808-frame,max=10,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "jt808-frame",
    parse: |_| Ok(Jt808::default()),
};

const FLAG: u8 = 0x7e;
const ESC: u8 = 0x7d;
const ESC_FLAG: u8 = 0x02;
const ESC_ESC: u8 = 0x01;

/// Frames between flags. A flag may end one frame and begin the next, and what is empty between two belongs to no frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jt808 {
    /// Bytes of the input that hold no flag, and only whole escapes.
    scanned: usize,
    /// Escapes among them.
    escapes: usize,
}

impl Jt808 {
    /// Where the flag is, if it has arrived. Looks at every byte once.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        loop {
            let found = memchr2(FLAG, ESC, &input[self.scanned..]);
            let at = self.scanned + found.unwrap_or(input.len() - self.scanned);
            self.scanned = at;
            // The check byte is none of the message.
            if at - self.escapes > max.saturating_add(1) {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            match (found.map(|_| input[at]), input.get(at + 1)) {
                (Some(FLAG), _) => return Ok(Some(at)),
                (Some(_), Some(&(ESC_FLAG | ESC_ESC))) => {
                    self.scanned = at + 2;
                    self.escapes += 1;
                }
                (Some(_), Some(&other)) => {
                    return Err(FrameError::broken(format!(
                        "7d is followed by {}, which escapes nothing",
                        quoted(&[other])
                    )));
                }
                (None, _) | (Some(_), None) => return Ok(None),
            }
        }
    }
}

fn check(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// The message of a frame without escapes, if its check byte is right.
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

fn unescape(frame: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(frame.len());
    let mut rest = frame;
    while let Some(at) = memchr(ESC, rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(if rest[at + 1] == ESC_FLAG { FLAG } else { ESC });
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = memchr2(FLAG, ESC, rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[ESC, if rest[at] == FLAG { ESC_FLAG } else { ESC_ESC }]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

impl Codec for Jt808 {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if input[0] == FLAG {
            let total = input.iter().take_while(|byte| **byte == FLAG).count();
            return Ok(Step::Blank { total });
        }
        let Some(end) = self.find_end(input, cx.max)? else {
            return Ok(Step::Need);
        };
        let total = end + 1;
        if std::mem::take(self).escapes == 0 {
            return Ok(Step::Frame { start: 0, end: checked(&input[..end])?, total });
        }
        unescape(&input[..end], cx.scratch);
        let message = checked(cx.scratch)?;
        cx.scratch.truncate(message);
        Ok(Step::Built { total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.reserve(message.len() + 3);
        out.push(FLAG);
        escape(message, out);
        escape(&[check(message)], out);
        out.push(FLAG);
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        // A flag always ends a frame, so the state of escapes does not matter.
        let from = std::mem::take(self).scanned;
        Ok(match memchr(FLAG, &input[from..]) {
            Some(at) => Discard::Done(from + at + 1),
            None => Discard::More(input.len()),
        })
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Needle::One(FLAG).discard_behind(input)
    }
}
