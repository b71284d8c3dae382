//! Queues messages for one peer among many while its connection has no room. They wait in the peer's backlog until the
//! peer reads, or the peer is closed.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::run::PeerId;
use super::backlog::{Backlog, Letter, Posted};
use super::event::{Event, Reason};
use super::hub::{Alarm, Hub, Peer};
use crate::limits;
use crate::link::Sender;

impl Peer {
    /// Puts a message at the end of the peer's backlog. If there is none, starts a backlog with it.
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

    /// Returns how many bytes wait, if that should be reported now: only once in a while.
    pub(super) fn newly_slow(&mut self, most: usize, now: Instant) -> Option<usize> {
        let bytes = self.backlog.as_ref().map(|backlog| backlog.bytes).filter(|bytes| *bytes > most / 2)?;
        if self.told_slow.is_some_and(|at| now < at + limits::SLOW_PEER_TIMEOUT) {
            return None;
        }
        self.told_slow = Some(now);
        Some(bytes)
    }

    /// Closes a peer that does not read.
    pub(super) fn cut(&mut self) {
        self.backlog = None;
        self.end(Reason::Slow);
        self.sender.abort();
    }
}

impl Hub {
    /// Sends the whole backlog of one peer.
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
                Err(error) if error.is_message_rejected() => {
                    self.letter_is_done(id);
                    if let Err(outcome) = self.refuse_letter(Some(id), &letter, error) {
                        self.lock().end(outcome);
                    }
                    self.make_room().await;
                }
                // The peer's task reports a lost connection, with the reason.
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

    /// Waits until a peer has read nothing for too long.
    async fn until_stalled(&self, id: PeerId) {
        loop {
            tokio::time::sleep(limits::PROGRESS_LOOK).await;
            let now = Instant::now();
            let mut state = self.lock();
            let Some(Peer { backlog: Some(backlog), sender, .. }) = state.peers.get_mut(&id) else { continue };
            backlog.look(sender, now);
            if now >= backlog.still_since() + limits::SLOW_PEER_TIMEOUT {
                return;
            }
        }
    }

    /// Closes a peer whose messages have waited for too long.
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

    /// Returns the next message; at the end of the backlog, removes the backlog.
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
                // All that is known is that there was room for a datagram.
                backlog.moved = Some(now);
            } else if backlog.taken.is_some() {
                backlog.look(sender, now);
            }
        }
        self.signals.moved.notify_waiters();
    }

    /// Waits until nothing waits for a peer any more. Only the peer's own task may call this, because it takes the
    /// peer's wake-ups.
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
