//! `fix`: FIX's tag=value messages: tag 9 says how many bytes follow it up to tag 10, which ends the message.
//!
//! The checksum is checked only with `damaged=skip`: a tester may want to send a wrong one.

use memchr::memchr;

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Shape, Step, quoted};
use crate::error::EncodeError;
use crate::limits::MAX_FIX_FIELD;

/// FIX TagValue Encoding 1.1, "Message structure": BeginString (8), BodyLength (9), ..., CheckSum (10).
pub(super) const FIX: Row<Fix> = Row {
    name: "fix-message",
    syntax: "fix-message",
    frame: "a whole FIX message, from 8=... to 10=nnn and SOH; tag 9 counts the bytes between them",
    examples: &["fix-message", "fix-message,max=80,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "fix-message",
    parse: |_| Ok(Fix::default()),
};

const SOH: u8 = 1;

/// `10=nnn` and SOH.
const TRAILER: usize = 7;

/// Messages from tag 8 to tag 10.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fix {
    /// Whether a wrong checksum makes a message damaged.
    checked: bool,
    /// Number of bytes of the message whose checksum was wrong. It ends where its tag 9 says, and the next message
    /// begins after it. A search for one inside it would sum up the same bytes for each beginning that a peer has put
    /// there.
    wrong: Option<usize>,
}

/// The value of a field, and what follows it.
type Field<'a> = (&'a [u8], &'a [u8]);

/// Returns the value of the field that `input` starts with, and what follows it; `None` until the field has ended.
fn field<'a>(input: &'a [u8], tag: &str) -> Result<Option<Field<'a>>, FrameError> {
    let wrong = input.iter().zip(tag.as_bytes()).position(|(found, wanted)| found != wanted);
    if let Some(at) = wrong {
        return Err(FrameError::broken(format!("expected the field {tag}, found {}", quoted(&input[..=at]))));
    }
    let part = &input[..input.len().min(MAX_FIX_FIELD)];
    match memchr(SOH, part) {
        Some(end) => Ok(Some((&input[tag.len()..end], &input[end + 1..]))),
        None if part.len() < MAX_FIX_FIELD => Ok(None),
        None => Err(FrameError::broken(format!("the field {tag} does not end within {MAX_FIX_FIELD} bytes"))),
    }
}

/// Number of bytes from tag 8 to the SOH after tag 10; `None` until tag 9 has arrived.
fn whole(input: &[u8]) -> Result<Option<u64>, FrameError> {
    let Some((_, rest)) = field(input, "8=")? else { return Ok(None) };
    let Some((digits, rest)) = field(rest, "9=")? else { return Ok(None) };
    let plain = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let body: u64 = plain
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| FrameError::broken(format!("BodyLength {} is not a length", quoted(digits))))?;
    Ok(Some(body.saturating_add((input.len() - rest.len() + TRAILER) as u64)))
}

/// Whether tag 10 is the sum of all bytes before it, modulo 256.
fn check(frame: &[u8]) -> Result<(), FrameError> {
    let (bytes, trailer) = frame.split_at(frame.len() - TRAILER);
    let right = format!("{:03}", bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
    let found = &trailer[3..TRAILER - 1];
    if found == right.as_bytes() {
        return Ok(());
    }
    Err(FrameError::broken(format!("the checksum is {}, and {right} is right", String::from_utf8_lossy(found))))
}

impl Codec for Fix {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(length) = whole(input)? else { return Ok(Step::Need) };
        if length > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(length), skip: Some(length) });
        }
        let Some(frame) = input.get(..length as usize) else { return Ok(Step::Need) };
        match frame[frame.len() - TRAILER..] {
            [b'1', b'0', b'=', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', SOH] => {}
            ref other => {
                return Err(FrameError::broken(format!(
                    "expected 10= at the end of the message, found {}: tag 9 is wrong",
                    quoted(other)
                )));
            }
        }
        if self.checked
            && let Err(fault) = check(frame)
        {
            self.wrong = Some(frame.len());
            return Err(fault);
        }
        Ok(Step::Frame { start: 0, end: frame.len(), total: frame.len() })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        crate::codec::encode_as_it_stands(
            Self::default(),
            message,
            b"",
            "one FIX message from 8= to 10=nnn, its tag 9 right",
            out,
        )
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        whole(input).ok()?
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

    fn check_sums(&mut self) {
        self.checked = true;
    }

    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        if let (true, Some(length)) = (first, self.wrong) {
            return Discard::Done(length);
        }
        Needle::new(b"8=FIX").discard_up_to(input, first.into())
    }
}
