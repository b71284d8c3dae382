//! A connection that is made again whenever it is lost, after a pause that doubles with every failure.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::hub::{Alarm, Hub};
use super::{Event, Outcome, Output, Reason};
use crate::address::{Address, Framings};
use crate::endpoint::Options;
use crate::limits;
use crate::link::{self, Link};

/// How a lost connection is made again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reconnect {
    /// Where to.
    pub address: Address,
    /// How it is framed, where it is a stream.
    pub framings: Option<Framings>,
    /// How it is connected to.
    pub options: Options,
    /// Attempts that may fail in a row before the run fails; without end where there is none.
    pub attempts: Option<u64>,
    /// The pause before the first attempt, which doubles up to `longest`:
    /// [`RECONNECT_PAUSE`](limits::RECONNECT_PAUSE).
    pub pause: Duration,
    /// The longest pause: [`RECONNECT_LONGEST`](limits::RECONNECT_LONGEST).
    pub longest: Duration,
}

impl Reconnect {
    /// To this address, without end.
    pub fn to(address: Address, framings: Option<Framings>, options: Options) -> Self {
        let (pause, longest) = (limits::RECONNECT_PAUSE, limits::RECONNECT_LONGEST);
        Self { address, framings, options, attempts: None, pause, longest }
    }
}

impl<O: Output> Hub<O> {
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
                    Err(error) => self.complain(None, &error),
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
