//! When something last happened, for the limits of time that others watch; and the wait for a time that may not be set.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use unstick_wire::limits::LONGEST_TIME;

/// When something last happened: noted by some, looked at by others, without a lock.
pub(crate) struct Activity {
    begun: Instant,
    /// In milliseconds from the beginning, and one more; 0 where nothing has happened yet.
    last: AtomicU64,
    /// Something is under way that counts as happening all the time.
    busy: AtomicBool,
}

impl Activity {
    /// Begins now, which counts as the first.
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), last: AtomicU64::new(0), busy: AtomicBool::new(false) }
    }

    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Something happens.
    pub(crate) fn note(&self) {
        let age = self.begun.elapsed().as_millis() + 1;
        self.last.store(age.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Something begins that counts as happening until it is over.
    pub(crate) fn begin(&self) {
        self.busy.store(true, Ordering::Relaxed);
    }

    /// It is over.
    pub(crate) fn over(&self) {
        self.note();
        self.busy.store(false, Ordering::Relaxed);
    }

    /// Whether something is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// When something last happened; the beginning, where nothing has.
    pub(crate) fn last(&self) -> Instant {
        self.noted().unwrap_or(self.begun)
    }

    /// When something last happened, if anything has.
    pub(crate) fn noted(&self) -> Option<Instant> {
        let age = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.begun + Duration::from_millis(age))
    }
}

/// A time that can be added to a moment: no longer than anybody can ask for.
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(LONGEST_TIME)
}

/// Ready at that time; never where there is none.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
