//! All tests of the capture crate, in one binary.

// clippy.toml allows it in tests, and does not see that what tests call is test code too.
#![allow(clippy::unwrap_used)]

mod build;
mod files;
mod hostile;
mod order;
mod packets;
