//! Services: each drives links, and none imports another.

pub mod talk;
