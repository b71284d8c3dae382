//! `damaged=skip`: where the bytes break the framing, they are passed over up to the next place where a frame can begin.
//!
//! Where that is, each framing says ([`Codec::resync`]). Not here: frames that are too long and nothing else
//! (`oversize=discard`).

use std::fmt;

use super::Decoder;
use crate::error::DecodeError;
use crate::framing::{Codec, Discard};
use crate::limits::MAX_DAMAGE_SHOWN;

/// Bytes that were passed over because they broke the framing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// How many.
    pub bytes: u64,
    /// At how many places: between two of them messages were found.
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

impl Decoder {
    /// What has been passed over as damaged since this was last called (`damaged=skip`), if anything: once the next frame
    /// is found or the stream has ended, or with `now`, in any case.
    pub fn take_damage(&mut self, now: bool) -> Option<Damage> {
        let told = now || self.ended || !self.astray;
        self.damage.take_if(|damage| told && damage.bytes > 0).map(|damage| *damage)
    }

    /// Whether bytes that break the framing are passed over.
    pub(super) fn skips_damage(&self) -> bool {
        self.phases[self.phase].skips_damage
    }

    /// The frame under way is damaged: from its first byte on, the next frame is looked for.
    #[cold]
    pub(super) fn stray(&mut self, what: String) {
        // Nothing has been found since the last place: it is one and the same.
        let same = self.damage.as_ref().is_some_and(|_| self.found_way_to == Some(self.taken()));
        let at = self.taken();
        let damage =
            self.damage.get_or_insert_with(|| Box::new(Damage { bytes: 0, places: 0, at, what, preview: Vec::new() }));
        damage.places += u64::from(!same);
        self.astray = true;
        self.begins = true;
        self.unusual = true;
    }

    /// Passes over what is damaged; true when a place has been found where a frame can begin, or the stream has ended.
    #[cold]
    pub(super) fn find_way(&mut self) -> Result<bool, DecodeError> {
        let input = if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] };
        let found = self.codec.resync(input, std::mem::take(&mut self.begins), self.max);
        let (gone, found) = match found {
            Discard::Done(gone) => (gone, true),
            Discard::More(_) if self.ended => (input.len(), true),
            Discard::More(gone) => (gone, false),
        };
        if let Some(damage) = &mut self.damage {
            damage.bytes += gone as u64;
            if damage.places == 1 {
                let room = MAX_DAMAGE_SHOWN - damage.preview.len();
                damage.preview.extend_from_slice(&input[..gone.min(room)]);
            }
        }
        self.pos += gone;
        self.drained = self.taken() + self.pending().len() as u64;
        if found {
            self.astray = false;
            self.unusual = self.ended;
            self.found_way_to = Some(self.taken());
            self.codec = self.phases[self.phase].codec.clone();
        }
        Ok(found)
    }
}
