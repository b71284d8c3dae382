//! The handshakes of a listener: all clients do theirs at the same time, each within a bounded time. When there are too
//! many, the oldest unfinished one is dropped for the next.
//!
//! Not here: the handshakes themselves ([`super::tls`], [`super::ws`]), and how long each client may wait ([`room`]).

mod left_out;
mod room;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::accepting;
use super::transport::{Accept, PeerAddrs, Transport};
use crate::error::{Error, Result};
use crate::limits;
use left_out::{Cause, LeftOut};
use room::{Finished, Room};

/// The source of connections.
pub(super) trait Arrivals: Send + 'static {
    /// A connection without any protocol on it yet.
    type Stream: Send + Sync + 'static;

    /// Accepts the next connection. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<(Self::Stream, PeerAddrs)>> + Send;

    /// Waits until the client has sent something, or has gone. It reads nothing. Cancel safe.
    fn spoken(stream: &Self::Stream) -> impl Future<Output = ()> + Send;

    /// The addresses that it is actually bound to.
    fn addresses(&self) -> &[String];

    /// As [`Accept::serves_one`].
    fn serves_one(&self) -> bool {
        false
    }
}

/// A listener whose clients do a handshake first.
pub(super) struct Handshakes {
    addresses: Vec<String>,
    serves_one: bool,
    ready: mpsc::Receiver<Result<Transport>>,
    task: AbortHandle,
}

impl Handshakes {
    /// Accepts the clients of `inner` with the handshake `shake`.
    pub(super) fn new<A, S, F>(inner: A, shake: S) -> Self
    where
        A: Arrivals,
        S: Fn(A::Stream, PeerAddrs) -> F + Send + 'static,
        F: Future<Output = Result<Transport>> + Send + 'static,
    {
        Self::bounded(inner, shake, Bounds::default())
    }

    fn bounded<A, S, F>(inner: A, shake: S, bounds: Bounds) -> Self
    where
        A: Arrivals,
        S: Fn(A::Stream, PeerAddrs) -> F + Send + 'static,
        F: Future<Output = Result<Transport>> + Send + 'static,
    {
        let (addresses, serves_one) = (inner.addresses().to_vec(), inner.serves_one());
        let (sender, ready) = mpsc::channel(1);
        let lobby = Lobby {
            inner,
            shake,
            silent: Room::new(bounds.silent),
            shaking: Room::new(bounds.shaking),
            outcomes: VecDeque::new(),
            left_out: LeftOut::default(),
        };
        let task = tokio::spawn(lobby.let_in(sender)).abort_handle();
        Self { addresses, serves_one, ready, task }
    }

    /// Appends a path to the addresses.
    pub(super) fn with_path(mut self, path: &str) -> Self {
        self.addresses.iter_mut().for_each(|address| address.push_str(path));
        self
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Accept for Handshakes {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        // The task ends only when it is aborted, or with its runtime.
        Box::pin(async { self.ready.recv().await.ok_or_else(Error::closed)? })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        self.serves_one
    }
}

/// How many clients may be waiting or doing their handshake.
struct Bounds {
    silent: usize,
    shaking: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        // Clients that are not peers yet must not take the open files that peers need.
        let files = limits::open_files().map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
        Self { silent: limits::MAX_SILENT.min(files / 2).max(1), shaking: limits::MAX_HANDSHAKES.min(files / 4).max(1) }
    }
}

/// A connection and the names of its ends.
type Client<A> = (<A as Arrivals>::Stream, PeerAddrs);

/// All clients that have connected and have not finished their handshake.
struct Lobby<A: Arrivals, S> {
    inner: A,
    shake: S,
    /// Clients that have sent nothing: each costs a socket.
    silent: Room<Client<A>>,
    /// Clients whose handshake is in progress.
    shaking: Room<Result<Transport>>,
    /// Finished handshakes that nobody has taken yet.
    outcomes: VecDeque<Result<Transport>>,
    left_out: LeftOut,
}

impl<A, S, F> Lobby<A, S>
where
    A: Arrivals,
    S: Fn(A::Stream, PeerAddrs) -> F + Send + 'static,
    F: Future<Output = Result<Transport>> + Send + 'static,
{
    async fn let_in(mut self, ready: mpsc::Sender<Result<Transport>>) {
        loop {
            // Finished handshakes that nobody takes must not pile up.
            let taken = self.outcomes.len() < limits::MAX_HANDSHAKES;
            let (arrive, begin) = (self.silent.full_until(), self.shaking.full_until());
            let blocked = [arrive, begin].into_iter().flatten().min();
            let report = self.left_out.report_at();
            tokio::select! {
                biased;
                permit = ready.reserve(), if !self.outcomes.is_empty() => match (permit, self.outcomes.pop_front()) {
                    (Ok(permit), Some(outcome)) => permit.send(outcome),
                    // The listener is gone.
                    _ => return,
                },
                Some(finished) = self.shaking.next() => self.outcomes.push_back(finished_handshake(finished)),
                Some(spoken) = self.silent.next(), if taken && begin.is_none() => self.begin(spoken),
                arrived = self.inner.next(), if taken && arrive.is_none() => self.arrive(arrived),
                () = sleep_until(blocked.unwrap_or_else(Instant::now)), if taken && blocked.is_some() => {}
                () = sleep_until(report.unwrap_or_else(Instant::now)), if taken && report.is_some() => {
                    self.outcomes.extend(self.left_out.report().into_iter().map(Err));
                }
            }
        }
    }

    /// Handles a client that has connected: waits for its first byte.
    fn arrive(&mut self, arrived: Result<Client<A>>) {
        match arrived {
            Ok((stream, names)) => {
                self.left_out.note(Cause::Evicted, self.silent.make_room());
                let whom = names.remote.clone();
                self.silent.enter(whom, Instant::now(), async move {
                    A::spoken(&stream).await;
                    (stream, names)
                });
            }
            // Drop the oldest silent client. If there is none, peers hold all open files.
            Err(error) if accepting::is_out_of_files(&error) => match self.silent.evict() {
                Some(whom) => self.left_out.note(Cause::Evicted, Some(whom)),
                None => self.outcomes.push_back(Err(error)),
            },
            Err(error) => self.outcomes.push_back(Err(error)),
        }
    }

    /// Handles a client that has sent something or waited too long: starts its handshake, or drops it.
    fn begin(&mut self, spoken: Finished<Client<A>>) {
        let Finished { whom, since, outcome } = spoken;
        let Some((stream, names)) = outcome else { return self.left_out.note(Cause::Silent, Some(whom)) };
        self.left_out.note(Cause::Evicted, self.shaking.make_room());
        self.shaking.enter(whom, since, (self.shake)(stream, names));
    }
}

fn finished_handshake(finished: Finished<Result<Transport>>) -> Result<Transport> {
    finished.outcome.unwrap_or_else(|| {
        let (whom, limit) = (finished.whom, limits::HANDSHAKE_TIMEOUT);
        Err(Error::handshake(format!("{whom} has not finished its handshake after {limit:?}")))
    })
}

#[cfg(test)]
mod tests;
