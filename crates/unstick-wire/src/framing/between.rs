//! `between` and `mllp`: frames that start and end with given bytes. Nothing stands between two frames.

use memchr::memmem;

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step, quoted};
use crate::error::EncodeError;
use crate::limits;
use crate::recipe::Recipe;

pub(super) const BETWEEN: Row<Between> = Row {
    name: "between",
    syntax: "between:HEX:HEX",
    frame: "starts with the first bytes and ends with the second; the message may contain the start bytes",
    examples: &["between:02:03", "between:1e:0a", "between:2424:0d0a,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "between",
    parse: |args| {
        let start = args.hex(limits::MAX_DELIMITER, "the bytes that start a frame, such as between:02:03")?;
        let end = args.hex(limits::MAX_DELIMITER, "the bytes that end a frame, such as between:02:03")?;
        Ok(Between::new(&start, &end))
    },
};

/// HL7's Minimal Lower Layer Protocol, release 1: VT, message, FS CR.
pub(super) const MLLP: Row<Between> = Row {
    name: "mllp",
    syntax: "mllp",
    frame: "HL7's lower layer protocol: the same as between:0b:1c0d",
    examples: &["mllp"],
    keeps_boundaries: true,
    matches: |name| name == "mllp",
    parse: |_| Ok(Between::new(b"\x0b", b"\x1c\r")),
};

/// Messages between a start and an end.
#[derive(Debug, Clone)]
pub(crate) struct Between {
    start: Box<[u8]>,
    end: Needle,
    /// The end does not begin before this position in the input; 0 until the start has been seen.
    scanned: usize,
}

impl Between {
    fn new(start: &[u8], end: &[u8]) -> Self {
        Self { start: start.into(), end: Needle::new(end), scanned: 0 }
    }

    /// Checks the start bytes that have arrived so far.
    fn check_start(&self, input: &[u8]) -> Result<(), FrameError> {
        let wrong = input.iter().zip(&self.start).position(|(found, wanted)| found != wanted);
        match wrong {
            None => Ok(()),
            Some(at) => Err(FrameError::broken(format!(
                "a frame starts with {}, not with {}",
                quoted(&self.start),
                quoted(&input[..=at])
            ))),
        }
    }
}

impl Codec for Between {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("between").bytes("start", &self.start).bytes("ending", self.end.bytes()))
    }

    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let start = self.start.len();
        if self.scanned == 0 {
            self.check_start(input)?;
            if input.len() < start {
                return Ok(Step::Need);
            }
            self.scanned = start;
        }
        let rest = &input[self.scanned..];
        let Some(found) = self.end.find(rest) else {
            self.scanned = input.len() - self.end.keep(&input[start..]);
            let over = self.scanned - start > cx.max;
            return if over { Err(FrameError::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let end = self.scanned + found;
        let total = end + self.end.bytes().len();
        self.scanned = 0;
        if end - start > cx.max {
            return Err(FrameError::TooLong { length: None, skip: Some(total as u64) });
        }
        Ok(Step::Frame { start, end, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.reserve(self.start.len() + message.len() + self.end.bytes().len());
        out.extend_from_slice(&self.start);
        let from = out.len();
        out.extend_from_slice(message);
        self.end.put(from, out)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        let from = std::mem::take(&mut self.scanned);
        let rest = &input[from..];
        Ok(match self.end.find(rest) {
            Some(at) => Discard::Done(from + at + self.end.bytes().len()),
            None => Discard::More(input.len() - self.end.keep(rest)),
        })
    }

    fn can_resync(&self) -> bool {
        true
    }

    /// After a message that is too long, resumes at the last start among the bytes that were searched. An earlier start cannot
    /// begin a whole message there, because the search would have found its end.
    fn resync(&mut self, input: &[u8], first: bool, max: usize) -> Discard {
        let seen =
            input.get(1..max.min(input.len())).filter(|_| first && input.starts_with(&self.start)).unwrap_or_default();
        match memmem::rfind(seen, &self.start) {
            Some(at) => Discard::Done(1 + at),
            None => Needle::new(&self.start).discard_up_to(input, first.into()),
        }
    }
}
