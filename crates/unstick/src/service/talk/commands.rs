//! Carries out this end's commands in order, and sends each message to its recipients.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::run::PeerId;
use super::ahead::{Ahead, Overtaking};
use super::backlog::{Letter, Posted};
use super::config::{Command, Config, Recipient};
use super::event::{Event, Outcome, Reason};
use super::hub::{Alarm, Hub, Peer, State};
use super::input::AnyInput;
use crate::endpoint::Closing;
use crate::error::{Error, Result};
use crate::fairness::Turn;
use crate::limits;
use crate::link::Sender;

/// What is left to do for a message.
enum Delivery {
    Done,
    /// The only peer's queue is full.
    Alone(Sender),
    /// The peers that are left have no room in their backlogs. By this time one of them has to have read something.
    Full(Instant),
}

impl Hub {
    /// Carries out commands until there are no more, then waits for the end of the run.
    pub(super) async fn take_input(self: &Arc<Self>, mut input: Box<dyn AnyInput + '_>) -> Outcome {
        let mut any = false;
        self.lock().mute = input.is_silent();
        let mut input = Ahead::new(&mut *input);
        let stop = &self.rules.stop;
        loop {
            let next = tokio::select! {
                next = input.next() => next,
                () = stop.comes(), if !input.holds_some() => return Outcome::Stopped,
            };
            match next {
                Ok(Some(command)) => {
                    any = true;
                    if let Err(outcome) = self.carry_out_burst(command, &mut input).await {
                        return outcome;
                    }
                }
                Ok(None) => break,
                Err(error) => return Outcome::Failed(error),
            }
        }
        let over = async {
            if !any && self.serves_without_input() {
                self.falls_silent();
                return std::future::pending().await;
            }
            self.end_input().await
        };
        tokio::select! {
            outcome = over => outcome,
            () = stop.comes() => Outcome::Stopped,
        }
    }

    /// Records that there is no input after all.
    fn falls_silent(&self) {
        let mut state = self.lock();
        state.mute = true;
        state.wake_all();
    }

    /// Whether input that was empty from the start (`</dev/null`) counts as no input at all: a listener then goes on
    /// without it.
    fn serves_without_input(&self) -> bool {
        let Config { wait, leave_at_end, serve_on, .. } = self.rules;
        serve_on && wait && !leave_at_end && self.lock().listening
    }

