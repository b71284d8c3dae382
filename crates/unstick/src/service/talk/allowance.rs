//! Limits how many of a peer's datagrams are answered automatically: a number a second, and more at once after a quiet
//! time.
//!
//! A datagram's source can be forged. If it names another program that answers automatically, the two would answer each
//! other for ever. The first datagram that is left unanswered ends that.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// A token bucket of answers, which fills with time.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Answers a second.
    rate: u64,
    /// Saved time, at most [`ANSWER_BURST`](limits::ANSWER_BURST) seconds; each answer costs its share.
    saved: Duration,
    counted: Instant,
    /// Number of unanswered datagrams that were not reported yet, and when they may be reported.
    unanswered: u64,
    report_at: Instant,
}

impl Allowance {
    pub(super) fn new(rate: u64) -> Self {
        let now = Instant::now();
        Self { rate: rate.max(1), saved: most(), counted: now, unanswered: 0, report_at: now }
    }

    /// Whether one more datagram may be answered now; if not, counts it.
    pub(super) fn permits(&mut self, now: Instant) -> bool {
        self.saved = (self.saved + now.saturating_duration_since(self.counted)).min(most());
        self.counted = now;
        let cost = Duration::from_secs(1) / u32::try_from(self.rate).unwrap_or(u32::MAX);
        match self.saved.checked_sub(cost) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => {
                self.unanswered += 1;
                false
            }
        }
    }

    /// Returns when to report unanswered datagrams, if there are any.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.unanswered > 0).then_some(self.report_at)
    }

    /// Returns the number of unanswered datagrams, once it is time to report them or the conversation ends; 0 if there
    /// is nothing to report. After that nothing is reported for a while.
    pub(super) fn take_unanswered(&mut self, now: Instant, ends: bool) -> u64 {
        if now < self.report_at && !ends {
            return 0;
        }
        if self.unanswered > 0 {
            self.report_at = now + limits::NOTICE_PAUSE;
        }
        std::mem::take(&mut self.unanswered)
    }
}

/// Returns the most that a quiet peer can save up.
fn most() -> Duration {
    Duration::from_secs(limits::ANSWER_BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ANSWER_RATE`, `ANSWER_BURST`, `NOTICE_PAUSE`.
    #[tokio::test(start_paused = true)]
    async fn a_burst_is_answered_and_then_so_many_a_second() {
        let mut allowance = Allowance::new(limits::ANSWER_RATE);
        let burst = limits::ANSWER_RATE * limits::ANSWER_BURST;
        let permitted = |allowance: &mut Allowance, tried: u64| {
            (0..tried).filter(|_| allowance.permits(Instant::now())).count() as u64
        };
        assert_eq!(permitted(&mut allowance, burst + 100), burst);
        assert_eq!(allowance.take_unanswered(Instant::now(), false), 100);
        assert_eq!(permitted(&mut allowance, 5), 0);
        assert_eq!(allowance.take_unanswered(Instant::now(), false), 0, "not so soon again");
        tokio::time::advance(limits::NOTICE_PAUSE).await;
        assert!(allowance.due().is_some_and(|at| at <= Instant::now()));
        assert_eq!(allowance.take_unanswered(Instant::now(), false), 5);
        assert_eq!(permitted(&mut allowance, 10_000), limits::ANSWER_RATE, "a second's worth");
        assert_eq!(
            allowance.take_unanswered(Instant::now(), true),
            10_000 - limits::ANSWER_RATE,
            "the end waits for nothing"
        );
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(permitted(&mut allowance, 10_000), burst, "at most one burst is saved up");
    }
}
