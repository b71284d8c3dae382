//! `line`, `crlf`, `delim`, `null`: frames that end in given bytes. A scan resumes where it stopped.

use std::sync::Arc;

use memchr::{memchr, memmem};

use super::{Codec, Cx, Discard, Entry, Fault, Shape, Step, shown};
use crate::error::{EncodeError, SpecError};
use crate::lane::Lane;
use crate::limits;

pub(super) const LINE: Entry = Entry {
    name: "line",
    syntax: "line[,cr=keep]",
    frame: "ends in LF; a CR before it is dropped on reading, or kept; a rest at the end is a message",
    examples: &["line", "line,max=1K", "line,max=64,oversize=discard", "line,cr=keep"],
    keeps_boundaries: true,
    matches: |name| name == "line",
    parse: |args| {
        let keep_cr = match args.value("cr") {
            None | Some("drop") => false,
            Some("keep") => true,
            Some(other) => return Err(SpecError::new(format!("cr={other}: keep or drop"))),
        };
        Ok(Line { keep_cr, scanned: 0 }.into())
    },
};

pub(super) const CRLF: Entry = Entry {
    name: "crlf",
    syntax: "crlf",
    frame: "ends in CRLF only; a bare CR or LF is content",
    examples: &["crlf"],
    keeps_boundaries: true,
    matches: |name| name == "crlf",
    parse: |_| Ok(Delimited::new(b"\r\n").into()),
};

pub(super) const DELIM: Entry = Entry {
    name: "delim",
    syntax: "delim:HEX[,keep]",
    frame: "ends in these bytes; keep: they are part of the message",
    examples: &["delim:0d0a0d0a", "delim:3b", "delim:616162,max=100,oversize=discard", "delim:0d0a,keep"],
    keeps_boundaries: true,
    matches: |name| name == "delim",
    parse: |args| {
        let end = args.hex(limits::MAX_DELIMITER, "the bytes that end a message, such as delim:0d0a0d0a")?;
        Ok(Delimited { keep: args.flag("keep")?, ..Delimited::new(&end) }.into())
    },
};

pub(super) const NULL: Entry = Entry {
    name: "null",
    syntax: "null",
    frame: "ends in a zero byte",
    examples: &["null"],
    keeps_boundaries: true,
    matches: |name| name == "null",
    parse: |_| Ok(Delimited::new(b"\0").into()),
};

/// Lines of text: LF ends one, a CR before it belongs to the end unless it is to be kept.
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
    fn lane(&self, max: usize) -> Lane {
        Lane::Line { max, crlf: !self.keep_cr, lf: true }
    }

    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        let Some(found) = memchr(b'\n', &input[self.scanned..]) else {
            self.scanned = input.len();
            // One byte of grace: it may be the CR that is dropped.
            let grace = usize::from(!self.keep_cr && input.last() == Some(&b'\r'));
            let over = input.len() > cx.max + grace;
            return if over { Err(Fault::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let lf = self.scanned + found;
        let cr = !self.keep_cr && lf > 0 && input[lf - 1] == b'\r';
        let end = lf - usize::from(cr);
        self.scanned = 0;
        if end > cx.max {
            return Err(Fault::TooLong { length: None, skip: Some(lf as u64 + 1) });
        }
        Ok(Step::Frame { start: 0, end, total: lf + 1 })
    }

    fn finish(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        self.scanned = 0;
        if input.len() > cx.max {
            return Err(Fault::TooLong { length: None, skip: Some(input.len() as u64) });
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

    fn discard(&mut self, input: &[u8], ended: bool) -> Result<Discard, Fault> {
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
        Discard::behind(&Needle::One(b'\n'), input)
    }
}

/// The bytes that end a message, ready to be searched for.
#[derive(Debug, Clone)]
pub(super) enum Needle {
    One(u8),
    /// Far quicker to find by hand than by a searcher, and CRLF is one.
    Two([u8; 2]),
    More(Arc<memmem::Finder<'static>>),
}

impl Needle {
    pub(super) fn new(bytes: &[u8]) -> Self {
        match *bytes {
            [byte] => Self::One(byte),
            [first, second] => Self::Two([first, second]),
            _ => Self::More(Arc::new(memmem::Finder::new(bytes).into_owned())),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::One(byte) => std::slice::from_ref(byte),
            Self::Two(bytes) => bytes,
            Self::More(finder) => finder.needle(),
        }
    }

    /// Where in `haystack` it stands first.
    #[inline]
    pub(super) fn find(&self, haystack: &[u8]) -> Option<usize> {
        match self {
            Self::One(byte) => memchr(*byte, haystack),
            Self::Two([first, second]) => {
                let mut from = 1;
                loop {
                    let at = from + memchr(*second, haystack.get(from..)?)?;
                    if haystack[at - 1] == *first {
                        return Some(at - 1);
                    }
                    from = at + 1;
                }
            }
            Self::More(finder) => finder.find(haystack),
        }
    }

    /// How many of the last bytes of `haystack`, in which it does not stand, may be its first.
    #[inline]
    pub(super) fn keep(&self, haystack: &[u8]) -> usize {
        haystack.len().min(self.bytes().len() - 1)
    }

    /// Appends it to `out`, whose bytes from `from` on are a message.
    ///
    /// Searched with itself behind the message: the message's last bytes may make one with the needle's first.
    pub(super) fn put(&self, from: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(self.bytes());
        match self.find(&out[from..]) {
            Some(at) if from + at + self.bytes().len() < out.len() => {
                Err(EncodeError::ContainsDelimiter { delimiter: shown(self.bytes()), at })
            }
            _ => Ok(()),
        }
    }
}

/// Messages that end in a fixed run of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Delimited {
    needle: Needle,
    /// The delimiter is part of the message.
    keep: bool,
    /// Where in the input the delimiter may begin: before it, it does not.
    scanned: usize,
}

impl Delimited {
    /// Whether messages end in LF or CRLF: they are lines.
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
    fn lane(&self, max: usize) -> Lane {
        match self.needle.bytes() {
            b"\r\n" if !self.keep => Lane::Line { max, crlf: true, lf: false },
            _ => Lane::Closed,
        }
    }

    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        let Some(found) = self.needle.find(&input[self.scanned..]) else {
            self.scanned = input.len() - self.needle.keep(input);
            let over = self.scanned + self.kept() > cx.max;
            return if over { Err(Fault::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let end = self.scanned + found + self.kept();
        let total = self.scanned + found + self.needle.bytes().len();
        self.scanned = 0;
        if end > cx.max {
            return Err(Fault::TooLong { length: None, skip: Some(total as u64) });
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
                    shown(self.needle.bytes())
                ))
            })?,
        };
        out.extend_from_slice(message);
        self.needle.put(from, out)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, Fault> {
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
        Discard::behind(&self.needle, input)
    }
}
