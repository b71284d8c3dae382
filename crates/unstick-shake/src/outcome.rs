//! What one run of a conversation came to.

use std::fmt;
use std::time::Duration;

use unstick_wire::shake::{Direction, Recording, Tally};

/// How one direction of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It did not, while it was watched.
    Open,
    /// In order.
    Fin,
    /// By a reset.
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
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It did not, and was killed.
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
    /// Its directions, the client's first.
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
    /// One direction.
    pub fn of(&self, direction: Direction) -> &Side {
        &self.sides[direction.index()]
    }

    pub(super) fn of_mut(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction.index()]
    }
}

/// What one run came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The connections, in order.
    pub exchanges: Vec<Exchange>,
    /// How the client, or the program on pipes, ended; `None` where there is none.
    pub exit: Option<Exit>,
    /// What it printed, where that is compared.
    pub output: Option<Vec<u8>>,
    /// It was not over when its time was.
    pub late: bool,
    /// The last lines that the client, or the program on pipes, said on standard error.
    pub client_said: String,
    /// The last lines that the server said on standard output and error.
    pub server_said: String,
    /// What came about of the case.
    pub tally: Tally,
    /// How long it took.
    pub took: Duration,
    /// More was said than is kept.
    pub(super) overflowed: bool,
    /// Time that passed in waiting for cuts, joins and answers that settle.
    pub(super) waited: Duration,
    /// How long it took without waiting for cuts, joins and answers that settle.
    pub(super) active: Duration,
    /// What was measured of the answer, where unstick is the client.
    pub(super) timing: Timing,
    /// The longest silence of a sender between two of its segments.
    pub(super) pause: Duration,
}

/// What is measured of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    /// Bytes that came before the client's end was passed on.
    pub(super) before_end: usize,
    /// Some of them came behind the last byte that was sent; the last so long after it.
    pub(super) answered: bool,
    pub(super) answer: Duration,
    /// It did not come in the time that it takes without cuts.
    pub(super) given_up: bool,
    /// The client's end was passed on.
    pub(super) ended: bool,
    /// The server had ended its side before that.
    pub(super) ended_before: bool,
}

impl Outcome {
    /// Nothing has come behind the last byte that was sent, nor behind the end.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.timing.answered && self.answered() == self.timing.before_end
    }

    /// Part of the answer was given up, and came behind the client's end.
    pub(super) fn is_withheld(&self) -> bool {
        self.timing.given_up && self.timing.ended && self.answered() > self.timing.before_end
    }

    /// Bytes that came from the server, or the program on pipes, on all connections.
    pub(super) fn answered(&self) -> usize {
        self.exchanges.iter().map(|one| one.of(Direction::ServerToClient).recording.bytes.len()).sum()
    }

    /// Bytes that were said, all connections and the output together.
    pub(super) fn said(&self) -> usize {
        let sides = self.exchanges.iter().flat_map(|one| Direction::BOTH.map(|way| one.of(way).recording.bytes.len()));
        sides.sum::<usize>() + self.output.as_ref().map_or(0, Vec::len)
    }
}
