//! What is recorded, and where.

use std::path::PathBuf;

use unstick::wire::Role;
use unstick::{Address, Framings};

/// What is recorded, and where.
pub struct Recording {
    pub path: PathBuf,
    /// Bytes of the file at which another one is begun.
    pub max: Option<u64>,
    pub about: About,
}

/// What the first line of a recording says.
pub struct About {
    /// `listen`, `connect`, `ask` or `bridge`.
    pub verb: &'static str,
    /// The side of a conversation that this end takes.
    pub role: Role,
    pub address: Address,
    /// The server of a bridge.
    pub to: Option<Address>,
    pub framings: Option<Framings>,
}
