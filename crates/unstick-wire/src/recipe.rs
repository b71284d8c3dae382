//! How the frames of a framing are found, as data: for programs that find them in another language.
//!
//! Each codec describes itself (`Codec::recipe`). Not here: those languages. Part of the program's own needs, not of the public interface.

/// How a codec finds frames: the name of a procedure, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// `length`, `line`, `delimited` ...
    pub procedure: &'static str,
    /// What it is told, by name.
    pub told: Vec<(&'static str, Told)>,
}

/// Something that a procedure is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A number.
    Number(i128),
    /// Yes or no.
    Flag(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several things, by name.
    Table(Vec<(&'static str, Told)>),
}

/// A phase of a stream.
#[derive(Debug, Clone)]
pub struct PhaseRecipe {
    /// How its frames are found.
    pub recipe: Recipe,
    /// Bytes of the longest message.
    pub max: usize,
    /// Number of frames that it holds for; 0 for the last phase.
    pub times: u64,
    /// It holds only for frames that have one of these runs at this offset.
    pub only: Option<(usize, Vec<Vec<u8>>)>,
    /// A message that has one of these runs at this offset is its last.
    pub last: Option<(usize, Vec<Vec<u8>>)>,
}

impl Recipe {
    /// A procedure that is told nothing.
    pub(crate) fn new(procedure: &'static str) -> Self {
        Self { procedure, told: Vec::new() }
    }

    /// Tells it a number.
    pub(crate) fn number(mut self, name: &'static str, number: impl Into<i128>) -> Self {
        self.told.push((name, Told::Number(number.into())));
        self
    }

    /// Tells it a number of bytes.
    pub(crate) fn size(self, name: &'static str, size: usize) -> Self {
        self.number(name, size as u64)
    }

    pub(crate) fn flag(mut self, name: &'static str, flag: bool) -> Self {
        self.told.push((name, Told::Flag(flag)));
        self
    }

    pub(crate) fn bytes(mut self, name: &'static str, bytes: &[u8]) -> Self {
        self.told.push((name, Told::Bytes(bytes.to_vec())));
        self
    }

    pub(crate) fn table(mut self, name: &'static str, table: Vec<(&'static str, Told)>) -> Self {
        self.told.push((name, Told::Table(table)));
        self
    }
}
