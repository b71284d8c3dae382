//! Bridges: connects every client of one address to another address.
//!
//! Between streams with the same framing, bytes pass unchanged; otherwise it passes message by message. Half-closes,
//! resets, back-pressure and the order of ends pass too. Every client has its own connection to the target, datagram
//! sessions included.
//!
//! Not here: raw pipes (`pipe`) and conversations (`talk`), whose other end is standard input and output.

mod config;
mod copy;
mod event;
mod messages;
mod reconnect;
mod shares;
mod splice;
mod streams;
mod tap;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use unstick_wire::{Frame, Role};

use super::run::{AcceptErrors, Elapsed, Timers};
use crate::activity::{Activity, bounded};
use crate::address::Address;
use crate::endpoint::{self, Notice, Notices, Opening, PeerAddrs, Request, StreamTransport, Transport};
use crate::error::{Error, Result};
use crate::limits;
use crate::link::Link;
use crate::stop::Stop;
use copy::CopyDirection;
use messages::{MessageBridge, Reporting};
use shares::Shares;
use streams::StreamBridge;
use tap::{Tap, Watch};

pub use super::run::PeerId;
pub use config::{Clients, Config, Faults, Reconnect, Target};
pub use event::{Event, Outcome, Output, Passed, Reason};

/// Connects every client to the target and passes on data in both directions, until the configuration ends the run.
///
/// Cancel safe: nothing goes on afterwards, but data on its way may be lost.
pub async fn bridge(clients: Clients, target: Target, output: impl Output, rules: Config) -> Outcome {
    build(clients, target, Box::new(output), rules).await
}

/// The bridge, whatever its output is: its code is compiled in this crate, once.
fn build(
    clients: Clients,
    target: Target,
    output: Box<dyn Output>,
    mut rules: Config,
) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    rules.idle = rules.idle.map(bounded);
    rules.peer_idle = rules.peer_idle.map(bounded);
    rules.deadline = rules.deadline.map(bounded);
    rules.linger = bounded(rules.linger);
    let hub = Arc::new(Hub {
        rules,
        target,
        last: Activity::new(),
        output: Mutex::new(Shown { to: output, failed: false, outcome: None }),
        over: Notify::new(),
        faulted: Mutex::default(),
    });
    Box::pin(async move {
        let _last_words = LastWords(Arc::clone(&hub));
        tokio::select! {
            outcome = Arc::clone(&hub).serve(clients) => outcome,
            outcome = hub.over() => outcome,
            outcome = hub.timers() => outcome,
            () = hub.rules.stop.overdue() => Outcome::Stopped,
        }
    })
}

/// The state that the bridges of one run share.
struct Hub {
    rules: Config,
    target: Target,
    /// When something last passed.
    last: Activity,
    output: Mutex<Shown>,
    /// The output has failed.
    over: Notify,
    /// Running bridges that inject faults.
    faulted: Mutex<BTreeMap<PeerId, Weak<MessageBridge>>>,
}

/// Reports the injected faults when the run ends, however it ends.
struct LastWords(Arc<Hub>);

impl Drop for LastWords {
    fn drop(&mut self) {
        let bridges = std::mem::take(&mut *lock(&self.0.faulted));
        for (peer, messages) in bridges {
            if let Some(messages) = messages.upgrade() {
                self.0.tell_faults(peer, &messages);
            }
        }
    }
}

/// Where events go.
struct Shown {
    to: Box<dyn Output>,
    /// Whether nothing more is shown, because the output failed.
    failed: bool,
    /// How that ended the run, until the run takes it.
    outcome: Option<Outcome>,
}

