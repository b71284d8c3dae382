//! What every run of a service has in common: the peers' numbers, the timeouts, and errors of accepting.

use std::time::Duration;

use tokio::time::Instant;

use crate::activity::sleep_until;
use crate::error::Error;
use crate::limits;

/// A peer's number: 1, 2, 3 ... in order of arrival, never reused in a run.
pub type PeerId = u64;

/// The timeouts of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timers {
    deadline: Option<(Instant, Duration)>,
    idle: Option<Duration>,
}

/// The timeout that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elapsed {
    /// Nothing has happened for this time.
    Idle(Duration),
    /// The run has lasted this time.
    Deadline(Duration),
}

impl Timers {
    /// Starts the timeouts of a run that begins now.
    pub(crate) fn start(deadline: Option<Duration>, idle: Option<Duration>) -> Self {
        Self { deadline: deadline.map(|after| (Instant::now() + after, after)), idle }
    }

    /// Waits until one of them has passed. `last` returns when something last happened. Cancel safe.
    pub(crate) async fn elapsed(self, last: impl Fn() -> Instant) -> Elapsed {
        loop {
            sleep_until(self.next(&last)).await;
            if let Some(elapsed) = self.check(Instant::now(), &last) {
                return elapsed;
            }
        }
    }

    /// Returns when to check next; `None` if there is no timeout.
    pub(crate) fn next(&self, last: impl Fn() -> Instant) -> Option<Instant> {
        let idle = self.idle.map(|after| last() + after);
        self.deadline.map(|(at, _)| at).into_iter().chain(idle).min()
    }

    /// Returns the timeout that has passed by `now`, if one has.
    pub(crate) fn check(&self, now: Instant, last: impl Fn() -> Instant) -> Option<Elapsed> {
        if let Some((_, after)) = self.deadline.filter(|(at, _)| now >= *at) {
            return Some(Elapsed::Deadline(after));
        }
        self.idle.filter(|after| now >= last() + *after).map(Elapsed::Idle)
    }
}

/// Reports errors of accepting only once in a while, so that a repeated error does not fill the screen.
#[derive(Debug, Default)]
pub(crate) struct AcceptErrors {
    reported: Option<Instant>,
}

impl AcceptErrors {
    /// Reports an error of accepting, and waits until it makes sense to accept again.
    pub(crate) async fn handle(&mut self, error: Error, report: impl FnOnce(&Error)) {
        // A client whose handshake failed is no lack of resources: the listener accepts the next one at once.
        if error.is_handshake() {
            return report(&error);
        }
        if self.reported.is_none_or(|at| at.elapsed() > limits::ACCEPT_ERROR_INTERVAL) {
            self.reported = Some(Instant::now());
            report(&error);
        }
        tokio::time::sleep(limits::ACCEPT_PAUSE).await;
    }
}
