//! The evidence from runs with a case and runs without it.

/// What runs with a case and without it have shown.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// Number of runs with the case, and as many without it, in random order.
    pub runs: u32,
    /// Number of runs with the case that differed from every run without it.
    pub otherwise: u32,
    /// The probability of that if the case made no difference (Fisher's exact test).
    pub chance: f64,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, otherwise, chance } = self;
        let odds = (1.0 / chance).round();
        write!(
            f,
            "in {otherwise} of {runs} runs with it and in none of {runs} without, in mixed order: chance would do that once in {odds} times"
        )
    }
}
