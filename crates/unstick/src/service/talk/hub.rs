//! The hub of a conversation: who is there, and when it is over.
//!
//! Not here: what this end says ([`super::commands`]) and what a peer does ([`super::peer`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::{Answer, Event, Input, Outcome, Output, Party, PeerId, Reason, Rules, peer};
use crate::endpoint::{Closing, Notices};
use crate::error::{Error, Result};
use crate::limits;
use crate::link::{Link, Listener, Sender};

/// Shared by the tasks of one conversation.
pub(super) struct Hub<O> {
    pub(super) rules: Rules,
    state: Mutex<State<O>>,
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

pub(super) struct State<O> {
    pub(super) output: O,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) came: PeerId,
    pub(super) latest: Option<PeerId>,
    received: u64,
    /// Messages that have arrived and are being answered.
    answering: usize,
    pub(super) input_ended: bool,
    /// There is no input.
    pub(super) mute: bool,
    pub(super) listening: bool,
    /// The one peer there is is connected to again when it is lost.
    reconnects: bool,
    /// Messages that were sent to the peer that was lost last.
    sent: u64,
    last_activity: Instant,
    /// How the run ends, until it is taken.
    outcome: Option<Outcome>,
    /// That is decided: nothing more is taken or shown.
    over: bool,
    accepting: Option<AbortHandle>,
    /// What the listener reports of datagrams that reached no session.
    notices: Option<Arc<Notices>>,
    signals: Arc<Signals>,
}

/// One peer as the hub knows it.
pub(super) struct Peer {
    pub(super) sender: Sender,
    /// Wakes its visit: its standing has changed.
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
    task: AbortHandle,
}

