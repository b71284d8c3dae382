//! `cobs`: consistent overhead byte stuffing (Cheshire and Baker, 1999): no zero byte inside a frame, one after it.

use memchr::memchr;

use super::needle::Needle;
use crate::byte_count::ByteCount;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step};
use crate::error::EncodeError;

pub(super) const COBS: Row<Cobs> = Row {
    name: "cobs",
    syntax: "cobs",
    frame: "consistent overhead byte stuffing: a frame contains no zero byte, and ends in one",
    examples: &["cobs", "cobs,max=300,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "cobs",
    parse: |_| Ok(Cobs::default()),
};

/// The longest run that one code byte stands for: 254 bytes and no zero after them.
const LONGEST: usize = 254;

/// Frames between zero bytes. The decoder skips zero bytes with nothing between them: senders use them to synchronize a reader,
/// and no message encodes to nothing, not even the empty one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cobs {
    /// Bytes of the input known to hold no zero.
    scanned: usize,
}

/// The most bytes that a message of `max` bytes encodes to, without the zero that ends the frame.
fn longest_code(max: usize) -> usize {
    max + max / LONGEST + 1
}

fn decode(code: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
    out.clear();
    out.reserve(code.len());
    let mut at = 0;
    while at < code.len() {
        let run = usize::from(code[at]);
        let Some(bytes) = code.get(at + 1..at + run) else {
            return Err(FrameError::broken(format!(
                "the frame ends {} into a run of {}",
                ByteCount(code.len() - at - 1),
                run - 1
            )));
        };
        out.extend_from_slice(bytes);
        at += run;
        if run < 0xff && at < code.len() {
            out.push(0);
        }
    }
    Ok(())
}

impl Codec for Cobs {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if input[0] == 0 {
            let total = input.iter().take_while(|byte| **byte == 0).count();
            return Ok(Step::Blank { total });
        }
        let longest = longest_code(cx.max);
        let Some(found) = memchr(0, &input[self.scanned..]) else {
            self.scanned = input.len();
            let over = input.len() > longest;
            return if over { Err(FrameError::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let end = std::mem::take(&mut self.scanned) + found;
        let too_long = FrameError::TooLong { length: None, skip: Some(end as u64 + 1) };
        if end > longest {
            return Err(too_long);
        }
        decode(&input[..end], cx.scratch)?;
        if cx.scratch.len() > cx.max {
            return Err(too_long);
        }
        Ok(Step::Built { total: end + 1 })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.reserve(longest_code(message.len()) + 1);
        let mut runs = message.split(|byte| *byte == 0).peekable();
        while let Some(mut run) = runs.next() {
            let full = run.len() >= LONGEST;
            while run.len() >= LONGEST {
                out.push(0xff);
                out.extend_from_slice(&run[..LONGEST]);
                run = &run[LONGEST..];
            }
            // A full run at the end of the message needs nothing after it. Elsewhere the zero after it has to be encoded.
            if !(full && run.is_empty() && runs.peek().is_none()) {
                out.push(run.len() as u8 + 1);
                out.extend_from_slice(run);
            }
        }
        out.push(0);
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        let from = std::mem::take(&mut self.scanned);
        Ok(match memchr(0, &input[from..]) {
            Some(at) => Discard::Done(from + at + 1),
            None => Discard::More(input.len()),
        })
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Needle::One(0).discard_behind(input)
    }
}
