//! Locks whose holder has panicked: what they guard is text for people, which is shown as it is.

use std::sync::{LockResult, PoisonError};

/// What is locked, whoever has panicked with it. The panic ends the process, after what is left has been shown.
pub fn unpoisoned<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
