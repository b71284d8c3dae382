//! The options of `send` and `receive`, and how they apply.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use unstick::service::transfer::{Links, Overwrite, Pacing};
use unstick::{Address, Error, FramedAddress, Options, Result};

use crate::options::proxy::ProxyArgs;
use crate::options::values::{at_least_one, duration, size_from_one};
use crate::{output, sanitize};

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

/// Whether this side listens or connects.
#[derive(Debug)]
pub enum End {
    /// This side listens at this address.
    Listen(Address),
    /// This side connects to a server at this address.
    Connect(Address),
}

impl TransferArgs {
    /// Returns this side's end of the connection. `option` is the option that names a server: `--to` or `--from`.
    ///
    /// # Errors
    ///
    /// If the user has named no end, or both, or an address that the plain protocol cannot use.
    pub fn end(&self, option: &str, server: Option<&str>) -> Result<End> {
        let waits = self.plain.as_ref().and_then(Option::as_deref);
        let parsed = |text: &str| -> Result<Address> {
            let framed: FramedAddress = text.parse()?;
            match framed.address {
                address @ (Address::Tcp(_) | Address::Unix(_)) if framed.framing.is_none() => Ok(address),
                _ => Err(Error::usage(format!("{text}: the plain protocol runs over TCP and unix: sockets"))
                    .with_hint("write PORT, HOST:PORT or unix:PATH")),
            }
        };
        match (waits, server) {
            (Some(_), Some(_)) => {
                Err(Error::usage(format!("--plain ADDRESS waits for clients, and {option} connects to a server"))
                    .with_hint(format!("to connect, put --plain last: {option} ADDRESS --plain")))
            }
            (Some(_), None) if self.retry.is_some() => {
                Err(Error::usage(format!("--retry is for connecting, with {option} ADDRESS")))
            }
            (None, Some(_)) if self.count.is_some() => {
                Err(Error::usage("--count is for waiting for clients, with --plain ADDRESS"))
            }
            (Some(address), None) => parsed(address).map(End::Listen),
            (None, Some(server)) => parsed(server).map(End::Connect),
            (None, None) => Err(Error::usage("an address is missing").with_hint(format!(
                "--plain ADDRESS waits for clients there; {option} ADDRESS --plain connects to a server"
            ))),
        }
    }

    /// The time limit for silence, and the rate limit.
    pub fn pacing(&self) -> Pacing {
        self.stall.map(Pacing::from).unwrap_or_default().limit(self.limit)
    }

    /// The options for opening a connection.
    pub fn options(&self) -> Options {
        if self.quiet {
            output::be_quiet();
        }
        let mut options = Options::default();
        options.retry = self.retry;
        #[cfg(unix)]
        {
            options.inherited = unstick::endpoint::Inherited::from_environment();
        }
        if self.verbose {
            options.trace = Some(Arc::new(|what: &str| output::notice(&sanitize::line(what))));
        }
        options
    }
}

/// `--links`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LinksArg {
    #[default]
    Skip,
    Keep,
    Follow,
}

impl From<LinksArg> for Links {
    fn from(asked: LinksArg) -> Self {
        match asked {
            LinksArg::Skip => Self::Skip,
            LinksArg::Keep => Self::Keep,
            LinksArg::Follow => Self::Follow,
        }
    }
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

impl From<OverwriteArg> for Overwrite {
    fn from(asked: OverwriteArg) -> Self {
        match asked {
            OverwriteArg::Never => Self::Never,
            OverwriteArg::Ask => Self::Ask,
            OverwriteArg::Newer => Self::Newer,
            OverwriteArg::Always => Self::Always,
        }
    }
}
