//! Describes what happens in a scene, act by act, as it was measured.

use std::time::Duration;

use bytes::Bytes;

/// How long a scene waits for anything that this machine's kernel must do. The longest such wait is for a late
/// acknowledgement, 40 to 200 ms; after more than this it will not happen.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Number of messages that are sent to count the lost ones.
pub const FLOOD: u32 = 10_000;

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One conversation of a scene, on its own sockets.
#[derive(Debug, Clone)]
pub struct Act {
    /// What it is called within its scene.
    pub name: &'static str,
    /// What it runs over.
    pub transport: Transport,
    /// What happened, in that order.
    pub events: Vec<Event>,
    /// Whether the effect that the act shows has appeared, as computed from the events.
    pub shown: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When: since the act's sockets were connected.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened. Offsets count the bytes that were sent before, in the whole act. This holds over UDP too, which itself has no
/// offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One call of `send` took all of these bytes.
    Sent {
        /// Of the first byte.
        offset: u64,
        /// What was sent.
        bytes: Bytes,
    },
    /// The network between the two sides passed these bytes on with one write.
    Passed {
        /// Of the first byte.
        offset: u64,
        /// What was passed on.
        bytes: Bytes,
    },
    /// The sender had to wait: the kernel took no more.
    Full,
    /// This number of bytes waits in the receiver's kernel for its next read. For datagrams, it counts the first one.
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
        /// Bytes of the same datagram that did not fit: they are lost.
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
    /// The sender closed its side of the stream.
    Closed,
    /// One call of `recv` returned nothing: the stream has ended.
    Ended,
    /// The reading program took an incomplete message for a whole one.
    Fooled {
        /// What it took, in one sentence.
        why: String,
    },
    /// A length was written into four bytes, sent, and read.
    Length {
        /// What it was.
        length: u64,
        /// What arrived, most significant byte first.
        bytes: [u8; 4],
        /// Their value as a signed integer.
        signed: i32,
        /// Their value as an unsigned integer.
        unsigned: u32,
    },
    /// This number of messages took this number of reads.
    Boundaries {
        /// Messages sent, each with one call.
        sent: u32,
        /// Calls of `recv` that returned them.
        reads: u32,
    },
    /// The longest message that arrived, among those that were tried.
    Largest {
        /// Its bytes.
        bytes: u64,
        /// One that the system refused to send, if it refused any.
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