impl Hub {
    fn output(&self) -> MutexGuard<'_, Shown> {
        lock(&self.output)
    }

    fn emit(&self, event: Event<'_>) {
        let mut output = self.output();
        if output.failed {
            return;
        }
        if let Err(error) = output.to.event(event) {
            output.outcome = Some(if error.is_closed() { Outcome::OutputClosed } else { Outcome::Unshown(error) });
            output.failed = true;
            self.over.notify_one();
        }
    }

    /// Waits while the output is full: bridges that open, close or fail are events too.
    async fn make_room(&self) {
        let room = self.output().to.room();
        if let Some(room) = room {
            tokio::select! {
                () = room => {}
                () = self.rules.stop.comes() => {}
            }
        }
    }

    /// Waits until the output has failed.
    async fn over(&self) -> Outcome {
        loop {
            self.over.notified().await;
            if let Some(outcome) = self.output().outcome.take() {
                return outcome;
            }
        }
    }

    /// Waits until a timeout has passed.
    async fn timers(&self) -> Outcome {
        match Timers::start(self.rules.deadline, self.rules.idle).elapsed(|| self.last.last()).await {
            Elapsed::Idle(after) => Outcome::Idle(after),
            Elapsed::Deadline(after) => Outcome::Deadline(after),
        }
    }

    async fn serve(self: Arc<Self>, clients: Clients) -> Outcome {
        let mut listener = match clients {
            Clients::One(end) => return self.only(1, end).await,
            Clients::Many(listener) => listener,
        };
        self.emit(Event::Listening { addresses: listener.addresses() });
        let most = self.rules.max_peers.unwrap_or(usize::MAX);
        let mut bridges = JoinSet::new();
        let shares = Shares::new(&self.rules.runtimes);
        let mut came = 0;
        let notices = listener.notices();
        let mut errors = AcceptErrors::default();
        let mut stopped = pin!(self.rules.stop.comes());
        loop {
            self.make_room().await;
            tokio::select! {
                () = &mut stopped => break,
                (accepted, place) = shares.open(listener.accept_transport()), if bridges.len() < most => match accepted {
                    Ok(end) => {
                        came += 1;
                        if self.rules.once {
                            return self.only(came, end).await;
                        }
                        let hub = Arc::clone(&self);
                        let runtime = place.runtime();
                        // In a box: runtimes move tasks about.
                        let bridge = Box::pin(async move {
                            drop(hub.serve_client(came, end).await);
                            drop(place);
                        });
                        bridges.spawn_on(bridge, &runtime);
                    }
                    Err(error) => errors.handle(error, |error| self.emit(Event::Error { peer: None, error })).await,
                },
                Some(ended) = bridges.join_next() => if is_panic(&ended) {
                    return panicked();
                },
                notice = next(notices.as_deref()) => {
                    self.emit(Event::Error { peer: None, error: &Error::other(notice.to_string()) });
                }
            }
        }
        // No more clients are accepted; the running bridges pass on what was read.
        drop(listener);
        while let Some(ended) = bridges.join_next().await {
            if is_panic(&ended) {
                return panicked();
            }
        }
        Outcome::Stopped
    }

    /// Runs the only bridge of a run.
    async fn only(self: &Arc<Self>, peer: PeerId, client: Transport) -> Outcome {
        match Arc::clone(self).serve_client(peer, client).await {
            _ if self.rules.stop.has_come() => Outcome::Stopped,
            Ok(()) => Outcome::Ended,
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Runs one client's bridge, from connecting to the target to the end of both connections. The error matters only
    /// if this is the only bridge.
    async fn serve_client(self: Arc<Self>, peer: PeerId, client: Transport) -> Result<()> {
        if let Some(how) = self.rules.reconnect {
            return Box::pin(self.lasting(peer, client, how)).await;
        }
        let connected = tokio::select! {
            connected = self.connect(peer, names(&client), request(&client)) => connected,
            () = self.rules.stop.comes() => {
                refuse(client);
                return Ok(());
            }
        };
        let server = match connected {
            Ok(server) => server,
            Err(error) => {
                refuse(client);
                self.make_room().await;
                self.emit(Event::Error { peer: Some(peer), error: &error });
                return Err(error);
            }
        };
        let from = names(&client).remote.clone();
        let asked = request(&client);
        self.emit(Event::Open { peer, client: names(&client), server: names(&server), request: asked });
        self.note();
        let streams = matches!((&client, &server), (Transport::Stream(_), Transport::Stream(_)));
        let bytes = streams && self.target.counts_bytes();
        let (reason, passed) = match (client, server) {
            (Transport::Stream(client), Transport::Stream(server)) if self.target.passes_bytes() => {
                let passed = self.bytes(peer, client, server).pass(&*self, self.rules.peer_idle).await;
                self.written().await;
                passed
            }
            (client, server) => Box::pin(Arc::clone(&self).messages(peer, bytes, client, server)).await?,
        };
        self.make_room().await;
        self.emit(Event::Close { peer, from: &from, reason: &reason, passed, bytes });
        match reason {
            Reason::Ended | Reason::Closed | Reason::Fault(_) | Reason::Idle(_) => Ok(()),
            Reason::Failed { error, .. } => Err(error),
        }
    }

    /// Connects to the target for a client. A command gets the client's names and request in its environment. A
    /// WebSocket target gets the same request as this end got.
    fn connect<'a>(&'a self, peer: PeerId, client: &PeerAddrs, request: Option<&Request>) -> Opening<'a> {
        let Target { address, options, .. } = &self.target;
        match (address, request) {
            (address, Some(request)) if address.is_web_socket() => {
                let (address, options) = self.target.asked_alike(request);
                return Box::pin(async move { endpoint::connect(&address, &options).await });
            }
            (Address::Exec(_), _) => {}
            _ => return endpoint::open(address, options),
        }
        let mut options = options.clone();
        options.environment.extend(request.into_iter().flat_map(Request::environment));
        for (name, value) in
            [("PEER", peer.to_string()), ("FROM", client.remote.clone()), ("LOCAL", client.local.clone())]
        {
            options.environment.push((format!("UNSTICK_{name}"), value));
        }
        Box::pin(async move { endpoint::connect(address, &options).await })
    }

    fn bytes(self: &Arc<Self>, peer: PeerId, client: StreamTransport, server: StreamTransport) -> StreamBridge {
        let [up_tap, down_tap] = self.taps(peer);
        let up = CopyDirection::new(client.reader, server.writer, up_tap);
        let down = CopyDirection::new(server.reader, client.writer, down_tap);
        StreamBridge::new(up, down, self.rules.linger)
    }

    /// Returns the taps that show either direction, if the bridge is dumped.
    fn taps(self: &Arc<Self>, peer: PeerId) -> [Option<Tap>; 2] {
        if !self.rules.dump {
            return [None, None];
        }
        let framings = self.target.client.as_ref().map(|client| [&client.inbound, &client.outbound]);
        let dialogue = framings.and_then(|[up, down]| up.dialogue_with(down)).map(|(up, down)| [up, down]);
        [Role::Client, Role::Server].map(|from| {
            let framing = framings.map(|framings| framings[from as usize]).filter(|framing| framing.keeps_boundaries());
            let decoder = framing.map(|framing| {
                let mut decoder = framing.decoder();
                if let Some(dialogue) = &dialogue {
                    decoder.follow(&dialogue[from as usize]);
                }
                (decoder, self.target.options.pending.share())
            });
            Some(Tap::new(Arc::clone(self) as Arc<dyn Watch>, peer, from, decoder, self.rules.frames))
        })
    }

    async fn messages(
        self: Arc<Self>,
        peer: PeerId,
        bytes: bool,
        client: Transport,
        server: Transport,
    ) -> Result<(Reason, Passed)> {
        let client = Link::new(client, self.target.client.as_ref(), &self.target.options)?;
        let server = Link::new(server, self.target.server.as_ref(), &self.target.options)?;
        let Faults { plan, seed } = &self.target.faults;
        let injector = |from: Role| plan.injector(from, self.target.unit(from), *seed);
        let injectors = (!plan.is_empty()).then(|| [injector(Role::Client), injector(Role::Server)]);
        let look = Reporting { shown: self.rules.dump, frames: self.rules.frames, bytes };
        let watch = Arc::clone(&self) as Arc<dyn Watch>;
        let messages = Arc::new(MessageBridge::new(watch, peer, look, self.rules.linger, injectors));
        if !plan.is_empty() {
            lock(&self.faulted).insert(peer, Arc::downgrade(&messages));
        }
        let passed = messages.pass(client, server, self.rules.peer_idle).await;
        self.written().await;
        if lock(&self.faulted).remove(&peer).is_some() {
            self.tell_faults(peer, &messages);
        }
        Ok(passed)
    }

    /// Waits until what has passed is written to the output, but only briefly for a reader that has stopped reading.
    async fn written(&self) {
        let written = self.output().to.written();
        if let Some(written) = written {
            let _ = tokio::time::timeout(limits::FINAL_FLUSH_TIMEOUT, written).await;
        }
    }

    fn tell_faults(&self, peer: PeerId, messages: &MessageBridge) {
        messages.tell_faults(|from, taken, counts| {
            self.emit(Event::Faulted { peer, from, unit: self.target.unit(from), taken, counts });
        });
    }
}

