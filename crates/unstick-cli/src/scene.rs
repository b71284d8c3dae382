//! The scenes that `lab` can play, and their names.

/// A scene that can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scene {
    /// Two sends read as one: the sender's kernel gathered them (Nagle's algorithm).
    Nagle,
    /// Two sends read as one: both had arrived before the reader looked.
    SlowReader,
    /// One send read as three: it was delivered in three segments.
    Split,
    /// A message longer than the reader's buffer.
    SmallBuffer,
    /// A length that arrives with its body, and one that arrives in two pieces.
    Length,
    /// What a length of four bytes can hold, signed and unsigned, and what happens beyond that.
    Range,
    /// A file with its length in front, and one that ends with the stream.
    File,
    /// The same over UDP, which keeps the boundaries.
    Datagrams,
    /// A datagram longer than the reader's buffer.
    CutShort,
    /// Datagrams that are lost because the reader is slow, and TCP instead.
    Loss,
    /// TCP and UDP side by side, measured.
    Compare,
}

impl Scene {
    /// Every scene, in the order in which they tell one story.
    pub const ALL: [Self; 11] = [
        Self::Nagle,
        Self::SlowReader,
        Self::Split,
        Self::SmallBuffer,
        Self::Length,
        Self::Range,
        Self::File,
        Self::Datagrams,
        Self::CutShort,
        Self::Loss,
        Self::Compare,
    ];

    /// Returns the scene's name, as the user types it and as JSON shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nagle => "nagle",
            Self::SlowReader => "slow-reader",
            Self::Split => "split",
            Self::SmallBuffer => "small-buffer",
            Self::Length => "length",
            Self::Range => "range",
            Self::File => "file",
            Self::Datagrams => "datagrams",
            Self::CutShort => "cut-short",
            Self::Loss => "loss",
            Self::Compare => "compare",
        }
    }
}
