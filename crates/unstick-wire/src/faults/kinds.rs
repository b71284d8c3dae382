//! The faults that a plan can order, and what each applies to: messages, bytes or both.

use std::time::Duration;

use crate::role::Role;

/// What passes in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole messages: positions count them.
    Messages,
    /// Bytes without boundaries: positions are offsets in the stream.
    Bytes,
}

/// One thing that is to happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fault {
    /// Whose words it concerns; `None`: both sides'.
    pub(super) from: Option<Role>,
    /// Not before so many messages, or bytes, of that direction.
    pub(super) after: u64,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Of so many messages none arrives.
    Loss(Chance),
    Duplicate(Chance),
    /// A message is overtaken by so many.
    Reorder(Chance, u64),
    /// Bytes of which one bit is turned.
    Corrupt(Chance),
    /// Messages that are cut short; once, where no chance is given.
    Truncate(Option<Chance>),
    /// Everything takes between so and so long.
    Delay(Duration, Duration),
    /// So many bytes a second.
    Rate(u64),
    /// Nothing passes for so long, once.
    Stall(Duration),
    /// The conversation ends in order.
    Close,
    /// It ends in a reset.
    Reset,
    /// Segments of at most so many bytes.
    Cut(u64),
}

/// How often: of 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chance(pub(super) u64);

/// Names, whether each is for messages and for bytes, and what is written behind.
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
