//! Scenes on real sockets on loopback that show what TCP and UDP do to messages: what was sent, what was read, and when.
//!
//! One thread plays both sides, so that the order of what happens is the scene's and not luck's: a reader that is to be slow
//! reads only once the kernel says that its receive queue holds what it is to find there. Everything else is measured:
//! every byte, offset, time and count in an [`Event`] is what the sockets did in this run, and [`Act::shown`] is worked out
//! from them. An effect that this machine does not show is reported as not shown.
//!
//! ```
//! use unstick::service::lab::{Scene, What};
//!
//! let acts = Scene::SlowReader.play()?;
//! let reads = acts[0].events.iter().filter_map(|event| match &event.what {
//!     What::Read { bytes, .. } => Some(&bytes[..]),
//!     _ => None,
//! });
//! assert!(reads.eq([b"HelloWorld"]), "Hello and World were two sends");
//! # Ok::<_, unstick::Error>(())
//! ```
//!
//! Not here: the words and the drawing around a scene, which are the program's; and the cures, which are framings.

mod compare;
mod datagrams;
mod length;
mod recorder;
mod stream;

use std::time::Duration;

use bytes::Bytes;

use crate::Result;

/// How long a scene waits for anything that the kernel of this machine is to do. The longest such wait is that for a late
/// acknowledgement, 40 to 200 ms; more than this means that it will not happen.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Messages that are sent to count those that are lost.
pub const FLOOD: u32 = 10_000;

/// What can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scene {
    /// Two sends read as one: the sender's kernel gathered them (Nagle's algorithm).
    Nagle,
    /// Two sends read as one: both had arrived before the reader looked.
    SlowReader,
    /// One send read as three: so it was delivered.
    Split,
    /// A message longer than the reader's buffer.
    SmallBuffer,
    /// A length that arrives with its body, and one that arrives in two pieces.
    Length,
    /// What a length of four bytes can say, signed and not, and what happens past it.
    Range,
    /// The same over UDP: boundaries are kept.
    Datagrams,
    /// A datagram longer than the reader's buffer.
    CutShort,
    /// Datagrams that are lost because the reader is slow, and TCP in its place.
    Loss,
    /// TCP and UDP side by side, measured.
    Compare,
}

impl Scene {
    /// Every scene, in the order in which they tell one story.
    pub const ALL: [Self; 10] = [
        Self::Nagle,
        Self::SlowReader,
        Self::Split,
        Self::SmallBuffer,
        Self::Length,
        Self::Range,
        Self::Datagrams,
        Self::CutShort,
        Self::Loss,
        Self::Compare,
    ];

    /// Its name, as it is typed and as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nagle => "nagle",
            Self::SlowReader => "slow-reader",
            Self::Split => "split",
            Self::SmallBuffer => "small-buffer",
            Self::Length => "length",
            Self::Range => "range",
            Self::Datagrams => "datagrams",
            Self::CutShort => "cut-short",
            Self::Loss => "loss",
            Self::Compare => "compare",
        }
    }

    /// Plays it: opens sockets on loopback, and hands back each act once all are over.
    ///
    /// Blocks, for less than a second where the machine is idle: an asynchronous caller gives it a thread (`spawn_blocking`).
    ///
    /// # Errors
    ///
    /// Where this machine has no sockets on 127.0.0.1 to give, and where something that loopback always does has not
    /// happened within [`PATIENCE`]. An effect that does not appear is no error: [`Act::shown`] is then false.
    pub fn play(self) -> Result<Vec<Act>> {
        match self {
            Self::Nagle => stream::nagle(),
            Self::SlowReader => stream::slow_reader(),
            Self::Split => stream::split(),
            Self::SmallBuffer => stream::small_buffer(),
            Self::Length => length::length(),
            Self::Range => length::range(),
            Self::Datagrams => datagrams::datagrams(),
            Self::CutShort => datagrams::cut_short(),
            Self::Loss => datagrams::loss(),
            Self::Compare => compare::compare(),
        }
    }
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One conversation of a scene, on sockets of its own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Act {
    /// What it is called within its scene.
    pub name: &'static str,
    /// What it runs over.
    pub transport: Transport,
    /// What happened, in that order.
    pub events: Vec<Event>,
    /// The effect that the act is there for has appeared: worked out from the events.
    pub shown: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When: since the act's sockets were connected.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened. Offsets count the bytes that were sent before, in the whole act; over UDP too, where nothing else does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// One call of `send` took all of these bytes.
    Sent {
        /// Of the first byte.
        offset: u64,
        /// What was sent.
        bytes: Bytes,
    },
    /// What stands between the two, as a network does, passed these bytes on with one write.
    Passed {
        /// Of the first byte.
        offset: u64,
        /// What was passed on.
        bytes: Bytes,
    },
    /// The sender had to wait: the kernel took no more.
    Full,
    /// So many bytes wait in the receiver's kernel for its next read. Of datagrams, it counts the first.
    Queued {
        /// How many.
        bytes: u64,
    },
    /// One call of `recv` returned.
    Read {
        /// Of the first byte.
        offset: u64,
        /// Bytes that it had room for.
        room: usize,
        /// What it returned.
        bytes: Bytes,
        /// Bytes of the same datagram that there was no room for: they are gone.
        cut: usize,
    },
    /// The reading program took these bytes for a message.
    Took {
        /// The message.
        bytes: Bytes,
    },
    /// The reading program cannot go on.
    Stuck {
        /// Why, in one sentence.
        why: String,
    },
    /// A length was written into four bytes, sent, and read.
    Length {
        /// What it was.
        length: u64,
        /// What arrived, most significant byte first.
        bytes: [u8; 4],
        /// What they say to a reader that takes them for a signed integer.
        signed: i32,
        /// What they say to a reader that takes them for an unsigned one.
        unsigned: u32,
    },
    /// So many messages took so many reads.
    Boundaries {
        /// Messages sent, each with a call of its own.
        sent: u32,
        /// Calls of `recv` that returned them.
        reads: u32,
    },
    /// The longest message that went through, among those that were tried.
    Largest {
        /// Its bytes.
        bytes: u64,
        /// One that the system refused to send, where it refused any.
        refused: Option<u64>,
    },
    /// How much of a flood arrived, when the reader read only once the sender was done or had to wait.
    Flood {
        /// Messages sent.
        sent: u32,
        /// Messages that arrived.
        received: u32,
    },
    /// How long a message took from `send` to the return of `recv`.
    Time {
        /// Messages that were timed.
        messages: u32,
        /// The median.
        median: Duration,
    },
}
