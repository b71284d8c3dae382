//! The state of a conversation: its peers, what was received, and when it is over.
//!
//! Not here: this end's commands ([`super::commands`]), a peer's task ([`super::peer`]), and how peers connect
//! ([`super::run`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use unstick_wire::Frame;

use super::super::run::PeerId;
use super::backlog::Backlog;
use super::config::{AutoReply, Config};
use super::event::{Event, Outcome, Output, Reason};
use crate::endpoint::{Closing, Notices};
use crate::error::{Error, Result};
use crate::limits;
use crate::link::Sender;

/// The state that the tasks of one conversation share.
pub(super) struct Hub {
    pub(super) rules: Config,
    state: Mutex<State>,
    pub(super) signals: Arc<Signals>,
}

/// The events that tasks wait for.
#[derive(Default)]
pub(super) struct Signals {
    /// A peer came or went, or the run is over.
    pub(super) changed: Notify,
    /// The run is over.
    pub(super) over: Notify,
    /// A part of a backlog has been sent.
    pub(super) moved: Notify,
}

/// A message that has arrived.
#[derive(Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) message: &'a [u8],
    /// As in [`Event::Message`].
    pub(super) binary: Option<bool>,
    pub(super) frame: Option<&'a Frame<'a>>,
}

pub(super) struct State {
    pub(super) output: Box<dyn Output>,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) came: PeerId,
    pub(super) latest: Option<PeerId>,
    pub(super) received: u64,
    /// Number of messages that have arrived and are being answered.
    pub(super) answering: usize,
    pub(super) input_ended: bool,
    /// Whether there is no input.
    pub(super) mute: bool,
    pub(super) listening: bool,
    /// Whether this end reconnects to its only peer when the connection is lost.
    pub(super) reconnects: bool,
    /// Number of messages that were sent to the peer that was lost last.
    pub(super) sent: u64,
    pub(super) last_activity: Instant,
    /// How the run ends, until the run takes it.
    pub(super) outcome: Option<Outcome>,
    /// Whether the outcome is decided: nothing more is taken or shown.
    pub(super) over: bool,
    pub(super) accepting: Option<AbortHandle>,
    /// The listener's reports of datagrams that reached no session.
    pub(super) notices: Option<Arc<Notices>>,
    signals: Arc<Signals>,
}

/// One peer as the hub knows it.
pub(super) struct Peer {
    pub(super) sender: Sender,
    /// Wakes its task when its `PeerState` has changed.
    pub(super) wake: Arc<Notify>,
    /// When something was last sent to it, if anything was.
    pub(super) sent: Option<Instant>,
    /// Number of messages that were sent to it.
    pub(super) messages: u64,
    /// Whether its greeting is still being sent.
    pub(super) greeting: bool,
    /// When it was last reported as slow.
    pub(super) told_slow: Option<Instant>,
    /// Whether it has read what had waited for it.
    pub(super) reads: bool,
    /// Messages that wait for room in its queue, if any do.
    pub(super) backlog: Option<Box<Backlog>>,
    /// Why its conversation should end, if it should; its task takes this.
    pub(super) ending: Option<Reason>,
    /// Whether nothing is sent to it any more.
    pub(super) leaving: bool,
    pub(super) task: AbortHandle,
}