    async fn carry_out_burst(self: &Arc<Self>, first: Command, input: &mut Ahead<'_>) -> Result<(), Outcome> {
        let mut turn = Turn::new();
        self.carry_out(first, None, input).await?;
        while !turn.is_over() {
            if self.rules.stop.has_come() && !input.holds_some() {
                return Err(Outcome::Stopped);
            }
            turn.take(0);
            if let Some(rest) = self.pass_on(input, &mut turn)? {
                let letter = Letter { message: rest, binary: false, id: None };
                self.send(Recipient::Latest, letter, input).await?;
            }
            match input.try_next() {
                Ok(Some(command)) => self.carry_out(command, None, input).await?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Outcome::Failed(error)),
            }
        }
        turn.pass().await;
        Ok(())
    }

    /// Sends the following messages to the peer that got the last one, as long as that needs no waiting. It does so
    /// under one lock, and without reading the clock for each. Returns the message that has to be sent as usual, if
    /// there is one.
    fn pass_on(&self, input: &mut Ahead<'_>, turn: &mut Turn) -> Result<Option<Bytes>, Outcome> {
        if self.rules.until.is_some() {
            return Ok(None);
        }
        let mut state = self.lock();
        let Some(peer) = state.latest_peer().filter(|peer| peer.backlog.is_none()) else { return Ok(None) };
        let (mut some, mut rest) = (0, None);
        let passed = input.pass_on(&mut |message| {
            turn.take_queued(message.len());
            let sent = !turn.is_over() && matches!(peer.sender.offer(message), Ok(true));
            some += u64::from(sent);
            if !sent {
                rest = Some(Bytes::copy_from_slice(message));
            }
            sent
        });
        if some > 0 {
            peer.sent = Some(Instant::now());
            peer.messages += some;
            state.note_activity();
        }
        passed.map(|()| rest).map_err(Outcome::Failed)
    }

    /// Handles the end of the input. The peers' tasks half-close their peers when it is time; if the run does not wait,
    /// this ends them all.
    async fn end_input(self: &Arc<Self>) -> Outcome {
        let (senders, over) = {
            let mut state = self.lock();
            state.input_ended = true;
            state.wake_all();
            // The tasks that send a greeting or a backlog end the sending side themselves.
            let said = state.peers.values().filter(|peer| !self.rules.wait && !peer.is_being_sent());
            let senders: Vec<_> = said.map(|peer| peer.sender.clone()).collect();
            // A script's peers may still come; a person at a prompt has seen that nobody is there.
            let nobody = state.peers.is_empty() && (state.came > 0 || self.rules.leave_at_end);
            let deserted = state.listening && nobody && !self.rules.once;
            (senders, deserted && !self.rules.has_another_end())
        };
        if over {
            return Outcome::Ended;
        }
        let some = !senders.is_empty();
        self.finish_all(senders).await;
        if !self.rules.wait && some && !self.fail_what_failed() {
            return Outcome::Ended;
        }
        std::future::pending().await
    }

    /// Called before the run ends without waiting: ends peers whose last datagram is known not to have arrived. Returns
    /// true if the only peer's end is the end of the run, with its reason.
    fn fail_what_failed(&self) -> bool {
        let mut state = self.lock();
        for peer in state.peers.values_mut() {
            if let Some(error) = peer.sender.failure() {
                peer.end(Reason::Failed(error));
            }
        }
        !state.listening && state.peers.values().all(|peer| peer.leaving)
    }

    /// Carries out a command. Errors about it repeat the `id`.
    async fn carry_out(
        self: &Arc<Self>,
        command: Command,
        id: Option<Arc<str>>,
        input: &mut Ahead<'_>,
    ) -> Result<(), Outcome> {
        match command {
            Command::Send { to, message } => self.send(to, Letter { message, binary: false, id }, input).await,
            Command::SendBinary { to, message } => self.send(to, Letter { message, binary: true, id }, input).await,
            Command::Close(peer) => {
                self.close_as_asked(peer, None, id.as_deref());
                self.make_room().await;
                Ok(())
            }
            Command::CloseWith(peer, closing) => {
                self.close_as_asked(peer, Some(closing), id.as_deref());
                self.make_room().await;
                Ok(())
            }
            Command::Quit => Err(Outcome::Ended),
            Command::Tagged { id, command } => Box::pin(self.carry_out(*command, Some(id), input)).await,
        }
    }

    fn close_as_asked(&self, peer: PeerId, closing: Option<Closing>, id: Option<&str>) {
        if let Some(closing) = closing
            && self.lock().peers.get(&peer).is_some_and(|peer| !peer.sender.set_closing(closing))
        {
            let error = Error::usage("a code and a reason are for WebSocket, and this peer has another transport");
            return self.report_error_about(Some(peer), id, &error);
        }
        if !self.close(peer, Reason::Closed) {
            let gone = no_such_peer(&self.lock(), peer);
            self.report_error_about(Some(peer), id, &gone);
        }
    }

    /// Asks a peer's task to end its conversation; returns false if there is no such peer.
    pub(super) fn close(&self, id: PeerId, reason: Reason) -> bool {
        match self.lock().peers.get_mut(&id) {
            Some(peer) => {
                peer.end(reason);
                true
            }
            None => false,
        }
    }

    /// Sends a message to all its recipients. Later commands wait, except those that end a peer that holds it up, or
    /// the run.
    async fn send(self: &Arc<Self>, to: Recipient, letter: Letter, input: &mut Ahead<'_>) -> Result<(), Outcome> {
        let mut left = loop {
            let changed = self.signals.changed.notified();
            match self.recipients(&to) {
                Ok(Some(recipients)) => break recipients,
                Ok(None) => tokio::select! {
                    () = changed => {}
                    () = self.rules.stop.comes() => return Err(Outcome::Stopped),
                    overtaking = input.overtaking(&[]) => self.is_overtaken(overtaking, &to, &letter, input)?,
                },
                Err((peer, error)) => {
                    self.report_error_about(peer, letter.id.as_deref(), &error);
                    self.make_room().await;
                    return Ok(());
                }
            }
        };
        loop {
            let (changed, moved) = (self.signals.changed.notified(), self.signals.moved.notified());
            match self.deliver(&mut left, &letter) {
                Ok(Delivery::Done) => return Ok(()),
                Ok(Delivery::Alone(sender)) => tokio::select! {
                    sent = letter.send(&sender) => {
                        self.sent_alone(left[0], &letter, sent)?;
                        return Ok(());
                    }
                    () = changed => {}
                    overtaking = input.overtaking(&left) => self.is_overtaken(overtaking, &to, &letter, input)?,
                },
                Ok(Delivery::Full(until)) => tokio::select! {
                    () = moved => {}
                    () = changed => {}
                    () = tokio::time::sleep_until(until) => {}
                    overtaking = input.overtaking(&left) => self.is_overtaken(overtaking, &to, &letter, input)?,
                },
                Err(error) => {
                    let named = if let Recipient::Peer(peer) = to { Some(peer) } else { None };
                    self.refuse_letter(named, &letter, error)?;
                    self.make_room().await;
                    return Ok(());
                }
            }
        }
    }

    /// Does what need not wait for a message. If the end of the run overtakes the message, it goes back to the input.
    fn is_overtaken(
        &self,
        overtaking: Overtaking,
        to: &Recipient,
        letter: &Letter,
        input: &mut Ahead<'_>,
    ) -> Result<(), Outcome> {
        match overtaking {
            Overtaking::Quit => {
                input.put_back(Command::Send { to: to.clone(), message: letter.message.clone() });
                Err(Outcome::Ended)
            }
            Overtaking::Close(peer, closing, id) => {
                self.close_as_asked(peer, closing, id.as_deref());
                Ok(())
            }
        }
    }

    /// Handles a message that cannot be sent as it is. That ends the run if nobody would see the error.
    pub(super) fn refuse_letter(&self, peer: Option<PeerId>, letter: &Letter, error: Error) -> Result<(), Outcome> {
        if self.rules.strict {
            return Err(Outcome::Failed(error));
        }
        self.report_error_about(peer, letter.id.as_deref(), &error);
        Ok(())
    }

    /// Returns the peers that a message is for; `None` while there is nobody that could be meant.
    fn recipients(&self, to: &Recipient) -> Result<Option<Vec<PeerId>>, (Option<PeerId>, Error)> {
        let state = self.lock();
        let here = || state.peers.iter().filter(|(_, peer)| !peer.leaving).map(|(id, _)| *id);
        let recipients: Vec<PeerId> = match to {
            Recipient::Peer(id) if state.is_here(*id) => vec![*id],
            Recipient::Peer(id) => return Err((Some(*id), no_such_peer(&state, *id))),
            Recipient::Peers(ids) => {
                if let Some(gone) = ids.iter().find(|id| !state.is_here(**id)) {
                    return Err((Some(*gone), no_such_peer(&state, *gone)));
                }
                ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
            }
            // The greeting of a new connection comes first.
            Recipient::Latest if state.is_greeted_again() => return Ok(None),
            Recipient::Latest if here().next().is_some() => match state.latest.filter(|id| state.is_here(*id)) {
                Some(id) => vec![id],
                None => here().collect(),
            },
            // A peer that is still to come may be meant; if a single peer has gone, the run ends.
            Recipient::Latest => return Ok((!state.listening).then(Vec::new)),
            Recipient::All => here().collect(),
            // If everybody is excepted, the message is for nobody, which is no error.
            Recipient::Except(ids) => return Ok(Some(here().filter(|id| !ids.contains(id)).collect())),
        };
        if recipients.is_empty() {
            return Err((None, Error::usage("no peer is connected")));
        }
        Ok(Some(recipients))
    }

    /// Sends to the remaining peers at once, or puts the message into their backlogs. The peers that stay in `left`
    /// have no room.
    fn deliver(self: &Arc<Self>, left: &mut Vec<PeerId>, letter: &Letter) -> Result<Delivery> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let until = self.is_until(&letter.message);
        let now = Instant::now();
        let alone = state.peers.len() == 1;
        let (mut result, mut stays) = (Delivery::Done, Vec::new());
        for id in left.drain(..) {
            let Some(peer) = state.peers.get_mut(&id).filter(|peer| !peer.leaving) else { continue };
            if peer.backlog.is_none() {
                match letter.offer(&peer.sender) {
                    Ok(true) => {
                        peer.messages += 1;
                        peer.sent = Some(now);
                        if until {
                            peer.end(Reason::Until);
                        }
                        continue;
                    }
                    Ok(false) if alone => {
                        result = Delivery::Alone(peer.sender.clone());
                        stays.push(id);
                        continue;
                    }
                    Ok(false) => {}
                    Err(error) if error.is_message_rejected() => return Err(error),
                    // This end has ended that side, and the peer is about to go.
                    Err(error) if error.is_closed() => continue,
                    Err(error) => {
                        peer.end(Reason::Failed(error));
                        continue;
                    }
                }
            }
            match peer.post(letter, self.rules.max_queue, now) {
                Posted::Done => peer.messages += 1,
                Posted::Begun => {
                    peer.messages += 1;
                    tokio::spawn(Arc::clone(self).send_backlog(id, peer.sender.clone()));
                }
                // There is no other peer that would wait for it.
                Posted::Stalled if alone => {
                    result = Delivery::Full(now + limits::SLOW_PEER_TIMEOUT);
                    stays.push(id);
                }
                Posted::Stalled => peer.cut(),
                Posted::Full(until) => {
                    result = match result {
                        Delivery::Full(sooner) => Delivery::Full(sooner.min(until)),
                        _ => Delivery::Full(until),
                    };
                    stays.push(id);
                }
            }
            if let Some(bytes) = peer.newly_slow(self.rules.max_queue, now) {
                state.emit(Event::Slow { peer: id, bytes });
            }
        }
        *left = stays;
        state.note_activity();
        Ok(result)
    }

    /// Handles the outcome of a message that waited for room in the only peer's queue.
    fn sent_alone(&self, id: PeerId, letter: &Letter, sent: Result<()>) -> Result<(), Outcome> {
        match sent {
            Ok(()) => {
                self.note_sent(id, &letter.message);
                Ok(())
            }
            Err(error) if error.is_message_rejected() => self.refuse_letter(Some(id), letter, error),
            // The peer's task reports a lost connection, with the reason.
            Err(_) => Ok(()),
        }
    }

    /// Whether this message ends its conversation (`until`).
    pub(super) fn is_until(&self, message: &[u8]) -> bool {
        let Some(until) = &self.rules.until else { return false };
        match (std::str::from_utf8(until), std::str::from_utf8(message)) {
            (Ok(until), Ok(message)) => until.to_lowercase() == message.to_lowercase(),
            _ => until[..] == *message,
        }
    }

    /// Sends a peer the greeting. If nothing else will be sent, the peer's task ends that side; if the run does not
    /// wait, this function does.
    pub(super) async fn greet(self: Arc<Self>, id: PeerId, sender: Sender) {
        let _alarm = Alarm { hub: &self, task: "the task that greets a peer" };
        for message in &self.rules.greeting {
            match sender.send(message).await {
                Ok(()) => self.note_sent(id, message),
                Err(error) if error.is_message_rejected() => {
                    self.close(id, Reason::Refused(error.in_front("the greeting cannot be sent")));
                    break;
                }
                // The peer's task reports a lost connection, with the reason.
                Err(_) => break,
            }
        }
        if let Some(peer) = self.lock().peers.get_mut(&id) {
            peer.greeting = false;
            peer.wake.notify_one();
        }
        self.signals.changed.notify_waiters();
        self.finish_after(id, &sender).await;
    }

    /// Called when the queued messages for a peer have been sent: ends that side if nothing else will be sent.
    pub(super) async fn finish_after(&self, id: PeerId, sender: &Sender) {
        let finish = {
            let state = self.lock();
            let peer = state.peers.get(&id);
            if let Some(peer) = peer {
                // The peer's task half-closes it if the run waits.
                peer.wake.notify_one();
            }
            let more = peer.is_none_or(Peer::is_being_sent);
            (self.rules.finish_after_greeting || state.input_ended) && !more
        };
        let finish = finish && self.is_silent() && !self.rules.wait;
        if finish && self.finish(sender).await.is_ok() {
            self.close(id, sender.failure().map_or(Reason::Closed, Reason::Failed));
        }
    }

    /// Records that a message to a peer has been sent.
    fn note_sent(&self, id: PeerId, message: &[u8]) {
        let mut state = self.lock();
        state.note_activity();
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.messages += 1;
            peer.sent = Some(Instant::now());
            if self.is_until(message) {
                peer.end(Reason::Until);
            }
        }
    }
}

impl Peer {
    /// Whether its greeting or its backlog is being sent.
    pub(super) fn is_being_sent(&self) -> bool {
        self.greeting || self.backlog.is_some()
    }

    /// Asks its task to end. The first reason counts.
    pub(super) fn end(&mut self, reason: Reason) {
        self.leaving = true;
        self.ending.get_or_insert(reason);
        self.wake.notify_one();
    }
}

/// Makes the error about a missing peer. The peer's number stands in front of it.
fn no_such_peer(state: &State, id: PeerId) -> Error {
    let what = if (1..=state.came).contains(&id) { "it has left" } else { "there is no such peer" };
    Error::usage(what).with_hint("a number is a peer's from its coming until it leaves")
}
