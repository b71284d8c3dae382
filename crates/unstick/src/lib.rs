//! Whole messages over any socket.

pub use unstick_wire as wire;
