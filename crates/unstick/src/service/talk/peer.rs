//! One peer's task: it takes the peer's messages, shows them and, if configured, answers them, until the conversation
//! ends.

mod parting;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::super::run::PeerId;
use super::allowance::Allowance;
use super::answer;
use super::config::AutoReply;
use super::event::{Event, Outcome, Reason};
use super::hub::{Arrived, Hub, PeerState};
use crate::activity::{Activity, sleep_until};
use crate::endpoint::Request;
use crate::error::{Error, Result};
use crate::fairness::Turn;
use crate::half_close::HalfClose;
use crate::limits;
use crate::link::{Receiver, Sender};

pub(super) struct PeerTask {
    hub: Arc<Hub>,
    id: PeerId,
    from: Box<str>,
    /// The request with which the client opened a WebSocket, if a command needs it.
    #[cfg(feature = "exec")]
    request: Option<Box<Request>>,
    /// When something last arrived, for the code that closes idle peers.
    heard: Option<Arc<Activity>>,
    /// Notified when its `PeerState` has changed.
    wake: Arc<Notify>,
    sender: Sender,
    receiver: Receiver,
    /// When the unfinished frame was first seen, until it has been shown as pending.
    pending: Pending,
    /// When something last arrived.
    arrived: Option<Instant>,
    side: SendingSide,
    /// Since when this end has nothing more to send to a peer that still gets time for the rest.
    silent_since: Option<Instant>,
    /// Number of messages lost and cut short that have been reported.
    losses: (u64, u64),
    /// For a peer that sends datagrams: how many of them may be answered.
    allowance: Option<Box<Allowance>>,
    /// Why nothing can be sent to it any more, and since when. What it sent before that is still received.
    failed: Option<(Error, Instant)>,
    turn: Turn,
}

/// The state of this end's sending side, for the half-close.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SendingSide {
    Open,
    /// It should end, but at this time something still waited for the peer to read.
    Busy(Instant),
    Ended,
}

/// What is known of an unfinished frame.
#[derive(Clone, Copy)]
enum Pending {
    Nothing,
    Since(Instant),
    Shown,
}

/// How taking a batch of messages ended.
enum Taken {
    /// Everything that had arrived was taken.
    All,
    /// One message was taken, which needs an answer before the next.
    One(Question),
    /// `count` messages have been taken, and the last of them are being answered.
    Enough,
    /// As many were taken as one turn allows: there may be more.
    Turn,
    /// The conversation is over.
    Over(Reason),
}

/// A message that needs an answer.
struct Question {
    message: Bytes,
    /// Whether it came as a binary message: its echo is binary too.
    binary: bool,
}

/// The result of waiting.
enum Wait {
    Arrived,
    Nothing,
    Ended,
    Over(Reason),
}

/// What to do if nothing else happens for a while.
#[derive(Clone, Copy)]
enum Alarm {
    /// Show the unfinished frame as pending.
    Pending,
    /// Stop waiting for a datagram peer.
    Quiet,
    /// End the sending side.
    HalfClose,
    /// Give up a peer that cannot be written to and has sent nothing more.
    Failed,
    /// Report the datagrams that were left unanswered.
    Unanswered,
}

impl Drop for PeerTask {
    /// Ends the run with an error if this task panicked: without the task, the run would receive nothing from that
    /// peer.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.hub.panicked("the task that serves a peer");
        }
    }
}

impl PeerTask {
    pub(super) fn new(
        hub: Arc<Hub>,
        id: PeerId,
        from: Box<str>,
        wake: Arc<Notify>,
        sender: Sender,
        receiver: Receiver,
    ) -> Self {
        let (pending, arrived, silent_since, losses, failed) = (Pending::Nothing, None, None, (0, 0), None);
        let turn = Turn::new();
        let answers_datagrams = sender.is_datagram() && !hub.is_silent();
        let allowance = answers_datagrams.then(|| Box::new(Allowance::new(hub.rules.answer_rate)));
        let side = SendingSide::Open;
        let heard = hub.heard();
        Self {
            heard,
            hub,
            id,
            from,
            #[cfg(feature = "exec")]
            request: None,
            wake,
            sender,
            receiver,
            pending,
            arrived,
            side,
            silent_since,
            losses,
            allowance,
            failed,
            turn,
        }
    }

