//! Services: each drives links, or the bytes under them, and none imports another.

pub mod pipe;
pub mod talk;
