//! `damaged=skip`: passes over bytes that break the framing, up to the next place where a frame can begin.
//!
//! Each framing finds that place ([`Codec::resync`]). Not here: frames that are only too long (`oversize=discard`).

use std::fmt;

use crate::codec::{Codec, Discard};
use crate::framing::AnyCodec;
use crate::limits::MAX_DAMAGE_SHOWN;

/// Bytes that were passed over because they broke the framing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Number of these bytes.
    pub bytes: u64,
    /// Number of places: between two of them messages were found.
    pub places: u64,
    /// Where in the stream the first place begins.
    pub at: u64,
    /// What was wrong at the first place.
    pub what: String,
    /// The first bytes that were passed over there, at most [`MAX_DAMAGE_SHOWN`].
    pub preview: Vec<u8>,
}

impl fmt::Display for Damage {
    /// `9 bytes were passed over as damaged: ...`, without the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let were = if self.bytes == 1 { "byte was" } else { "bytes were" };
        write!(f, "{} {were} passed over as damaged", self.bytes)?;
        if self.places > 1 {
            write!(f, " at {} places, at the first of which", self.places)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// The search for the next frame after damaged bytes, and what it has passed over.
#[derive(Debug, Default)]
pub(super) struct Resync {
    searching: bool,
    /// Whether the damaged frame has not been looked through yet.
    first: bool,
    /// Where in the stream the last search ended.
    found_at: Option<u64>,
    damage: Option<Box<Damage>>,
}

/// What [`Resync::pass`] did with its input.
pub(super) struct Passed {
    /// Number of bytes that are damaged.
    pub(super) bytes: usize,
    /// Whether a place was found where a frame can begin, or the stream has ended.
    pub(super) found: bool,
}

impl Resync {
    pub(super) fn is_searching(&self) -> bool {
        self.searching
    }

    /// See [`Decoder::take_damage`](crate::Decoder::take_damage).
    pub(super) fn take_damage(&mut self, now: bool) -> Option<Damage> {
        let complete = now || !self.searching;
        self.damage.take_if(|damage| complete && damage.bytes > 0).map(|damage| *damage)
    }

    /// Starts the search for the next frame, because the frame that begins `at` this offset of the stream is damaged.
    /// The search starts at its first byte.
    #[cold]
    pub(super) fn start(&mut self, at: u64, what: String) {
        // Nothing was found since the last place: it is the same place.
        let same = self.damage.is_some() && self.found_at == Some(at);
        let damage =
            self.damage.get_or_insert_with(|| Box::new(Damage { bytes: 0, places: 0, at, what, preview: Vec::new() }));
        damage.places += u64::from(!same);
        self.searching = true;
        self.first = true;
    }

    /// Passes over what is damaged at the front of `input`, which is `at` this offset of the stream. `ended`: nothing
    /// follows it.
    #[cold]
    pub(super) fn pass(&mut self, codec: &mut AnyCodec, input: &[u8], at: u64, max: usize, ended: bool) -> Passed {
        let (bytes, found) = match codec.resync(input, std::mem::take(&mut self.first), max) {
            Discard::Done(bytes) => (bytes, true),
            Discard::More(_) if ended => (input.len(), true),
            Discard::More(bytes) => (bytes, false),
        };
        if let Some(damage) = &mut self.damage {
            damage.bytes += bytes as u64;
            if damage.places == 1 {
                let room = MAX_DAMAGE_SHOWN - damage.preview.len();
                damage.preview.extend_from_slice(&input[..bytes.min(room)]);
            }
        }
        if found {
            self.searching = false;
            self.found_at = Some(at + bytes as u64);
        }
        Passed { bytes, found }
    }
}