    /// Adds the request with which the peer opened a WebSocket. It is kept only for commands, which get it in their environment.
    #[cfg_attr(not(feature = "exec"), expect(unused_mut, unused_variables))]
    pub(super) fn asked(mut self, request: Option<Request>) -> Self {
        #[cfg(feature = "exec")]
        if let AutoReply::Each(_) = self.hub.rules.answer {
            self.request = request.map(Box::new);
        }
        self
    }

    pub(super) async fn run(mut self) {
        let hub = Arc::clone(&self.hub);
        let idle = hub.peer_is_idle(self.id, self.heard.clone(), self.sender.clone());
        let reason = tokio::select! {
            reason = self.converse() => reason,
            after = idle => Ok(Reason::Idle(after)),
            () = hub.signals.over.notified() => Ok(Reason::Closed),
        };
        // What this end has decided counts, not how the peer reacted to it.
        let failed = |error: Error| hub.ending(self.id, error.with_unfinished(self.receiver.pending()));
        let reason = reason.unwrap_or_else(failed);
        self.hub.leaves(self.id);
        self.report_losses();
        self.report_damage(true);
        self.report_unanswered(true);
        if let Reason::Refused(error) = &reason {
            hub.refuses(self.id, error);
        }
        Box::pin(self.leave(&reason)).await;
        hub.make_room().await;
        // The peer may not have read the rest.
        let slow = matches!(hub.peer_state(self.id).ending, Some(Reason::Slow));
        let (reason, closing) = (if slow { Reason::Slow } else { reason }, self.receiver.closing());
        hub.gone(self.id, &self.from, reason, closing.as_ref());
    }

    /// Makes sure that what was sent before is written.
    async fn leave(&mut self, reason: &Reason) {
        let sent = self.hub.peer_state(self.id).sent.is_some() || !self.hub.is_silent();
        match reason {
            Reason::Failed(_) | Reason::Slow => return,
            // What the peer has not read by then, it will not read.
            Reason::Closed | Reason::Refused(_) | Reason::Idle(_) => {
                let rest = async {
                    self.hub.backlog_is_sent(self.id).await;
                    self.sender.finish().await
                };
                if timeout(limits::FLUSH_TIMEOUT, rest).await.is_err() {
                    return self.sender.abort();
                }
            }
            // A connection that fails now has nothing more to lose.
            _ => {
                self.hub.backlog_is_sent(self.id).await;
                if self.hub.finish(&self.sender).await.is_err_and(|error| error.is_timeout()) {
                    self.hub.close(self.id, Reason::Slow);
                    return;
                }
            }
        }
        // To close a connection with bytes unread is to reset it, and a reset can overtake what was sent last.
        let unread = sent && !self.sender.is_datagram() && !matches!(reason, Reason::Ended);
        // If one end ends both sides, the peer should still answer it.
        if unread || !self.sender.has_half_close() {
            let _ = timeout(limits::FINAL_FLUSH_TIMEOUT, self.ignore_the_rest()).await;
        }
    }

    async fn ignore_the_rest(&mut self) {
        while let Ok(true) = self.receiver.readable().await {
            while let Ok(Some(_)) = self.receiver.try_recv_ref() {}
            tokio::task::yield_now().await;
        }
    }

    async fn converse(&mut self) -> Result<Reason> {
        loop {
            // This also runs after every message that is answered, because it has been shown.
            self.hub.make_room().await;
            self.turn.pass().await;
            match self.take()? {
                Taken::Over(reason) => return Ok(reason),
                Taken::One(question) => match self.answer(&question).await? {
                    Some(reason) => return Ok(reason),
                    None => continue,
                },
                Taken::Turn => continue,
                Taken::Enough => std::future::pending().await,
                Taken::All => {}
            }
            self.report_losses();
            self.report_damage(false);
            match self.wait().await? {
                Wait::Arrived => self.arrives(),
                Wait::Nothing => {}
                // In boxes, as everything that happens once: there are many idle tasks, and they should cost next to
                // nothing.
                Wait::Ended => return Box::pin(self.linger()).await,
                Wait::Over(reason) => return Ok(reason),
            }
        }
    }

