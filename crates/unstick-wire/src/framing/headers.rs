//! `headers`: header lines with a Content-Length, an empty line, and the body, as in LSP and DAP.
//!
//! Not here: HTTP, whose bodies end in more ways than one.

use memchr::{memchr, memchr2_iter};

use crate::args::Args;
use crate::byte_count::ByteCount;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Shape, Step, quoted};
use crate::error::{EncodeError, SpecError};
use crate::limits::{MAX_DECIMAL_DIGITS, MAX_HEADER_BLOCK};
use crate::recipe::Recipe;

/// The base protocol of the Language Server Protocol 3.17, "Header Part"; the Debug Adapter Protocol's is the same.
pub(super) const HEADERS: Row<Headers> = Row {
    name: "headers",
    syntax: "headers[,header=keep|strip]",
    frame: "header lines with Content-Length, an empty line, then that many bytes (LSP, DAP)",
    examples: &["headers", "headers,header=keep", "headers,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "headers",
    parse: parse_headers,
};

fn parse_headers(args: &mut Args<'_>) -> Result<Headers, SpecError> {
    let keep = match args.value("header") {
        None | Some("strip") => false,
        Some("keep") => true,
        Some(other) => return Err(SpecError::new(format!("header={other}: keep or strip"))),
    };
    Ok(Headers { keep, ..Headers::default() })
}

/// A header block and a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers {
    /// Whether the message contains the block.
    keep: bool,
    /// Where the current line begins.
    line: usize,
    /// Number of bytes that are known to hold no end of that line.
    scanned: usize,
    /// The length that the lines so far contain.
    length: Option<u64>,
    /// Size of the block with its empty line, in bytes; 0 until that has arrived.
    block: usize,
}

impl Headers {
    /// Reads the lines that have arrived; returns true when the block is complete.
    fn read_block(&mut self, input: &[u8]) -> Result<bool, FrameError> {
        while let Some(found) = memchr(b'\n', &input[self.scanned..]) {
            let lf = self.scanned + found;
            if lf >= MAX_HEADER_BLOCK {
                return Err(block_too_long());
            }
            let Some(line) = input[self.line..lf].strip_suffix(b"\r") else {
                return Err(FrameError::broken("expected CRLF at the end of a header line, found LF alone"));
            };
            self.scanned = lf + 1;
            self.line = lf + 1;
            if line.is_empty() {
                self.block = lf + 1;
                return Ok(true);
            }
            self.read_line(line)?;
        }
        self.scanned = input.len();
        if input.len() >= MAX_HEADER_BLOCK { Err(block_too_long()) } else { Ok(false) }
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), FrameError> {
        let colon = memchr(b':', line).filter(|colon| *colon > 0 && line[..*colon].iter().all(u8::is_ascii_graphic));
        let Some(colon) = colon else {
            return Err(FrameError::broken(format!("{} is not a header line", quoted(&line[..line.len().min(40)]))));
        };
        if !line[..colon].eq_ignore_ascii_case(b"content-length") {
            return Ok(());
        }
        let value = line[colon + 1..].trim_ascii();
        let length = parse_length(value).ok_or_else(|| {
            FrameError::broken(format!("Content-Length {} is not a length", quoted(&value[..value.len().min(40)])))
        })?;
        if self.length.is_some_and(|before| before != length) {
            return Err(FrameError::broken("Content-Length is given twice, and differs"));
        }
        self.length = Some(length);
        Ok(())
    }

    /// Size of the body in bytes, once the block is complete.
    fn body(&self) -> Result<u64, FrameError> {
        self.length.ok_or_else(|| FrameError::broken("the header block has no Content-Length"))
    }
}

/// The text by which a frame can be found.
const MARK: &[u8] = b"content-length:";

/// Returns where the mark is in `bytes`.
fn find_marks(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let begins = memchr2_iter(b'c', b'C', bytes);
    begins.filter(|at| bytes[*at..].get(..MARK.len()).is_some_and(|found| found.eq_ignore_ascii_case(MARK)))
}

#[cold]
fn block_too_long() -> FrameError {
    FrameError::broken(format!("the header block is over {MAX_HEADER_BLOCK} bytes"))
}

fn parse_length(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= MAX_DECIMAL_DIGITS;
    digits.parse().ok().filter(|_| plain)
}

impl Codec for Headers {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("headers").flag("keep", self.keep).size("most", MAX_HEADER_BLOCK))
    }

    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if self.block == 0 && !self.read_block(input)? {
            return Ok(Step::Need);
        }
        let total = self.body()?.saturating_add(self.block as u64);
        let start = if self.keep { 0 } else { self.block };
        if total - start as u64 > cx.max as u64 {
            *self = Self { keep: self.keep, ..Self::default() };
            return Err(FrameError::TooLong { length: Some(total - start as u64), skip: Some(total) });
        }
        let total = total as usize;
        if input.len() < total {
            return Ok(Step::Need);
        }
        *self = Self { keep: self.keep, ..Self::default() };
        Ok(Step::Frame { start, end: total, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !self.keep {
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", message.len()).as_bytes());
            out.extend_from_slice(message);
            return Ok(());
        }
        let mut own = Self::default();
        match own.read_block(message) {
            Ok(true) if own.body() == Ok((message.len() - own.block) as u64) => {
                out.extend_from_slice(message);
                Ok(())
            }
            Ok(true) => Err(EncodeError::unfit(match own.length {
                Some(said) => format!(
                    "the message's Content-Length is {said}, and its body has {}",
                    ByteCount(message.len() - own.block)
                ),
                None => "the message's header block has no Content-Length".into(),
            })),
            _ => Err(EncodeError::unfit_but(
                "the message does not begin with a header block and an empty line",
                "with header=strip the header is written for it",
            )),
        }
    }

    fn announced(&self, _input: &[u8]) -> Option<u64> {
        if self.block == 0 { None } else { self.length?.checked_add(self.block as u64) }
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::TextHeader
    }

    fn can_resync(&self) -> bool {
        true
    }

    /// Finds the next Content-Length. If the damaged block contains another one, it takes the last of these: a block
    /// that was cut short may run into a whole one.
    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        let mut block = 0;
        if first {
            let mut own = Self::default();
            // This fails as before; only how far it got matters here.
            let _ = own.read_block(input);
            block = own.line.max(own.block);
        }
        let last = find_marks(&input[..block]).filter(|at| *at > 0).last();
        let next = last.or_else(|| find_marks(&input[block..]).map(|at| block + at).find(|at| *at > 0 || !first));
        match next {
            Some(at) => Discard::Done(at),
            None => {
                Discard::More((input.len() - input.len().min(MARK.len() - 1)).max(usize::from(first).min(input.len())))
            }
        }
    }
}
