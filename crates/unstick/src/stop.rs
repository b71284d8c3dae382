//! Tells a service to stop. It still writes what it has accepted, within [`FLUSH_TIMEOUT`].

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::limits::{FINAL_FLUSH_TIMEOUT, FLUSH_TIMEOUT};

/// Stops every service that has its [`Stop`].
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Instant>>);

/// Tells a service when to stop. The default is never.
#[derive(Debug, Clone, Default)]
pub struct Stop(Option<watch::Receiver<Option<Instant>>>);

impl Stopper {
    /// Creates a stopper that has not stopped anything yet.
    pub fn new() -> Self {
        Self(watch::channel(None).0)
    }

    /// Returns a [`Stop`] to give to a service.
    pub fn of(&self) -> Stop {
        Stop(Some(self.0.subscribe()))
    }

    /// Tells the services to stop, from now on. It needs no runtime. Further calls change nothing.
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
    /// Waits until the service is told to stop. Cancel safe.
    pub async fn comes(&self) {
        if let Some(mut said) = self.0.clone()
            && said.wait_for(Option::is_some).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// Whether the service has been told to stop.
    pub fn has_come(&self) -> bool {
        self.since().is_some()
    }

    /// Waits until the service is told to stop and its time to stop is over.
    pub async fn overdue(&self) {
        self.comes().await;
        tokio::time::sleep(self.left()).await;
    }

    /// Time left to stop: at least [`FINAL_FLUSH_TIMEOUT`].
    pub fn left(&self) -> Duration {
        let spent = self.since().map(|since| since.elapsed()).unwrap_or_default();
        FLUSH_TIMEOUT.saturating_sub(spent).max(FINAL_FLUSH_TIMEOUT)
    }

    fn since(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|said| *said.borrow())
    }
}
