//! The messages of a recorded connection.

use std::time::Duration;

use bytes::Bytes;

use crate::role::Role;

/// The messages of one recorded connection, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its number in the recording.
    pub connection: u64,
    /// The messages of both sides.
    pub steps: Vec<Step>,
    /// Whether the server ended its direction before the client did.
    pub server_ends_first: bool,
}

/// One recorded message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The side that sent it.
    pub from: Role,
    /// The message.
    pub message: Bytes,
    /// The message with its frame, as it was recorded. Empty if it had none: a datagram, for example.
    pub frame: Bytes,
    /// Time since the message before it.
    pub after: Duration,
}

impl Step {
    /// A message with its frame.
    pub fn new(from: Role, message: impl Into<Bytes>, frame: impl Into<Bytes>, after: Duration) -> Self {
        Self { from, message: message.into(), frame: frame.into(), after }
    }
}
