//! Cases that differed in some runs and passed in others. They are reported, but are not findings.

use unstick_wire::shake::Case;

/// A case that differed in some of its runs. There is no proof that its cut causes the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unrepeated {
    /// The case.
    pub case: Case,
    /// What happened when it differed, in a few words.
    pub headline: String,
    /// How many times the case ran.
    pub runs: u32,
    /// How many of these runs differed.
    pub otherwise: u32,
}

impl std::fmt::Display for Unrepeated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { case, headline, runs, otherwise } = self;
        write!(f, "{case} in {otherwise} of {runs} runs: {headline}")
    }
}

/// How many times a case ran, and in how many runs it differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) all: u32,
    pub(super) otherwise: u32,
}

impl Runs {
    /// The first run, which differed.
    pub(super) const FIRST: Self = Self { all: 1, otherwise: 1 };

    /// Adds another run.
    pub(super) fn and(self, differed: bool) -> Self {
        Self { all: self.all + 1, otherwise: self.otherwise + u32::from(differed) }
    }
}
