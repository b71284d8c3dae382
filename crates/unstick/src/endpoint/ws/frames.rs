//! Checks a peer's WebSocket frames before the frame codec sees them: a pure function of bytes.
//!
//! The codec (tungstenite) reserves as much memory as a frame's header announces. So it gets a large frame as a series
//! of fragments, which mean the same (RFC 6455, section 5.4). Memory then grows only with what has arrived. Limits that
//! the codec does not have are checked here too.
//!
//! Not here: masks, UTF-8, the order of fragments, and the answers to the peer. The codec handles these.

use std::fmt;

use tokio::io::ReadBuf;
use tungstenite::protocol::Role;

use crate::limits;

/// Size of the fragments that a large frame is passed on in: a multiple of a mask's length.
pub(super) const CHUNK: u64 = 64 << 10;

/// Size of the longest header, in bytes.
const LONGEST_HEADER: usize = 14;

/// Size of the longest payload of a control frame, in bytes (RFC 6455, section 5.5).
const LONGEST_CONTROL: u64 = 125;

const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;
const CLOSE: u8 = 0x08;
const PING: u8 = 0x09;
const MASKED: u8 = 0x80;

/// A limit that a peer has crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// A message of at least this many bytes.
    TooLong { size: u64, largest: usize },
    /// A control frame of this many bytes.
    LongControl(u64),
    /// A message with too many empty frames.
    EmptyFrames,
    /// The peer sends pings and does not read the answers.
    UnreadAnswers,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { size, largest } => {
                write!(f, "a WebSocket message of {size} bytes is over the limit of {largest}")
            }
            Self::LongControl(size) => {
                write!(
                    f,
                    "the peer broke WebSocket: a control frame of {size} bytes, and {LONGEST_CONTROL} are allowed"
                )
            }
            Self::EmptyFrames => {
                write!(f, "the peer sent a message with more than {} empty frames", limits::MAX_EMPTY_FRAMES)
            }
            Self::UnreadAnswers => f.write_str("the peer sends pings and does not read the answers"),
        }
    }
}

impl std::error::Error for Violation {}

/// The frames of one direction.
#[derive(Debug)]
pub(super) struct Frames {
    at: At,
    largest: usize,
    /// Number of bytes of the message in progress that frame headers have announced so far.
    message: u64,
    /// Number of bytes of it that have arrived.
    arrived: u64,
    /// Whether a message has begun and not ended.
    is_open: bool,
    /// Number of empty frames of the message in progress.
    empty: usize,
    /// Number of frames since the turn began.
    turn: usize,
    /// Size of an answer to a ping without its payload; `None` once pings are not answered any more.
    answer: Option<usize>,
    /// Maximum number of bytes of answers to pings that are still unwritten.
    owed: usize,
    /// The payload of the peer's Close, unmasked.
    close: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
enum At {
    Header,
    Payload(Payload),
}

/// The position of the next byte in a frame's payload.
#[derive(Debug, Clone, Copy)]
struct Payload {
    /// The first byte of the frame's header.
    first: u8,
    mask: Option<[u8; 4]>,
    /// Number of bytes until the next header that the codec gets.
    chunk: u64,
    /// Number of payload bytes after those.
    behind: u64,
}

impl Frames {
    /// Checks the frames that an end in this role receives.
    pub(super) fn new(largest: usize, role: Role) -> Self {
        // Clients mask the frames that they send, which makes the header longer.
        let answer = Some(if role == Role::Client { 6 } else { 2 });
        let at = At::Header;
        let (message, arrived, empty, turn, owed) = (0, 0, 0, 0, 0);
        Self { at, largest, message, arrived, is_open: false, empty, turn, answer, owed, close: None }
    }

