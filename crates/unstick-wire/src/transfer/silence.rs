//! When a side has to send `alive`, and when it counts the other side as lost. The caller passes the time.

use std::time::{Duration, Instant};

use crate::limits::MIN_TRANSFER_STALL;

/// How long each direction of a connection has been silent.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    stall: Duration,
    /// The longest silence of this side.
    most: Duration,
    said: Instant,
    heard: Instant,
}

/// What the silence requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this moment.
    At(Instant),
    /// Send [`Message::Alive`](super::Message::Alive).
    Alive,
    /// The peer has sent nothing for the whole time limit: the connection is lost.
    Stalled,
}

impl Silence {
    /// Starts now. The connection is lost once the peer has sent nothing for `stall`.
    pub fn new(stall: Duration, now: Instant) -> Self {
        Self { stall, most: stall / 4, said: now, heard: now }
    }

    /// Heeds the other side's time limit, which may be the shorter one. One under [`MIN_TRANSFER_STALL`] counts as that.
    pub fn heed(&mut self, stall: Duration) {
        self.most = self.stall.min(stall.max(MIN_TRANSFER_STALL)) / 4;
    }

    /// Records that this side has sent a message.
    pub fn said(&mut self, now: Instant) {
        self.said = now;
    }

    /// Records that a message has arrived, or a part of one.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// What is due now. A side with nothing else to send is due to send `alive` four times within the shorter time
    /// limit of both sides.
    pub fn due(&self, now: Instant) -> Due {
        let (lost, alive) = (self.heard + self.stall, self.said + self.most);
        match now {
            now if now >= lost => Due::Stalled,
            now if now >= alive => Due::Alive,
            _ => Due::At(lost.min(alive)),
        }
    }
}
