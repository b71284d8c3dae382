//! What this end says: commands carried out in their order, each message to whom it goes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::hub::{Alarm, Hub, Peer, State, finish_all};
use super::{Command, Input, Outcome, Output, PeerId, Reason, Target};
use crate::error::{Error, Result};
use crate::fairness::Turn;
use crate::limits;
use crate::link::Sender;

/// What became of a message.
enum Delivery {
    Done,
    /// Nobody is there yet.
    Wait,
    /// The queues of these peers are full.
    Full(Vec<(PeerId, Sender)>),
}

impl<O: Output> Hub<O> {
    /// Carries out commands until there are no more; then waits for what ends the run.
    pub(super) async fn take_input(self: &Arc<Self>, mut input: impl Input) -> Outcome {
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

    async fn carry_out_burst(self: &Arc<Self>, first: Command, input: &mut impl Input) -> Result<(), Outcome> {
        let mut turn = Turn::new();
        self.carry_out(first).await?;
        while !turn.is_over() {
            turn.take(0);
            if let Some(rest) = self.pass_on(input, &mut turn)? {
                self.send(Target::Latest, rest).await?;
            }
            match input.try_next() {
                Ok(Some(command)) => self.carry_out(command).await?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Outcome::Failed(error)),
            }
        }
        turn.pass().await;
        Ok(())
    }

    /// Sends the messages that follow to the peer that the last one went to, as long as that needs no waiting: under one
    /// lock, and without a look at the clock for each. Returns the one that has to be sent as usual, if there is one.
    fn pass_on(&self, input: &mut impl Input, turn: &mut Turn) -> Result<Option<Bytes>, Outcome> {
        if self.rules.until.is_some() {
            return Ok(None);
        }
        let mut state = self.lock();
        let Some(peer) = state.latest_peer() else { return Ok(None) };
        let (mut some, mut rest) = (false, None);
        let passed = input.pass_on(&mut |message| {
            turn.take(message.len());
            let sent = !turn.is_over() && matches!(peer.sender.try_send(message), Ok(true));
            some |= sent;
            if !sent {
                rest = Some(Bytes::copy_from_slice(message));
            }
            sent
        });
        if some {
            peer.sent = Some(Instant::now());
            state.note_activity();
        }
        passed.map(|()| rest).map_err(Outcome::Failed)
    }

    /// The input has ended: half-closes every peer, now and as they come.
    async fn end_input(&self) -> Outcome {
        let (senders, over) = {
            let mut state = self.lock();
            state.input_ended = true;
            state.wake_all();
            // A greeting that is on its way ends its side itself; where that would end both, the visit sees to it.
            let held = |peer: &Peer| peer.greeting || (self.rules.wait && peer.sender.ends_both());
            let said = state.peers.values().filter(|peer| !held(peer));
            let senders: Vec<_> = said.map(|peer| peer.sender.clone()).collect();
            // A script's peers may be yet to come; a person at a prompt has seen that nobody is there.
            let nobody = state.peers.is_empty() && (state.came > 0 || self.rules.leave_at_end);
            let deserted = state.listening && nobody && !self.rules.once;
            (senders, deserted && !self.rules.has_another_end())
        };
        if over {
            return Outcome::Ended;
        }
        let some = !senders.is_empty();
        finish_all(senders).await;
        if !self.rules.wait && some && !self.fail_what_failed() {
            return Outcome::Ended;
        }
        std::future::pending().await
    }

    /// Before the run ends without waiting: has peers end whose last datagram is known not to have arrived. True where the
    /// end of the only peer is that of the run, with its reason.
    fn fail_what_failed(&self) -> bool {
        let mut state = self.lock();
        for peer in state.peers.values_mut() {
            if let Some(error) = peer.sender.failure() {
                peer.end(Reason::Failed(error));
            }
        }
        !state.listening && state.peers.values().all(|peer| peer.leaving)
    }

    async fn carry_out(self: &Arc<Self>, command: Command) -> Result<(), Outcome> {
        match command {
            Command::Send { to, message } => self.send(to, message).await,
            Command::Close(id) => {
                if !self.close(id, Reason::Closed) {
                    let gone = no_such_peer(&self.lock(), id);
                    self.complain(Some(id), &gone);
                }
                Ok(())
            }
            Command::Quit => Err(Outcome::Ended),
        }
    }

    /// Asks a peer's visit to end its conversation; false if there is no such peer.
    pub(super) fn close(&self, id: PeerId, reason: Reason) -> bool {
        match self.lock().peers.get_mut(&id) {
            Some(peer) => {
                peer.end(reason);
                true
            }
            None => false,
        }
    }

