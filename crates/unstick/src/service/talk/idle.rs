//! The end of a peer that has been silent for too long: nothing came from it, and it took nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::run::PeerId;
use super::hub::Hub;
use crate::activity::Activity;
use crate::limits;
use crate::link::Sender;

impl Hub {
    /// When something last came from a peer, noted by its visit; nothing where nobody asks.
    pub(super) fn heard(&self) -> Option<Arc<Activity>> {
        self.rules.peer_idle.map(|_| Arc::new(Activity::new()))
    }

    /// Ready when nothing has passed in either direction for as long as the rules allow.
    pub(super) async fn peer_is_idle(&self, id: PeerId, heard: Option<Arc<Activity>>, sender: Sender) -> Duration {
        let Some((heard, after)) = heard.zip(self.rules.peer_idle) else { return std::future::pending().await };
        let (mut taken, mut last) = (sender.taken(), heard.begun());
        loop {
            let sent = if sender.is_datagram() { self.lock().peers.get(&id).and_then(|peer| peer.sent) } else { None };
            let now = Instant::now();
            // A peer that waits for its answer is not silent: it is this end's turn.
            let heard = if heard.is_busy() { now } else { heard.last() };
            last = last.max(heard).max(sent.unwrap_or(last));
            if now >= last + after {
                return after;
            }
            // What it takes is looked at now and then: no message has to look at the clock for that.
            tokio::time::sleep_until((last + after).min(now + after / limits::IDLE_LOOKS)).await;
            if std::mem::replace(&mut taken, sender.taken()) != taken {
                last = Instant::now();
            }
        }
    }
}
