//! Reconnects whenever the connection is lost, after a pause that doubles with every failure.

use std::sync::Arc;

use tokio::time::Instant;

use super::config::Reconnect;
use super::event::{Event, Outcome, Reason};
use super::hub::{Alarm, Hub};
use crate::link::{self, Link};

impl Hub {
    /// Opens the first connection, and a new one whenever the last is lost. It stops with the run.
    pub(super) async fn reconnect(self: Arc<Self>, first: Link, how: Reconnect) {
        let _alarm = Alarm { hub: &self, task: "the task that connects again" };
        self.open(first);
        let mut pause = how.pause;
        loop {
            let opened = Instant::now();
            self.until(|state| state.peers.is_empty()).await;
            // A connection that is lost at once is no success: the pause goes on growing.
            if opened.elapsed() > how.longest {
                pause = how.pause;
            }
            let mut attempt = 0;
            let link = loop {
                attempt += 1;
                let sent = self.lock().take_sent();
                self.make_room().await;
                self.lock().emit(Event::Reconnecting { attempt, after: pause, sent });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(how.longest);
                match link::connect(&how.address, how.framings.as_ref(), &how.options).await {
                    Ok(link) => break link,
                    Err(error) if how.attempts.is_some_and(|most| attempt >= most) => {
                        return self.lock().end(Outcome::Failed(error));
                    }
                    Err(error) => self.report_error(None, &error),
                }
            };
            self.open(link);
        }
    }

    /// Whether this end of a connection ends the run, instead of a reconnect.
    pub(super) fn ends_for_good(&self, reason: &Reason, input_ended: bool) -> bool {
        match reason {
            // This end decided it, and would decide the same again.
            Reason::Closed | Reason::Until | Reason::Slow | Reason::Idle(_) | Reason::Refused(_) => true,
            // Everything has been sent, and nothing is awaited.
            Reason::Ended | Reason::Failed(_) => input_ended && !self.rules.has_another_end(),
        }
    }
}
