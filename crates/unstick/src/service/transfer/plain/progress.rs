//! How far a file has come, and what is reported where it does not go on.

use std::time::Duration;

use crate::error::Error;

/// Told how many bytes of a file have been moved so far.
pub type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);

pub(super) fn stalled(after: Duration) -> Error {
    Error::timed_out("waiting for the other side to go on", after)
}
