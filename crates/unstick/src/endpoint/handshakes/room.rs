//! A bounded number of clients that wait for something at the same time, in order of arrival.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::limits;

/// Clients that wait for a `T` each.
pub(super) struct Room<T> {
    tasks: JoinSet<(u64, Option<T>)>,
    /// By number: the oldest is first.
    waiting: BTreeMap<u64, Waiting>,
    /// Maximum number of clients.
    most: usize,
    entered: u64,
}

struct Waiting {
    whom: String,
    /// When it connected.
    since: Instant,
    task: AbortHandle,
}

/// A client that waits no longer.
pub(super) struct Finished<T> {
    pub(super) whom: String,
    /// When it connected.
    pub(super) since: Instant,
    /// `None` after [`limits::HANDSHAKE_TIMEOUT`].
    pub(super) outcome: Option<T>,
}

impl<T: Send + 'static> Room<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { tasks: JoinSet::new(), waiting: BTreeMap::new(), most, entered: 0 }
    }

    /// Returns until when no client can enter; `None` if one can at once.
    pub(super) fn full_until(&self) -> Option<Instant> {
        if self.waiting.len() < self.most {
            return None;
        }
        let (_, oldest) = self.waiting.first_key_value()?;
        let until = oldest.since + limits::HANDSHAKE_GRACE;
        (until > Instant::now()).then_some(until)
    }

    /// Disconnects the oldest client if there is no room for another, and returns which one that was.
    pub(super) fn make_room(&mut self) -> Option<String> {
        (self.waiting.len() >= self.most).then(|| self.evict()).flatten()
    }

    /// Disconnects the oldest client.
    pub(super) fn evict(&mut self) -> Option<String> {
        let (_, oldest) = self.waiting.pop_first()?;
        // Its connection goes with its task.
        oldest.task.abort();
        Some(oldest.whom)
    }

    /// Adds a client that connected at `since` and waits for `what`.
    pub(super) fn enter(&mut self, whom: String, since: Instant, what: impl Future<Output = T> + Send + 'static) {
        self.entered += 1;
        let key = self.entered;
        let until = since + limits::HANDSHAKE_TIMEOUT;
        let task = self.tasks.spawn(async move { (key, timeout_at(until, what).await.ok()) });
        self.waiting.insert(key, Waiting { whom, since, task });
    }

    /// Waits for the next client that waits no longer; `None` if no client waits. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Finished<T>> {
        loop {
            match self.tasks.join_next().await? {
                Ok((key, outcome)) => {
                    // A client that was done and then disconnected is no longer in the map.
                    if let Some(Waiting { whom, since, .. }) = self.waiting.remove(&key) {
                        return Some(Finished { whom, since, outcome });
                    }
                }
                Err(error) if error.is_panic() => self.waiting.retain(|_, waiting| waiting.task.id() != error.id()),
                Err(_) => {}
            }
        }
    }
}
