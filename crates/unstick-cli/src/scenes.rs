//! Plays scenes on real loopback sockets that show what TCP and UDP do to messages: what was sent, what was read, and
//! when.
//!
//! One thread plays both sides, so the scene sets the order of what happens, not luck. A slow reader reads only after
//! the kernel reports that its receive queue holds what it must find there. Everything else is measured: every byte,
//! offset, time and count in an [`Event`] is what the sockets did in this run, and [`Act::shown`] is computed from the
//! events. An effect that this machine does not show is reported as not shown.
//!
//! Not here: the words and the drawing around a scene (`verb/lab`), and the cures, which are framings.

#[cfg(unix)]
mod act;
#[cfg(unix)]
mod compare;
#[cfg(unix)]
mod datagrams;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod length;
#[cfg(unix)]
mod recorder;
#[cfg(unix)]
mod stream;
#[cfg(test)]
#[cfg(unix)]
mod tests;

#[cfg(unix)]
use unstick::Result;

#[cfg(unix)]
pub use act::{Act, Transport, What};

/// A scene that can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scene {
    /// Two sends read as one: the sender's kernel gathered them (Nagle's algorithm).
    Nagle,
    /// Two sends read as one: both had arrived before the reader looked.
    SlowReader,
    /// One send read as three: it was delivered in three segments.
    Split,
    /// A message longer than the reader's buffer.
    SmallBuffer,
    /// A length that arrives with its body, and one that arrives in two pieces.
    Length,
    /// What a length of four bytes can hold, signed and unsigned, and what happens beyond that.
    Range,
    /// A file with its length in front, and one that ends with the stream.
    File,
    /// The same over UDP, which keeps the boundaries.
    Datagrams,
    /// A datagram longer than the reader's buffer.
    CutShort,
    /// Datagrams that are lost because the reader is slow, and TCP instead.
    Loss,
    /// TCP and UDP side by side, measured.
    Compare,
}

impl Scene {
    /// Every scene, in the order in which they tell one story.
    pub const ALL: [Self; 11] = [
        Self::Nagle,
        Self::SlowReader,
        Self::Split,
        Self::SmallBuffer,
        Self::Length,
        Self::Range,
        Self::File,
        Self::Datagrams,
        Self::CutShort,
        Self::Loss,
        Self::Compare,
    ];

    /// Returns the scene's name, as the user types it and as JSON shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nagle => "nagle",
            Self::SlowReader => "slow-reader",
            Self::Split => "split",
            Self::SmallBuffer => "small-buffer",
            Self::Length => "length",
            Self::Range => "range",
            Self::File => "file",
            Self::Datagrams => "datagrams",
            Self::CutShort => "cut-short",
            Self::Loss => "loss",
            Self::Compare => "compare",
        }
    }

    /// Plays the scene: opens sockets on loopback, and returns the acts once all are over.
    ///
    /// Blocks for less than a second on an idle machine. An asynchronous caller gives it a thread (`spawn_blocking`).
    ///
    /// # Errors
    ///
    /// If this machine has no free sockets on 127.0.0.1, or something that loopback always does has not happened within
    /// [`PATIENCE`]. An effect that does not appear is not an error: [`Act::shown`] is then false.
    #[cfg(unix)]
    pub fn play(self) -> Result<Vec<Act>> {
        match self {
            Self::Nagle => stream::nagle(),
            Self::SlowReader => stream::slow_reader(),
            Self::Split => stream::split(),
            Self::SmallBuffer => stream::small_buffer(),
            Self::Length => length::length(),
            Self::Range => length::range(),
            Self::File => file::file(),
            Self::Datagrams => datagrams::datagrams(),
            Self::CutShort => datagrams::truncated(),
            Self::Loss => datagrams::loss(),
            Self::Compare => compare::compare(),
        }
    }
}
