//! A bridge that passes message by message: between unlike framings, between streams and datagrams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::tap::Watch;
use super::{Passed, PeerId, Reason, Side};
use crate::error::Error;
use crate::link::{Link, Receiver, Sender};

/// One bridge.
pub(super) struct Messages {
    pub(super) watch: Arc<dyn Watch>,
    pub(super) peer: PeerId,
    /// What passes is shown.
    pub(super) shown: bool,
    /// How long the other direction goes on when one has ended and datagrams cannot tell that.
    pub(super) linger: Duration,
    begun: Instant,
    /// When a message last passed, in milliseconds from the beginning.
    last: AtomicU64,
    passed: [AtomicU64; 2],
    /// A datagram found nobody: said once.
    told: [AtomicU64; 2],
}

/// How one direction ended.
enum Ended {
    InOrder,
    /// Who sends is lost, or breaks its framing.
    Source(Error),
    /// Who receives is lost, or cannot be sent this.
    Target(Error),
}

impl Messages {
    pub(super) fn new(watch: Arc<dyn Watch>, peer: PeerId, shown: bool, linger: Duration) -> Self {
        let (begun, last) = (Instant::now(), AtomicU64::new(0));
        Self { watch, peer, shown, linger, begun, last, passed: Default::default(), told: Default::default() }
    }

    /// Passes messages until both directions have ended.
    pub(super) async fn pass(&self, client: Link, server: Link) -> (Reason, Passed) {
        let ((client, client_says), (server, server_says)) = (client.split(), server.split());
        let datagrams = client.is_datagram() || server.is_datagram();
        let ended = Notify::new();
        let reason = tokio::select! {
            reason = self.both(&client, client_says, &server, server_says, &ended) => reason,
            () = self.quiet(datagrams, &ended) => Reason::Ended,
        };
        if let Reason::Failed { side, .. } = &reason {
            // Who is left learns it as it happened.
            if *side == Side::Client {
                server.abort()
            } else {
                client.abort()
            }
            client.abort();
            server.abort();
        }
        (reason, Passed { up: self.passed[0].load(Ordering::Relaxed), down: self.passed[1].load(Ordering::Relaxed) })
    }

    async fn both(
        &self,
        client: &Sender,
        client_says: Receiver,
        server: &Sender,
        server_says: Receiver,
        ended: &Notify,
    ) -> Reason {
        let mut up = std::pin::pin!(self.direction(Side::Client, client_says, server));
        let mut down = std::pin::pin!(self.direction(Side::Server, server_says, client));
        let (mut up_done, mut down_done) = (false, false);
        let mut lost = None;
        while !(up_done && down_done) {
            let (from, direction_ended) = tokio::select! {
                ended = &mut up, if !up_done => (Side::Client, ended),
                ended = &mut down, if !down_done => (Side::Server, ended),
            };
            ended.notify_one();
            let other = from.other();
            match (from, direction_ended) {
                (_, Ended::Source(error)) => return Reason::Failed { side: from, error },
                // What cannot be sent on is not passed over: whoever reads the other messages would not know.
                (_, Ended::Target(error)) if error.is_message() => return Reason::Failed { side: from, error },
                (Side::Client, Ended::InOrder) => up_done = true,
                (Side::Server, Ended::InOrder) => down_done = true,
                (_, Ended::Target(error)) => {
                    if from == Side::Client {
                        up_done = true
                    } else {
                        down_done = true
                    }
                    lost.get_or_insert(Reason::Failed { side: other, error });
                }
            }
        }
        lost.unwrap_or(Reason::Ended)
    }

    /// Ready when one direction has ended, its receiver could not be told, and the other has been quiet for a while.
    async fn quiet(&self, datagrams: bool, ended: &Notify) {
        if !datagrams {
            return std::future::pending().await;
        }
        ended.notified().await;
        self.until_quiet().await;
    }

    /// Ready when nothing has passed for `linger`, from now on.
    async fn until_quiet(&self) {
        let since = Instant::now();
        loop {
            let last = self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let until = last.max(since) + self.linger;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    async fn direction(&self, from: Side, mut says: Receiver, to: &Sender) -> Ended {
        loop {
            match says.arrival().await {
                Ok(true) => {}
                Ok(false) => break,
                // A datagram of ours found nobody: the next may.
                Err(error) if error.is_unreachable() => {
                    if self.told[from as usize].swap(1, Ordering::Relaxed) == 0 {
                        self.watch.puzzled(self.peer, error);
                    }
                    continue;
                }
                Err(error) => return Ended::Source(error),
            }
            if self.shown
                && let Some(room) = self.watch.room()
            {
                room.await;
            }
            loop {
                match says.try_next() {
                    Ok(Some(message)) => {
                        if self.shown {
                            self.watch.passed(self.peer, from, message);
                        }
                        if let Err(error) = send(to, message).await {
                            return Ended::Target(error);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Ended::Source(error),
                }
                self.passed[from as usize].fetch_add(1, Ordering::Relaxed);
            }
            let age = self.begun.elapsed().as_millis();
            self.last.store(age.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
            self.watch.note();
        }
        if to.ends_both() {
            // Whom this ends altogether is given time for what it has to say still.
            self.until_quiet().await;
        }
        match to.finish().await {
            Ok(()) => Ended::InOrder,
            Err(error) => Ended::Target(error),
        }
    }
}

async fn send(to: &Sender, message: &[u8]) -> Result<(), Error> {
    match to.try_send(message)? {
        true => Ok(()),
        false => to.send(message).await,
    }
}
