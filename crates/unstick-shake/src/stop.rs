//! A handle that stops a run from outside.

use std::sync::Arc;

use tokio::sync::watch;

/// Stops the run that was given it: [`Shake::stopped_by`](super::Shake::stopped_by).
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Stops the run; it reports what it knows.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Resolves when the run is stopped.
    pub(super) async fn comes(&self) {
        let mut told = self.0.subscribe();
        // The sender is alive: `self` holds it.
        let _ = told.wait_for(|stop| *stop).await;
    }
}
