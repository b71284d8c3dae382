//! One peer's visit: its messages are taken, shown and, where asked, answered, until it ends.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::hub::Hub;
use super::{Event, Outcome, Output, PeerId, Reason, answer};
use crate::error::Result;
use crate::link::{Receiver, Sender};

pub(super) struct Visit<O> {
    pub(super) hub: Arc<Hub<O>>,
    pub(super) id: PeerId,
    pub(super) from: Box<str>,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
}

/// How taking a batch of messages ended.
enum Taken {
    /// Everything that has arrived.
    All,
    /// One message, to be answered before the next.
    One(Bytes),
    /// The conversation is over.
    Over(Reason),
}

impl<O: Output> Visit<O> {
    pub(super) async fn run(mut self) {
        let reason = match self.converse().await {
            Ok(reason) => reason,
            Err(error) => Reason::Failed(error),
        };
        if matches!(reason, Reason::Failed(_)) {
            self.report_losses(&mut (0, 0));
        } else {
            // What was sent before is written; a connection that fails now has nothing more to lose.
            let _ = self.sender.finish().await;
        }
        self.hub.gone(self.id, &self.from, reason);
    }

    async fn converse(&mut self) -> Result<Reason> {
        self.greet();
        let mut pending_shown = false;
        let mut losses = (0, 0);
        let mut arrived = false;
        loop {
            match self.take()? {
                Taken::Over(reason) => return Ok(reason),
                Taken::One(message) => {
                    pending_shown = false;
                    if self.answer(&message).await? {
                        return Ok(Reason::Until);
                    }
                    continue;
                }
                Taken::All => {}
            }
            self.report_losses(&mut losses);
            self.make_room().await;
            if self.receiver.pending().is_empty() {
                pending_shown = false;
            }
            match self.wait(&mut pending_shown, arrived).await? {
                Wait::Arrived => arrived = true,
                Wait::Nothing => {}
                Wait::Ended if !self.hub.is_silent() => return Ok(Reason::Ended),
                Wait::Ended => return self.linger().await,
                Wait::Over(reason) => return Ok(reason),
            }
        }
    }

    /// Starts what each peer is sent as it opens. It goes out while messages come in: two ends that greet each other at
    /// length would else wait for each other.
    fn greet(&self) {
        let finish = self.hub.rules.finish_after_greeting || self.hub.lock().input_ended;
        if !self.hub.rules.greeting.is_empty() || finish {
            let greeting = Greeting { hub: Arc::clone(&self.hub), id: self.id, sender: self.sender.clone() };
            tokio::spawn(greeting.send(finish));
        }
    }

