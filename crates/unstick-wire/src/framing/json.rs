//! `json`: self-delimiting values (RFC 8259), with optional blanks between them.
//!
//! The scanner checks every byte as it arrives, so a stream that is not JSON fails at once. Not here: whether strings are
//! valid UTF-8. The program that uses the strings checks that.

use memchr::memchr;

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Shape, Step, quoted};
use crate::error::EncodeError;
use crate::limits::MAX_JSON_DEPTH;
use crate::recipe::Recipe;

pub(super) const JSON: Row<Json> = Row {
    name: "json",
    syntax: "json",
    frame: "one JSON value; blanks between values are skipped, and an LF is sent after each",
    examples: &["json", "json,max=20,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "json",
    parse: |_| Ok(Json::default()),
};

/// JSON values one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Json {
    scanner: Scanner,
    /// Bytes of the input that the scanner has seen.
    scanned: usize,
    /// While discarding: bytes of the value that came before the input.
    passed: u64,
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether `byte` may follow a number that is a whole value: a blank, or a byte that begins a value and cannot continue the
/// number.
fn ends_number(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b'{' | b'[' | b'"')
}

impl Json {
    /// Finds the end of the value. Looks at no byte twice, and at none from `reach` on.
    fn find_end(&mut self, input: &[u8], reach: usize) -> Result<Option<usize>, FrameError> {
        let found = self.scanner.scan(&input[self.scanned..reach], self.passed + self.scanned as u64)?;
        let end = found.map(|end| self.scanned + end);
        self.scanned = reach;
        Ok(end)
    }

    fn take(&mut self, end: usize) -> Step {
        *self = Self::default();
        Step::Frame { start: 0, end, total: end }
    }
}

/// The hint for a message that may be plain text.
const AS_JSON: &str = "a text is a JSON value in quotes: \"hello\"";

impl Codec for Json {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("json"))
    }

    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if is_blank(input[0]) {
            let total = input.iter().take_while(|byte| is_blank(**byte)).count();
            return Ok(Step::Blank { total });
        }
        if let Some(end) = self.find_end(input, input.len().min(cx.max))? {
            return Ok(self.take(end));
        }
        match input.get(cx.max) {
            None => Ok(Step::Need),
            Some(next) if self.scanner.is_whole_number() && ends_number(*next) => Ok(self.take(cx.max)),
            Some(_) => Err(FrameError::TooLong { length: None, skip: None }),
        }
    }

    fn finish(&mut self, input: &[u8], _: &mut Context<'_>) -> Result<Step, FrameError> {
        Ok(if self.scanner.is_whole_number() { self.take(input.len()) } else { Step::Need })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if message.first().is_some_and(|byte| is_blank(*byte)) {
            return Err(EncodeError::unfit("the message begins with a blank, which a reader would pass over"));
        }
        let mut own = Self::default();
        match own.find_end(message, message.len()) {
            Ok(Some(end)) if end == message.len() => {}
            Ok(None) if own.scanner.is_whole_number() => {}
            Ok(Some(end)) => {
                return Err(EncodeError::unfit(format!(
                    "the message's JSON value ends at byte {end}, and more follows"
                )));
            }
            Ok(None) => return Err(EncodeError::unfit_but("the message is not a whole JSON value", AS_JSON)),
            Err(FrameError::Broken(what)) => {
                return Err(EncodeError::unfit_but(format!("the message is not JSON: {what}"), AS_JSON));
            }
            Err(FrameError::TooLong { .. }) => return Err(EncodeError::unfit_but("the message is not JSON", AS_JSON)),
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
        let end = self.find_end(input, input.len())?;
        let end = end.or_else(|| (ended && self.scanner.is_whole_number()).then_some(input.len()));
        if let Some(end) = end {
            *self = Self::default();
            return Ok(Discard::Done(end));
        }
        self.scanned = 0;
        self.passed += input.len() as u64;
        Ok(Discard::More(input.len()))
    }

    fn shape(&self) -> Shape {
        Shape::Json
    }

    fn must_be_last(&self) -> Option<&'static str> {
        Some("the blank after a JSON value is optional")
    }

    fn can_resync(&self) -> bool {
        true
    }

    /// Resumes at the next line. If the damaged value has several lines, resumes at the line in which it breaks: that line may
    /// begin another value, because the end of the damaged one was lost.
    fn resync(&mut self, input: &[u8], first: bool, max: usize) -> Discard {
        let mut line = 0;
        if first {
            let mut scanner = Scanner::default();
            let seen = &input[..input.len().min(max)];
            while let Some(lf) = memchr(b'\n', &seen[line..]) {
                let next = line + lf + 1;
                if scanner.scan(&seen[line..next], 0).is_err() {
                    break;
                }
                line = next;
            }
        }
        if line > 0 { Discard::Done(line) } else { Needle::One(b'\n').discard_behind(input) }
    }
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Value,
    /// A value, or the end of an array that is empty so far.
    FirstItem,
    /// A member's name, or the end of an object that is empty so far.
    FirstName,
    Name,
    Colon,
    /// A comma, or the end of the open array or object.
    Behind,
    String,
    Escape,
    /// This number of hexadecimal digits of a `\u....`.
    Unicode(u8),
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Number(Number),
}

