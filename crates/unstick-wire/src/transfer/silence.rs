//! When a side has to show that it is still there, and when the other counts as gone: time is passed in.

use std::time::{Duration, Instant};

/// How long both directions of a connection have been silent.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    stall: Duration,
    said: Instant,
    heard: Instant,
}

/// What silence asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing until then.
    At(Instant),
    /// Send [`Message::Alive`](super::Message::Alive).
    Alive,
    /// The peer has said nothing for the whole time: the connection is lost.
    Stalled,
}

impl Silence {
    /// The connection is open from now on; it is lost when the peer says nothing for `stall`.
    pub fn new(stall: Duration, now: Instant) -> Self {
        Self { stall, said: now, heard: now }
    }

    /// A message was sent.
    pub fn said(&mut self, now: Instant) {
        self.said = now;
    }

    /// A message has come, or a part of one.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// What is due. A side that has nothing to send says so four times within the limit.
    pub fn due(&self, now: Instant) -> Due {
        let (lost, alive) = (self.heard + self.stall, self.said + self.stall / 4);
        match now {
            now if now >= lost => Due::Stalled,
            now if now >= alive => Due::Alive,
            _ => Due::At(lost.min(alive)),
        }
    }
}
