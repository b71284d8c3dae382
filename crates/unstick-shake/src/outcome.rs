//! The outcome of one run of a conversation.

use std::fmt;
use std::time::Duration;

use unstick_wire::shake::{Direction, Recording, Tally};

/// How one direction of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It did not end while it was watched.
    Open,
    /// It ended in order.
    Fin,
    /// It ended by a reset.
    Reset,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "stays open",
            Self::Fin => "ends",
            Self::Reset => "is reset",
        })
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// It exited with this status.
    Status(i32),
    /// A signal ended it.
    Signal(i32),
    /// It did not end, and was killed.
    Never,
    /// A service inside a test panicked.
    Panic,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exits {status}"),
            Self::Signal(signal) => write!(f, "is ended by signal {signal}"),
            Self::Never => f.write_str("does not end"),
            Self::Panic => f.write_str("panics"),
        }
    }
}

/// One connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Its two directions, the client's first.
    sides: [Side; 2],
}

/// One direction of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// What was sent.
    pub recording: Recording,
    /// How it ended.
    pub ending: Ending,
}

impl Default for Side {
    fn default() -> Self {
        Self { recording: Recording::default(), ending: Ending::Open }
    }
}

impl Exchange {
    /// One of its directions.
    pub fn of(&self, direction: Direction) -> &Side {
        &self.sides[direction.index()]
    }

    pub(super) fn of_mut(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction.index()]
    }
}

/// The outcome of one run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The connections, in order.
    pub exchanges: Vec<Exchange>,
    /// How the client, or the program on pipes, ended; `None` if there is none.
    pub exit: Option<Exit>,
    /// What it printed, if that is compared.
    pub output: Option<Vec<u8>>,
    /// Whether the run did not end in time.
    pub late: bool,
    /// The last lines that the client, or the program on pipes, printed on standard error.
    pub client_said: String,
    /// The last lines that the server printed on standard output and error.
    pub server_said: String,
    /// How the cuts and joins of the case were delivered.
    pub tally: Tally,
    /// How long the run took.
    pub took: Duration,
    /// Whether more bytes were sent than are kept.
    pub(super) overflowed: bool,
    /// Time spent waiting for cuts, joins and answers that settle.
    pub(super) waited: Duration,
    /// How long the run took without that waiting.
    pub(super) active: Duration,
    /// The timing of the answer, if unstick is the client.
    pub(super) timing: Timing,
    /// The longest silence of a sender between two of its segments.
    pub(super) pause: Duration,
}

/// Measurements of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    /// Number of bytes that came before the client's end was passed on.
    pub(super) before_end: usize,
    /// Whether some of them came after the last byte that was sent; and how long after it the last of them came.
    pub(super) answered: bool,
    pub(super) answer: Duration,
    /// Whether the answer did not come in the time that it takes without cuts.
    pub(super) given_up: bool,
    /// Whether the client's end was passed on.
    pub(super) ended: bool,
    /// Whether the server had ended its side before that.
    pub(super) ended_before: bool,
}

impl Outcome {
    /// Whether nothing has come after the last byte that was sent, nor after the end.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.timing.answered && self.answered() == self.timing.before_end
    }

    /// Whether part of the answer was given up, and came after the client's end.
    pub(super) fn is_withheld(&self) -> bool {
        self.timing.given_up && self.timing.ended && self.answered() > self.timing.before_end
    }

    /// Number of bytes that came from the server, or the program on pipes, on all connections.
    pub(super) fn answered(&self) -> usize {
        self.exchanges.iter().map(|one| one.of(Direction::ServerToClient).recording.bytes.len()).sum()
    }

    /// Number of bytes that were sent, of all connections and the output together.
    pub(super) fn said(&self) -> usize {
        let sides = self.exchanges.iter().flat_map(|one| Direction::BOTH.map(|way| one.of(way).recording.bytes.len()));
        sides.sum::<usize>() + self.output.as_ref().map_or(0, Vec::len)
    }
}
