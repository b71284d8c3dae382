//! `line`, `crlf`, `delim`, `null`: frames that end in given bytes. A scan resumes where it stopped.

use memchr::{memchr, memmem};

use super::{Codec, Cx, Discard, Entry, Fault, Shape, Step};
use crate::error::EncodeError;
use crate::limits;

pub(super) const LINE: Entry = Entry {
    name: "line",
    syntax: "line",
    frame: "ends in LF; a CR before it is dropped on reading; a rest at the end is a message",
    examples: &["line", "line,max=1K", "line,max=64,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "line",
    parse: |_| Ok(Line::default().into()),
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
    syntax: "delim:HEX",
    frame: "ends in these bytes",
    examples: &["delim:0d0a0d0a", "delim:3b", "delim:616162,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "delim",
    parse: |args| {
        Ok(Delimited::new(&args.hex(limits::MAX_DELIMITER, "the bytes that end a message, such as delim:0d0a0d0a")?)
            .into())
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

/// Lines of text: LF ends one, a CR before it belongs to the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// Bytes of the input already known to hold no LF.
    scanned: usize,
}

impl Codec for Line {
    #[inline]
    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        let Some(found) = memchr(b'\n', &input[self.scanned..]) else {
            self.scanned = input.len();
            // One byte of grace: it may be the CR that is dropped.
            let over = input.len() > cx.max && (input.len() > cx.max + 1 || input.last() != Some(&b'\r'));
            return if over { Err(Fault::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let lf = self.scanned + found;
        let end = if lf > 0 && input[lf - 1] == b'\r' { lf - 1 } else { lf };
        if end > cx.max {
            return Err(Fault::TooLong { length: Some(end as u64), skip: Some(lf as u64 + 1) });
        }
        self.scanned = 0;
        Ok(Step::Frame { start: 0, end, total: lf + 1 })
    }

    fn finish(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        if input.len() > cx.max {
            return Err(Fault::TooLong { length: Some(input.len() as u64), skip: Some(input.len() as u64) });
        }
        self.scanned = 0;
        Ok(Step::Frame { start: 0, end: input.len(), total: input.len() })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(at) = memchr(b'\n', message) {
            return Err(EncodeError::ContainsDelimiter { delimiter: "LF".into(), at });
        }
        if message.last() == Some(&b'\r') {
            return Err(EncodeError::unfit("the message ends in CR, which a reader of lines would drop"));
        }
        out.reserve(message.len() + 1);
        out.extend_from_slice(message);
        out.push(b'\n');
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8]) -> Discard {
        self.scanned = 0;
        match memchr(b'\n', input) {
            Some(lf) => Discard::Done(lf + 1),
            None => Discard::More(input.len()),
        }
    }

    fn shape(&self) -> Shape {
        Shape::Line { crlf: false }
    }
}

/// Messages that end in a fixed run of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Delimited {
    delimiter: Box<[u8]>,
    /// Where in the input the delimiter may begin: before it, it does not.
    scanned: usize,
}

impl Delimited {
    pub(crate) fn new(delimiter: &[u8]) -> Self {
        Self { delimiter: delimiter.into(), scanned: 0 }
    }

    fn find(&self, haystack: &[u8]) -> Option<usize> {
        match self.delimiter[..] {
            [byte] => memchr(byte, haystack),
            _ => memmem::find(haystack, &self.delimiter),
        }
    }
}

/// A delimiter as an error names it.
pub(crate) fn name_of(delimiter: &[u8]) -> String {
    match delimiter {
        b"\n" => "LF".into(),
        b"\r\n" => "CRLF".into(),
        b"\0" => "a zero byte".into(),
        other => other.iter().map(|b| format!("{b:02x}")).collect(),
    }
}

impl Codec for Delimited {
    #[inline]
    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        let Some(found) = self.find(&input[self.scanned..]) else {
            // The input's last bytes may be the delimiter's first.
            self.scanned = input.len().saturating_sub(self.delimiter.len() - 1);
            let over = self.scanned > cx.max;
            return if over { Err(Fault::TooLong { length: None, skip: None }) } else { Ok(Step::Need) };
        };
        let end = self.scanned + found;
        let total = end + self.delimiter.len();
        if end > cx.max {
            return Err(Fault::TooLong { length: Some(end as u64), skip: Some(total as u64) });
        }
        self.scanned = 0;
        Ok(Step::Frame { start: 0, end, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let from = out.len();
        out.reserve(message.len() + self.delimiter.len());
        out.extend_from_slice(message);
        out.extend_from_slice(&self.delimiter);
        // Searched with the delimiter behind it: the message's last bytes may make one with the delimiter's first.
        match self.find(&out[from..]) {
            Some(at) if at < message.len() => {
                Err(EncodeError::ContainsDelimiter { delimiter: name_of(&self.delimiter), at })
            }
            _ => Ok(()),
        }
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8]) -> Discard {
        self.scanned = 0;
        match self.find(input) {
            Some(at) => Discard::Done(at + self.delimiter.len()),
            None => Discard::More(input.len().saturating_sub(self.delimiter.len() - 1)),
        }
    }

    fn shape(&self) -> Shape {
        match &self.delimiter[..] {
            b"\r\n" => Shape::Line { crlf: true },
            _ => Shape::Other,
        }
    }
}
