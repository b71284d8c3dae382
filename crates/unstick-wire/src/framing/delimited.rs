//! `line`, `crlf`, `delim`, `null`: frames that end in given bytes. The search resumes where it stopped.

use memchr::memchr;

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Shape, Step, quoted};
use crate::error::{EncodeError, SpecError};
use crate::fast_path::FastPath;
use crate::limits;
use crate::recipe::Recipe;

pub(super) const LINE: Row<Line> = Row {
    name: "line",
    syntax: "line[,cr=keep]",
    frame: "ends in LF; a CR before it is dropped on reading, or kept (cr=keep); a last line without an LF is a message too",
    examples: &["line", "line,max=1K", "line,max=64,oversize=discard", "line,cr=keep"],
    keeps_boundaries: true,
    matches: |name| name == "line",
    parse: |args| {
        let keep_cr = match args.value("cr") {
            None | Some("drop") => false,
            Some("keep") => true,
            Some(other) => return Err(SpecError::new(format!("cr={other}: keep or drop"))),
        };
        Ok(Line { keep_cr, scanned: 0 })
    },
};

pub(super) const CRLF: Row<Delimited> = Row {
    name: "crlf",
    syntax: "crlf",
    frame: "ends in CRLF only; a bare CR or LF is content",
    examples: &["crlf"],
    keeps_boundaries: true,
    matches: |name| name == "crlf",
    parse: |_| Ok(Delimited::new(b"\r\n")),
};

pub(super) const DELIM: Row<Delimited> = Row {
    name: "delim",
    syntax: "delim:HEX[,keep]",
    frame: "ends in these bytes; keep: they are part of the message",
    examples: &["delim:0d0a0d0a", "delim:3b", "delim:616162,max=100,oversize=discard", "delim:0d0a,keep"],
    keeps_boundaries: true,
    matches: |name| name == "delim",
    parse: |args| {
        let end = args.hex(limits::MAX_DELIMITER, "the bytes that end a message, such as delim:0d0a0d0a")?;
        Ok(Delimited { keep: args.flag("keep")?, ..Delimited::new(&end) })
    },
};

pub(super) const NULL: Row<Delimited> = Row {
    name: "null",
    syntax: "null",
    frame: "ends in a zero byte",
    examples: &["null"],
    keeps_boundaries: true,
    matches: |name| name == "null",
    parse: |_| Ok(Delimited::new(b"\0")),
};

/// Lines of text. LF ends a line; a CR before it is part of the line's end, unless `cr=keep` makes it part of the message.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    keep_cr: bool,
    /// Bytes of the input already known to hold no LF.
    scanned: usize,
}

impl Line {
    /// Whether a CR before the LF belongs to the message.
    pub(crate) fn keeps_cr(&self) -> bool {
        self.keep_cr
    }
}

impl Codec for Line {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("line").flag("keep_cr", self.keep_cr))
    }

    fn fast_path(&self, max: usize) -> FastPath {
        FastPath::line(max, !self.keep_cr, true)
    }

    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(found) = memchr(b'\n', &input[self.scanned..]) else {
            self.scanned = input.len();
            // Allow one byte more: it may be a CR that is dropped later.
            let grace = usize::from(!self.keep_cr && input.last() == Some(&b'\r'));
            let over = input.len() > cx.max + grace;
            return if over { Err(FrameError::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let lf = self.scanned + found;
        let cr = !self.keep_cr && lf > 0 && input[lf - 1] == b'\r';
        let end = lf - usize::from(cr);
        self.scanned = 0;
        if end > cx.max {
            return Err(FrameError::TooLong { length: None, skip: Some(lf as u64 + 1) });
        }
        Ok(Step::Frame { start: 0, end, total: lf + 1 })
    }

    fn finish(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        self.scanned = 0;
        if input.len() > cx.max {
            return Err(FrameError::TooLong { length: None, skip: Some(input.len() as u64) });
        }
        Ok(Step::Frame { start: 0, end: input.len(), total: input.len() })
    }

    #[inline]
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(at) = memchr(b'\n', message) {
            return Err(EncodeError::ContainsDelimiter { delimiter: "LF".into(), at });
        }
        if !self.keep_cr && message.last() == Some(&b'\r') {
            return Err(EncodeError::unfit_but(
                "the message ends in CR, which a reader of lines would drop",
                "line,cr=keep sends it, and a peer that keeps it too reads it",
            ));
        }
        out.reserve(message.len() + 1);
        out.extend_from_slice(message);
        out.push(b'\n');
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], ended: bool) -> Result<Discard, FrameError> {
        let from = std::mem::take(&mut self.scanned);
        Ok(match memchr(b'\n', &input[from..]) {
            Some(lf) => Discard::Done(from + lf + 1),
            None if ended => Discard::Done(input.len()),
            None => Discard::More(input.len()),
        })
    }

    fn shape(&self) -> Shape {
        Shape::Line { crlf: false }
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Needle::One(b'\n').discard_behind(input)
    }
}

/// Messages that end in the same few bytes.
#[derive(Debug, Clone)]
pub(crate) struct Delimited {
    needle: Needle,
    /// The delimiter is part of the message.
    keep: bool,
    /// The delimiter does not begin before this position in the input.
    scanned: usize,
}

impl Delimited {
    /// Whether messages are lines: they end in LF or CRLF, and do not keep it.
    pub(crate) fn ends_in_lf(&self) -> bool {
        !self.keep && matches!(self.needle.bytes(), b"\n" | b"\r\n")
    }

    fn new(delimiter: &[u8]) -> Self {
        Self { needle: Needle::new(delimiter), keep: false, scanned: 0 }
    }
}

impl Delimited {
    /// Bytes of the delimiter that belong to the message.
    fn kept(&self) -> usize {
        if self.keep { self.needle.bytes().len() } else { 0 }
    }
}

impl Codec for Delimited {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("delimited").bytes("ending", self.needle.bytes()).flag("keep", self.keep))
    }

    fn fast_path(&self, max: usize) -> FastPath {
        match self.needle.bytes() {
            b"\r\n" if !self.keep => FastPath::line(max, true, false),
            _ => FastPath::CLOSED,
        }
    }

    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(found) = self.needle.find(&input[self.scanned..]) else {
            self.scanned = input.len() - self.needle.keep(input);
            let over = self.scanned + self.kept() > cx.max;
            return if over { Err(FrameError::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let end = self.scanned + found + self.kept();
        let total = self.scanned + found + self.needle.bytes().len();
        self.scanned = 0;
        if end > cx.max {
            return Err(FrameError::TooLong { length: None, skip: Some(total as u64) });
        }
        Ok(Step::Frame { start: 0, end, total })
    }

    #[inline]
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let from = out.len();
        out.reserve(message.len() + self.needle.bytes().len());
        let message = match self.keep {
            false => message,
            true => message.strip_suffix(self.needle.bytes()).ok_or_else(|| {
                EncodeError::unfit(format!(
                    "the message does not end in {}, which is part of it",
                    quoted(self.needle.bytes())
                ))
            })?,
        };
        out.extend_from_slice(message);
        self.needle.put(from, out)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        let from = std::mem::take(&mut self.scanned);
        Ok(match self.needle.find(&input[from..]) {
            Some(at) => Discard::Done(from + at + self.needle.bytes().len()),
            None => Discard::More(input.len() - self.needle.keep(input)),
        })
    }

    fn shape(&self) -> Shape {
        match self.needle.bytes() {
            b"\r\n" => Shape::Line { crlf: true },
            _ => Shape::Other,
        }
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        self.needle.discard_behind(input)
    }
}
