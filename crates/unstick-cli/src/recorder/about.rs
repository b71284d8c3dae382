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

impl Recording {
    /// Whether packets are written, and not lines: the name of the file tells.
    pub fn is_of_packets(&self) -> bool {
        self.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("pcapng"))
    }
}

impl About {
    /// The framing of both directions, if it is one, makes messages, and is known.
    pub fn framing(&self) -> Option<&str> {
        let Framings { inbound, outbound } = self.framings.as_ref()?;
        let is_one = inbound.as_str() == outbound.as_str() && !inbound.is_raw() && !inbound.is_chosen();
        is_one.then_some(inbound.as_str())
    }
}
