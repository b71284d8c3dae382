//! Scenes on real sockets on loopback that show what TCP and UDP do to messages: what was sent, what was read, and when.
//!
//! One thread plays both sides, so that the order of what happens is the scene's and not luck's: a reader that is to be slow
//! reads only once the kernel says that its receive queue holds what it is to find there. Everything else is measured:
//! every byte, offset, time and count in an [`Event`] is what the sockets did in this run, and [`Act::shown`] is worked out
//! from them. An effect that this machine does not show is reported as not shown.
//!
//! Not here: the words and the drawing around a scene, which are `verb/lab`'s; and the cures, which are framings.

mod act;
mod compare;
mod datagrams;
mod length;
mod recorder;
mod stream;
#[cfg(test)]
mod tests;

use unstick::Result;

pub use act::{Act, Transport, What};

/// What can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scene {
    /// Two sends read as one: the sender's kernel gathered them (Nagle's algorithm).
    Nagle,
    /// Two sends read as one: both had arrived before the reader looked.
    SlowReader,
    /// One send read as three: so it was delivered.
    Split,
    /// A message longer than the reader's buffer.
    SmallBuffer,
    /// A length that arrives with its body, and one that arrives in two pieces.
    Length,
    /// What a length of four bytes can say, signed and not, and what happens past it.
    Range,
    /// The same over UDP: boundaries are kept.
    Datagrams,
    /// A datagram longer than the reader's buffer.
    CutShort,
    /// Datagrams that are lost because the reader is slow, and TCP in its place.
    Loss,
    /// TCP and UDP side by side, measured.
    Compare,
}

impl Scene {
    /// Every scene, in the order in which they tell one story.
    pub const ALL: [Self; 10] = [
        Self::Nagle,
        Self::SlowReader,
        Self::Split,
        Self::SmallBuffer,
        Self::Length,
        Self::Range,
        Self::Datagrams,
        Self::CutShort,
        Self::Loss,
        Self::Compare,
    ];

    /// Its name, as it is typed and as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nagle => "nagle",
            Self::SlowReader => "slow-reader",
            Self::Split => "split",
            Self::SmallBuffer => "small-buffer",
            Self::Length => "length",
            Self::Range => "range",
            Self::Datagrams => "datagrams",
            Self::CutShort => "cut-short",
            Self::Loss => "loss",
            Self::Compare => "compare",
        }
    }

    /// Plays it: opens sockets on loopback, and hands back each act once all are over.
    ///
    /// Blocks, for less than a second where the machine is idle: an asynchronous caller gives it a thread (`spawn_blocking`).
    ///
    /// # Errors
    ///
    /// Where this machine has no sockets on 127.0.0.1 to give, and where something that loopback always does has not
    /// happened within [`PATIENCE`]. An effect that does not appear is no error: [`Act::shown`] is then false.
    pub fn play(self) -> Result<Vec<Act>> {
        match self {
            Self::Nagle => stream::nagle(),
            Self::SlowReader => stream::slow_reader(),
            Self::Split => stream::split(),
            Self::SmallBuffer => stream::small_buffer(),
            Self::Length => length::length(),
            Self::Range => length::range(),
            Self::Datagrams => datagrams::datagrams(),
            Self::CutShort => datagrams::truncated(),
            Self::Loss => datagrams::loss(),
            Self::Compare => compare::compare(),
        }
    }
}
