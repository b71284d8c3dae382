//! Runs a decoder over segments and records everything it reports, so that two runs can be compared.

use bytes::Bytes;
use unstick_wire::{DecodeError, Decoder, Framing};

/// How messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As slices of the read buffer.
    Borrowed,
    /// As `Bytes` that are dropped at once, so that the buffer is used again.
    Dropped,
    /// As `Bytes` that are held to the end, so that the buffer cannot be.
    Held,
    /// By cursors, each dropped after a few.
    Cursors,
    /// Each in turn.
    Mixed,
}

pub(crate) const WAYS: [Way; 5] = [Way::Borrowed, Way::Dropped, Way::Held, Way::Cursors, Way::Mixed];

/// Number of messages that a cursor returns before it is dropped.
const BY_CURSOR: usize = 3;

/// Everything that a decoder reported about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) discarded: u64,
    /// The error that ended it: its text without the hint (which may say more after more bytes), and its offset.
    pub(crate) error: Option<(String, u64)>,
}

impl Told {
    pub(crate) fn joined(&self) -> Vec<u8> {
        self.messages.concat()
    }
}

/// Takes messages in one way.
struct Taker {
    way: Way,
    held: Vec<Bytes>,
    taken: usize,
}

impl Taker {
    fn next(&mut self, decoder: &mut Decoder) -> Result<Option<Vec<u8>>, DecodeError> {
        self.taken += 1;
        let way = match self.way {
            Way::Mixed => WAYS[self.taken % 4],
            way => way,
        };
        match way {
            Way::Borrowed => Ok(decoder.next()?.map(<[u8]>::to_vec)),
            Way::Cursors => Ok(decoder.messages().next()?.map(<[u8]>::to_vec)),
            _ => Ok(decoder.next_bytes()?.map(|message| {
                let copy = message.to_vec();
                if way == Way::Held {
                    self.held.push(message);
                }
                copy
            })),
        }
    }
}

/// Feeds `segments`, takes all messages after each, then ends the stream.
pub(crate) fn decode<'a>(framing: &Framing, segments: impl IntoIterator<Item = &'a [u8]>, way: Way) -> Told {
    let mut decoder = framing.decoder();
    let mut taker = Taker { way, held: Vec::new(), taken: 0 };
    let mut told = Told { messages: Vec::new(), discarded: 0, error: None };
    for segment in segments {
        decoder.feed(segment);
        if !drain(&mut decoder, &mut taker, &mut told) {
            break;
        }
    }
    decoder.finish();
    if drain(&mut decoder, &mut taker, &mut told) {
        assert_eq!(decoder.pending(), b"", "a clean end leaves nothing behind");
    }
    told.discarded = decoder.discarded();
    for (held, message) in taker.held.iter().zip(told.messages.iter().filter(|_| way == Way::Held)) {
        assert_eq!(held, message, "an owned message changed after it had been taken");
    }
    told
}

/// False when an error ended it.
fn drain(decoder: &mut Decoder, taker: &mut Taker, told: &mut Told) -> bool {
    loop {
        if taker.way == Way::Cursors {
            let mut messages = decoder.messages();
            for _ in 1..BY_CURSOR {
                // Every later call returns the same error.
                let Ok(Some(message)) = messages.next() else { break };
                told.messages.push(message.to_vec());
            }
        }
        match taker.next(decoder) {
            Ok(Some(message)) => told.messages.push(message),
            Ok(None) => return true,
            Err(error) => {
                assert_eq!(decoder.next(), Err(error.clone()), "an error stays");
                told.error = Some((plain(&error), error.offset()));
                return false;
            }
        }
    }
}

/// An error's text without its hint.
pub(crate) fn plain(error: &DecodeError) -> String {
    let text = error.to_string();
    match error.hint() {
        Some(hint) => text.strip_suffix(&format!("; {hint}")).expect("the text ends in the hint").to_string(),
        None => text,
    }
}

pub(crate) fn whole(framing: &Framing, stream: &[u8]) -> Told {
    decode(framing, [stream], Way::Borrowed)
}

pub(crate) fn bytewise(framing: &Framing, stream: &[u8]) -> Told {
    decode(framing, stream.chunks(1), Way::Borrowed)
}

/// A stream cut at the given places.
pub(crate) fn cut(stream: &[u8], places: impl IntoIterator<Item = usize>) -> Vec<&[u8]> {
    let mut segments = Vec::new();
    let mut from = 0;
    for place in places {
        segments.push(&stream[from..place]);
        from = place;
    }
    segments.push(&stream[from..]);
    segments
}

/// Messages as one stream.
pub(crate) fn encode<M: AsRef<[u8]>>(framing: &Framing, messages: impl IntoIterator<Item = M>) -> Vec<u8> {
    let mut encoder = framing.encoder().unwrap();
    let mut stream = Vec::new();
    for message in messages {
        let message = message.as_ref();
        encoder.encode(message, &mut stream).unwrap_or_else(|error| panic!("{framing}: {message:?}: {error}"));
    }
    stream
}

pub(crate) fn framing(spec: &str) -> Framing {
    Framing::parse(spec).unwrap_or_else(|error| panic!("{spec}: {error}; {:?}", error.hint()))
}
