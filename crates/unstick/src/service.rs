//! Services: each drives links, or the bytes under them, and none imports another.

#[cfg(unix)]
pub mod lab;
pub mod pipe;
pub mod relay;
pub mod shake;
pub mod talk;
