//! A connection that is made again whenever it is lost, after a pause that doubles with every failure.

use std::sync::Arc;

use tokio::time::Instant;

use super::config::Reconnect;
use super::event::{Event, Outcome, Reason};
use super::hub::{Alarm, Hub};
use crate::link::{self, Link};

impl Hub {
    /// Opens the first connection, and another whenever the last is lost. The end of the run ends this too.
    pub(super) async fn reconnect(self: Arc<Self>, first: Link, how: Reconnect) {
        let _alarm = Alarm { hub: &self, task: "the task that connects again" };
        self.open(first);
        let mut pause = how.pause;
        loop {
            let opened = Instant::now();
            self.until(|state| state.peers.is_empty()).await;
            // One that is lost at once has not been mended: the pause goes on growing.
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

    /// Whether the end of a connection that is made again ends the run: how, if so.
    pub(super) fn ends_for_good(&self, reason: &Reason, input_ended: bool) -> bool {
        match reason {
            // This end wanted it so, and would want it so again.
            Reason::Closed | Reason::Until | Reason::Slow | Reason::Idle(_) | Reason::Refused(_) => true,
            // All has been said, and nothing is waited for.
            Reason::Ended | Reason::Failed(_) => input_ended && !self.rules.has_another_end(),
        }
    }
}