impl Hub {
    pub(super) fn new(output: Box<dyn Output>, rules: Config) -> Arc<Self> {
        let signals = Arc::<Signals>::default();
        let state = State {
            output,
            peers: BTreeMap::new(),
            came: 0,
            latest: None,
            received: 0,
            answering: 0,
            input_ended: false,
            mute: false,
            listening: false,
            reconnects: false,
            sent: 0,
            last_activity: Instant::now(),
            outcome: None,
            over: false,
            accepting: None,
            notices: None,
            signals: Arc::clone(&signals),
        };
        Arc::new(Self { rules, state: Mutex::new(state), signals })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `met` is true of the state.
    pub(super) async fn until(&self, mut met: impl FnMut(&State) -> bool) {
        loop {
            let changed = self.signals.changed.notified();
            if met(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits while the output is full, unless the run is over. Everything that becomes an event waits here before or
    /// after it. So memory does not grow when a reader of the output stops reading.
    pub(super) async fn make_room(&self) {
        let over = self.signals.over.notified();
        let room = {
            let state = self.lock();
            if state.over { None } else { state.output.room() }
        };
        if let Some(room) = room {
            tokio::select! {
                () = room => {}
                () = over => {}
            }
        }
    }

    /// Handles a peer that has gone: reports it, and ends the run if that is its end.
    pub(super) fn gone(&self, id: PeerId, from: &str, reason: Reason, closing: Option<&Closing>) {
        let mut state = self.lock();
        state.sent = state.peers.remove(&id).map_or(0, |peer| peer.messages);
        if state.latest == Some(id) {
            state.latest = None;
        }
        state.emit(Event::Close { peer: id, from, reason: &reason, closing });
        let for_good = state.reconnects && self.ends_for_good(&reason, state.input_ended);
        if !state.listening || self.rules.once || for_good {
            state.end(match reason {
                Reason::Failed(error) | Reason::Refused(error) => Outcome::PeerFailed(error),
                Reason::Until => Outcome::Reached,
                Reason::Idle(after) => Outcome::Idle(after),
                Reason::Ended | Reason::Closed | Reason::Slow => Outcome::Ended,
            });
        } else if !state.reconnects && state.input_ended && state.peers.is_empty() && !self.rules.has_another_end() {
            state.end(Outcome::Ended);
        } else if state.answering == 0 && self.has_enough(&state) {
            state.end(Outcome::Reached);
        }
        drop(state);
        self.signals.changed.notify_waiters();
    }

    /// Reports at once why a peer is closed: seconds can pass until the peer has read the rest and gone. If that ends
    /// the run, the outcome reports it instead.
    pub(super) fn refuses(&self, peer: PeerId, error: &Error) {
        let ends_nothing = {
            let state = self.lock();
            state.listening && !self.rules.once
        };
        if ends_nothing {
            self.report_error(Some(peer), error);
        }
    }

    /// Reports an error that ends nothing.
    pub(super) fn report_error(&self, peer: Option<PeerId>, error: &Error) {
        self.report_error_about(peer, None, error);
    }

    /// Reports an error about a command with this `id`.
    pub(super) fn report_error_about(&self, peer: Option<PeerId>, id: Option<&str>, error: &Error) {
        self.lock().emit(Event::Error { peer, id, error });
    }

    /// Ends the run because a task of the conversation has panicked.
    pub(super) fn panicked(&self, task: &str) {
        self.lock().end(Outcome::Failed(Error::panicked(task)));
    }

    /// Whether there are no other peers that a peer could hold up.
    pub(super) fn has_one_peer(&self) -> bool {
        self.rules.once || !self.lock().listening
    }

    /// Whether a connection that has ended is made again.
    pub(super) fn reconnects(&self) -> bool {
        self.lock().reconnects
    }

    /// Ends the sending side to a peer. If there are others, this waits for a peer that reads nothing only a limited
    /// time.
    pub(super) async fn finish(&self, sender: &Sender) -> Result<()> {
        if self.has_one_peer() {
            return sender.finish().await;
        }
        sender.finish_while_it_moves(limits::FINISHING).await
    }

    /// Ends the sending side to all these peers at once, so that one that does not read holds back no other.
    pub(super) async fn finish_all(self: &Arc<Self>, senders: Vec<Sender>) {
        let mut finishing = tokio::task::JoinSet::new();
        for sender in senders {
            let hub = Arc::clone(self);
            // Its reader reports a peer that has failed.
            finishing.spawn(async move { drop(hub.finish(&sender).await) });
        }
        while finishing.join_next().await.is_some() {}
    }

    /// Returns what a peer's task has to know beyond its messages.
    pub(super) fn peer_state(&self, id: PeerId) -> PeerState {
        let mut state = self.lock();
        let (input_ended, mute) = (state.input_ended, state.mute);
        match state.peers.get_mut(&id) {
            Some(peer) => PeerState {
                ending: peer.ending.take(),
                sent: peer.sent,
                sending: peer.is_being_sent(),
                input_ended,
                mute,
            },
            None => PeerState { ending: Some(Reason::Closed), sent: None, sending: false, input_ended, mute },
        }
    }

    /// Whether a peer's greeting is still being sent.
    pub(super) fn is_greeting(&self, id: PeerId) -> bool {
        self.lock().peers.get(&id).is_some_and(|peer| peer.greeting)
    }

    /// Returns why a failed conversation ends: for this end's own reason, if it had decided to end it.
    pub(super) fn ending(&self, id: PeerId, error: Error) -> Reason {
        let asked = self.lock().peers.get_mut(&id).and_then(|peer| peer.ending.take());
        asked.filter(|reason| !matches!(reason, Reason::Failed(_))).unwrap_or(Reason::Failed(error))
    }

    /// Records that a peer's conversation has ended: later messages are for others.
    pub(super) fn leaves(&self, id: PeerId) {
        if let Some(peer) = self.lock().peers.get_mut(&id) {
            peer.leaving = true;
        }
    }

    /// Whether there are no automatic answers, so that messages can be taken as fast as they come.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.rules.answer, AutoReply::Nothing)
    }

    /// How long to wait for datagram peers once this end has nothing more to send.
    pub(super) fn datagram_linger(&self) -> Option<Duration> {
        (self.rules.count.is_none() && self.rules.until.is_none()).then_some(self.rules.linger)
    }

    /// Whether `count` messages have arrived.
    pub(super) fn has_enough(&self, state: &State) -> bool {
        self.rules.count.is_some_and(|count| state.received >= count)
    }

    /// Records that a message was answered. If its answer was refused, it is done only when its peer has gone.
    pub(super) fn answered(&self, refused: bool) {
        let mut state = self.lock();
        state.answering -= 1;
        state.note_activity();
        if !refused && state.answering == 0 && self.has_enough(&state) {
            state.end(Outcome::Reached);
        }
    }
}

/// Ends the run with an error if the task that holds this panics, instead of going on without the task.
pub(super) struct Alarm<'a> {
    pub(super) hub: &'a Hub,
    pub(super) task: &'static str,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.hub.panicked(self.task);
        }
    }
}

