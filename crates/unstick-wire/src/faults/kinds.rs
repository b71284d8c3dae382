//! The faults that a plan can contain, and what each applies to: messages, bytes or both.

use std::time::Duration;

use crate::role::Role;

/// The unit that passes in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole messages: positions count them.
    Messages,
    /// Bytes without boundaries: positions are offsets in the stream.
    Bytes,
}

/// One fault of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fault {
    /// The side whose messages or bytes it applies to; `None`: both sides.
    pub(super) from: Option<Role>,
    /// The fault starts after this many messages, or bytes, of that direction.
    pub(super) after: u64,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A share of the messages does not arrive.
    Loss(Chance),
    Duplicate(Chance),
    /// A message is overtaken by this many others.
    Reorder(Chance, u64),
    /// One bit of a byte is flipped.
    Corrupt(Chance),
    /// Messages are cut short; once, if no chance is given.
    Truncate(Option<Chance>),
    /// Everything is delayed by a time between these two.
    Delay(Duration, Duration),
    /// At most this many bytes a second.
    Rate(u64),
    /// Nothing passes for this long, once.
    Stall(Duration),
    /// The conversation ends in order.
    Close,
    /// The conversation ends in a reset.
    Reset,
    /// Segments of at most this many bytes.
    Cut(u64),
}

/// A probability, in units of 1/2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chance(pub(super) u64);

/// The name of each fault, and whether it is for messages and for bytes.
pub(super) const NAMES: &[(&str, bool, bool)] = &[
    ("loss", true, false),
    ("dup", true, false),
    ("reorder", true, false),
    ("corrupt", true, true),
    ("truncate", true, false),
    ("delay", true, true),
    ("rate", true, true),
    ("stall", true, true),
    ("close", true, true),
    ("reset", true, true),
    ("cut", false, true),
];

impl Kind {
    /// Its row of [`NAMES`].
    pub(super) fn row(self) -> usize {
        match self {
            Self::Loss(_) => 0,
            Self::Duplicate(_) => 1,
            Self::Reorder(..) => 2,
            Self::Corrupt(_) => 3,
            Self::Truncate(_) => 4,
            Self::Delay(..) => 5,
            Self::Rate(_) => 6,
            Self::Stall(_) => 7,
            Self::Close => 8,
            Self::Reset => 9,
            Self::Cut(_) => 10,
        }
    }
}
