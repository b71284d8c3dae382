//! `dle`: blocks of serial lines, between DLE STX and DLE ETX. Each DLE inside is written twice; an LRC may follow.

use memchr::memchr;

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step, quoted};
use crate::error::EncodeError;

/// ISO 1745 with the transparent mode of ISO 2111. Not here: blocks between a bare STX and ETX (`between:02:03`).
pub(super) const DLE: Row<Dle> = Row {
    name: "dle",
    syntax: "dle[,lrc=yes]",
    frame: "between 1002 and 1003, with each 10 inside written twice; lrc=yes: the XOR of the message and 03 follows",
    examples: &["dle", "dle,lrc=yes", "dle,max=10,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "dle",
    parse: |args| Ok(Dle { lrc: args.flag("lrc")?, ..Dle::default() }),
};

const ESC: u8 = 0x10;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;

/// Bytes of DLE STX.
const START: usize = 2;

/// Blocks one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dle {
    lrc: bool,
    /// Bytes of the input known to hold no end, and only whole pairs of DLE; 0 until the start has been seen.
    scanned: usize,
    /// Pairs among them.
    pairs: usize,
}

impl Dle {
    /// Finds the DLE of the end, if all of the end has arrived. Looks at every byte once.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        loop {
            let found = memchr(ESC, &input[self.scanned..]);
            let at = self.scanned + found.unwrap_or(input.len() - self.scanned);
            self.scanned = at;
            if at - START - self.pairs > max {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            match (found, input.get(at + 1)) {
                (Some(_), Some(&ETX)) => return Ok(Some(at)),
                (Some(_), Some(&ESC)) => {
                    self.scanned = at + 2;
                    self.pairs += 1;
                }
                (Some(_), Some(&other)) => {
                    let what = format!("DLE is followed by {}, and means nothing with it", quoted(&[other]));
                    return Err(FrameError::broken(what));
                }
                (None, _) | (_, None) => return Ok(None),
            }
        }
    }

    /// Gets ready for the next block. Returns the number of pairs in the last one.
    fn restart(&mut self) -> usize {
        self.scanned = 0;
        std::mem::take(&mut self.pairs)
    }

    fn check_lrc(&self, message: &[u8], found: u8) -> Result<(), FrameError> {
        let right = lrc(message);
        if !self.lrc || found == right {
            return Ok(());
        }
        Err(FrameError::broken(format!("the block's LRC is {found:02x}, and its bytes make {right:02x}")))
    }
}

/// The longitudinal redundancy check, over the bytes from after STX up to and including ETX, without the DLEs that only escape.
fn lrc(message: &[u8]) -> u8 {
    message.iter().fold(ETX, |sum, byte| sum ^ byte)
}

fn unescape(block: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(block.len());
    let mut rest = block;
    while let Some(at) = memchr(ESC, rest) {
        out.extend_from_slice(&rest[..=at]);
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
}

impl Codec for Dle {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if self.scanned == 0 {
            if let Some(at) = input.iter().zip([ESC, STX]).position(|(found, wanted)| *found != wanted) {
                return Err(FrameError::broken(format!(
                    "a block starts with 1002, not with {}",
                    quoted(&input[..=at])
                )));
            }
            if input.len() < START {
                return Ok(Step::Need);
            }
            self.scanned = START;
        }
        let Some(end) = self.find_end(input, cx.max)? else { return Ok(Step::Need) };
        let total = end + 2 + usize::from(self.lrc);
        let Some(&last) = input.get(total - 1) else { return Ok(Step::Need) };
        if self.restart() == 0 {
            self.check_lrc(&input[START..end], last)?;
            return Ok(Step::Frame { start: START, end, total });
        }
        unescape(&input[START..end], cx.scratch);
        self.check_lrc(cx.scratch, last)?;
        Ok(Step::Built { total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.reserve(message.len() + 5);
        out.extend_from_slice(&[ESC, STX]);
        let mut rest = message;
        while let Some(at) = memchr(ESC, rest) {
            out.extend_from_slice(&rest[..=at]);
            out.push(ESC);
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(&[ESC, ETX]);
        if self.lrc {
            out.push(lrc(message));
        }
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        let mut at = self.scanned;
        self.restart();
        while let Some(found) = memchr(ESC, &input[at..]) {
            at += found;
            let total = at + 2 + usize::from(self.lrc);
            match input.get(at + 1) {
                Some(&ETX) if input.len() >= total => return Ok(Discard::Done(total)),
                None | Some(&ETX) => return Ok(Discard::More(at)),
                // A pair, or two bytes that no valid block contains: skip both bytes.
                Some(_) => at += 2,
            }
        }
        Ok(Discard::More(input.len()))
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        Needle::Two([ESC, STX]).discard_up_to(input, first.into())
    }
}
