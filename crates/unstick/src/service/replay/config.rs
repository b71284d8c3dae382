//! How a replay runs.

use std::time::Duration;

use crate::wire::faults::Plan;
use crate::{Options, Stop};

/// How long to wait for an answer by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a replay runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The options of the address.
    pub options: Options,
    /// How fast it is played.
    pub speed: Speed,
    /// What a client gets whose request is not that of the recording.
    pub on_mismatch: OnMismatch,
    /// Whether a server serves one client and ends.
    pub once: bool,
    /// How long a client waits for an answer.
    pub patience: Duration,
    /// How long a server that is told to stop waits for the clients that it serves.
    pub grace: Duration,
    /// The faults of what is sent: `s2c` as a server, `c2s` as a client.
    pub faults: Plan,
    /// The seed of their random choices.
    pub seed: u64,
    /// When a server stops.
    pub stop: Stop,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            options: Options::default(),
            speed: Speed::MAX,
            on_mismatch: OnMismatch::Reset,
            once: false,
            patience: PATIENCE,
            grace: Duration::ZERO,
            faults: Plan::default(),
            seed: 0,
            stop: Stop::default(),
        }
    }
}

/// What a client gets that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMismatch {
    /// A reset.
    Reset,
    /// An orderly end.
    Close,
}

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// `None`: without pauses.
    factor: Option<f64>,
}

/// The factors that make sense.
const FACTORS: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

impl Speed {
    /// Without pauses.
    pub const MAX: Self = Self { factor: None };

    /// With the recorded pauses, divided by a factor of 0.001 to 1000; `None` for another factor.
    pub fn times(factor: f64) -> Option<Self> {
        FACTORS.contains(&factor).then_some(Self { factor: Some(factor) })
    }

    /// Waits as long as the recording did, at this speed.
    pub(super) async fn wait(self, recorded: Duration) {
        if let Some(factor) = self.factor {
            tokio::time::sleep(recorded.div_f64(factor)).await;
        }
    }
}