    /// Notes that this end has sent its Close: pings are not answered any more.
    pub(super) fn closing(&mut self) {
        self.answer = None;
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_within_message(&self) -> bool {
        self.is_open || matches!(self.at, At::Payload(Payload { first, .. }) if first & CONTROL == 0)
    }

    /// Number of bytes that have arrived of a message that has not ended.
    pub(super) fn pending(&self) -> usize {
        if self.is_within_message() { self.arrived as usize } else { 0 }
    }

    /// Whether the frames of this turn are used up, and other tasks should run; if so, begins the next turn.
    pub(super) fn take_turn(&mut self) -> bool {
        let over = self.turn >= limits::FRAMES_AT_ONCE;
        if over {
            self.turn = 0;
        }
        over
    }

    /// Notes that this many bytes have been written to the peer.
    pub(super) fn written(&mut self, bytes: usize) {
        self.owed = self.owed.saturating_sub(bytes);
    }

    /// The payload of the peer's Close as it came, once all of it has arrived.
    pub(super) fn close(&self) -> Option<&[u8]> {
        let is_whole = matches!(self.at, At::Header);
        self.close.as_deref().filter(|_| is_whole)
    }

    /// Passes on as much of `input` as there is room for and as this turn allows. Returns how much that was. A header
    /// that has not arrived whole stays in `input`.
    ///
    /// # Errors
    ///
    /// If the next header crosses a limit. An earlier call has passed on everything before that header.
    pub(super) fn pass(&mut self, input: &[u8], out: &mut ReadBuf<'_>) -> Result<usize, Violation> {
        let mut taken = 0;
        let before = out.filled().len();
        loop {
            let rest = &input[taken..];
            match &mut self.at {
                At::Header => {
                    if self.turn >= limits::FRAMES_AT_ONCE || out.remaining() < LONGEST_HEADER {
                        return Ok(taken);
                    }
                    let Some(header) = Header::read(rest) else { return Ok(taken) };
                    match self.begin(&header) {
                        Ok(payload) => out.put_slice(header.told(&payload, &rest[..header.length]).as_slice()),
                        // Pass on what is before the header first; the next call returns the error.
                        Err(_) if out.filled().len() > before => return Ok(taken),
                        Err(fault) => return Err(fault),
                    }
                    taken += header.length;
                }
                At::Payload(Payload { chunk: 0, behind: 0, .. }) => self.at = At::Header,
                At::Payload(payload) if payload.chunk == 0 => {
                    if out.remaining() < LONGEST_HEADER {
                        return Ok(taken);
                    }
                    out.put_slice(payload.next_chunk().as_slice());
                }
                At::Payload(payload) => {
                    let length =
                        rest.len().min(out.remaining()).min(usize::try_from(payload.chunk).unwrap_or(usize::MAX));
                    if length == 0 {
                        return Ok(taken);
                    }
                    if payload.first & OPCODE == CLOSE {
                        keep(&mut self.close, &rest[..length], payload.mask);
                    }
                    if payload.first & CONTROL == 0 {
                        self.arrived += length as u64;
                    }
                    payload.chunk -= length as u64;
                    out.put_slice(&rest[..length]);
                    taken += length;
                }
            }
        }
    }

    /// Checks a header against the limits, and counts it.
    fn begin(&mut self, header: &Header) -> Result<Payload, Violation> {
        let Header { first, payload: size, mask, .. } = *header;
        if first & CONTROL != 0 {
            self.check_control(first & OPCODE, size)?;
        } else {
            self.check_data(first, size)?;
        }
        self.turn += 1;
        let chunk = size.min(CHUNK);
        let payload = Payload { first, mask, chunk, behind: size - chunk };
        self.at = At::Payload(payload);
        Ok(payload)
    }

    fn check_control(&mut self, opcode: u8, size: u64) -> Result<(), Violation> {
        if size > LONGEST_CONTROL {
            return Err(Violation::LongControl(size));
        }
        if opcode == CLOSE {
            self.close = Some(Vec::new());
        }
        if let Some(answer) = self.answer.filter(|_| opcode == PING) {
            let owed = self.owed + answer + size as usize;
            if owed > limits::MAX_UNREAD_ANSWERS {
                return Err(Violation::UnreadAnswers);
            }
            self.owed = owed;
        }
        Ok(())
    }

    fn check_data(&mut self, first: u8, size: u64) -> Result<(), Violation> {
        let message = if first & OPCODE == 0 { self.message.saturating_add(size) } else { size };
        if message > self.largest as u64 {
            return Err(Violation::TooLong { size: message, largest: self.largest });
        }
        let is_last = first & FIN != 0;
        self.arrived = if first & OPCODE == 0 { self.arrived } else { 0 };
        self.empty = if is_last { 0 } else { self.empty + usize::from(size == 0) };
        if self.empty > limits::MAX_EMPTY_FRAMES {
            return Err(Violation::EmptyFrames);
        }
        self.message = if is_last { 0 } else { message };
        self.is_open = !is_last;
        Ok(())
    }
}

/// Adds a piece of a Close's payload. The payload is short, so the mask restarts at each fourth byte of what is kept.
fn keep(close: &mut Option<Vec<u8>>, piece: &[u8], mask: Option<[u8; 4]>) {
    let close = close.get_or_insert_default();
    for byte in piece {
        let mask = mask.map_or(0, |mask| mask[close.len() % 4]);
        close.push(byte ^ mask);
    }
}

/// A frame's header.
struct Header {
    first: u8,
    mask: Option<[u8; 4]>,
    /// Size of the payload, in bytes.
    payload: u64,
    /// Size of the header itself, in bytes.
    length: usize,
}

impl Header {
    /// Reads a header; `None` if it has not arrived whole.
    fn read(input: &[u8]) -> Option<Self> {
        let [first, second] = *input.first_chunk()?;
        let (payload, mut length) = match second & !MASKED {
            126 => (u64::from(u16::from_be_bytes(*input.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*input.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let mut mask = None;
        if second & MASKED != 0 {
            mask = Some(*input.get(length..)?.first_chunk()?);
            length += 4;
        }
        Some(Self { first, mask, payload, length })
    }

    /// The header that the codec gets instead: the same one, unless it announces more than one fragment may hold.
    fn told(&self, payload: &Payload, itself: &[u8]) -> Told {
        match payload.behind {
            0 => Told::copy(itself),
            _ => Told::chunk(self.first & !FIN, payload.chunk, self.mask),
        }
    }
}

impl Payload {
    /// Begins the next fragment, with the header of a continuation.
    fn next_chunk(&mut self) -> Told {
        self.chunk = self.behind.min(CHUNK);
        self.behind -= self.chunk;
        let last = if self.behind == 0 { self.first & FIN } else { 0 };
        Told::chunk(last, self.chunk, self.mask)
    }
}

/// A header in the form that the codec gets.
struct Told {
    bytes: [u8; LONGEST_HEADER],
    length: usize,
}

impl Told {
    fn copy(header: &[u8]) -> Self {
        let mut told = Self { bytes: [0; LONGEST_HEADER], length: 0 };
        told.push(header);
        told
    }

    fn chunk(first: u8, size: u64, mask: Option<[u8; 4]>) -> Self {
        let masked = if mask.is_some() { MASKED } else { 0 };
        let mut told = Self::copy(&[first, masked | 127]);
        told.push(&size.to_be_bytes());
        told.push(mask.as_ref().map_or(&[], |mask| &mask[..]));
        told
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests;
