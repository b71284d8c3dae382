//! The hub of a conversation: who is there, where input goes, and when it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Answer, Command, Event, Input, Outcome, Output, Party, PeerId, Reason, Rules, Target, peer};
use crate::error::{Error, Result};
use crate::limits;
use crate::link::{Link, Listener, Sender};

/// Shared by the tasks of one conversation.
pub(super) struct Hub<O> {
    pub(super) rules: Rules,
    state: Mutex<State<O>>,
    /// Somebody came or went, the input ended, the run is over.
    pub(super) changed: Notify,
}

pub(super) struct State<O> {
    pub(super) output: O,
    peers: BTreeMap<PeerId, Peer>,
    came: PeerId,
    latest: Option<PeerId>,
    pub(super) received: u64,
    pub(super) input_ended: bool,
    listening: bool,
    last_activity: Instant,
    outcome: Option<Outcome>,
    accepting: Option<AbortHandle>,
}

/// One peer as the hub knows it.
struct Peer {
    sender: Sender,
    /// When something was last sent to it.
    sent: Instant,
    /// Its conversation is to end, and why.
    ending: Option<Reason>,
    task: Option<AbortHandle>,
}

/// What became of a command.
enum Delivery {
    Done,
    /// Nobody is there yet.
    Wait,
    /// The queues of these peers are full.
    Full(Vec<(PeerId, Sender)>),
}

/// Commands taken in one go before others have their turn.
const BURST: usize = 1024;

