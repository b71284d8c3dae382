//! What a replay reports while it runs, and what came of it.

use std::fmt;
use std::time::Duration;

use crate::wire::Role;
use crate::wire::faults::Unit;
use crate::wire::replay::Difference;
use crate::{Error, Result};

/// Differences that an [`Outcome`] describes; the others are counted.
const MOST_DESCRIBED: usize = 16;

/// Where something differs from the recording.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Place {
    /// The number of the client, or of the connection that is made.
    pub peer: u64,
    /// The number of the connection in the recording.
    pub connection: u64,
    /// The number of the message in it, of both sides, from 1 on.
    pub message: usize,
    /// Whose message.
    pub from: Role,
}

/// Something that happens in a replay.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server accepts connections.
    Listening(&'a [String]),
    /// A message is not that of the recording, is missing, or is one more.
    Differs {
        /// Where.
        place: Place,
        /// The recorded message; `None` if the recording has none here.
        recorded: Option<&'a [u8]>,
        /// The received message; `None` if none has come.
        received: Option<&'a [u8]>,
        /// Where the two begin to differ.
        at: Difference,
    },
    /// The server has not ended the connection, as the recorded one did.
    NotEnded {
        /// The number of the connection that was made.
        peer: u64,
        /// Its number in the recording.
        connection: u64,
    },
    /// A connection has failed; `None`: a client could not be accepted.
    Failed {
        /// The number of the client, or of the connection that is made.
        peer: Option<u64>,
        /// Why.
        error: &'a Error,
    },
    /// The faults that were injected into what was sent on a connection.
    Faulted {
        /// The number of the client, or of the connection that is made.
        peer: u64,
        /// The side that is played.
        from: Role,
        /// The unit in which `taken` counts.
        unit: Unit,
        /// How much there was to send.
        taken: u64,
        /// The names of the faults, and how often each was injected.
        counts: &'a [(&'static str, u64)],
    },
    /// A connection is over.
    Closed {
        /// The number of the client, or of the connection that was made.
        peer: u64,
        /// Its number in the recording.
        connection: u64,
        /// Number of messages that passed as a server, and of answers that were compared as a client.
        messages: usize,
        /// Whether it was as it was recorded.
        same: bool,
        /// How long it took.
        took: Duration,
    },
}

/// What came of a replay.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Number of connections that were played.
    pub connections: usize,
    /// Number of connections that differed from the recording.
    pub differing: usize,
    /// Number of messages that were compared.
    pub compared: usize,
    /// The first differences, as sentences.
    pub differences: Vec<String>,
}

impl Outcome {
    /// Whether something was compared, and nothing differed.
    pub fn is_same(&self) -> bool {
        self.differing == 0 && self.compared > 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, differing, compared, differences } = self;
        write!(f, "{differing} of {connections} connections differ, {compared} messages compared")?;
        differences.iter().try_for_each(|text| write!(f, "\n{text}"))
    }
}

/// Who is told what happens.
pub(super) type Tell = Box<dyn FnMut(Event<'_>) -> Result<()> + Send>;

/// Passes events on, and keeps count.
pub(super) struct Reporter {
    tell: Tell,
    outcome: Outcome,
}

impl Reporter {
    pub(super) fn new(tell: Tell) -> Self {
        Self { tell, outcome: Outcome::default() }
    }

    /// Passes an event on.
    pub(super) fn put(&mut self, event: Event<'_>) -> Result<()> {
        let outcome = &mut self.outcome;
        match &event {
            Event::Closed { messages, same, .. } => {
                outcome.connections += 1;
                outcome.differing += usize::from(!same);
                outcome.compared += messages;
            }
            other if outcome.differences.len() < MOST_DESCRIBED => outcome.differences.extend(sentence(other)),
            _ => {}
        }
        (self.tell)(event)
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }
}

/// Describes what differs.
fn sentence(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Differs { place, recorded, received, at } => {
            let Place { peer, connection, message, from } = place;
            let way = if *from == Role::Client { "c2s" } else { "s2c" };
            let place = format!("peer {peer}: message {message} ({way}) of connection {connection}");
            let show = |bytes: &[u8], at: usize| {
                let part = &bytes[at.min(bytes.len())..bytes.len().min(at + 32)];
                String::from_utf8_lossy(part).escape_debug().to_string()
            };
            Some(match (recorded, received) {
                (Some(one), Some(other)) => {
                    let (from, one, other) = (at.recorded, show(one, at.recorded), show(other, at.received));
                    format!("{place} differs from byte {from} on: recorded \"{one}\", received \"{other}\"")
                }
                (Some(one), None) => format!("{place} has not come: \"{}\"", show(one, 0)),
                (_, other) => {
                    format!("{place} is one more than the recording has: \"{}\"", show(other.unwrap_or_default(), 0))
                }
            })
        }
        Event::NotEnded { peer, connection } => {
            Some(format!("peer {peer}: the server has not ended, as connection {connection} did"))
        }
        Event::Failed { peer: Some(peer), error } => Some(format!("peer {peer}: {error}")),
        _ => None,
    }
}
