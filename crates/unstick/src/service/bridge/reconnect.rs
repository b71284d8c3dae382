//! A bridge that reconnects to the server whenever that connection is lost, as long as its client stays.
//!
//! Messages pass as in `messages`. None is sent twice: messages that were passed on to a lost connection and may be
//! unanswered are counted and reported.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use unstick_wire::Role;

use super::config::Reconnect;
use super::messages::{Ended, MessageBridge, Reporting};
use super::{Event, Hub, Passed, PeerId, Reason, Watch, names, request};
use crate::activity::sleep_until;
use crate::endpoint::{PeerAddrs, Request, Transport};
use crate::error::{Error, Result};
use crate::limits;
use crate::link::{Link, Receiver, Sender};

/// How one connection to the server ended.
enum Stretch {
    /// The bridge ended with it.
    Over(Reason),
    /// The server is lost, but the client is not. `None` means that the server ended in order.
    Lost(Option<Error>),
}

/// How the client's side of one connection ended.
enum Up {
    Broken(Ended),
    /// The client has ended, and this is how passing that on ended.
    SaidAll(Ended),
}

/// One bridge with reconnects, and what it knows of its client.
struct Lasting {
    hub: Arc<Hub>,
    peer: PeerId,
    how: Reconnect,
    names: PeerAddrs,
    request: Option<Request>,
    client: Sender,
    says: Receiver,
    messages: MessageBridge,
    /// The pause before the next attempt.
    pause: Duration,
    /// Number of attempts that have failed in a row.
    failed: u64,
    opened: bool,
}

/// The counts of a connection that was lost.
#[derive(Clone, Copy, Default)]
struct Tally {
    sent: u64,
    unanswered: u64,
}

impl Hub {
    /// Runs one client's bridge, from its first connection to the server to the end of the last.
    pub(super) async fn lasting(self: Arc<Self>, peer: PeerId, client: Transport, how: Reconnect) -> Result<()> {
        let (names, request) = (names(&client).clone(), request(&client).cloned());
        let from = names.remote.clone();
        let link = Link::new(client, self.target.client.as_ref(), &self.target.options)?;
        let (client, says) = link.split();
        let watch = Arc::clone(&self) as Arc<dyn Watch>;
        let look = Reporting { shown: self.rules.dump, frames: self.rules.frames, bytes: false };
        let messages = MessageBridge::new(watch, peer, look, self.rules.linger, None);
        let hub = Arc::clone(&self);
        let (pause, failed, opened) = (how.pause, 0, false);
        let mut bridge = Lasting { hub, peer, how, names, request, client, says, messages, pause, failed, opened };
        let reason = bridge.run().await;
        if matches!(reason, Reason::Failed { .. }) {
            bridge.client.abort();
            bridge.says.reset();
        }
        let passed = bridge.messages.passed();
        drop(bridge);
        self.written().await;
        self.make_room().await;
        self.emit(Event::Close { peer, from: &from, reason: &reason, passed, bytes: false });
        match reason {
            Reason::Failed { error, .. } => Err(error),
            _ => Ok(()),
        }
    }
}

impl Lasting {
    async fn run(&mut self) -> Reason {
        loop {
            let server = match self.connect().await {
                Ok(server) => server,
                Err(reason) => return reason,
            };
            let (server, mut server_says) = server.split();
            let (opened, before) = (Instant::now(), self.messages.passed());
            let (stretch, unsent) = self.stretch(&server, &mut server_says).await;
            let error = match stretch {
                Stretch::Over(reason) => {
                    if matches!(reason, Reason::Failed { side: Role::Client, .. }) {
                        server.abort();
                    }
                    return reason;
                }
                Stretch::Lost(error) => error,
            };
            server.abort();
            if opened.elapsed() > self.how.longest {
                // It had lasted, so this is not a failure of the last attempt.
                self.pause = self.how.pause;
            }
            let tally = self.tally(before, unsent);
            if let Some(reason) = self.wait(error.as_ref(), tally).await {
                return reason;
            }
        }
    }

    /// Counts what was passed on since `before`. `unsent` is the number of messages that were taken from the client and
    /// could not be passed on.
    fn tally(&self, before: Passed, unsent: u64) -> Tally {
        let now = self.messages.passed();
        let sent = now.up - before.up + unsent;
        Tally { sent, unanswered: sent.saturating_sub(now.down - before.down) }
    }

    /// Connects to the server, with further attempts until one succeeds. The error is the reason why the bridge ends
    /// instead.
    async fn connect(&mut self) -> Result<Link, Reason> {
        loop {
            let connected = {
                let connecting = self.hub.connect(self.peer, &self.names, self.request.as_ref());
                let mut connecting = pin!(connecting);
                tokio::select! {
                    connected = &mut connecting => connected,
                    reason = client_leaves(&mut self.says, &self.hub) => return Err(reason),
                }
            };
            let failed = |error| Reason::Failed { side: Role::Server, error };
            match connected {
                Ok(end) => {
                    self.failed = 0;
                    let names = names(&end);
                    let (peer, client, request) = (self.peer, &self.names, self.request.as_ref());
                    self.hub.make_room().await;
                    match std::mem::replace(&mut self.opened, true) {
                        false => self.hub.emit(Event::Open { peer, client, server: names, request }),
                        true => self.hub.emit(Event::Reconnected { peer, server: names }),
                    }
                    self.hub.note();
                    let target = &self.hub.target;
                    return Link::new(end, target.server.as_ref(), &target.options).map_err(failed);
                }
                Err(error) => {
                    self.failed += 1;
                    if self.how.attempts.is_some_and(|most| self.failed >= most) {
                        return Err(failed(error));
                    }
                    if let Some(reason) = self.wait(Some(&error), Tally::default()).await {
                        return Err(reason);
                    }
                }
            }
        }
    }