    async fn send(self: &Arc<Self>, to: Target, message: Bytes) -> Result<(), Outcome> {
        let delivery = loop {
            let changed = self.signals.changed.notified();
            match self.deliver(to, &message) {
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
            Err(error) if error.is_message() || error.is_usage() => {
                let named = if let Target::Peer(id) = to { Some(id) } else { None };
                self.complain(named, &error);
            }
            // A lost connection is reported by its visit, with the reason.
            _ => {}
        }
        Ok(())
    }

    /// Sends at once what can be sent at once.
    fn deliver(&self, to: Target, message: &Bytes) -> Result<Delivery> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let listening = state.listening;
        let anybody = |state: &State<O>| state.peers.values().any(|peer| !peer.leaving);
        let one = match to {
            Target::Peer(id) => Some(id),
            Target::All => None,
            Target::Latest if anybody(state) => state.latest.filter(|id| state.is_here(*id)),
            // Who is to come may be meant; a single peer that has gone is the end of the run.
            Target::Latest => return Ok(if listening { Delivery::Wait } else { Delivery::Done }),
        };
        if one.is_none() && !anybody(state) {
            return Err(Error::usage("nobody is connected"));
        }
        let until = self.rules.until.is_some() && self.is_until(message);
        let mut full = Vec::new();
        let now = Instant::now();
        match one {
            Some(id) => {
                if !state.is_here(id) {
                    return Err(no_such_peer(state, id));
                }
                let peer = state.peers.get_mut(&id).expect("it is here");
                peer.deliver(id, message, now, until, &mut full)?;
            }
            None => {
                for (id, peer) in state.peers.iter_mut().filter(|(_, peer)| !peer.leaving) {
                    peer.deliver(*id, message, now, until, &mut full)?;
                }
            }
        }
        state.note_activity();
        Ok(if full.is_empty() { Delivery::Done } else { Delivery::Full(full) })
    }

    /// Sends to those whose queues were full, to each as it empties.
    async fn send_slowly(self: &Arc<Self>, peers: Vec<(PeerId, Sender)>, message: Bytes) -> Result<()> {
        let mut sending = JoinSet::new();
        for (id, sender) in peers {
            sending.spawn(Arc::clone(self).send_to_slow(id, sender, message.clone()));
        }
        let mut refused = Ok(());
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok(Err(error)) if error.is_message() => refused = Err(error),
                Err(error) if error.is_panic() => {
                    self.panicked("the task that sends a message");
                }
                _ => {}
            }
        }
        refused
    }

    /// Waits for one peer's queue. Where there are others, a peer that does not read must not hold them up for ever.
    async fn send_to_slow(self: Arc<Self>, id: PeerId, sender: Sender, message: Bytes) -> Result<()> {
        let single = self.rules.once || !self.lock().listening;
        let sent = match single {
            true => Ok(sender.send(&message).await),
            false => timeout(limits::STALLED, sender.send(&message)).await,
        };
        let mut state = self.lock();
        state.note_activity();
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.waiting -= 1;
            peer.sent = Some(Instant::now());
            peer.wake.notify_one();
            match &sent {
                Ok(_) if self.is_until(&message) => peer.end(Reason::Until),
                Ok(_) => {}
                Err(_) => {
                    peer.end(Reason::Failed(Error::timed_out(
                        "a message that the peer does not read",
                        limits::STALLED,
                    )));
                    sender.abort();
                }
            }
        }
        sent.unwrap_or(Ok(()))
    }

    /// Whether this message ends its conversation.
    pub(super) fn is_until(&self, message: &[u8]) -> bool {
        let Some(until) = &self.rules.until else { return false };
        match (std::str::from_utf8(until), std::str::from_utf8(message)) {
            (Ok(until), Ok(message)) => until.to_lowercase() == message.to_lowercase(),
            _ => until[..] == *message,
        }
    }

    /// Sends a peer what each is sent as it opens, and ends that side where nothing else will be said.
    pub(super) async fn greet(self: Arc<Self>, id: PeerId, sender: Sender) {
        let _alarm = Alarm { hub: &self, task: "the task that greets a peer" };
        for message in &self.rules.greeting {
            match sender.send(message).await {
                Ok(()) => self.note_sent(id, message),
                Err(error) if error.is_message() => {
                    self.close(id, Reason::Refused(error.in_front("the greeting cannot be sent")));
                    break;
                }
                // A lost connection is reported by its visit, with the reason.
                Err(_) => break,
            }
        }
        let finish = {
            let mut state = self.lock();
            let finish = self.rules.finish_after_greeting || state.input_ended;
            if let Some(peer) = state.peers.get_mut(&id) {
                peer.greeting = false;
                peer.wake.notify_one();
            }
            finish && self.is_silent() && !(self.rules.wait && sender.ends_both())
        };
        if finish && sender.finish().await.is_ok() && !self.rules.wait {
            self.close(id, sender.failure().map_or(Reason::Closed, Reason::Failed));
        }
    }

    /// A message of the greeting has been sent.
    fn note_sent(&self, id: PeerId, message: &[u8]) {
        let mut state = self.lock();
        state.note_activity();
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.sent = Some(Instant::now());
            if self.is_until(message) {
                peer.end(Reason::Until);
            }
        }
    }
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
                self.sent = Some(now);
                if until {
                    self.end(Reason::Until);
                }
            }
            Ok(false) => {
                self.waiting += 1;
                full.push((id, self.sender.clone()));
            }
            Err(error) if error.is_message() => return Err(error),
            // Its side was ended from here, and it is about to go.
            Err(error) if error.is_closed() => {}
            Err(error) => self.end(Reason::Failed(error)),
        }
        Ok(())
    }

    /// Asks its visit to end. The first reason counts.
    fn end(&mut self, reason: Reason) {
        self.leaving = true;
        self.ending.get_or_insert(reason);
        self.wake.notify_one();
    }
}

/// Said of a peer by its number, which stands in front.
fn no_such_peer<O>(state: &State<O>, id: PeerId) -> Error {
    let what = if (1..=state.came).contains(&id) { "it has left" } else { "there is no such peer" };
    Error::usage(what).with_hint("a number is a peer's from its coming until it leaves")
}
