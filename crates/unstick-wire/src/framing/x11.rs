//! `x11-message`: the messages of an X client or server. The client chooses the byte order, and the first message shows it.

use super::integer::Endian;
use crate::args::Args;
use crate::codec::{Codec, Context, FrameError, Row, Step, quoted};
use crate::error::{EncodeError, SpecError};

/// X Window System Protocol, version 11: chapter 1 (request, reply, error and event format), chapter 8 (connection
/// setup), appendix B; lengths over 16 bits are those of the Big Requests extension.
pub(super) const X11: Row<X11Stream> = Row {
    name: "x11-message",
    syntax: "x11-message:client|server",
    frame: "the connection setup, then requests in words of four bytes, or replies, events and errors of at least 32 bytes",
    examples: &["x11-message:client"],
    keeps_boundaries: true,
    matches: |name| name == "x11-message",
    parse: parse_x11,
};

fn parse_x11(args: &mut Args<'_>) -> Result<X11Stream, SpecError> {
    let server = match args.required("whose messages they are: x11-message:client or x11-message:server")? {
        "client" => false,
        "server" => true,
        other => return Err(SpecError::new(format!("x11-message:{other}: client or server"))),
    };
    Ok(X11Stream { server, order: None })
}

/// One side of an X connection.
#[derive(Debug, Clone)]
pub(crate) struct X11Stream {
    server: bool,
    /// The byte order that the client chose; `None` until the setup has been seen.
    order: Option<Endian>,
}

/// Bytes of a reply, an event or an error without additional data.
const ANSWER: u64 = 32;
/// Bytes in a unit of length.
const WORD: u64 = 4;

/// The two kinds of answer that can be longer than 32 bytes.
const REPLY: u8 = 1;
const GENERIC_EVENT: u8 = 35;

fn number(input: &[u8], at: usize, width: usize, order: Endian) -> Option<u64> {
    let bytes = input.get(at..at + width)?;
    Some(match order {
        Endian::Big => bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        Endian::Little => bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    })
}

/// The length of a client's first message: 12 bytes, then the name and the data of the authorization protocol, each padded to
/// whole words.
fn client_setup(input: &[u8]) -> Result<Option<(u64, Endian)>, FrameError> {
    let order = match input[0] {
        b'B' => Endian::Big,
        b'l' => Endian::Little,
        other => {
            return Err(FrameError::broken(format!("an X client begins with B or l, not with {}", quoted(&[other]))));
        }
    };
    let lengths = number(input, 6, 2, order).zip(number(input, 8, 2, order));
    Ok(lengths.map(|(name, proof)| (12 + name.next_multiple_of(WORD) + proof.next_multiple_of(WORD), order)))
}

/// The length of a server's first message. The protocol version in it, 11, shows the byte order.
fn server_setup(input: &[u8]) -> Result<Option<(u64, Endian)>, FrameError> {
    let order = match input.get(..4) {
        None => return Ok(None),
        Some([0..=2, _, 11, 0]) => Endian::Little,
        Some([0..=2, _, 0, 11]) => Endian::Big,
        Some(other) => {
            return Err(FrameError::broken(format!("{} begins no answer of an X server, version 11", quoted(other))));
        }
    };
    Ok(number(input, 6, 2, order).map(|words| (8 + words * WORD, order)))
}

fn request(input: &[u8], order: Endian) -> Result<Option<u64>, FrameError> {
    let words = match number(input, 2, 2, order) {
        None => return Ok(None),
        Some(0) => match number(input, 4, 4, order) {
            None => return Ok(None),
            Some(words @ 0..2) => {
                return Err(FrameError::broken(format!("a big request of {words} words has no header")));
            }
            Some(words) => words,
        },
        Some(words) => words,
    };
    Ok(Some(words * WORD))
}

fn answer(input: &[u8], order: Endian) -> Option<u64> {
    match input[0] {
        REPLY | GENERIC_EVENT => Some(ANSWER + number(input, 4, 4, order)? * WORD),
        _ => Some(ANSWER),
    }
}

impl X11Stream {
    /// The length of the message at the start of `input`, and the byte order of the messages after it.
    fn whole(&self, input: &[u8]) -> Result<Option<(u64, Endian)>, FrameError> {
        match (self.order, self.server) {
            (None, false) => client_setup(input),
            (None, true) => server_setup(input),
            (Some(order), false) => Ok(request(input, order)?.map(|length| (length, order))),
            (Some(order), true) => Ok(answer(input, order).map(|length| (length, order))),
        }
    }
}

impl Codec for X11Stream {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some((length, order)) = self.whole(input)? else { return Ok(Step::Need) };
        if length > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(length), skip: Some(length) });
        }
        let total = length as usize;
        if input.len() < total {
            return Ok(Step::Need);
        }
        self.order = Some(order);
        Ok(Step::Frame { start: 0, end: total, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let whole = if message.is_empty() { Ok(None) } else { self.whole(message) };
        match whole {
            Ok(Some((length, _))) if length == message.len() as u64 => {
                out.extend_from_slice(message);
                Ok(())
            }
            Err(FrameError::Broken(what)) => Err(EncodeError::unfit(format!("the message is not one of X: {what}"))),
            _ => Err(EncodeError::unfit("the message is not one message of X with its lengths right")),
        }
    }

    fn is_stateful(&self) -> bool {
        self.order.is_none()
    }

    fn sent(&mut self, message: &[u8]) {
        if let (None, Ok(Some((_, order)))) = (self.order, self.whole(message)) {
            self.order = Some(order);
        }
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        self.whole(input).ok()?.map(|(length, _)| length)
    }
}