/// How far a number has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    ESign,
    Exponent,
}

impl Number {
    fn next(self, byte: u8) -> Option<Self> {
        use Number::{E, ESign, Exponent, Fraction, Minus, Point, Whole, Zero};
        Some(match (self, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Whole | Fraction, b'e' | b'E') => E,
            (E, b'+' | b'-') => ESign,
            (E | ESign | Exponent, b'0'..=b'9') => Exponent,
            _ => return None,
        })
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }
}

/// The number of leading bytes that are ordinary characters inside a string.
fn plain(bytes: &[u8]) -> usize {
    // No branch per byte, so that the compiler can vectorize the loop.
    let telling = |byte: &u8| (*byte == b'"') | (*byte == b'\\') | (*byte < 0x20);
    let (blocks, _) = bytes.as_chunks::<16>();
    let skipped = blocks.iter().take_while(|block| !block.iter().fold(false, |any, b| any | telling(b))).count();
    let skipped = 16 * skipped;
    skipped + bytes[skipped..].iter().take_while(|byte| !telling(byte)).count()
}

/// Reads one value, byte by byte.
#[derive(Debug, Clone, Default)]
pub(super) struct Scanner {
    at: At,
    /// The current string is a member's name.
    name: bool,
    depth: usize,
    /// One bit per level, set if the level is an object.
    objects: [u64; MAX_JSON_DEPTH / 64],
}

impl Scanner {
    /// Scans the next `bytes` of the value, which begin at its byte `offset`. Returns where in `bytes` the value ends, if it does.
    pub(super) fn scan(&mut self, bytes: &[u8], offset: u64) -> Result<Option<usize>, FrameError> {
        let mut i = 0;
        while let Some(&byte) = bytes.get(i) {
            if self.at == At::String {
                i += plain(&bytes[i..]);
                let Some(&byte) = bytes.get(i) else { break };
                self.at = match byte {
                    b'"' if self.name => At::Colon,
                    b'"' => At::Behind,
                    b'\\' => At::Escape,
                    _ => {
                        return Err(unexpected(byte, offset + i as u64, "inside a string, where it has to be escaped"));
                    }
                };
            } else if let At::Number(number) = self.at {
                match number.next(byte) {
                    Some(number) => self.at = At::Number(number),
                    None if !number.is_whole() => return Err(unexpected(byte, offset + i as u64, "inside a number")),
                    None if self.depth > 0 => {
                        self.at = At::Behind;
                        continue; // The byte is not part of the number.
                    }
                    None if ends_number(byte) => return Ok(Some(i)),
                    None => return Err(unexpected(byte, offset + i as u64, "inside a number")),
                }
            } else {
                self.step(byte, offset + i as u64)?;
            }
            i += 1;
            if self.at == At::Behind && self.depth == 0 {
                return Ok(Some(i));
            }
        }
        Ok(None)
    }

