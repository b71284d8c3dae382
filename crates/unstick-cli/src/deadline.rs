//! A limit of time around anything that is waited for.

use std::time::Duration;

/// What becomes of something in the time that is given; `None` where that was too short.
pub async fn within<T>(limit: Option<Duration>, doing: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, doing).await.ok(),
        None => Some(doing.await),
    }
}
