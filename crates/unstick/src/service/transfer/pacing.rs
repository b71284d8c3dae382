//! How long silence is borne, and how many bytes go a second: time is passed in.

use std::time::{Duration, Instant};

use crate::limits::TRANSFER_STALL;

/// How long a transfer bears silence, and how fast it goes.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pacing {
    /// A connection on which the other side says nothing for so long is lost.
    pub stall: Duration,
    /// Bytes a second that go over the connection at most; `None` for as many as it takes.
    pub limit: Option<u64>,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { stall: TRANSFER_STALL, limit: None }
    }
}

impl From<Duration> for Pacing {
    /// With this limit of silence, and no other.
    fn from(stall: Duration) -> Self {
        Self { stall, limit: None }
    }
}

impl Pacing {
    /// As it is unless told otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this limit of silence.
    #[must_use]
    pub fn stall(self, stall: Duration) -> Self {
        Self { stall, ..self }
    }

    /// With at most so many bytes a second.
    #[must_use]
    pub fn limit(self, limit: Option<u64>) -> Self {
        Self { limit, ..self }
    }
}

/// How much of a pause is made up for.
const LATE: Duration = Duration::from_millis(100);

/// Bytes a second, spread evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    limit: Option<u64>,
    /// From then on the next bytes may go.
    free: Option<Instant>,
}

impl Rate {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit, free: None }
    }

    /// So many bytes have gone.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) {
        if let Some(limit) = self.limit {
            let takes = Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
            // A timer that wakes late is made up for.
            let earliest = now.checked_sub(LATE).unwrap_or(now);
            let from = self.free.map_or(now, |free| free.max(earliest));
            self.free = from.checked_add(takes);
        }
    }

    /// Until when nothing more may go.
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
        let mut rate = Rate::new(None);
        rate.spend(usize::MAX, begun);
        assert_eq!(rate.wait(begun), None);
    }
}
