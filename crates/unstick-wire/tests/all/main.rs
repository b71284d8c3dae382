//! All tests of the wire crate that need no allocator of their own, in one binary.
//!
//! `suite` gives every framing the same tests with one line. The other modules test what belongs to one framing, one
//! limit, or one moment in time.

// clippy.toml allows it in tests, and does not see that what tests call is test code too.
#![allow(clippy::unwrap_used)]

mod damaged;
mod dialogues;
mod drive;
mod endings;
mod faults;
mod fit;
mod golden_format;
mod goldens;
mod guess;
mod house;
mod layouts;
mod limits;
mod linear;
mod phases;
mod protocols;
mod reassembly;
mod segmenter;
mod specs;
mod suite;
mod times;
mod transcript;
mod transfer;
mod transfer_holes;
mod vectors;
