//! `json-seq`: JSON text sequences, where each text has a record separator before it and a line feed after it.
//!
//! A text may extend over several lines, so it ends where its value ends. Text that is not JSON, or was cut off, goes
//! on up to the next separator, as RFC 7464 section 2.1 requires, and is passed on as it is.

use memchr::memchr;

use super::json::{Scanner, is_blank};
use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step, quoted};
use crate::error::EncodeError;

/// RFC 7464, section 2.
pub(super) const JSON_SEQ: Row<JsonSeq> = Row {
    name: "json-seq",
    syntax: "json-seq",
    frame: "a JSON text sequence: RS, one JSON value on any number of lines, LF; anything else ends at the next RS",
    examples: &["json-seq", "json-seq,max=20,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "json-seq",
    parse: |_| Ok(JsonSeq::default()),
};

/// The record separator; a JSON text cannot contain it.
const RS: u8 = 0x1e;

/// JSON texts in sequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonSeq {
    scanner: Scanner,
    at: At,
    /// Number of bytes of the input that have been parsed; 0 until the separator has arrived.
    scanned: usize,
    /// Whether a text that is too long is being skipped.
    passing: bool,
}

/// How far a text has been parsed.
#[derive(Debug, Clone, Copy, Default)]
enum At {
    /// Its value has not ended.
    #[default]
    Value,
    /// Its value has ended, and blanks may follow.
    Behind,
    /// It is not JSON.
    Loose,
}

impl JsonSeq {
    /// Finds the line feed that ends the text, in bytes that contain no separator and follow those already parsed.
    fn line_feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut from = 0;
        if let At::Value = self.at {
            match self.scanner.scan(bytes, 0) {
                Ok(None) => return None,
                Ok(Some(end)) => (self.at, from) = (At::Behind, end),
                Err(_) => self.at = At::Loose,
            }
        }
        if let At::Loose = self.at {
            return None;
        }
        let blanks = bytes[from..].iter().take_while(|byte| is_blank(**byte) && **byte != b'\n').count();
        match bytes.get(from + blanks) {
            Some(b'\n') => return Some(from + blanks),
            Some(_) => self.at = At::Loose,
            None => {}
        }
        None
    }
}

impl Codec for JsonSeq {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if self.scanned == 0 {
            match *input {
                [blank, ..] if is_blank(blank) => return Ok(Step::Blank { total: 1 }),
                [RS, RS, ..] => return Ok(Step::Blank { total: 1 }),
                [RS] => return Ok(Step::Need),
                [RS, ..] => self.scanned = 1,
                ref other => {
                    return Err(FrameError::broken(format!(
                        "expected the separator 1e, found {}",
                        quoted(&other[..1])
                    )));
                }
            }
        }
        // A text within the limit has ended by here, and the result is the same wherever the input was cut.
        let reach = input.len().min(cx.max.saturating_add(2));
        let rest = &input[self.scanned..reach];
        let separator = memchr(RS, rest);
        let found = self.line_feed(&rest[..separator.unwrap_or(rest.len())]);
        let from = std::mem::replace(&mut self.scanned, reach);
        let (end, total) = match (found, separator) {
            (Some(lf), _) => (from + lf, from + lf + 1),
            (None, Some(separator)) => {
                let end = from + separator;
                (end - usize::from(end > 1 && input[end - 1] == b'\n'), end)
            }
            (None, None) if reach == cx.max.saturating_add(2) => {
                *self = Self::default();
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            (None, None) => return Ok(Step::Need),
        };
        *self = Self::default();
        Ok(Step::Frame { start: 1, end, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let from = out.len();
        out.push(RS);
        out.extend_from_slice(message);
        out.push(b'\n');
        let mut cx = Context { max: message.len(), scratch: &mut Vec::new() };
        match Self::default().decode(&out[from..], &mut cx) {
            Ok(Step::Frame { end, total, .. }) if end == total - 1 && total == out.len() - from => Ok(()),
            _ => Err(EncodeError::unfit_but("the message is not one JSON value", "a text is one in quotes: \"hello\"")),
        }
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        let from = usize::from(!std::mem::replace(&mut self.passing, true));
        Ok(match memchr(RS, &input[from..]) {
            Some(at) => {
                *self = Self::default();
                Discard::Done(from + at)
            }
            None => Discard::More(input.len()),
        })
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        Needle::One(RS).discard_up_to(input, first.into())
    }
}
