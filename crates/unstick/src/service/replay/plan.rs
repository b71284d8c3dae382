//! What is replayed, and how.

use super::config::Config;
use super::recorded::Recorded;
use crate::wire::Framing;
use crate::wire::replay::{Playbook, Rules};

/// A recording, and how it is played.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Replay {
    /// The framings of what the client and the server send; `None` for datagrams and messages.
    pub framings: Option<[Framing; 2]>,
    /// The messages, and how they are compared: [`Playbook::learn`] learns volatile bytes from another recording.
    pub book: Playbook,
    /// How it runs.
    pub config: Config,
}

impl Replay {
    /// Plays these connections, and compares every byte.
    pub fn new(recorded: Recorded) -> Self {
        Self::with_rules(recorded, Rules::default())
    }

    /// Plays these connections, and compares by these rules.
    pub fn with_rules(recorded: Recorded, rules: Rules) -> Self {
        let Recorded { framings, scripts, .. } = recorded;
        Self { framings, book: Playbook::new(scripts, rules), config: Config::default() }
    }
}
