//! Handshakes of a listener: all clients shake hands at the same time, each for a bounded time, and when there are too many
//! the oldest unfinished one makes room for the next.
//!
//! Not here: the handshakes themselves ([`super::tls`], [`super::ws`]), and who waits for how long ([`room`]).

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

/// Where connections come from.
pub(super) trait Arrivals: Send + 'static {
    /// A connection that nothing has been made of yet.
    type Stream: Send + Sync + 'static;

    /// The next connection. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<(Self::Stream, PeerAddrs)>> + Send;

    /// Resolves when the client has sent something, or has gone. Takes nothing. Cancel safe.
    fn spoken(stream: &Self::Stream) -> impl Future<Output = ()> + Send;

    /// The addresses that it is really bound to.
    fn addresses(&self) -> &[String];

    /// As [`Accept::serves_one`].
    fn serves_one(&self) -> bool {
        false
    }
}

/// A listener whose clients shake hands.
pub(super) struct Handshakes {
    addresses: Vec<String>,
    serves_one: bool,
    ready: mpsc::Receiver<Result<Transport>>,
    task: AbortHandle,
}

impl Handshakes {
    /// Lets clients of `inner` in as `shake` does.
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

    /// Has the addresses end in a path.
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

/// How many clients may be on their way in.
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

/// A connection and who it is with.
type Client<A> = (<A as Arrivals>::Stream, PeerAddrs);

/// All clients that have connected and are no peers yet.
struct Lobby<A: Arrivals, S> {
    inner: A,
    shake: S,
    /// Those that have sent nothing: they cost a socket.
    silent: Room<Client<A>>,
    /// Those whose handshake is under way.
    shaking: Room<Result<Transport>>,
    /// Handshakes that are over, which nobody has taken yet.
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
            // What nobody takes must not pile up.
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

    /// A client has connected: its first byte is waited for.
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
            // The oldest silent client makes room. Where there is none, peers hold all open files.
            Err(error) if accepting::is_out_of_files(&error) => match self.silent.evict() {
                Some(whom) => self.left_out.note(Cause::Evicted, Some(whom)),
                None => self.outcomes.push_back(Err(error)),
            },
            Err(error) => self.outcomes.push_back(Err(error)),
        }
    }

    /// A client has sent something, or has waited too long: its handshake begins, or it is let go.
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
