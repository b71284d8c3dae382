//! `stomp`: a command, headers, an empty line, and a body that ends in a zero byte or has the length that a header
//! gives.

use memchr::memchr;

use crate::codec::{Codec, Context, FrameError, Row, Shape, Step, quoted};
use crate::error::EncodeError;
use crate::limits::{MAX_DECIMAL_DIGITS, MAX_HEADER_BLOCK};

/// STOMP 1.2, "STOMP Frames", "Body" and "Header content-length"; line ends between frames are heart-beats.
pub(super) const STOMP: Row<Stomp> = Row {
    name: "stomp-frame",
    syntax: "stomp-frame",
    frame: "a command, header lines, an empty line, then content-length bytes or all bytes before the final zero byte",
    examples: &["stomp-frame"],
    keeps_boundaries: true,
    matches: |name| name == "stomp-frame",
    parse: |_| Ok(Stomp::default()),
};

/// A frame in progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stomp {
    /// Where the current line begins.
    line: usize,
    /// Number of bytes that are known to hold no end of that line, or of the body.
    scanned: usize,
    /// The value of content-length: the first such header counts.
    length: Option<u64>,
    /// Number of bytes before the body; 0 until the empty line has arrived.
    body: usize,
}

fn too_long() -> FrameError {
    FrameError::TooLong { length: None, skip: None }
}

impl Stomp {
    /// Reads the lines that have arrived; returns true when all of them are there.
    fn read_lines(&mut self, input: &[u8]) -> Result<bool, FrameError> {
        while let Some(found) = memchr(b'\n', &input[self.scanned..]) {
            let lf = self.scanned + found;
            if lf >= MAX_HEADER_BLOCK {
                break;
            }
            let line = &input[self.line..lf];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.line = lf + 1;
            self.scanned = lf + 1;
            if line.is_empty() {
                self.body = lf + 1;
                return Ok(true);
            }
            self.read_header(line)?;
        }
        self.scanned = input.len().min(MAX_HEADER_BLOCK);
        if input.len() < MAX_HEADER_BLOCK {
            return Ok(false);
        }
        Err(FrameError::broken(format!("command and headers are over {MAX_HEADER_BLOCK} bytes")))
    }

    fn read_header(&mut self, line: &[u8]) -> Result<(), FrameError> {
        let Some(value) = line.strip_prefix(b"content-length:").filter(|_| self.length.is_none()) else {
            return Ok(());
        };
        let digits = std::str::from_utf8(value).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let number = digits.filter(|digits| digits.len() <= MAX_DECIMAL_DIGITS).and_then(|digits| digits.parse().ok());
        self.length = Some(number.ok_or_else(|| {
            FrameError::broken(format!("content-length {} is not a length", quoted(&value[..value.len().min(40)])))
        })?);
        Ok(())
    }

    fn find(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        if self.body == 0 && !self.read_lines(input)? {
            return Ok(None);
        }
        if let Some(length) = self.length {
            let end = length.saturating_add(self.body as u64);
            if end > max as u64 {
                return Err(FrameError::TooLong { length: Some(end), skip: None });
            }
            return match input.get(end as usize) {
                None => Ok(None),
                Some(0) => Ok(Some(end as usize)),
                Some(other) => Err(FrameError::broken(format!(
                    "expected a zero byte after a body of {length} bytes, found {}",
                    quoted(&[*other])
                ))),
            };
        }
        let from = self.scanned.max(self.body);
        let end = memchr(0, &input[from..]).map(|found| from + found);
        self.scanned = input.len();
        match end {
            Some(end) if end <= max => Ok(Some(end)),
            None if input.len() <= max => Ok(None),
            _ => Err(too_long()),
        }
    }
}

impl Codec for Stomp {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let beats = match input {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [b'\r'] => return Ok(Step::Need),
            [0, ..] => return Err(FrameError::broken("expected a command, found a zero byte")),
            _ => 0,
        };
        if beats > 0 {
            return Ok(Step::Blank { total: beats });
        }
        let Some(end) = self.find(input, cx.max)? else { return Ok(Step::Need) };
        *self = Self::default();
        Ok(Step::Frame { start: 0, end, total: end + 1 })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let what = "a command, header lines, an empty line and a body";
        crate::codec::encode_as_it_stands(Self::default(), message, b"\0", what, out)
    }

    fn shape(&self) -> Shape {
        Shape::TextHeader
    }
}
