//! The arguments of `replay`.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use crate::options::completion::specs;
use crate::options::values::{at_least_one, duration};

/// `replay`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("side").required(true).args(["listen", "to"]))]
pub struct Replay {
    /// The recording to replay (--record) [default: standard input]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Listen on ADDRESS as the server: every client gets the answers of a recorded connection, as long as its requests are those of
    /// the recording
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Connect to ADDRESS as the client: send the requests of each recorded connection, and compare the answers
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// The framing [default: that of the recording]
    #[arg(short = 'f', long = "frame", value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
    pub frame: Option<String>,
    /// Replay this connection alone: its number in the recording
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub connection: Option<u64>,
    /// How fast: max, real (with the recorded pauses), or a factor such as 2x [default: max]
    #[arg(long, value_name = "SPEED", value_parser = speed, default_value = "max", hide_default_value = true)]
    pub speed: Speed,
    /// Do not compare these bytes of messages: OFFSET..OFFSET, from 0 on, the second one not included (repeatable)
    #[arg(long, value_name = "OFFSET..OFFSET", value_parser = range)]
    pub mask: Vec<Range<usize>>,
    /// What a client gets whose request is not that of the recording: error (the connection is reset) or close [default: error]
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true,
        default_value = "error",
        hide_default_value = true,
        conflicts_with = "to"
    )]
    pub on_mismatch: OnMismatch,
    /// Serve one client, then exit: with 6 if it differed
    #[arg(long, conflicts_with = "to")]
    pub once: bool,
    /// Give up on an answer after TIME [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "listen")]
    pub deadline: Option<Duration>,
    /// Keep trying for TIME if nothing listens there yet
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "listen")]
    pub retry: Option<Duration>,
    /// Print events, one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// What a client gets that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnMismatch {
    /// A reset.
    Error,
    /// An orderly end.
    Close,
}

/// How fast a recording is replayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// `None`: without pauses.
    factor: Option<f64>,
}

impl Speed {
    /// Waits as long as the recording did, at this speed.
    pub async fn wait(self, recorded: Duration) {
        if let Some(factor) = self.factor {
            tokio::time::sleep(recorded.div_f64(factor)).await;
        }
    }
}

/// The factors that make sense.
const FACTORS: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

fn speed(text: &str) -> Result<Speed, String> {
    let factor = match text {
        "max" => return Ok(Speed { factor: None }),
        "real" => Some(1.0),
        text => text.strip_suffix('x').and_then(|number| number.parse().ok()),
    };
    let factor = factor.filter(|factor| FACTORS.contains(factor));
    factor.map(|factor| Speed { factor: Some(factor) }).ok_or_else(|| "max, real, or a factor such as 2x".to_owned())
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let range = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.filter(|range| range.start < range.end).ok_or_else(|| "a range of offsets such as 4..8".to_owned())
}
