//! The run of a conversation: accepts peers or reconnects, keeps its timeouts, and winds up at the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::run::{AcceptErrors, Elapsed, Timers};
use super::config::Peers;
use super::event::{Event, Outcome};
use super::hub::{Alarm, Hub, Peer};
use super::input::AnyInput;
use super::peer::PeerTask;
use crate::endpoint::Notices;
use crate::limits;
use crate::link::{Link, Listener};

impl Hub {
    pub(super) async fn run(self: Arc<Self>, party: Peers, input: Box<dyn AnyInput + '_>) -> Outcome {
        match party {
            Peers::One(link) => self.open(link),
            Peers::Many(listener) => self.listen(listener),
            Peers::Again(link, how) => {
                let mut state = self.lock();
                (state.listening, state.reconnects) = (true, true);
                state.accepting = Some(tokio::spawn(Arc::clone(&self).reconnect(link, *how)).abort_handle());
            }
        }
        let outcome = tokio::select! {
            outcome = self.over() => outcome,
            outcome = self.timers() => outcome,
            outcome = self.take_input(input) => outcome,
            // An accepted message may still wait for somebody to read it.
            () = self.rules.stop.overdue() => Outcome::Stopped,
        };
        let patience = match outcome {
            // Nobody is left who wants to wait.
            Outcome::Idle(_) | Outcome::Deadline(_) | Outcome::OutputClosed => limits::FINAL_FLUSH_TIMEOUT,
            Outcome::Stopped => self.rules.stop.left(),
            _ => limits::FLUSH_TIMEOUT,
        };
        self.wind_up(patience).await;
        match outcome {
            Outcome::Ended if self.is_short() => Outcome::Short { received: self.lock().received },
            outcome => outcome,
        }
    }

    /// Whether something expected did not arrive. A run of many conversations does not wait for `until`.
    fn is_short(&self) -> bool {
        let single = self.rules.once || !self.lock().listening;
        self.rules.count.is_some() || (single && self.rules.until.is_some())
    }

    /// Waits until something has ended the run.
    async fn over(&self) -> Outcome {
        loop {
            let changed = self.signals.changed.notified();
            if let Some(outcome) = self.lock().outcome.take() {
                return outcome;
            }
            changed.await;
        }
    }

    /// Waits until a timeout has passed.
    async fn timers(&self) -> Outcome {
        match Timers::start(self.rules.deadline, self.rules.idle).elapsed(|| self.lock().last_activity).await {
            Elapsed::Idle(after) => Outcome::Idle(after),
            Elapsed::Deadline(after) => Outcome::Deadline(after),
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

    /// Reports datagrams that reached no session, until the run is over.
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
        let mut errors = AcceptErrors::default();
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
                Err(error) => errors.handle(error, |error| self.report_error(None, error)).await,
            }
        }
    }

    pub(super) fn open(self: &Arc<Self>, link: Link) {
        let names = link.addrs().clone();
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
        let visit = PeerTask::new(hub, id, names.remote.into(), woken, sender.clone(), receiver).asked(request);
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

    /// Waits a bounded time until sent messages are written, then ends every task.
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
        // A peer that does not read could otherwise delay the end for ever.
        if tokio::time::timeout(patience, self.until(|state| state.peers.is_empty())).await.is_err() {
            for (_, peer) in std::mem::take(&mut self.lock().peers) {
                peer.sender.abort();
                peer.task.abort();
            }
        }
    }
}
