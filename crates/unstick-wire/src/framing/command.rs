//! `command`: lines that end in CRLF, some of which announce a payload that follows them: NATS, memcached.
//!
//! The message is the line; if it has a payload, also one CRLF and the payload. The last CRLF belongs to the frame.

use memchr::memchr;

use crate::args::Args;
use crate::codec::{Codec, Context, FrameError, Row, Shape, Step, quoted};
use crate::error::{EncodeError, SpecError};
use crate::limits::{MAX_COMMANDS, MAX_DECIMAL_DIGITS};
use crate::quantity;

pub(super) const COMMAND: Row<Command> = Row {
    name: "command",
    syntax: "command:VERB.N[:VERB.N...]",
    frame: "a line that ends in CRLF; the Nth word (or .last) of a line with this VERB is the number of bytes that follow, and a CRLF ends them",
    examples: &["command:PUB.last:HPUB.last", "command:set.4:cas.4"],
    keeps_boundaries: true,
    matches: |name| name == "command",
    parse: parse_command,
};

/// Which word of a line is the number of bytes.
#[derive(Debug, Clone, Copy)]
enum Word {
    Nth(usize),
    Last,
}

/// Lines, and the payloads that some of them announce.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    verbs: std::sync::Arc<[(Box<str>, Word)]>,
    /// Number of bytes of the input that are known to hold no LF.
    scanned: usize,
}

fn parse_command(args: &mut Args<'_>) -> Result<Command, SpecError> {
    let mut verbs = Vec::new();
    let mut word = Some(args.required("the verbs that announce a payload, such as command:PUB.last")?);
    while let Some(text) = word {
        let wrong =
            || SpecError::new(format!("command:{text}: a verb and the number of a word, such as PUB.last or set.4"));
        let (verb, place) = text.split_once('.').ok_or_else(wrong)?;
        let place = match place {
            "last" => Word::Last,
            number => Word::Nth(quantity::parse_number(number).filter(|n| (1..=9).contains(n)).ok_or_else(wrong)?),
        };
        if verb.is_empty() || verbs.len() == MAX_COMMANDS {
            return Err(wrong());
        }
        verbs.push((verb.into(), place));
        word = args.argument();
    }
    Ok(Command { verbs: verbs.into(), scanned: 0 })
}

impl Command {
    /// Returns the size of the payload that a line announces, if it announces one.
    fn payload(&self, line: &[u8]) -> Result<Option<u64>, FrameError> {
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(first) = words.next() else { return Ok(None) };
        let Some((_, place)) = self.verbs.iter().find(|(verb, _)| verb.as_bytes().eq_ignore_ascii_case(first)) else {
            return Ok(None);
        };
        let count = match place {
            Word::Nth(n) => words.nth(n - 1),
            Word::Last => words.next_back(),
        };
        let digits = count.filter(|word| word.len() <= MAX_DECIMAL_DIGITS && word.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        number.map(Some).ok_or_else(|| {
            FrameError::broken(format!("{} does not say how many bytes follow", quoted(&line[..line.len().min(40)])))
        })
    }
}

fn too_long() -> FrameError {
    FrameError::TooLong { length: None, skip: None }
}

impl Codec for Command {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let lf = memchr(b'\n', &input[self.scanned..]).map(|found| self.scanned + found);
        // A line within the limit has ended by here, and the result is the same wherever the input was cut.
        let Some(lf) = lf.filter(|lf| *lf <= cx.max.saturating_add(1)) else {
            self.scanned = input.len();
            return if input.len() > cx.max.saturating_add(1) { Err(too_long()) } else { Ok(Step::Need) };
        };
        self.scanned = lf;
        let Some(line) = input[..lf].strip_suffix(b"\r") else {
            return Err(FrameError::broken("expected CRLF at the end of a line, found LF alone"));
        };
        let Some(count) = self.payload(line)? else {
            self.scanned = 0;
            return Ok(Step::Frame { start: 0, end: line.len(), total: lf + 1 });
        };
        let length = count.saturating_add(lf as u64 + 1);
        if length > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(length), skip: None });
        }
        let end = length as usize;
        let Some(behind) = input.get(end..end + 2) else { return Ok(Step::Need) };
        if behind != b"\r\n" {
            return Err(FrameError::broken(format!(
                "expected CRLF after a payload of {count} bytes, found {}",
                quoted(behind)
            )));
        }
        self.scanned = 0;
        Ok(Step::Frame { start: 0, end, total: end + 2 })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let own = Self { scanned: 0, ..self.clone() };
        crate::codec::encode_as_it_stands(
            own,
            message,
            b"\r\n",
            "a line, or a line, CRLF and the payload that it announces",
            out,
        )
    }

    fn shape(&self) -> Shape {
        Shape::Line { crlf: true }
    }
}
