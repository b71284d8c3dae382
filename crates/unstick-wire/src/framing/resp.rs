//! `resp`: Redis's values, RESP2 and RESP3, which can be nested; a server also accepts plain lines of words.
//!
//! The message is the value as it is on the wire, without its last CRLF. Not here: what a value means, and whether it
//! is UTF-8.

use memchr::memchr;

use crate::args::Args;
use crate::codec::{Codec, Context, FrameError, Row, Shape, Step, quoted};
use crate::error::{EncodeError, SpecError};
use crate::limits::{MAX_DECIMAL_DIGITS, MAX_RESP_DEPTH};

/// Redis serialization protocol specification, "RESP protocol description" and "Inline commands".
pub(super) const RESP: Row<Resp> = Row {
    name: "resp",
    syntax: "resp[,inline=yes]",
    frame: "a RESP value of Redis, with everything nested in it, without its last CRLF; inline=yes: plain lines too",
    examples: &["resp", "resp,inline=yes"],
    keeps_boundaries: true,
    matches: |name| name == "resp",
    parse: parse_resp,
};

fn parse_resp(args: &mut Args<'_>) -> Result<Resp, SpecError> {
    Ok(Resp { inline: args.flag("inline")?, ..Resp::default() })
}

/// RESP values one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resp {
    /// A line that is not a value counts as a message too.
    inline: bool,
    /// Number of bytes of the input that have been parsed.
    at: usize,
    /// Number of bytes after that which are known to hold no end of line.
    scanned: usize,
    /// The values that contain the current one, outermost first.
    open: Vec<Open>,
}

/// A value that contains other values.
#[derive(Debug, Clone, Copy)]
enum Open {
    /// This many values are still to come.
    Values(u64),
    /// This many values are still to come; they are attributes of the value after them.
    Attributes(u64),
    /// Values up to a `.` line.
    Streamed,
    /// Parts of a string, up to an empty part.
    Parts,
}

/// What a line turned out to be.
enum Seen {
    /// The end of a value, which is at this byte.
    Value(usize),
    /// A part of a value, which continues at this byte.
    More(usize),
    /// More bytes are needed.
    Nothing,
}

