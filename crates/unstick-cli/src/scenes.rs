//! Plays scenes on real loopback sockets that show what TCP and UDP do to messages: what was sent, what was read, and
//! when.
//!
//! One thread plays both sides, so the scene sets the order of what happens, not luck. A slow reader reads only after
//! the kernel reports that its receive queue holds what it must find there. Everything else is measured: every byte,
//! offset, time and count in an [`Event`] is what the sockets did in this run, and [`Act::shown`] is computed from the
//! events. An effect that this machine does not show is reported as not shown.
//!
//! Not here: their names (`scene`), the words and the drawing around a scene (`verb/lab`), and the cures, which are framings.

mod act;
mod compare;
mod datagrams;
mod file;
mod length;
mod recorder;
mod stream;
#[cfg(test)]
mod tests;

use unstick::Result;

pub use crate::scene::Scene;
pub use act::{Act, Transport, What};

impl Scene {
    /// Plays the scene: opens sockets on loopback, and returns the acts once all are over.
    ///
    /// Blocks for less than a second on an idle machine. An asynchronous caller gives it a thread (`spawn_blocking`).
    ///
    /// # Errors
    ///
    /// If this machine has no free sockets on 127.0.0.1, or something that loopback always does has not happened within
    /// [`PATIENCE`]. An effect that does not appear is not an error: [`Act::shown`] is then false.
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
