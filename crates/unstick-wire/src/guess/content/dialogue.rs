//! The first messages of both sides of a connection, and questions about them.

use crate::guess::trial::{Frames, Head};
use crate::role::Role;

/// Messages that count in full: the next ones are mostly like them.
const COUNTED: usize = 4;

/// What a preset's messages hold: bits that agree, or `None` if something contradicts.
pub(super) type Content = fn(&Dialogue<'_>) -> Option<f64>;

/// The first messages of a connection.
pub(super) struct Dialogue<'a> {
    /// Whether the first of them are those with which the connection began.
    pub(super) whole: bool,
    pub(super) client: Vec<Message<'a>>,
    pub(super) server: Vec<Message<'a>>,
}

/// A message with its frame, as far as it was kept.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    pub(super) length: usize,
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(frames: &'a Frames) -> Self {
        let messages = |role: Role| frames.sides[role as usize].iter().map(Message::new).collect();
        Self { whole: frames.whole, client: messages(Role::Client), server: messages(Role::Server) }
    }

    pub(super) fn both(&self) -> impl Iterator<Item = &Message<'a>> {
        self.client.iter().chain(&self.server)
    }

    /// All messages are so, each of which agrees in that many bits.
    pub(super) fn all(&self, bits: f64, holds: impl Fn(&Message<'a>) -> bool) -> Option<f64> {
        every(self.both(), bits, holds)
    }

    /// The first message of the client, if it began the connection.
    pub(super) fn request(&self) -> Option<&Message<'a>> {
        self.client.first().filter(|_| self.whole)
    }

    /// The first message of the server, if it began the connection.
    pub(super) fn answer(&self) -> Option<&Message<'a>> {
        self.server.first().filter(|_| self.whole)
    }

    /// The first messages of the two sides, where they were seen, are so.
    pub(super) fn first(
        &self,
        bits: f64,
        client: impl Fn(&Message<'a>) -> bool,
        server: impl Fn(&Message<'a>) -> bool,
    ) -> Option<f64> {
        let request = every(self.request(), bits, client)?;
        Some(request + every(self.answer(), bits, server)?)
    }
}

/// All of these messages are so, each of which agrees in that many bits. A message that was there before, or that holds a single
/// value, tells nothing new: fill bytes look like that.
pub(super) fn every<'a, 'b: 'a>(
    messages: impl IntoIterator<Item = &'a Message<'b>>,
    bits: f64,
    holds: impl Fn(&Message<'b>) -> bool,
) -> Option<f64> {
    let mut counted: Vec<&Message<'b>> = Vec::new();
    for message in messages {
        if !holds(message) {
            return None;
        }
        if counted.len() < COUNTED && !message.is_fill() && !counted.iter().any(|other| other.is_like(message)) {
            counted.push(message);
        }
    }
    Some(bits * counted.len() as f64)
}

impl<'a> Message<'a> {
    /// Whether all of it is one value.
    fn is_fill(&self) -> bool {
        self.bytes.len() > 1 && self.bytes.iter().all(|byte| *byte == self.bytes[0])
    }

    /// Whether it holds the same, as far as it was kept.
    fn is_like(&self, other: &Self) -> bool {
        self.length == other.length && self.bytes == other.bytes
    }

    fn new(head: &'a Head) -> Self {
        Self { bytes: &head.bytes, length: head.length }
    }

    /// The byte at this place.
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Whether these bytes are at this place.
    pub(super) fn has(&self, at: usize, bytes: &[u8]) -> bool {
        self.bytes.get(at..at + bytes.len()) == Some(bytes)
    }

    /// Whether the byte at this place is one of these.
    pub(super) fn is_in(&self, at: usize, range: impl std::ops::RangeBounds<u8>) -> bool {
        self.byte(at).is_some_and(|byte| range.contains(&byte))
    }

    /// Whether the byte at this place is one of these.
    pub(super) fn is_of(&self, at: usize, bytes: &[u8]) -> bool {
        self.byte(at).is_some_and(|byte| bytes.contains(&byte))
    }

    /// A number of up to four bytes, big-endian.
    pub(super) fn be(&self, at: usize, width: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + width)?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    /// A number of up to four bytes, little-endian.
    pub(super) fn le(&self, at: usize, width: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + width)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    /// Its bytes from this place on, as far as they were kept.
    pub(super) fn from(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Whether it begins with one of these texts, in letters of any case.
    pub(super) fn begins(&self, texts: &[&str]) -> bool {
        texts
            .iter()
            .any(|text| self.bytes.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text.as_bytes())))
    }

    /// Whether this text is in what was kept of it, in letters of any case.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
    }

    /// Whether its first word is one of these, in letters of any case.
    pub(super) fn word(&self, words: &[&str]) -> bool {
        let end = self.bytes.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n' | b'\t'));
        let word = &self.bytes[..end.unwrap_or(self.bytes.len())];
        words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// Whether all that was kept is text in one of the usual encodings: no control characters but blanks.
    pub(super) fn is_text(&self) -> bool {
        self.bytes.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..))
    }

    /// Its last byte, where all of it was kept.
    pub(super) fn last(&self) -> Option<u8> {
        self.bytes.last().copied().filter(|_| self.bytes.len() == self.length)
    }
}