impl<O: Output> Hub<O> {
    pub(super) fn new(output: O, rules: Rules) -> Arc<Self> {
        let state = State {
            output,
            peers: BTreeMap::new(),
            came: 0,
            latest: None,
            received: 0,
            input_ended: false,
            listening: false,
            last_activity: Instant::now(),
            outcome: None,
            accepting: None,
        };
        Arc::new(Self { rules, state: Mutex::new(state), changed: Notify::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn run(self: Arc<Self>, party: Party, input: impl Input) -> Outcome {
        match party {
            Party::One(link) => self.open(link),
            Party::Many(listener) => self.listen(listener),
        }
        let outcome = tokio::select! {
            outcome = self.over() => outcome,
            outcome = self.timers() => outcome,
            outcome = self.take_input(input) => outcome,
        };
        self.wind_up().await;
        match outcome {
            Outcome::Ended if self.rules.count.is_some() || self.rules.until.is_some() => {
                Outcome::Short { received: self.lock().received }
            }
            outcome => outcome,
        }
    }

    /// Resolves when something has ended the run.
    async fn over(&self) -> Outcome {
        loop {
            let changed = self.changed.notified();
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
        state.accepting = Some(tokio::spawn(Arc::clone(self).accept(listener)).abort_handle());
    }

    async fn accept(self: Arc<Self>, mut listener: Listener) {
        let most = if self.rules.once { 1 } else { self.rules.max_peers.unwrap_or(usize::MAX) };
        let mut complained = false;
        loop {
            self.until(|state| state.peers.len() < most).await;
            match listener.accept().await {
                Ok(link) => {
                    complained = false;
                    self.open(link);
                    if self.rules.once {
                        return;
                    }
                }
                Err(error) => {
                    // Said once: a lack of open files lasts, and would be said a hundred times a second.
                    if !std::mem::replace(&mut complained, true) {
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
            let changed = self.changed.notified();
            if met(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn open(self: &Arc<Self>, link: Link) {
        let names = link.names().clone();
        let (sender, receiver) = link.split();
        let mut state = self.lock();
        state.came += 1;
        let id = state.came;
        state.last_activity = Instant::now();
        state.emit(Event::Open { peer: id, names: &names });
        let peer = Peer { sender: sender.clone(), sent: Instant::now(), ending: None, task: None };
        state.peers.insert(id, peer);
        let visit = peer::Visit { hub: Arc::clone(self), id, from: names.remote.into(), sender, receiver };
        let task = tokio::spawn(visit.run()).abort_handle();
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.task = Some(task);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// A peer has gone: says so, and ends the run where that is its end.
    pub(super) fn gone(&self, id: PeerId, from: &str, reason: Reason) {
        let mut state = self.lock();
        state.peers.remove(&id);
        if state.latest == Some(id) {
            state.latest = None;
        }
        state.emit(Event::Close { peer: id, from, reason: &reason });
        let one = !state.listening || self.rules.once;
        if one {
            state.end(match reason {
                Reason::Failed(error) => Outcome::Failed(error),
                Reason::Until => Outcome::Reached,
                Reason::Ended | Reason::Closed => Outcome::Ended,
            });
        } else if state.input_ended && state.peers.is_empty() && !self.has_another_end() {
            state.end(Outcome::Ended);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether a listener whose input has ended goes on, because the user said when it ends.
    fn has_another_end(&self) -> bool {
        let rules = &self.rules;
        rules.count.is_some() || rules.until.is_some() || rules.idle.is_some() || rules.deadline.is_some()
    }

    /// Reports what went wrong where that ends nothing.
    pub(super) fn complain(&self, peer: Option<PeerId>, error: &Error) {
        self.lock().emit(Event::Error { peer, error });
        self.changed.notify_waiters();
    }

    /// Carries out commands until there are no more; then waits for what ends the run.
    async fn take_input(&self, mut input: impl Input) -> Outcome {
        loop {
            match input.next().await {
                Ok(Some(command)) => {
                    if let Err(outcome) = self.carry_out_burst(command, &mut input).await {
                        return outcome;
                    }
                }
                Ok(None) => break,
                Err(error) => return Outcome::Failed(error),
            }
        }
        self.end_input().await
    }

    async fn carry_out_burst(&self, first: Command, input: &mut impl Input) -> Result<(), Outcome> {
        self.carry_out(first).await?;
        for _ in 0..BURST {
            match input.try_next() {
                Ok(Some(command)) => self.carry_out(command).await?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Outcome::Failed(error)),
            }
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// The input has ended: half-closes every peer, now and as they come.
    async fn end_input(&self) -> Outcome {
        let (senders, over) = {
            let mut state = self.lock();
            state.input_ended = true;
            let senders: Vec<_> = state.peers.values().map(|peer| peer.sender.clone()).collect();
            let idle = state.listening && state.peers.is_empty() && state.came > 0 && !self.rules.once;
            (senders, idle && !self.has_another_end())
        };
        self.changed.notify_waiters();
        if over {
            return Outcome::Ended;
        }
        let some = !senders.is_empty();
        finish_all(senders).await;
        if !self.rules.wait && some {
            return Outcome::Ended;
        }
        std::future::pending().await
    }

    async fn carry_out(&self, command: Command) -> Result<(), Outcome> {
        match command {
            Command::Send { to, message } => self.send(to, &message).await,
            Command::Close(id) => {
                if !self.close(id, Reason::Closed) {
                    self.complain(Some(id), &no_such_peer(id));
                }
                Ok(())
            }
            Command::Quit => Err(Outcome::Ended),
        }
    }

    /// A message of the greeting has been sent.
    pub(super) fn note_sent(&self, id: PeerId, message: &[u8]) {
        let mut state = self.lock();
        state.note_activity();
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.sent = Instant::now();
            if self.is_until(message) {
                peer.ending.get_or_insert(Reason::Until);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// A message cannot be sent as it is: that ends the run where nobody would see it said.
    pub(super) fn refuse(&self, id: PeerId, error: Error) {
        if self.rules.strict {
            self.lock().end(Outcome::Failed(error));
            self.changed.notify_waiters();
        } else {
            self.complain(Some(id), &error);
        }
    }

    /// Asks a peer's task to end its conversation; false if there is no such peer.
    pub(super) fn close(&self, id: PeerId, reason: Reason) -> bool {
        let found = match self.lock().peers.get_mut(&id) {
            Some(peer) => {
                peer.ending.get_or_insert(reason);
                true
            }
            None => false,
        };
        self.changed.notify_waiters();
        found
    }

    async fn send(&self, to: Target, message: &Bytes) -> Result<(), Outcome> {
        let delivery = loop {
            let changed = self.changed.notified();
            match self.deliver(to, message) {
                Ok(Delivery::Wait) => changed.await,
                other => break other,
            }
        };
        let result = match delivery {
            Ok(Delivery::Full(peers)) => self.send_slowly(peers, message).await,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match result {
            Err(error) if error.is_message() && self.rules.strict => return Err(Outcome::Failed(error)),
            Err(error) if error.is_message() || error.is_usage() => self.complain(None, &error),
            // A lost connection is reported by its reader, with the reason.
            _ => {}
        }
        Ok(())
    }

    /// Sends at once what can be sent at once.
    fn deliver(&self, to: Target, message: &Bytes) -> Result<Delivery> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let one = match to {
            Target::Peer(id) => Some(id),
            Target::All => None,
            Target::Latest if state.peers.is_empty() => return Ok(Delivery::Wait),
            Target::Latest => state.latest,
        };
        let until = self.rules.until.is_some() && self.is_until(message);
        let mut full = Vec::new();
        let now = Instant::now();
        match one {
            Some(id) => {
                let peer = state.peers.get_mut(&id).ok_or_else(|| no_such_peer(id))?;
                peer.deliver(id, message, now, until, &mut full)?;
            }
            None => {
                if state.peers.is_empty() {
                    return Err(Error::usage("nobody is connected"));
                }
                for (id, peer) in &mut state.peers {
                    peer.deliver(*id, message, now, until, &mut full)?;
                }
            }
        }
        state.last_activity = now;
        drop(guard);
        if until {
            self.changed.notify_waiters();
        }
        Ok(if full.is_empty() { Delivery::Done } else { Delivery::Full(full) })
    }

    /// Sends to those whose queues were full, each as it empties.
    async fn send_slowly(&self, peers: Vec<(PeerId, Sender)>, message: &Bytes) -> Result<()> {
        let mut refused = Ok(());
        for (id, sender) in peers {
            match sender.send(message).await {
                Err(error) if error.is_message() => refused = Err(error),
                _ => {}
            }
            let mut state = self.lock();
            state.last_activity = Instant::now();
            if let Some(peer) = state.peers.get_mut(&id) {
                peer.sent = Instant::now();
                if self.is_until(message) {
                    peer.ending.get_or_insert(Reason::Until);
                }
            }
        }
        self.changed.notify_waiters();
        refused
    }

    /// Whether this message ends its conversation.
    pub(super) fn is_until(&self, message: &[u8]) -> bool {
        let Some(until) = &self.rules.until else { return false };
        match (std::str::from_utf8(until), std::str::from_utf8(message)) {
            (Ok(until), Ok(message)) => until.to_lowercase() == message.to_lowercase(),
            _ => until[..] == *message,
        }
    }

    /// Lets what was sent be written, for a bounded time, and ends every task.
    async fn wind_up(&self) {
        let (senders, tasks) = {
            let mut state = self.lock();
            let accepting = state.accepting.take();
            let peers = std::mem::take(&mut state.peers);
            let (senders, tasks): (Vec<_>, Vec<_>) = peers.into_values().map(|peer| (peer.sender, peer.task)).unzip();
            (senders, tasks.into_iter().flatten().chain(accepting).collect::<Vec<_>>())
        };
        // A peer that does not read could hold the end back for ever.
        let _ = tokio::time::timeout(limits::WIND_UP, finish_all(senders)).await;
        for task in tasks {
            task.abort();
        }
    }

    /// What the reader of a peer has to know beyond its messages.
    pub(super) fn standing(&self, id: PeerId) -> Standing {
        let mut state = self.lock();
        let input_ended = state.input_ended;
        match state.peers.get_mut(&id) {
            Some(peer) => Standing { ending: peer.ending.take(), sent: peer.sent, input_ended },
            None => Standing { ending: Some(Reason::Closed), sent: Instant::now(), input_ended },
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
}

/// Where a peer's conversation stands, seen from this end.
pub(super) struct Standing {
    pub(super) ending: Option<Reason>,
    pub(super) sent: Instant,
    pub(super) input_ended: bool,
}

/// Ends the sending side of all of them at once: one that does not read holds back no other.
async fn finish_all(senders: Vec<Sender>) {
    let mut finishing = tokio::task::JoinSet::new();
    for sender in senders {
        // A peer that has failed is reported by its reader.
        finishing.spawn(async move { drop(sender.finish().await) });
    }
    while finishing.join_next().await.is_some() {}
}

fn no_such_peer(id: PeerId) -> Error {
    Error::usage(format!("there is no peer {id}"))
}

impl Peer {
    fn deliver(
        &mut self,
        id: PeerId,
        message: &[u8],
        now: Instant,
        until: bool,
        full: &mut Vec<(PeerId, Sender)>,
    ) -> Result<()> {
        match self.sender.try_send(message) {
            Ok(true) => {
                self.sent = now;
                if until {
                    self.ending.get_or_insert(Reason::Until);
                }
            }
            Ok(false) => full.push((id, self.sender.clone())),
            Err(error) if error.is_message() => return Err(error),
            Err(error) if self.ending.is_none() => self.ending = Some(Reason::Failed(error)),
            Err(_) => {}
        }
        Ok(())
    }
}

impl<O: Output> State<O> {
    /// Gives an event to the output; where that fails the run is over.
    pub(super) fn emit(&mut self, event: Event<'_>) {
        if let Err(error) = self.output.event(event) {
            self.end(if error.is_closed() { Outcome::OutputClosed } else { Outcome::Failed(error) });
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }

    pub(super) fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// Counts a message that has arrived.
    pub(super) fn note_message(&mut self, id: PeerId) {
        self.latest = Some(id);
        self.received += 1;
    }

    pub(super) fn note_activity(&mut self) {
        self.last_activity = Instant::now();
    }
}