    fn arrives(&mut self) {
        if let Some(heard) = &self.heard {
            heard.note();
        }
        if self.arrived.replace(Instant::now()).is_none()
            && let Some(question) = self.receiver.guess_protocol()
        {
            self.hub.report_error(Some(self.id), &question);
        }
    }

    /// Takes what has arrived, under one lock.
    fn take(&mut self) -> Result<Taken> {
        let Self { hub, id, from, receiver, pending, turn, .. } = self;
        let silent = hub.is_silent();
        let mut state = hub.lock();
        let mut any = false;
        loop {
            if state.is_over() {
                return Ok(Taken::Over(Reason::Closed));
            }
            if hub.has_enough(&state) {
                return Ok(Taken::Enough);
            }
            let binary = receiver.next_is_binary();
            let arrived = match hub.rules.frames {
                true => receiver.try_recv_frame()?.map(|frame| (frame.message, Some(frame))),
                false => receiver.try_recv_ref()?.map(|message| (message, None)),
            };
            let Some((message, frame)) = arrived else { break };
            any = true;
            turn.take(message.len());
            *pending = Pending::Nothing;
            if let Err(error) = state.take(*id, from, Arrived { message, binary, frame: frame.as_ref() }) {
                return Ok(Taken::Over(Reason::Refused(error)));
            }
            if silent && hub.has_enough(&state) {
                state.end(Outcome::Reached);
                return Ok(Taken::Over(Reason::Closed));
            }
            if hub.rules.until.is_some() && hub.is_until(message) {
                return Ok(Taken::Over(Reason::Until));
            }
            if !silent {
                state.note_question();
                state.note_activity();
                let message = Bytes::copy_from_slice(message);
                return Ok(Taken::One(Question { message, binary: binary == Some(true) }));
            }
            if turn.is_over() {
                state.note_activity();
                return Ok(Taken::Turn);
            }
        }
        if any {
            state.note_activity();
        }
        Ok(Taken::All)
    }

    /// Answers a message. Returns a reason if the answer ends the conversation.
    async fn answer(&mut self, question: &Question) -> Result<Option<Reason>> {
        if self.allowance.as_mut().is_some_and(|allowance| !allowance.permits(Instant::now())) {
            self.hub.answered(false);
            self.report_unanswered(false);
            return Ok(None);
        }
        let reason = self.reply(question).await;
        self.hub.answered(matches!(reason, Ok(Some(Reason::Refused(_)))));
        reason
    }