/// The state of a peer's conversation, seen from this end.
pub(super) struct PeerState {
    pub(super) ending: Option<Reason>,
    pub(super) sent: Option<Instant>,
    /// Whether something for it has not found room in its queue yet.
    pub(super) sending: bool,
    pub(super) input_ended: bool,
    /// Whether there is no input.
    pub(super) mute: bool,
}

impl State {
    /// Gives an event to the output; if that fails, the run is over. Once it is over, only losses are still reported.
    pub(super) fn emit(&mut self, event: Event<'_>) {
        if self.over
            && !matches!(
                event,
                Event::Lost { .. } | Event::Damaged { .. } | Event::Unanswered { .. } | Event::Notice { .. }
            )
        {
            return;
        }
        if let Err(error) = self.output.event(event) {
            self.unwritten(error);
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.over, true) {
            self.outcome = Some(outcome);
            self.signals.changed.notify_waiters();
            self.signals.over.notify_waiters();
        }
    }

    /// Whether this end can still send to a peer.
    pub(super) fn is_here(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| !peer.leaving)
    }

    /// Returns the peer that [`Recipient::Latest`](super::Recipient::Latest) means, if it means exactly one.
    pub(super) fn latest_peer(&mut self) -> Option<&mut Peer> {
        if self.is_greeted_again() {
            return None;
        }
        let id = self.latest.or_else(|| self.peers.keys().next().copied().filter(|_| self.peers.len() == 1))?;
        self.peers.get_mut(&id).filter(|peer| !peer.leaving)
    }

    /// Whether a new connection after a reconnect still gets its greeting, and is ready for nothing else.
    pub(super) fn is_greeted_again(&self) -> bool {
        self.reconnects && self.peers.values().any(|peer| peer.greeting && !peer.leaving)
    }

    /// Returns the number of messages that were sent to the peer that was lost last; only once.
    pub(super) fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Makes every peer's task look at its `PeerState` again.
    pub(super) fn wake_all(&self) {
        self.peers.values().for_each(|peer| peer.wake.notify_one());
    }

    /// Shows a message that has arrived, and counts it. An error means that it cannot be shown, which concerns its
    /// peer.
    #[inline]
    pub(super) fn take(&mut self, id: PeerId, from: &str, arrived: Arrived<'_>) -> Result<()> {
        let Arrived { message, binary, frame } = arrived;
        match self.output.event(Event::Message { peer: id, from, message, binary, frame }) {
            Err(error) if error.is_message_rejected() => return Err(error),
            Err(error) => self.unwritten(error),
            Ok(()) => {}
        }
        self.latest = Some(id);
        self.received += 1;
        Ok(())
    }

    /// Ends the run because the output accepts nothing any more.
    #[cold]
    fn unwritten(&mut self, error: Error) {
        self.end(if error.is_closed() { Outcome::OutputClosed } else { Outcome::Failed(error) });
    }

    /// Records that the message taken last needs an answer.
    pub(super) fn note_question(&mut self) {
        self.answering += 1;
    }

    pub(super) fn note_activity(&mut self) {
        self.last_activity = Instant::now();
    }
}
