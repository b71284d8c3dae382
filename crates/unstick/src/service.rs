//! The services: each drives links, or the bytes under them. No service imports another.

pub mod bridge;
pub mod pipe;
#[cfg(feature = "replay")]
pub mod replay;
pub(crate) mod run;
pub mod talk;
#[cfg(all(unix, feature = "transfer"))]
pub mod transfer;