    /// Takes what has arrived, under one lock.
    fn take(&mut self) -> Result<Taken> {
        let Self { hub, id, from, receiver, .. } = self;
        let silent = hub.is_silent();
        let mut state = hub.lock();
        let mut any = false;
        loop {
            if state.is_over() {
                return Ok(Taken::Over(Reason::Closed));
            }
            let message = match receiver.try_next() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => return Err(error),
            };
            any = true;
            state.note_message(*id);
            state.emit(Event::Message { peer: *id, from, message });
            if hub.rules.count.is_some_and(|count| state.received >= count) && silent {
                state.end(Outcome::Reached);
                drop(state);
                hub.changed.notify_waiters();
                return Ok(Taken::Over(Reason::Closed));
            }
            if hub.rules.until.is_some() && hub.is_until(message) {
                return Ok(Taken::Over(Reason::Until));
            }
            if !silent {
                state.note_activity();
                return Ok(Taken::One(Bytes::copy_from_slice(message)));
            }
        }
        if any {
            state.note_activity();
        }
        let over = state.is_over();
        drop(state);
        if over {
            hub.changed.notify_waiters();
        }
        Ok(Taken::All)
    }

    /// Answers a message; true if the answer ends the conversation.
    async fn answer(&mut self, message: &Bytes) -> Result<bool> {
        let asked = answer::Asked { peer: self.id, from: &self.from, message };
        let reply = match answer::to(&self.hub.rules.answer, asked).await {
            Ok(reply) => reply,
            Err(error) => {
                self.hub.complain(Some(self.id), &error);
                None
            }
        };
        let mut until = false;
        if let Some(reply) = reply {
            match self.sender.send(&reply).await {
                Err(error) if error.is_message() => self.hub.refuse(self.id, error),
                other => other?,
            }
            until = self.hub.is_until(&reply);
        }
        let mut state = self.hub.lock();
        state.note_activity();
        if self.hub.rules.count.is_some_and(|count| state.received >= count) {
            state.end(Outcome::Reached);
            drop(state);
            self.hub.changed.notify_waiters();
        }
        Ok(until)
    }

    /// Waits while the output is full.
    async fn make_room(&mut self) {
        let room = self.hub.lock().output.room();
        if let Some(room) = room {
            room.await;
        }
    }

    fn report_losses(&self, known: &mut (u64, u64)) {
        let now = (self.receiver.lost(), self.receiver.cut_short());
        if now != *known {
            let (lost, cut_short) = (now.0 - known.0, now.1 - known.1);
            *known = now;
            self.hub.lock().emit(Event::Lost { peer: self.id, lost, cut_short });
        }
    }

    /// Waits for something to take, or for a change that ends the conversation.
    async fn wait(&mut self, pending_shown: &mut bool, arrived: bool) -> Result<Wait> {
        let hub = Arc::clone(&self.hub);
        let changed = hub.changed.notified();
        let standing = hub.standing(self.id);
        if let Some(reason) = standing.ending {
            return Ok(Wait::Over(reason));
        }
        let pending = !self.receiver.pending().is_empty() && !*pending_shown;
        let silent_for = if pending {
            Some(hub.rules.pending_after)
        } else if self.sender.is_datagram() && arrived && self.has_no_more_to_say(standing.input_ended) {
            hub.datagram_linger()
        } else {
            None
        };
        tokio::select! {
            arrival = self.receiver.arrival() => Ok(if arrival? { Wait::Arrived } else { Wait::Ended }),
            () = changed => Ok(Wait::Nothing),
            () = sleep(silent_for) => {
                if pending {
                    *pending_shown = true;
                    hub.lock().emit(Event::Pending { peer: self.id, so_far: self.receiver.pending() });
                    Ok(Wait::Nothing)
                } else {
                    Ok(Wait::Over(Reason::Ended))
                }
            }
        }
    }

    fn has_no_more_to_say(&self, input_ended: bool) -> bool {
        self.hub.is_silent() && (input_ended || self.hub.rules.finish_after_greeting)
    }

    /// The peer has ended its side and may still be listening: what this end has to say goes on being sent until it
    /// has been quiet for a while. People see a peer go at once.
    async fn linger(&mut self) -> Result<Reason> {
        let hub = Arc::clone(&self.hub);
        if hub.rules.leave_at_end {
            return Ok(Reason::Ended);
        }
        let ended = Instant::now();
        loop {
            let changed = hub.changed.notified();
            let standing = hub.standing(self.id);
            if let Some(reason) = standing.ending {
                return Ok(reason);
            }
            if self.has_no_more_to_say(standing.input_ended) {
                return Ok(Reason::Ended);
            }
            let quiet_at = standing.sent.max(ended) + hub.rules.linger;
            if Instant::now() >= quiet_at {
                return Ok(Reason::Ended);
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(quiet_at) => {}
            }
        }
    }
}

/// What a peer is sent as it opens.
struct Greeting<O> {
    hub: Arc<Hub<O>>,
    id: PeerId,
    sender: Sender,
}

impl<O: Output> Greeting<O> {
    async fn send(self, finish: bool) {
        let rules = &self.hub.rules;
        for message in &rules.greeting {
            match self.sender.send(message).await {
                Ok(()) => self.hub.note_sent(self.id, message),
                Err(error) if error.is_message() => return self.hub.refuse(self.id, error),
                // A lost connection is reported by its reader, with the reason.
                Err(_) => return,
            }
        }
        if finish && self.hub.is_silent() {
            let finished = self.sender.finish().await;
            if finished.is_ok() && !rules.wait {
                self.hub.close(self.id, Reason::Closed);
            }
        }
    }
}

/// What waiting came to.
enum Wait {
    Arrived,
    Nothing,
    Ended,
    Over(Reason),
}

async fn sleep(after: Option<std::time::Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}
