//! The options of a bridge: the other address, its framing, and the faults between them.

use clap::Args;
use unstick::{Error, Result};

use crate::options::completion::specs;
use crate::options::values::number;
use crate::options::websocket::WsBridgeArgs;

/// The server that a listener forwards its clients to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bridge")]
pub struct BridgeArgs {
    /// Connect every client to the server at ADDRESS and forward both ways: bytes, or messages where the framings differ
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// The framing on the server's side, if it differs from -f
    #[arg(long, value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
    pub to_frame: Option<String>,
    /// Print what passes: time, peer, direction (c2s, s2c), length, and text or bytes
    #[arg(long)]
    pub dump: bool,
    /// Inject a fault (repeatable). Into messages: loss=5%, dup=1%, reorder=2%,gap=3, truncate; into bytes: cut=1; into
    /// both: delay=50ms..80ms, rate=1M, corrupt=1:1000, stall=2s, close, reset. SPEC,after=N lets N messages or bytes pass
    /// first; c2s: or s2c: in front limits it to one direction
    #[arg(long, value_name = "SPEC")]
    pub fault: Vec<String>,
    /// Seed of the random choices; the same seed repeats the same run [default: 0]
    #[arg(long, value_name = "N", value_parser = number)]
    pub seed: Option<u64>,
    /// What to pass on from one WebSocket to the other.
    #[command(flatten)]
    pub passing: WsBridgeArgs,
}

impl BridgeArgs {
    /// Refuses options of a bridge if `--to` is missing.
    pub fn check_unused(&self) -> Result<()> {
        let (names, does) = match self {
            asked if asked.to_frame.is_some() => ("--to-frame", "is the framing at the other end of a bridge"),
            asked if asked.dump => ("--dump", "shows what passes through a bridge"),
            asked if !asked.fault.is_empty() => ("--fault", "is for what passes through a bridge"),
            asked if asked.seed.is_some() => ("--seed", "is for the faults of a bridge"),
            _ => return Ok(()),
        };
        let error = Error::usage(format!("{names} {does}, and this run is not a bridge"));
        Err(error.with_hint("--to ADDRESS makes it one: it forwards everything there, and the answers back"))
    }
}
