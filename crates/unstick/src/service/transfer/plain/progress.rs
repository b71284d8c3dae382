//! The progress of a file: its report, its pauses for the rate limit, and the error if it stalls.

use std::time::{Duration, Instant};

use super::super::pacing::Rate;
use crate::error::Error;

/// Gets the number of bytes of a file that have been moved so far.
pub type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);

/// Waits until more bytes may be moved. Cancel safe.
pub(super) async fn pause(rate: &Rate) {
    if let Some(until) = rate.wait(Instant::now()) {
        tokio::time::sleep_until(until.into()).await;
    }
}

pub(super) fn stalled(after: Duration) -> Error {
    Error::timed_out("waiting for the other side to go on", after)
}
