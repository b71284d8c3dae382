//! The state of a conversation: who is there, what was received, and when it is over.
//!
//! Not here: what this end says ([`super::commands`]) and what a peer does ([`super::peer`]); how peers come to be there
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

/// Shared by the tasks of one conversation.
pub(super) struct Hub {
    pub(super) rules: Config,
    state: Mutex<State>,
    pub(super) signals: Arc<Signals>,
}

/// What others may wait for.
#[derive(Default)]
pub(super) struct Signals {
    /// Somebody came or went, or the run is over.
    pub(super) changed: Notify,
    /// The run is over.
    pub(super) over: Notify,
    /// Something of a backlog has been sent.
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
    /// Messages that have arrived and are being answered.
    pub(super) answering: usize,
    pub(super) input_ended: bool,
    /// There is no input.
    pub(super) mute: bool,
    pub(super) listening: bool,
    /// The one peer there is is connected to again when it is lost.
    pub(super) reconnects: bool,
    /// Messages that were sent to the peer that was lost last.
    pub(super) sent: u64,
    pub(super) last_activity: Instant,
    /// How the run ends, until it is taken.
    pub(super) outcome: Option<Outcome>,
    /// That is decided: nothing more is taken or shown.
    pub(super) over: bool,
    pub(super) accepting: Option<AbortHandle>,
    /// What the listener reports of datagrams that reached no session.
    pub(super) notices: Option<Arc<Notices>>,
    signals: Arc<Signals>,
}

/// One peer as the hub knows it.
pub(super) struct Peer {
    pub(super) sender: Sender,
    /// Wakes its visit: its peer_state has changed.
    pub(super) wake: Arc<Notify>,
    /// When something was last sent to it, if anything was.
    pub(super) sent: Option<Instant>,
    /// Messages that were sent to it.
    pub(super) messages: u64,
    /// What it is sent as it opens is on its way.
    pub(super) greeting: bool,
    /// When it was last reported as slow.
    pub(super) told_slow: Option<Instant>,
    /// It has read what had waited for it.
    pub(super) reads: bool,
    /// Messages that wait for room in its queue, where some do.
    pub(super) backlog: Option<Box<Backlog>>,
    /// Its conversation is to end, and why; taken by its visit.
    pub(super) ending: Option<Reason>,
    /// It is not spoken to any more.
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