/// Makes the outcome of a bridge's task that panicked. The run ends with an error, because otherwise that client would
/// keep waiting.
fn panicked() -> Outcome {
    Outcome::Failed(Error::panicked("the task of a bridge"))
}

fn is_panic(ended: &Result<(), JoinError>) -> bool {
    ended.as_ref().is_err_and(JoinError::is_panic)
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch for Hub {
    fn note(&self) {
        if self.rules.idle.is_some() {
            self.last.note();
        }
    }

    fn passed(&self, peer: PeerId, from: Role, data: &[u8], frame: Option<&Frame<'_>>) {
        self.emit(Event::Passed { peer, from, data, frame });
    }

    fn puzzled(&self, peer: PeerId, error: Error) {
        self.emit(Event::Error { peer: Some(peer), error: &error });
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.output().to.room()
    }

    fn stop(&self) -> &Stop {
        &self.rules.stop
    }
}

/// Waits for the listener's next notice; for ever if it makes none.
async fn next(notices: Option<&Notices>) -> Notice {
    match notices {
        Some(notices) => notices.next().await,
        None => std::future::pending().await,
    }
}

fn names(end: &Transport) -> &PeerAddrs {
    match end {
        Transport::Stream(end) => &end.names,
        Transport::Datagram(end) => &end.names,
        Transport::Message(end) => &end.names,
    }
}

fn request(end: &Transport) -> Option<&Request> {
    match end {
        Transport::Message(end) => end.request(),
        Transport::Stream(_) | Transport::Datagram(_) => None,
    }
}

/// Resets a client for which the target cannot be reached: it sees what it would see if nobody listened.
fn refuse(client: Transport) {
    match client {
        Transport::Stream(mut client) => client.writer.reset(),
        Transport::Message(mut client) => client.outgoing.reset(),
        Transport::Datagram(_) => {}
    }
}
