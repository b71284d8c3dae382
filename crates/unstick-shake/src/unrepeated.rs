//! Cases that differed in some runs and passed in others: reported, and held against nobody.

use unstick_wire::shake::Case;

/// A case whose outcome differed in some runs and not in the others. Nothing shows that its cut does it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unrepeated {
    /// The case.
    pub case: Case,
    /// What happened when it differed, in a few words.
    pub headline: String,
    /// How often the case ran.
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

/// How often a case ran, and how often it differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) all: u32,
    pub(super) otherwise: u32,
}

impl Runs {
    /// The first run, which differed.
    pub(super) const FIRST: Self = Self { all: 1, otherwise: 1 };

    /// With another run.
    pub(super) fn and(self, differed: bool) -> Self {
        Self { all: self.all + 1, otherwise: self.otherwise + u32::from(differed) }
    }
}