impl Resp {
    /// Returns where the value that starts at `input[0]` ends, including its CRLF.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        // A value within the limit has ended by here.
        let most = max.saturating_add(2);
        loop {
            let from = self.scanned.max(self.at);
            let lf = memchr(b'\n', &input[from..]).map(|found| from + found);
            // The same bytes are checked wherever the input was cut, so that the same error is found.
            let seen = lf.unwrap_or(input.len()).min(most.saturating_add(1));
            self.check_start(&input[self.at..seen.max(self.at)])?;
            let Some(lf) = lf.filter(|lf| *lf < most) else {
                self.scanned = input.len();
                return if input.len() > most { Err(too_long()) } else { Ok(None) };
            };
            self.scanned = self.at;
            let whole = &input[self.at..lf];
            let (behind, seen) = match self.line(whole, lf + 1, input, most)? {
                Seen::Nothing => return Ok(None),
                Seen::Value(behind) => (behind, true),
                Seen::More(behind) => (behind, false),
            };
            self.at = behind;
            if behind > most {
                return Err(too_long());
            }
            if seen && self.close_value() {
                return Ok(Some(behind));
            }
        }
    }

    /// Parses the line `input[self.at..lf]`, and what belongs to it after `next`.
    fn line(&mut self, whole: &[u8], next: usize, input: &[u8], most: usize) -> Result<Seen, FrameError> {
        let kind = whole.first().copied().unwrap_or(b'\n');
        if self.inline && self.open.is_empty() && !is_kind(kind) {
            return Ok(Seen::Value(next));
        }
        let Some(line) = whole.strip_suffix(b"\r").filter(|line| !line.is_empty()) else {
            return Err(FrameError::broken("expected a RESP value that ends in CRLF, found an empty line or LF alone"));
        };
        let rest = &line[1..];
        match (kind, rest) {
            (b'+' | b'-' | b':' | b',' | b'(', _) | (b'_', b"") | (b'#', b"t" | b"f") => Ok(Seen::Value(next)),
            (b'$', b"-1") | (b'*', b"-1") => Ok(Seen::Value(next)),
            (b'$', b"?") => self.enter(Open::Parts, next),
            (b'*' | b'~' | b'%' | b'>', b"?") => self.enter(Open::Streamed, next),
            (b'.', b"") if matches!(self.open.last(), Some(Open::Streamed)) => {
                self.open.pop();
                Ok(Seen::Value(next))
            }
            (b'$' | b'!' | b'=', _) => self.string(count(line)?, next, input, most),
            (b';', _) if matches!(self.open.last(), Some(Open::Parts)) => match count(line)? {
                0 => {
                    self.open.pop();
                    Ok(Seen::Value(next))
                }
                length => Ok(match self.string(length, next, input, most)? {
                    Seen::Value(behind) => Seen::More(behind),
                    other => other,
                }),
            },
            (b'*' | b'~' | b'>', _) => match count(line)? {
                0 => Ok(Seen::Value(next)),
                values => self.enter(Open::Values(values), next),
            },
            (b'%', _) => match count(line)? {
                0 => Ok(Seen::Value(next)),
                pairs => self.enter(Open::Values(pairs.saturating_mul(2)), next),
            },
            (b'|', _) => match count(line)? {
                0 => Ok(Seen::More(next)),
                pairs => self.enter(Open::Attributes(pairs.saturating_mul(2)), next),
            },
            _ => Err(FrameError::broken(format!("{} is not a RESP value", quoted(&line[..line.len().min(40)])))),
        }
    }

    /// Parses a string of a given number of bytes, and its CRLF.
    fn string(&self, length: u64, next: usize, input: &[u8], most: usize) -> Result<Seen, FrameError> {
        if length > most as u64 || next as u64 + length + 2 > most as u64 {
            return Err(too_long());
        }
        let end = next + length as usize;
        match input.get(end..end + 2) {
            None => Ok(Seen::Nothing),
            Some(b"\r\n") => Ok(Seen::Value(end + 2)),
            Some(other) => Err(FrameError::broken(format!(
                "expected CRLF after a string of {length} bytes, found {}",
                quoted(other)
            ))),
        }
    }

    fn enter(&mut self, open: Open, next: usize) -> Result<Seen, FrameError> {
        if self.open.len() == MAX_RESP_DEPTH {
            return Err(FrameError::broken(format!("RESP values nested more than {MAX_RESP_DEPTH} deep")));
        }
        self.open.push(open);
        Ok(Seen::More(next))
    }

    /// Closes a value that has ended, and the values that end with it; returns true if the outermost one has ended.
    fn close_value(&mut self) -> bool {
        while let Some(open) = self.open.last_mut() {
            match open {
                Open::Values(left) | Open::Attributes(left) if *left > 1 => {
                    *left -= 1;
                    return false;
                }
                Open::Values(_) => drop(self.open.pop()),
                Open::Attributes(_) => {
                    self.open.pop();
                    return false;
                }
                Open::Streamed | Open::Parts => return false,
            }
        }
        true
    }

    /// Reports a wrong first byte or an endless length before the whole line has arrived.
    fn check_start(&self, line: &[u8]) -> Result<(), FrameError> {
        let Some(&kind) = line.first() else { return Ok(()) };
        if !is_kind(kind) {
            let inline = self.inline && self.open.is_empty();
            return if inline {
                Ok(())
            } else {
                Err(FrameError::broken(format!("{} begins no RESP value", quoted(&[kind]))))
            };
        }
        let counted = !b"+-:,(".contains(&kind);
        if counted && line.len() > MAX_DECIMAL_DIGITS + 2 {
            return Err(FrameError::broken(format!("{} is not a RESP length", quoted(&line[..MAX_DECIMAL_DIGITS]))));
        }
        Ok(())
    }

    fn reset(&mut self) {
        *self = Self { inline: self.inline, ..Self::default() };
    }
}

#[cold]
fn too_long() -> FrameError {
    FrameError::TooLong { length: None, skip: None }
}

fn is_kind(byte: u8) -> bool {
    b"+-:$*_#,(!=%~>|;.".contains(&byte)
}

/// Returns the number after the first byte of a line.
fn count(line: &[u8]) -> Result<u64, FrameError> {
    let digits = std::str::from_utf8(&line[1..]).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| FrameError::broken(format!("{} is not a RESP length", quoted(&line[..line.len().min(40)]))))
}

impl Codec for Resp {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let end = match self.find_end(input, cx.max) {
            Ok(Some(end)) => end,
            Ok(None) => return Ok(Step::Need),
            Err(fault) => {
                self.reset();
                return Err(fault);
            }
        };
        self.reset();
        let length = end - if input[..end].ends_with(b"\r\n") { 2 } else { 1 };
        if length == 0 {
            // An empty line: a server skips it.
            return Ok(Step::Blank { total: end });
        }
        if length > cx.max {
            return Err(too_long());
        }
        Ok(Step::Frame { start: 0, end: length, total: end })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let from = out.len();
        out.extend_from_slice(message);
        out.extend_from_slice(b"\r\n");
        let frame = &out[from..];
        let mut own = Self { inline: self.inline, ..Self::default() };
        match own.find_end(frame, frame.len()) {
            _ if message.is_empty() => Err(EncodeError::unfit("an empty message is not a RESP value")),
            Ok(Some(end)) if end == frame.len() => Ok(()),
            Ok(Some(end)) => {
                Err(EncodeError::unfit(format!("the message's RESP value ends by byte {end}, and more follows")))
            }
            Err(FrameError::Broken(what)) => Err(EncodeError::unfit(format!("the message is not RESP: {what}"))),
            _ => Err(EncodeError::unfit("the message is not a whole RESP value")),
        }
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}
