//! The progress of a file, and the error if it stalls.

use std::time::Duration;

use crate::error::Error;

/// Gets the number of bytes of a file that have been moved so far.
pub type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);

pub(super) fn stalled(after: Duration) -> Error {
    Error::timed_out("waiting for the other side to go on", after)
}
