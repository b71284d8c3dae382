//! How a shaking is ended from outside.

use std::sync::Arc;

use tokio::sync::watch;

/// Ends a shaking that was given it: [`Shake::stopped_by`](super::Shake::stopped_by).
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Ends it; it reports what it knows.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Resolves when it was ended.
    pub(super) async fn comes(&self) {
        let mut told = self.0.subscribe();
        // Its sender is here.
        let _ = told.wait_for(|stop| *stop).await;
    }
}