    /// Resolves when `met` is true of the state.
    pub(super) async fn until(&self, mut met: impl FnMut(&State) -> bool) {
        loop {
            let changed = self.signals.changed.notified();
            if met(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits while the output is full, unless the run is over: whatever becomes an event waits here before or after it, so
    /// that a reader of the output that has stopped does not make memory grow.
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

    /// A peer has gone: says so, and ends the run where that is its end.
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

    /// Reports why a peer is closed, at once: until the peer has read the rest and gone, seconds can pass. Where that ends the run, its
    /// outcome says so.
    pub(super) fn refuses(&self, peer: PeerId, error: &Error) {
        let ends_nothing = {
            let state = self.lock();
            state.listening && !self.rules.once
        };
        if ends_nothing {
            self.report_error(Some(peer), error);
        }
    }

    /// Reports what went wrong where that ends nothing.
    pub(super) fn report_error(&self, peer: Option<PeerId>, error: &Error) {
        self.report_error_about(peer, None, error);
    }

    /// The same about a command with this `id`.
    pub(super) fn report_error_about(&self, peer: Option<PeerId>, id: Option<&str>, error: &Error) {
        self.lock().emit(Event::Error { peer, id, error });
    }

    /// A task of the conversation has panicked.
    pub(super) fn panicked(&self, task: &str) {
        self.lock().end(Outcome::Failed(Error::panicked(task)));
    }

    /// Whether there are no others that a peer could hold up.
    pub(super) fn has_one_peer(&self) -> bool {
        self.rules.once || !self.lock().listening
    }

    /// Whether a connection that has ended is made again.
    pub(super) fn reconnects(&self) -> bool {
        self.lock().reconnects
    }

    /// Ends a peer's sending side. Where there are others, a peer that reads nothing of the rest is not waited for longer
    /// than for any other message.
    pub(super) async fn finish(&self, sender: &Sender) -> Result<()> {
        if self.has_one_peer() {
            return sender.finish().await;
        }
        sender.finish_while_it_moves(limits::FINISHING).await
    }

    /// Ends the sending side of all of them at once: one that does not read holds back no other.
    pub(super) async fn finish_all(self: &Arc<Self>, senders: Vec<Sender>) {
        let mut finishing = tokio::task::JoinSet::new();
        for sender in senders {
            let hub = Arc::clone(self);
            // A peer that has failed is reported by its reader.
            finishing.spawn(async move { drop(hub.finish(&sender).await) });
        }
        while finishing.join_next().await.is_some() {}
    }

    /// What the visit of a peer has to know beyond its messages.
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

    /// Whether what a peer is sent as it opens is on its way still.
    pub(super) fn is_greeting(&self, id: PeerId) -> bool {
        self.lock().peers.get(&id).is_some_and(|peer| peer.greeting)
    }

    /// Why a conversation ends that has failed: as this end had decided, where it had.
    pub(super) fn ending(&self, id: PeerId, error: Error) -> Reason {
        let asked = self.lock().peers.get_mut(&id).and_then(|peer| peer.ending.take());
        asked.filter(|reason| !matches!(reason, Reason::Failed(_))).unwrap_or(Reason::Failed(error))
    }

    /// A peer's conversation has ended: what is said from now on is for others.
    pub(super) fn leaves(&self, id: PeerId) {
        if let Some(peer) = self.lock().peers.get_mut(&id) {
            peer.leaving = true;
        }
    }

    /// Whether nothing answers by itself, so that messages can be taken as fast as they come.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.rules.answer, AutoReply::Nothing)
    }

    /// How long datagram peers are waited for once this end has nothing more to say.
    pub(super) fn datagram_linger(&self) -> Option<Duration> {
        (self.rules.count.is_none() && self.rules.until.is_none()).then_some(self.rules.linger)
    }

    /// As many messages have arrived as were asked for.
    pub(super) fn has_enough(&self, state: &State) -> bool {
        self.rules.count.is_some_and(|count| state.received >= count)
    }

    /// A message that was answered needs no more. One whose answer is refused is over when its peer has gone.
    pub(super) fn answered(&self, refused: bool) {
        let mut state = self.lock();
        state.answering -= 1;
        state.note_activity();
        if !refused && state.answering == 0 && self.has_enough(&state) {
            state.end(Outcome::Reached);
        }
    }
}

/// Held by a task of the conversation: where the task panics, the run ends with an error instead of going on without it.
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

/// Where a peer's conversation stands, seen from this end.
pub(super) struct PeerState {
    pub(super) ending: Option<Reason>,
    pub(super) sent: Option<Instant>,
    /// Something is on its way to it that has not found room in its queue yet.
    pub(super) sending: bool,
    pub(super) input_ended: bool,
    /// There is no input.
    pub(super) mute: bool,
}

impl State {
    /// Gives an event to the output; where that fails the run is over. Once it is over, only losses are still told.
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

    /// Whether a peer is there to be spoken to.
    pub(super) fn is_here(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| !peer.leaving)
    }

    /// The one peer that [`Recipient::Latest`](super::Recipient::Latest) means, where it means one.
    pub(super) fn latest_peer(&mut self) -> Option<&mut Peer> {
        if self.is_greeted_again() {
            return None;
        }
        let id = self.latest.or_else(|| self.peers.keys().next().copied().filter(|_| self.peers.len() == 1))?;
        self.peers.get_mut(&id).filter(|peer| !peer.leaving)
    }

    /// A connection that has been made again is not yet ready for anything but its greeting.
    pub(super) fn is_greeted_again(&self) -> bool {
        self.reconnects && self.peers.values().any(|peer| peer.greeting && !peer.leaving)
    }

    /// Messages that were sent to the peer that was lost last; told once.
    pub(super) fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Every visit is to look at its peer_state again.
    pub(super) fn wake_all(&self) {
        self.peers.values().for_each(|peer| peer.wake.notify_one());
    }

    /// Shows a message that has arrived, and counts it. The error says that it cannot be shown: this concerns its peer.
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

    /// The output takes nothing any more.
    #[cold]
    fn unwritten(&mut self, error: Error) {
        self.end(if error.is_closed() { Outcome::OutputClosed } else { Outcome::Failed(error) });
    }

    /// The message that was taken last is to be answered.
    pub(super) fn note_question(&mut self) {
        self.answering += 1;
    }

    pub(super) fn note_activity(&mut self) {
        self.last_activity = Instant::now();
    }
}
