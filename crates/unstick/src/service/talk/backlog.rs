//! The backlog of one peer among many: messages that its connection has no room for, sent as the peer reads.
//!
//! Nobody waits for a slow reader: its messages wait here, up to a limit, and the others get theirs. Not here: who is sent
//! what ([`super::commands`]).

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
    /// As a binary message, where the transport tells these from text.
    pub(super) binary: bool,
    /// What errors about it are to repeat.
    pub(super) id: Option<Arc<str>>,
}

/// Bytes that a message costs in a backlog beside its own.
const OVERHEAD: usize = size_of::<Letter>() + 32;

/// Messages of one peer that wait for its connection.
pub(super) struct Backlog {
    pub(super) letters: VecDeque<Letter>,
    pub(super) bytes: usize,
    /// When the first message had to wait.
    begun: Instant,
    /// Bytes that its connection had taken when last looked, if that was done ...
    pub(super) taken: Option<u64>,
    /// ... and when that had become more: it reads.
    pub(super) moved: Option<Instant>,
}

impl Letter {
    /// Sends it without waiting; false where there is no room.
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
    /// For a peer that `reads`, where it is known to do so.
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

    /// Whether another message fits. One always does, however long it is.
    pub(super) fn has_room(&self, letter: &Letter, most: usize) -> bool {
        self.letters.is_empty() || self.bytes + letter.cost() <= most
    }

    /// Looks whether the peer reads. What its connection takes in the first moment goes into the system's own buffers, and says
    /// nothing.
    pub(super) fn look(&mut self, sender: &Sender, now: Instant) {
        let taken = Some(sender.taken());
        let before = std::mem::replace(&mut self.taken, taken);
        if before.is_some() && before != taken {
            self.moved = Some(now);
        }
    }

    /// Until when the peer has to take something.
    pub(super) fn patience(&self) -> Instant {
        match self.moved {
            Some(moved) => moved + limits::SLOW_PATIENCE,
            None => self.begun + limits::DEAF_PATIENCE,
        }
    }

    /// Since when it has taken nothing.
    pub(super) fn still_since(&self) -> Instant {
        self.moved.unwrap_or(self.begun)
    }
}

/// What became of a message for one peer.
pub(super) enum Posted {
    /// It is sent, or waits in the backlog.
    Done,
    /// The backlog has just been begun: somebody has to send what is in it.
    Begun,
    /// There is no room for it; until then the peer has to have taken something.
    Full(Instant),
    /// There was no room, and the peer has taken nothing for too long.
    Stalled,
}
