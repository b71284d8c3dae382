//! The options of `send` and `receive`.
//!
//! Not here: how they apply (`verb/transfer`).

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::options::proxy::ProxyArgs;
use crate::options::values::{at_least_one, duration, size_from_one};

/// How files are sent and received.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Use the plain protocol for scripts: no TLS; SHA-256 verifies each file. With ADDRESS, wait for clients there: PORT, HOST:PORT or
    /// unix:PATH; without a host: loopback. To connect, put --plain last, without ADDRESS
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
    pub plain: Option<Option<String>>,
    /// Wait for the other side at ADDRESS: PORT, HOST:PORT, unix:PATH, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH or ws+unix:PATH:/PATH; TLS runs inside
    /// [default: a free port of every address of this machine]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// With --plain, stop after N files
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub count: Option<u64>,
    /// Close a connection on which nothing moves for TIME; without --plain, a new connection continues [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub stall: Option<Duration>,
    /// Send and receive at most SIZE bytes a second: 500K, 10M [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size_from_one)]
    pub limit: Option<u64>,
    /// Print what would be sent or received, with its size in bytes, and move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// With --plain, keep trying for TIME if nothing listens there yet
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub retry: Option<Duration>,
    /// Also print the ticket as a QR code
    #[arg(long, help_heading = "Output")]
    pub qr: bool,
    /// Print events as one JSON object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print resolved names, tried addresses and times
    #[arg(short, long, overrides_with = "quiet", help_heading = "Output")]
    pub verbose: bool,
    /// Print files and errors only: no listening address, no notices and no progress
    #[arg(short, long, overrides_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// The proxy for TCP.
    #[command(flatten)]
    pub proxy: ProxyArgs,
}

/// `--links`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LinksArg {
    #[default]
    Skip,
    Keep,
    Follow,
}

/// `--overwrite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OverwriteArg {
    #[default]
    Never,
    Ask,
    Newer,
    Always,
}