    /// Reports the loss, and waits before the next attempt. Returns a reason if there will be none.
    async fn wait(&mut self, error: Option<&Error>, tally: Tally) -> Option<Reason> {
        let (peer, attempt, after) = (self.peer, self.failed + 1, self.pause);
        self.hub.make_room().await;
        let Tally { sent, unanswered } = tally;
        self.hub.emit(Event::Reconnecting { peer, attempt, after, sent, unanswered, error });
        self.pause = (self.pause * 2).min(self.how.longest);
        tokio::select! {
            () = tokio::time::sleep(after) => None,
            reason = client_leaves(&mut self.says, &self.hub) => Some(reason),
        }
    }

    /// Passes messages over one connection to the server until the connection or the bridge ends. Also returns how many
    /// of the client's messages were taken and could not be passed on.
    async fn stretch(&mut self, server: &Sender, server_says: &mut Receiver) -> (Stretch, u64) {
        let Self { hub, client, says, messages, .. } = self;
        let messages = &*messages;
        let leaves = !says.has_half_close();
        let mut up: Pin<Box<dyn Future<Output = Up> + Send + '_>> = Box::pin(async move {
            match messages.forward(Role::Client, says, server).await {
                Some(ended) => Up::Broken(ended),
                None => Up::SaidAll(messages.finish(server, !says.has_half_close(), says.closing()).await),
            }
        });
        let mut down = Box::pin(messages.forward(Role::Server, server_says, client));
        let mut idle = pin!(messages.idle(hub.rules.peer_idle, [false, false]));
        let (mut said_all, mut lost, mut unsent, mut enough) = (false, None, 0, None);
        let failed = |side, error| Stretch::Over(Reason::Failed { side, error });
        loop {
            tokio::select! {
                ended = &mut up, if !said_all && lost.is_none() => match ended {
                    Up::Broken(Ended::Source(error)) => return (failed(Role::Client, error), 0),
                    Up::Broken(Ended::Target(error)) if error.is_message_rejected() => return (failed(Role::Client, error), 0),
                    Up::Broken(Ended::Target(error)) => {
                        // What the server sent before it was lost is still passed on.
                        unsent += 1;
                        lost = Some(error);
                        enough = Some(Instant::now() + limits::FINAL_FLUSH_TIMEOUT);
                    }
                    Up::SaidAll(Ended::Target(error)) => return (failed(Role::Server, error), 0),
                    Up::SaidAll(_) | Up::Broken(_) => {
                        said_all = true;
                        // Nobody is left who could receive an answer.
                        enough = leaves.then(|| Instant::now() + hub.rules.linger);
                    }
                },
                ended = &mut down => {
                    let error = match ended {
                        Some(Ended::Target(error)) => return (failed(Role::Client, error), unsent),
                        // Another connection would bring the same error.
                        Some(Ended::Source(error)) if error.is_framing() => return (failed(Role::Server, error), unsent),
                        Some(Ended::Source(error)) => Some(error),
                        _ => None,
                    };
                    if hub.rules.stop.has_come() {
                        return (Stretch::Over(Reason::Closed), unsent);
                    }
                    let lost = lost.or(error);
                    return match (said_all, lost) {
                        (false, lost) => (Stretch::Lost(lost), unsent),
                        (true, Some(error)) => (failed(Role::Server, error), unsent),
                        (true, None) => {
                            drop(client.finish().await);
                            (Stretch::Over(Reason::Ended), unsent)
                        }
                    };
                }
                () = sleep_until(enough) => return match said_all {
                    true => (Stretch::Over(Reason::Ended), unsent),
                    false => (Stretch::Lost(lost), unsent),
                },
                after = &mut idle => return (Stretch::Over(Reason::Idle(after)), unsent),
            }
        }
    }
}

/// Waits until a client that waits for the server leaves, or the run is stopped. A client that has sent something stays
/// until that is passed on.
async fn client_leaves(says: &mut Receiver, hub: &Hub) -> Reason {
    let leaves = async {
        if !says.pending().is_empty() {
            return std::future::pending().await;
        }
        match says.readable().await {
            Ok(true) => std::future::pending().await,
            Ok(false) => Reason::Ended,
            Err(error) => Reason::Failed { side: Role::Client, error },
        }
    };
    tokio::select! {
        reason = leaves => reason,
        () = hub.rules.stop.comes() => Reason::Closed,
    }
}
