//! All tests of the capture crate, in one binary.

// clippy.toml allows it in tests, and does not see that what tests call is test code too.
#![allow(clippy::unwrap_used)]

mod build;
mod files;
#[path = "../../../unstick-wire/tests/all/golden_format.rs"]
mod golden_format;
mod hostile;
mod order;
mod packets;