    /// Scans one byte outside strings and numbers.
    fn step(&mut self, byte: u8, offset: u64) -> Result<(), FrameError> {
        let in_object = self.in_object();
        self.at = match (self.at, byte) {
            (At::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => At::String,
            (At::Escape, b'u') => At::Unicode(4),
            (At::Escape, _) => return Err(unexpected(byte, offset, "inside an escape")),
            (At::Unicode(left), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if left > 1 {
                    At::Unicode(left - 1)
                } else {
                    At::String
                }
            }
            (At::Unicode(_), _) => return Err(unexpected(byte, offset, "inside an escape")),
            (At::Literal([wanted]), byte) if byte == *wanted => At::Behind,
            (At::Literal([wanted, rest @ ..]), byte) if byte == *wanted => At::Literal(rest),
            (At::Literal(_), _) => return Err(unexpected(byte, offset, "inside true, false or null")),
            (at, byte) if is_blank(byte) => at,
            (At::FirstItem, b']') | (At::FirstName, b'}') => self.close(),
            (At::Behind, b']') if !in_object => self.close(),
            (At::Behind, b'}') if in_object => self.close(),
            (At::Behind, b',') => {
                if in_object {
                    At::Name
                } else {
                    At::Value
                }
            }
            (At::FirstName | At::Name, b'"') => {
                self.name = true;
                At::String
            }
            (At::Colon, b':') => At::Value,
            (At::Value | At::FirstItem, byte) => self.begin(byte, offset)?,
            (at, byte) => return Err(expected(wanted(at, in_object), byte, offset)),
        };
        Ok(())
    }

    /// Scans the first byte of a value.
    fn begin(&mut self, byte: u8, offset: u64) -> Result<At, FrameError> {
        Ok(match byte {
            b'{' => self.open(true)?,
            b'[' => self.open(false)?,
            b'"' => {
                self.name = false;
                At::String
            }
            b't' => At::Literal(b"rue"),
            b'f' => At::Literal(b"alse"),
            b'n' => At::Literal(b"ull"),
            b'-' => At::Number(Number::Minus),
            b'0' => At::Number(Number::Zero),
            b'1'..=b'9' => At::Number(Number::Whole),
            _ => return Err(expected("a value", byte, offset)),
        })
    }

    fn open(&mut self, object: bool) -> Result<At, FrameError> {
        if self.depth == MAX_JSON_DEPTH {
            return Err(FrameError::broken(format!("a JSON value nested more than {MAX_JSON_DEPTH} deep")));
        }
        let bit = 1 << (self.depth % 64);
        let word = &mut self.objects[self.depth / 64];
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        Ok(if object { At::FirstName } else { At::FirstItem })
    }

    fn close(&mut self) -> At {
        self.depth -= 1;
        At::Behind
    }

    fn in_object(&self) -> bool {
        let Some(level) = self.depth.checked_sub(1) else { return false };
        self.objects[level / 64] >> (level % 64) & 1 == 1
    }

    /// Whether the bytes so far are a number that is a whole value, unless more digits follow.
    fn is_whole_number(&self) -> bool {
        self.depth == 0 && matches!(self.at, At::Number(number) if number.is_whole())
    }
}

/// What is expected in this place, for an error message.
fn wanted(at: At, in_object: bool) -> &'static str {
    match at {
        At::FirstName | At::Name => "a member's name in quotes",
        At::Colon => "a colon",
        At::Behind if in_object => "`,` or `}`",
        At::Behind => "`,` or `]`",
        _ => "a value",
    }
}

#[cold]
fn expected(wanted: &str, byte: u8, offset: u64) -> FrameError {
    FrameError::broken(format!("expected {wanted} at byte {offset} of a JSON value, found {}", quoted(&[byte])))
}

#[cold]
fn unexpected(byte: u8, offset: u64, place: &str) -> FrameError {
    FrameError::broken(format!("unexpected {} at byte {offset} of a JSON value, {place}", quoted(&[byte])))
}
