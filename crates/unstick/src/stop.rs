//! Says to a service that it is to end: what was taken is still written, within [`FLUSH_TIMEOUT`].

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::limits::{FINAL_FLUSH_TIMEOUT, FLUSH_TIMEOUT};

/// Ends every service that has its [`Stop`].
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Instant>>);

/// Told when a service is to end. The default is never.
#[derive(Debug, Clone, Default)]
pub struct Stop(Option<watch::Receiver<Option<Instant>>>);

impl Stopper {
    /// Nothing has been stopped yet.
    pub fn new() -> Self {
        Self(watch::channel(None).0)
    }

    /// What services are to be given.
    pub fn of(&self) -> Stop {
        Stop(Some(self.0.subscribe()))
    }

    /// They are to end, from now on. Needs no runtime around it; again is as good as once.
    pub fn stop(&self) {
        self.0.send_if_modified(|since| since.replace(since.unwrap_or_else(Instant::now)).is_none());
    }
}

impl Default for Stopper {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Resolves when it has been said. Cancel safe.
    pub async fn comes(&self) {
        if let Some(mut said) = self.0.clone()
            && said.wait_for(Option::is_some).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// Whether it has been said.
    pub fn has_come(&self) -> bool {
        self.since().is_some()
    }

    /// Resolves when the time for ending is over, too.
    pub async fn overdue(&self) {
        self.comes().await;
        tokio::time::sleep(self.left()).await;
    }

    /// What is left of the time for ending: a moment, at least.
    pub fn left(&self) -> Duration {
        let spent = self.since().map(|since| since.elapsed()).unwrap_or_default();
        FLUSH_TIMEOUT.saturating_sub(spent).max(FINAL_FLUSH_TIMEOUT)
    }

    fn since(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|said| *said.borrow())
    }
}
