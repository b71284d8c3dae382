//! Counts datagrams of a listener that reached no session, and reports them a few at a time.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits;

/// Datagrams that a listener did not give to any session, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// They came from new peers, and as many sessions are open as are allowed.
    Refused {
        /// How many datagrams.
        datagrams: u64,
        /// The limit (`max_sessions`).
        sessions: usize,
    },
    /// Their source is the listener's own address, which only a forged datagram has.
    Forged {
        /// How many datagrams.
        datagrams: u64,
    },
    /// The system dropped them: its receive queue was full.
    Lost {
        /// How many datagrams.
        datagrams: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |datagrams: u64| match datagrams {
            1 => "1 datagram was".to_owned(),
            many => format!("{many} datagrams were"),
        };
        match *self {
            Self::Refused { datagrams, sessions } => {
                write!(f, "{} refused: {sessions} sessions are open (max_sessions)", count(datagrams))
            }
            Self::Forged { datagrams } => {
                write!(f, "{} dropped: the source is this listener's own address, so it is forged", count(datagrams))
            }
            Self::Lost { datagrams } => {
                write!(f, "{} lost: the system's receive queue was full", count(datagrams))
            }
        }
    }
}

/// The counts of one listener. Each kind is reported when it first happens, then at most every
/// [`NOTICE_PAUSE`](limits::NOTICE_PAUSE) with what has come since, so that a flood of datagrams does not become a
/// flood of notices.
#[derive(Debug)]
pub struct Notices {
    sessions: usize,
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    refused: u64,
    forged: u64,
    lost: u64,
    /// When the next notice may be reported.
    not_before: Option<Instant>,
}

impl Notices {
    pub(super) fn new(sessions: usize) -> Self {
        Self { sessions, counts: Mutex::default(), changed: Notify::new() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts());
        self.changed.notify_one();
    }

    pub(super) fn refused(&self, datagrams: u64) {
        self.count(|counts| counts.refused += datagrams);
    }

    pub(super) fn forged(&self, datagrams: u64) {
        self.count(|counts| counts.forged += datagrams);
    }

    pub(super) fn lost(&self, datagrams: u64) {
        if datagrams > 0 {
            self.count(|counts| counts.lost += datagrams);
        }
    }

    /// Returns what has not been reported yet, if anything, without a pause: for the end of a run.
    pub fn take(&self) -> Option<Notice> {
        let mut counts = self.counts();
        let taken = |count: &mut u64| Some(std::mem::take(count)).filter(|datagrams| *datagrams > 0);
        if let Some(datagrams) = taken(&mut counts.lost) {
            return Some(Notice::Lost { datagrams });
        }
        if let Some(datagrams) = taken(&mut counts.refused) {
            return Some(Notice::Refused { datagrams, sessions: self.sessions });
        }
        taken(&mut counts.forged).map(|datagrams| Notice::Forged { datagrams })
    }

    /// Waits for the next notice. Cancel safe. It is for one task: a second one that waits may get its notice late.
    pub async fn next(&self) -> Notice {
        loop {
            let not_before = self.counts().not_before;
            if let Some(at) = not_before {
                sleep_until(at).await;
            }
            if let Some(notice) = self.take() {
                let mut counts = self.counts();
                let more = counts.lost + counts.refused + counts.forged > 0;
                counts.not_before = (!more).then(|| Instant::now() + limits::NOTICE_PAUSE);
                return notice;
            }
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NOTICE_PAUSE`.
    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_at_once_and_then_merged() {
        let notices = Notices::new(3);
        notices.refused(1);
        let begun = Instant::now();
        assert_eq!(notices.next().await, Notice::Refused { datagrams: 1, sessions: 3 });
        assert_eq!(begun.elapsed(), std::time::Duration::ZERO);
        for _ in 0..310 {
            notices.refused(1);
        }
        notices.lost(7);
        assert_eq!(notices.next().await, Notice::Lost { datagrams: 7 });
        assert_eq!(begun.elapsed(), limits::NOTICE_PAUSE);
        assert_eq!(notices.next().await, Notice::Refused { datagrams: 310, sessions: 3 });
        assert_eq!((begun.elapsed(), notices.take()), (limits::NOTICE_PAUSE, None));
    }
}
