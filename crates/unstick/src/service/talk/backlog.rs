//! The backlog of one peer among many: messages that its connection has no room for, sent as the peer reads.
//!
//! Nobody waits for a slow reader: its messages wait here, up to a limit, and the others get theirs. Not here: who is sent
//! what ([`super::commands`]).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::hub::{Alarm, Hub, Peer};
use super::{Event, Output, PeerId, Reason};
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
    letters: VecDeque<Letter>,
    bytes: usize,
    /// When the first message had to wait.
    begun: Instant,
    /// Bytes that its connection had taken when last looked, if that was done ...
    taken: Option<u64>,
    /// ... and when that had become more: it reads.
    moved: Option<Instant>,
}

impl Letter {
    /// Sends it without waiting; false where there is no room.
    pub(super) fn try_send(&self, sender: &Sender) -> Result<bool> {
        if self.binary { sender.try_send_binary(&self.message) } else { sender.try_send(&self.message) }
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
    fn new(reads: bool, now: Instant) -> Self {
        let moved = reads.then_some(now);
        Self { letters: VecDeque::new(), bytes: 0, begun: now, taken: None, moved }
    }

    fn push(&mut self, letter: Letter) {
        self.bytes += letter.cost();
        self.letters.push_back(letter);
    }

    fn pop(&mut self) {
        if let Some(letter) = self.letters.pop_front() {
            self.bytes -= letter.cost();
        }
    }

    /// Whether another message fits. One always does, however long it is.
    fn has_room(&self, letter: &Letter, most: usize) -> bool {
        self.letters.is_empty() || self.bytes + letter.cost() <= most
    }

    /// Looks whether the peer reads. What its connection takes in the first moment goes into the system's own buffers, and says
    /// nothing.
    fn look(&mut self, sender: &Sender, now: Instant) {
        let taken = Some(sender.taken());
        let before = std::mem::replace(&mut self.taken, taken);
        if before.is_some() && before != taken {
            self.moved = Some(now);
        }
    }

    /// Until when the peer has to take something.
    fn patience(&self) -> Instant {
        match self.moved {
            Some(moved) => moved + limits::SLOW_PATIENCE,
            None => self.begun + limits::DEAF_PATIENCE,
        }
    }

    /// Since when it has taken nothing.
    fn still_since(&self) -> Instant {
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

impl Peer {
    /// Puts a message behind those that wait already; in front of all others where none do.
    pub(super) fn post(&mut self, letter: &Letter, most: usize, now: Instant) -> Posted {
        let begun = self.backlog.is_none();
        let backlog = self.backlog.get_or_insert_with(|| Box::new(Backlog::new(self.reads, now)));
        let until = backlog.patience();
        if backlog.has_room(letter, most) {
            backlog.push(letter.clone());
            return if begun { Posted::Begun } else { Posted::Done };
        }
        if now >= until { Posted::Stalled } else { Posted::Full(until) }
    }

    /// How many bytes wait, where that is to be reported: once in a while.
    pub(super) fn newly_slow(&mut self, most: usize, now: Instant) -> Option<usize> {
        let bytes = self.backlog.as_ref().map(|backlog| backlog.bytes).filter(|bytes| *bytes > most / 2)?;
        if self.told_slow.is_some_and(|at| now < at + limits::STALLED) {
            return None;
        }
        self.told_slow = Some(now);
        Some(bytes)
    }

    /// Lets go of a peer that does not read.
    pub(super) fn cut(&mut self) {
        self.backlog = None;
        self.end(Reason::Slow);
        self.sender.abort();
    }
}

impl<O: Output> Hub<O> {
    /// Sends the backlog of one peer, to its end.
    pub(super) async fn send_backlog(self: Arc<Self>, id: PeerId, sender: Sender) {
        let _alarm = Alarm { hub: &self, task: "the task that sends what waits for a peer" };
        while let Some(letter) = self.first_letter(id) {
            let sent = tokio::select! {
                sent = letter.send(&sender) => sent,
                () = self.until_stalled(id) => {
                    self.cut(id);
                    break;
                }
            };
            match sent {
                Ok(()) => self.letter_is_sent(id, &letter),
                Err(error) if error.is_message() => {
                    self.letter_is_done(id);
                    if let Err(outcome) = self.refuse_letter(Some(id), &letter, error) {
                        self.lock().end(outcome);
                    }
                    self.make_room().await;
                }
                // A lost connection is reported by its visit, with the reason.
                Err(_) => {
                    let mut state = self.lock();
                    if let Some(peer) = state.peers.get_mut(&id) {
                        peer.backlog = None;
                        peer.wake.notify_one();
                    }
                    break;
                }
            }
        }
        self.signals.moved.notify_waiters();
        self.finish_after(id, &sender).await;
    }

    /// Watches whether a peer reads; ready when it has read nothing for too long.
    async fn until_stalled(&self, id: PeerId) {
        loop {
            tokio::time::sleep(limits::PROGRESS_LOOK).await;
            let now = Instant::now();
            let mut state = self.lock();
            let Some(Peer { backlog: Some(backlog), sender, .. }) = state.peers.get_mut(&id) else { continue };
            backlog.look(sender, now);
            if now >= backlog.still_since() + limits::STALLED {
                return;
            }
        }
    }

    /// Lets go of a peer whose messages have waited for too long.
    fn cut(&self, id: PeerId) {
        let mut state = self.lock();
        if let Some(peer) = state.peers.get_mut(&id) {
            let bytes = peer.newly_slow(0, Instant::now());
            peer.cut();
            if let Some(bytes) = bytes {
                state.emit(Event::Slow { peer: id, bytes });
            }
        }
    }

    /// The message that is next, or the end of the backlog.
    fn first_letter(&self, id: PeerId) -> Option<Letter> {
        let mut state = self.lock();
        let peer = state.peers.get_mut(&id)?;
        let first = peer.backlog.as_ref().and_then(|backlog| backlog.letters.front().cloned());
        if first.is_none() {
            peer.reads |= peer.backlog.take().is_some_and(|backlog| backlog.moved.is_some());
            peer.wake.notify_one();
        }
        first
    }

    fn letter_is_sent(&self, id: PeerId, letter: &Letter) {
        let until = self.is_until(&letter.message);
        self.letter_is_done(id);
        let mut state = self.lock();
        state.note_activity();
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.sent = Some(Instant::now());
            if until {
                peer.end(Reason::Until);
            }
        }
    }

    fn letter_is_done(&self, id: PeerId) {
        if let Some(Peer { backlog: Some(backlog), sender, .. }) = self.lock().peers.get_mut(&id) {
            backlog.pop();
            let now = Instant::now();
            if sender.is_datagram() {
                // Nothing else is known of it than that there was room for a datagram.
                backlog.moved = Some(now);
            } else if backlog.taken.is_some() {
                backlog.look(sender, now);
            }
        }
        self.signals.moved.notify_waiters();
    }

    /// Waits until nothing waits for a peer any more. Its visit alone may ask: it takes the peer's wake-ups.
    pub(super) async fn backlog_is_sent(&self, id: PeerId) {
        loop {
            let moved = self.signals.moved.notified();
            if self.lock().peers.get(&id).is_none_or(|peer| peer.backlog.is_none()) {
                return;
            }
            moved.await;
        }
    }
}
