//! The backlog of one peer among many: messages for which its connection has no room, sent as the peer reads.
//!
//! Nobody waits for a slow reader: its messages wait here, up to a limit, and the others get theirs. Not here: which
//! peer gets which message ([`super::commands`]).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::Result;
use crate::limits;
use crate::link::Sender;

/// A message and how it is sent.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) message: Bytes,
    /// Whether it goes as a binary message, if the transport distinguishes these from text.
    pub(super) binary: bool,
    /// The id that errors about it repeat.
    pub(super) id: Option<Arc<str>>,
}

/// Number of bytes that a message costs in a backlog in addition to its own.
const OVERHEAD: usize = size_of::<Letter>() + 32;

/// Messages of one peer that wait for its connection.
pub(super) struct Backlog {
    pub(super) letters: VecDeque<Letter>,
    pub(super) bytes: usize,
    /// When the first message had to wait.
    begun: Instant,
    /// Number of bytes that its connection had taken at the last check, if there was one ...
    pub(super) taken: Option<u64>,
    /// ... and when that number last grew, which shows that the peer reads.
    pub(super) moved: Option<Instant>,
}

impl Letter {
    /// Sends it without waiting; returns false if there is no room.
    pub(super) fn offer(&self, sender: &Sender) -> Result<bool> {
        if self.binary { sender.offer_binary(&self.message) } else { sender.offer(&self.message) }
    }

    /// Sends it once there is room. Cancel safe.
    pub(super) async fn send(&self, sender: &Sender) -> Result<()> {
        if self.binary { sender.send_binary(&self.message).await } else { sender.send(&self.message).await }
    }

    fn cost(&self) -> usize {
        self.message.len() + OVERHEAD
    }
}

impl Backlog {
    /// Creates a backlog. `reads` says whether the peer is known to read.
    pub(super) fn new(reads: bool, now: Instant) -> Self {
        let moved = reads.then_some(now);
        Self { letters: VecDeque::new(), bytes: 0, begun: now, taken: None, moved }
    }

    pub(super) fn push(&mut self, letter: Letter) {
        self.bytes += letter.cost();
        self.letters.push_back(letter);
    }

    pub(super) fn pop(&mut self) {
        if let Some(letter) = self.letters.pop_front() {
            self.bytes -= letter.cost();
        }
    }

    /// Whether another message fits. One message always fits, however long it is.
    pub(super) fn has_room(&self, letter: &Letter, most: usize) -> bool {
        self.letters.is_empty() || self.bytes + letter.cost() <= most
    }

    /// Checks whether the peer reads. What its connection takes in the first moment goes into the system's own buffers,
    /// and proves nothing.
    pub(super) fn look(&mut self, sender: &Sender, now: Instant) {
        let taken = Some(sender.taken());
        let before = std::mem::replace(&mut self.taken, taken);
        if before.is_some() && before != taken {
            self.moved = Some(now);
        }
    }

    /// Returns the time by which the peer has to take something.
    pub(super) fn patience(&self) -> Instant {
        match self.moved {
            Some(moved) => moved + limits::SLOW_PATIENCE,
            None => self.begun + limits::DEAF_PATIENCE,
        }
    }

    /// Returns since when the peer has taken nothing.
    pub(super) fn still_since(&self) -> Instant {
        self.moved.unwrap_or(self.begun)
    }
}

/// What became of a message for one peer.
pub(super) enum Posted {
    /// It was sent, or waits in the backlog.
    Done,
    /// It started a new backlog: the caller has to start sending it.
    Begun,
    /// There is no room for it. By this time the peer has to have taken something.
    Full(Instant),
    /// There was no room, and the peer has taken nothing for too long.
    Stalled,
}
