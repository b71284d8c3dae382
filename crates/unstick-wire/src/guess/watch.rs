//! Guesses while bytes still arrive: waits until an answer is certain, and says when waiting longer is of no use.

use super::{Candidate, Sample};
use crate::role::Role;

/// Segments from which a framing without a name is believed while more may come: the first lines of a conversation may be
/// the opening of something else.
const UNNAMED: usize = 8;

/// What a server speaks, as long as that is not certain.
///
/// It is handed what passes in connections of one server, and keeps no more of it than a [`Sample`] does.
#[derive(Debug)]
pub struct Watch {
    sample: Sample,
    segments: usize,
    /// Number of segments at which the next guess is worth its time.
    next: usize,
}

/// What is known so far.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// Nothing is certain yet: more has to pass.
    Open,
    /// This framing is certain.
    Certain(Box<Candidate>),
    /// Nothing is certain, and more of the same says no more.
    Unknown,
}

impl Watch {
    /// Makes a watch over a server with this port, or 0 where it has none.
    pub fn new(port: u16) -> Self {
        Self { sample: Sample::new(port), segments: 0, next: 1 }
    }

    /// Adds a connection. `whole`: its beginning was recorded.
    pub fn open(&mut self, number: u64, whole: bool) {
        self.sample.open(number, whole);
    }

    /// Adds a segment that this side of a connection has sent.
    pub fn segment(&mut self, number: u64, from: Role, bytes: &[u8]) {
        let before = self.sample.bytes();
        self.sample.segment(number, from, bytes);
        self.segments += usize::from(self.sample.bytes() > before);
    }

    /// Says that this side has ended its direction.
    pub fn end(&mut self, number: u64, from: Role) {
        self.sample.end(number, from);
    }

    /// Number of bytes that it keeps.
    pub fn bytes(&self) -> usize {
        self.sample.bytes()
    }

    /// Whether nothing more is taken, so that waiting is of no use.
    pub fn is_full(&self) -> bool {
        self.sample.is_full()
    }

    /// Guesses, if enough has passed since the last time. `last`: nothing more is waited for, so it guesses from what there is.
    pub fn ask(&mut self, last: bool) -> Answer {
        let is_full = self.sample.is_full();
        if self.segments < self.next && !last && !is_full {
            return Answer::Open;
        }
        // Each guess costs as much as all before it: so do twice as many segments.
        self.next = (self.segments + 1).max(self.next * 2);
        let guess = self.sample.guess();
        let (certain, first) = (guess.certain, guess.candidates.into_iter().next());
        let is_believed = |candidate: &Candidate| candidate.preset.is_some() || last || self.segments >= UNNAMED;
        match first.filter(|candidate| certain && is_believed(candidate)) {
            Some(candidate) => Answer::Certain(Box::new(candidate)),
            None if last || is_full => Answer::Unknown,
            None => Answer::Open,
        }
    }
}
