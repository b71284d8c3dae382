//! Runs each verb, from its arguments to its exit status.

pub mod ask;
pub mod bridge;
pub mod decode;
pub mod encode;
pub mod framings;
pub mod generate;
pub mod guess;
#[cfg(unix)]
pub mod lab;
pub mod replay;
pub mod shake;
pub mod talk;
#[cfg(unix)]
pub mod transfer;
#[cfg(not(unix))]
mod unavailable;

#[cfg(not(unix))]
pub use unavailable::{lab, transfer};
