//! Closes a peer that has been idle for too long: it sent nothing and took nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::run::PeerId;
use super::hub::Hub;
use crate::activity::Activity;
use crate::limits;
use crate::link::Sender;

impl Hub {
    /// Returns the record of when something last came from a peer, which the peer's task keeps. `None` without such a
    /// limit.
    pub(super) fn heard(&self) -> Option<Arc<Activity>> {
        self.rules.peer_idle.map(|_| Arc::new(Activity::new()))
    }

    /// Waits until nothing has passed in either direction for as long as the configuration allows.
    pub(super) async fn peer_is_idle(&self, id: PeerId, heard: Option<Arc<Activity>>, sender: Sender) -> Duration {
        let Some((heard, after)) = heard.zip(self.rules.peer_idle) else { return std::future::pending().await };
        let (mut taken, mut last) = (sender.taken(), heard.begun());
        loop {
            let sent = if sender.is_datagram() { self.lock().peers.get(&id).and_then(|peer| peer.sent) } else { None };
            let now = Instant::now();
            // A peer that waits for its answer is not idle: it is this end's turn.
            let heard = if heard.is_busy() { now } else { heard.last() };
            last = last.max(heard).max(sent.unwrap_or(last));
            if now >= last + after {
                return after;
            }
            // What the peer takes is checked now and then, so that no message has to read the clock for it.
            tokio::time::sleep_until((last + after).min(now + after / limits::IDLE_LOOKS)).await;
            if std::mem::replace(&mut taken, sender.taken()) != taken {
                last = Instant::now();
            }
        }
    }
}