impl<O: Output> Hub<O> {
    pub(super) fn new(output: O, rules: Rules) -> Arc<Self> {
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn run(self: Arc<Self>, party: Party, input: impl Input) -> Outcome {
        match party {
            Party::One(link) => self.open(link),
            Party::Many(listener) => self.listen(listener),
            Party::Again(link, how) => {
                let mut state = self.lock();
                (state.listening, state.reconnects) = (true, true);
                state.accepting = Some(tokio::spawn(Arc::clone(&self).reconnect(link, *how)).abort_handle());
            }
        }
        let outcome = tokio::select! {
            outcome = self.over() => outcome,
            outcome = self.timers() => outcome,
            outcome = self.take_input(input) => outcome,
            // A message that was taken may still wait for somebody to read.
            () = self.rules.stop.overdue() => Outcome::Stopped,
        };
        let patience = match outcome {
            // Nobody is left who would wait.
            Outcome::Idle(_) | Outcome::Deadline(_) | Outcome::OutputClosed => limits::LAST_CALL,
            Outcome::Stopped => self.rules.stop.left(),
            _ => limits::WIND_UP,
        };
        self.wind_up(patience).await;
        match outcome {
            Outcome::Ended if self.is_short() => Outcome::Short { received: self.lock().received },
            outcome => outcome,
        }
    }

    /// Whether something that was to come did not. One of many conversations that ends at `until` is not waited for.
    fn is_short(&self) -> bool {
        let single = self.rules.once || !self.lock().listening;
        self.rules.count.is_some() || (single && self.rules.until.is_some())
    }

    /// Resolves when something has ended the run.
    async fn over(&self) -> Outcome {
        loop {
            let changed = self.signals.changed.notified();
            if let Some(outcome) = self.lock().outcome.take() {
                return outcome;
            }
            changed.await;
        }
    }

    /// Resolves when a time limit has passed.
    async fn timers(&self) -> Outcome {
        let deadline = self.rules.deadline.map(|after| (Instant::now() + after, Outcome::Deadline(after)));
        loop {
            let idle = self.rules.idle.map(|after| self.lock().last_activity + after);
            let next = deadline.as_ref().map(|(at, _)| *at).into_iter().chain(idle).min();
            let Some(next) = next else { return std::future::pending().await };
            tokio::time::sleep_until(next).await;
            if let Some((at, _)) = &deadline
                && Instant::now() >= *at
            {
                return Outcome::Deadline(self.rules.deadline.unwrap_or_default());
            }
            if let Some(after) = self.rules.idle
                && Instant::now() >= self.lock().last_activity + after
            {
                return Outcome::Idle(after);
            }
        }
    }

    fn listen(self: &Arc<Self>, listener: Listener) {
        let mut state = self.lock();
        state.listening = true;
        state.emit(Event::Listening { addresses: listener.addresses() });
        state.notices = listener.notices();
        if let Some(notices) = state.notices.clone() {
            tokio::spawn(Arc::clone(self).tell(notices));
        }
        state.accepting = Some(tokio::spawn(Arc::clone(self).accept(listener)).abort_handle());
    }

    /// Tells of datagrams that reached no session, until the run is over.
    async fn tell(self: Arc<Self>, notices: Arc<Notices>) {
        let _alarm = Alarm { hub: &self, task: "the task that reports lost datagrams" };
        loop {
            tokio::select! {
                notice = notices.next() => self.lock().emit(Event::Notice { notice: &notice }),
                () = self.signals.over.notified() => return,
            }
        }
    }

    async fn accept(self: Arc<Self>, mut listener: Listener) {
        let _alarm = Alarm { hub: &self, task: "the task that accepts connections" };
        let most = if self.rules.once { 1 } else { self.rules.max_peers.unwrap_or(usize::MAX) };
        let mut complained: Option<Instant> = None;
        loop {
            self.until(|state| state.peers.len() < most).await;
            // Peers that come and go are events as well.
            self.make_room().await;
            match listener.accept().await {
                Ok(link) => {
                    self.open(link);
                    if self.rules.once {
                        return;
                    }
                }
                // A client that was not let in is no lack of anything: the next is taken at once.
                Err(error) if error.is_handshake() => self.complain(None, &error),
                Err(error) => {
                    if complained.is_none_or(|at| at.elapsed() > limits::COMPLAINT_PAUSE) {
                        complained = Some(Instant::now());
                        self.complain(None, &error);
                    }
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Resolves when `met` is true of the state.
    pub(super) async fn until(&self, mut met: impl FnMut(&State<O>) -> bool) {
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

    pub(super) fn open(self: &Arc<Self>, link: Link) {
        let names = link.names().clone();
        let request = link.request().cloned();
        let (sender, receiver) = link.split();
        let mut state = self.lock();
        if state.over {
            return;
        }
        state.came += 1;
        let id = state.came;
        state.last_activity = Instant::now();
        state.emit(Event::Open { peer: id, names: &names, datagram: sender.is_datagram(), request: request.as_ref() });
        let greeting = !self.rules.greeting.is_empty() || (state.input_ended && !self.rules.wait);
        if greeting {
            tokio::spawn(Arc::clone(self).greet(id, sender.clone()));
        }
        let wake = Arc::new(Notify::new());
        let (hub, woken) = (Arc::clone(self), Arc::clone(&wake));
        let visit = peer::Visit::new(hub, id, names.remote.into(), woken, sender.clone(), receiver);
        let task = tokio::spawn(visit.run()).abort_handle();
        let peer = Peer {
            sender,
            wake,
            sent: None,
            messages: 0,
            greeting,
            told_slow: None,
            reads: false,
            backlog: None,
            ending: None,
            leaving: false,
            task,
        };
        state.peers.insert(id, peer);
        drop(state);
        self.signals.changed.notify_waiters();
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
            self.complain(Some(peer), error);
        }
    }

    /// Reports what went wrong where that ends nothing.
    pub(super) fn complain(&self, peer: Option<PeerId>, error: &Error) {
        self.complain_of(peer, None, error);
    }

    /// The same about a command with this `id`.
    pub(super) fn complain_of(&self, peer: Option<PeerId>, id: Option<&str>, error: &Error) {
        self.lock().emit(Event::Error { peer, id, error });
    }

    /// A task of the conversation has panicked.
    pub(super) fn panicked(&self, task: &str) {
        self.lock().end(Outcome::Failed(Error::panicked(task)));
    }

    /// Lets what was sent be written, for a bounded time, and ends every task.
    async fn wind_up(&self, patience: Duration) {
        {
            let mut state = self.lock();
            if let Some(notices) = state.notices.take() {
                while let Some(notice) = notices.take() {
                    state.emit(Event::Notice { notice: &notice });
                }
            }
            state.over = true;
            if let Some(accepting) = state.accepting.take() {
                accepting.abort();
            }
            self.signals.over.notify_waiters();
        }
        // A peer that does not read could hold the end back for ever.
        if tokio::time::timeout(patience, self.until(|state| state.peers.is_empty())).await.is_err() {
            for (_, peer) in std::mem::take(&mut self.lock().peers) {
                peer.sender.abort();
                peer.task.abort();
            }
        }
    }

    /// Whether there are no others that a peer could hold up.
    pub(super) fn has_one_peer(&self) -> bool {
        self.rules.once || !self.lock().listening
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
    pub(super) fn standing(&self, id: PeerId) -> Standing {
        let mut state = self.lock();
        let (input_ended, mute) = (state.input_ended, state.mute);
        match state.peers.get_mut(&id) {
            Some(peer) => Standing {
                ending: peer.ending.take(),
                sent: peer.sent,
                sending: peer.is_being_sent(),
                input_ended,
                mute,
            },
            None => Standing { ending: Some(Reason::Closed), sent: None, sending: false, input_ended, mute },
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
        matches!(self.rules.answer, Answer::Nothing)
    }

    /// How long datagram peers are waited for once this end has nothing more to say.
    pub(super) fn datagram_linger(&self) -> Option<Duration> {
        (self.rules.count.is_none() && self.rules.until.is_none()).then_some(self.rules.linger)
    }

    /// As many messages have arrived as were asked for.
    pub(super) fn has_enough(&self, state: &State<O>) -> bool {
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
pub(super) struct Alarm<'a, O: Output> {
    pub(super) hub: &'a Hub<O>,
    pub(super) task: &'static str,
}

impl<O: Output> Drop for Alarm<'_, O> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.hub.panicked(self.task);
        }
    }
}

/// Where a peer's conversation stands, seen from this end.
pub(super) struct Standing {
    pub(super) ending: Option<Reason>,
    pub(super) sent: Option<Instant>,
    /// Something is on its way to it that has not found room in its queue yet.
    pub(super) sending: bool,
    pub(super) input_ended: bool,
    /// There is no input.
    pub(super) mute: bool,
}

impl<O: Output> State<O> {
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

    /// The one peer that [`Target::Latest`](super::Target::Latest) means, where it means one.
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

    /// Every visit is to look at its standing again.
    pub(super) fn wake_all(&self) {
        self.peers.values().for_each(|peer| peer.wake.notify_one());
    }

    /// Shows a message that has arrived, and counts it. The error says that it cannot be shown: this concerns its peer.
    #[inline]
    pub(super) fn take(&mut self, id: PeerId, from: &str, message: &[u8], binary: Option<bool>) -> Result<()> {
        match self.output.event(Event::Message { peer: id, from, message, binary }) {
            Err(error) if error.is_message() => return Err(error),
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