    async fn reply(&mut self, Question { message, binary }: &Question) -> Result<Option<Reason>> {
        let answered = match self.hub.rules.answer {
            // In a box, as everything that few peers need.
            #[cfg(feature = "exec")]
            AutoReply::Each(_) => match Box::pin(self.command(message)).await {
                Ok(answered) => answered,
                Err(ended) => return ended.map(Some),
            },
            _ => answer::to(&self.hub.rules, self.asks(message)).await,
        };
        let reply = match answered {
            Ok(Some(reply)) => reply,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.hub.report_error(Some(self.id), &error);
                return Ok(None);
            }
        };
        // The greeting comes first.
        while self.hub.is_greeting(self.id) {
            self.wake.notified().await;
        }
        let sent = match self.hub.rules.answer {
            AutoReply::Echo if *binary => self.sender.send_binary(&reply).await,
            _ => self.sender.send(&reply).await,
        };
        match sent {
            Err(error) if error.is_message_rejected() => {
                return Ok(Some(Reason::Refused(error.in_front("the answer cannot be sent"))));
            }
            other => other?,
        }
        Ok(self.hub.is_until(&reply).then_some(Reason::Until))
    }

    /// A message of this peer, which no command answers.
    fn asks<'a>(&'a self, message: &'a Bytes) -> answer::Asked<'a> {
        answer::Asked { peer: self.id, from: &self.from, request: None, message }
    }

    #[cfg(feature = "exec")]
    /// Returns the answer of a command, or how the conversation ended meanwhile. The command is ended with the
    /// conversation.
    async fn command(&mut self, message: &Bytes) -> Result<Result<Option<Bytes>>, Result<Reason>> {
        let (hub, from) = (Arc::clone(&self.hub), Box::clone(&self.from));
        let request = self.request.take();
        let asked = answer::Asked { peer: self.id, from: &from, request: request.as_deref(), message };
        if let Some(heard) = &self.heard {
            heard.begin();
        }
        let answered = tokio::select! {
            answered = answer::to(&hub.rules, asked) => Ok(answered),
            ended = self.left() => Err(ended),
        };
        if let Some(heard) = &self.heard {
            heard.over();
        }
        self.request = request;
        answered
    }

    /// Waits until the conversation ends while its answer is awaited: by this end, by a reset, or by the end of a
    /// transport that has no half-close. A peer that has ended its side of a stream may still be listening.
    async fn left(&mut self) -> Result<Reason> {
        // Reading ahead stops at this limit, and does not grow with each answer. A reset beyond it shows when the
        // answer is sent.
        let mut watched = !self.sender.is_datagram() && self.receiver.pending().len() < limits::MAX_QUEUE;
        loop {
            tokio::select! {
                arrival = self.receiver.readable(), if watched => match arrival {
                    Ok(false) if !self.sender.has_half_close() => return Ok(Reason::Ended),
                    // What the peer sends next is taken when it has its answer.
                    Ok(_) => watched = false,
                    Err(error) => return Err(error),
                },
                () = self.wake.notified() => match self.hub.peer_state(self.id).ending {
                    Some(Reason::Failed(error)) => return Err(error),
                    Some(reason) => return Ok(reason),
                    None => {}
                }
            }
        }
    }

    fn report_losses(&mut self) {
        let now = (self.receiver.dropped(), self.receiver.truncated());
        let known = std::mem::replace(&mut self.losses, now);
        if now != known {
            let (lost, cut_short) = (now.0 - known.0, now.1 - known.1);
            self.hub.lock().emit(Event::Lost { peer: self.id, lost, cut_short });
        }
    }

    fn report_damage(&mut self, ends: bool) {
        if let Some(damage) = self.receiver.take_damage(ends) {
            self.hub.lock().emit(Event::Damaged { peer: self.id, damage: &damage });
        }
    }

    fn report_unanswered(&mut self, ends: bool) {
        let Some(allowance) = &mut self.allowance else { return };
        let messages = allowance.take_unanswered(Instant::now(), ends);
        if messages > 0 {
            self.hub.lock().emit(Event::Unanswered { peer: self.id, messages });
        }
    }

    /// Waits for something to take, or for a change that ends the conversation.
    async fn wait(&mut self) -> Result<Wait> {
        let mut peer_state = self.hub.peer_state(self.id);
        match peer_state.ending.take() {
            Some(Reason::Failed(error)) if !self.sender.is_datagram() => {
                self.failed.get_or_insert((error, Instant::now()));
            }
            Some(reason) => return Ok(Wait::Over(reason)),
            None => {}
        }
        let unanswered = self.allowance.as_ref().and_then(|allowance| allowance.due());
        let unanswered = unanswered.map(|at| (at, Alarm::Unanswered));
        let half_close = self.half_close_at(&peer_state).map(|at| (at, Alarm::HalfClose));
        let alarms = self.alarm(&peer_state).into_iter().chain(unanswered).chain(half_close);
        let alarm = alarms.min_by_key(|(at, _)| *at);
        tokio::select! {
            arrival = self.receiver.readable() => match arrival {
                Ok(true) => Ok(Wait::Arrived),
                Ok(false) => Ok(Wait::Ended),
                // A datagram reached nobody. The next one may reach somebody, and a person sees the report.
                Err(error) if error.is_unreachable() && !self.hub.rules.strict => {
                    self.hub.report_error(Some(self.id), &error);
                    Ok(Wait::Nothing)
                }
                Err(error) => Err(error),
            },
            () = self.wake.notified() => Ok(Wait::Nothing),
            () = sleep_until(alarm.map(|(at, _)| at)) => self.ring(alarm.map(|(_, alarm)| alarm)),
        }
    }

    /// Returns what to do next if nothing else happens, and when.
    fn alarm(&mut self, peer_state: &PeerState) -> Option<(Instant, Alarm)> {
        if let Some((_, since)) = &self.failed {
            return Some((*since + self.hub.rules.linger, Alarm::Failed));
        }
        if !self.receiver.pending().is_empty() {
            if let Pending::Nothing = self.pending {
                self.pending = Pending::Since(Instant::now());
            }
            if let Pending::Since(since) = self.pending {
                return Some((since + self.hub.rules.pending_after, Alarm::Pending));
            }
        } else {
            self.pending = Pending::Nothing;
        }
        if !self.has_no_more_to_say(peer_state) {
            return None;
        }
        let since = match !self.sender.has_half_close() {
            true => Some(*self.silent_since.get_or_insert_with(Instant::now)).max(self.arrived),
            false => self.arrived.filter(|_| self.sender.is_datagram()),
        };
        let (since, linger) = (since?, self.hub.datagram_linger()?);
        let linger = if !self.sender.has_half_close() { self.patience(peer_state)?.max(linger) } else { linger };
        Some((since.max(peer_state.sent.unwrap_or(since)) + linger, Alarm::Quiet))
    }

    /// How long to wait, at least, for a peer that loses its answer when this end ends the conversation; `None`: until
    /// the peer ends.
    fn patience(&self, peer_state: &PeerState) -> Option<Duration> {
        let unanswered = peer_state.sent.is_some_and(|sent| self.arrived.is_none_or(|arrived| arrived < sent));
        match self.hub.rules.half_close {
            HalfClose::Never => None,
            HalfClose::Answered if unanswered => Some(limits::HALF_CLOSE_PATIENCE),
            HalfClose::Answered | HalfClose::Now => Some(Duration::ZERO),
        }
    }

    /// Returns when to end this end's sending side, if it should end and the transport can half-close.
    fn half_close_at(&self, peer_state: &PeerState) -> Option<Instant> {
        if self.side == SendingSide::Ended || !self.sender.has_half_close() || !self.has_no_more_to_say(peer_state) {
            return None;
        }
        let now = Instant::now();
        if self.sender.is_datagram() {
            return Some(now);
        }
        let sent = match self.side {
            SendingSide::Busy(at) => peer_state.sent.max(Some(at)),
            _ => peer_state.sent,
        };
        self.hub.rules.half_close.due(sent, self.arrived, now)
    }

    /// Ends this end's sending side. A peer that still reads slowly is not quiet: this end first waits for its answer
    /// to the rest.
    fn half_close(&mut self) {
        let patient = self.hub.rules.half_close == HalfClose::Answered && self.hub.has_one_peer();
        if patient && !self.sender.is_flushed() {
            self.side = SendingSide::Busy(Instant::now());
            return;
        }
        self.side = SendingSide::Ended;
        let (hub, sender) = (Arc::clone(&self.hub), self.sender.clone());
        // This does not wait: the peer may have much to send before it reads the rest. Its reader reports a failure.
        tokio::spawn(async move { drop(hub.finish(&sender).await) });
    }

    fn ring(&mut self, alarm: Option<Alarm>) -> Result<Wait> {
        match alarm {
            Some(Alarm::Pending) => {
                self.pending = Pending::Shown;
                self.hub.lock().emit(Event::Pending { peer: self.id, so_far: self.receiver.pending() });
            }
            Some(Alarm::Unanswered) => self.report_unanswered(false),
            Some(Alarm::HalfClose) => self.half_close(),
            Some(Alarm::Quiet) => {
                self.report_no_answer();
                return Ok(Wait::Over(Reason::Ended));
            }
            Some(Alarm::Failed) => {
                if let Some((error, _)) = self.failed.take() {
                    return Err(error);
                }
            }
            None => {}
        }
        Ok(Wait::Nothing)
    }

    fn has_no_more_to_say(&self, peer_state: &PeerState) -> bool {
        let said = peer_state.input_ended || self.hub.rules.finish_after_greeting;
        said && self.hub.is_silent() && !peer_state.sending
    }
}
