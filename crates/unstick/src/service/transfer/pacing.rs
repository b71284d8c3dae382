//! Time limit and rate limit of a transfer. The caller passes the time.

use std::time::{Duration, Instant};

use crate::limits::TRANSFER_STALL;

/// The time limit and the rate limit of a transfer.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pacing {
    /// A connection counts as lost once the other side has sent nothing for this long.
    pub stall: Duration,
    /// Most bytes a second over the connection; `None` for no limit.
    pub limit: Option<u64>,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { stall: TRANSFER_STALL, limit: None }
    }
}

impl From<Duration> for Pacing {
    /// With this time limit, and without a rate limit.
    fn from(stall: Duration) -> Self {
        Self { stall, limit: None }
    }
}

impl Pacing {
    /// The default: [`TRANSFER_STALL`], and no rate limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time limit.
    #[must_use]
    pub fn stall(self, stall: Duration) -> Self {
        Self { stall, ..self }
    }

    /// Sets the rate limit, in bytes a second.
    #[must_use]
    pub fn limit(self, limit: Option<u64>) -> Self {
        Self { limit, ..self }
    }
}

/// How much lost time may be made up for.
const LATE: Duration = Duration::from_millis(100);

/// Spreads bytes evenly over time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    limit: Option<u64>,
    /// The moment from which more bytes may be sent.
    free: Option<Instant>,
}

impl Rate {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit, free: None }
    }

    /// Records that bytes have been sent or received.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) {
        if let Some(limit) = self.limit {
            let takes = Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
            // A timer may wake up late. The time lost in that way is made up for.
            let earliest = now.checked_sub(LATE).unwrap_or(now);
            let from = self.free.map_or(now, |free| free.max(earliest));
            self.free = from.checked_add(takes);
        }
    }

    /// How many of these bytes to send at once: with a limit no more than a quarter of a second's, so that the other side
    /// never waits long for the next ones.
    pub(super) fn most(&self, bytes: usize) -> usize {
        let most = self.limit.map_or(u64::MAX, |limit| (limit / 4).max(1));
        usize::try_from(most).unwrap_or(usize::MAX).min(bytes)
    }

    /// Until when to wait; `None` if bytes may be sent now.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        self.free.filter(|free| *free > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spread_evenly_and_a_pause_earns_little() {
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        let mut rate = Rate::new(Some(1000));
        assert_eq!(rate.wait(begun), None);
        rate.spend(100, begun);
        rate.spend(200, begun);
        assert_eq!(rate.wait(begun), Some(after(300)));
        assert_eq!(rate.wait(after(300)), None);
        rate.spend(50, after(310));
        assert_eq!(rate.wait(after(310)), Some(after(350)), "10 ms late");
        rate.spend(150, after(9000));
        assert_eq!(rate.wait(after(9000)), Some(after(9050)));
        assert_eq!([rate.most(0), rate.most(100), rate.most(1000)], [0, 100, 250]);
        assert_eq!(Rate::new(Some(1)).most(1000), 1);
        let mut rate = Rate::new(None);
        assert_eq!(rate.most(usize::MAX), usize::MAX);
        rate.spend(usize::MAX, begun);
        assert_eq!(rate.wait(begun), None);
    }
}
