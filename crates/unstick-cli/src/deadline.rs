//! Puts a time limit around a future.

use std::time::Duration;

/// Returns the future's output, or `None` if the time was too short.
pub async fn within<T>(limit: Option<Duration>, doing: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, doing).await.ok(),
        None => Some(doing.await),
    }
}
