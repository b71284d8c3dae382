//! How the options of `send` and `receive` apply.

use std::sync::Arc;

use unstick::service::transfer::{Links, Overwrite, Pacing};
use unstick::{Address, Error, FramedAddress, Options, Result};

use crate::options::transfer::{LinksArg, OverwriteArg, TransferArgs};
use crate::{output, sanitize};

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
        options.inherited = unstick::endpoint::Inherited::from_environment();
        if self.verbose {
            options.trace = Some(Arc::new(|what: &str| output::notice(&sanitize::line(what))));
        }
        options
    }
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
