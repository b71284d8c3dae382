//! Takes locks whose holder has panicked: they guard text for people, which is shown as it is.

use std::sync::{LockResult, PoisonError};

/// Returns the locked value even if its holder has panicked. The panic ends the process after the remaining text was
/// shown.
pub fn unpoisoned<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
