//! Records when something last happened, for timeouts that other code watches. Also waits for an optional time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use unstick_wire::limits::LONGEST_TIME;

/// The time of the last event. Some code records it and other code reads it, without a lock.
pub(crate) struct Activity {
    begun: Instant,
    /// Milliseconds since `begun`, plus one; 0 while nothing has happened yet.
    last: AtomicU64,
    /// Whether something is in progress. It counts as happening all the time.
    busy: AtomicBool,
}

impl Activity {
    /// Starts now. [`last`](Self::last) returns this time until something happens.
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), last: AtomicU64::new(0), busy: AtomicBool::new(false) }
    }

    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Records that something happens now.
    pub(crate) fn note(&self) {
        let age = self.begun.elapsed().as_millis() + 1;
        self.last.store(age.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Marks the start of something that counts as happening until [`over`](Self::over).
    pub(crate) fn begin(&self) {
        self.busy.store(true, Ordering::Relaxed);
    }

    /// Marks its end, and records this time.
    pub(crate) fn over(&self) {
        self.note();
        self.busy.store(false, Ordering::Relaxed);
    }

    /// Whether something is in progress.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// When something last happened, or the start if nothing has.
    pub(crate) fn last(&self) -> Instant {
        self.noted().unwrap_or(self.begun)
    }

    /// When something last happened; `None` if nothing has.
    pub(crate) fn noted(&self) -> Option<Instant> {
        let age = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.begun + Duration::from_millis(age))
    }
}

/// Limits a time so that it can be added to an `Instant`. No user can ask for a longer one.
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(LONGEST_TIME)
}

/// Waits until that time, or for ever if there is none.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
