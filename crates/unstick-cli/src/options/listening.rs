//! The options for listening, and how they apply.

use clap::Args;
use unstick::{Address, Error, Options, Result};

use crate::options::values::{at_least_one, mode};

/// How to listen on an address.
#[derive(Debug, Args)]
#[command(next_help_heading = "Listening")]
pub struct ListenArgs {
    /// Serve one conversation, then exit
    #[arg(long)]
    pub once: bool,
    /// Serve at most N peers at once; later ones wait in the backlog
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_peers: Option<u64>,
    /// Serve one peer after the other; later ones wait in the backlog
    #[arg(long, conflicts_with = "max_peers")]
    pub one_at_a_time: bool,
    /// Refuse a port whose earlier connections are still in TIME_WAIT (do not set SO_REUSEADDR)
    #[arg(long)]
    pub no_reuseaddr: bool,
    /// Set the permissions of a unix: socket's file, in octal: 600, 660
    #[arg(long, value_name = "OCTAL", value_parser = mode)]
    pub mode: Option<u32>,
}

/// Maximum number of peers at once.
pub fn max_peers(args: &ListenArgs) -> Option<usize> {
    if args.one_at_a_time { Some(1) } else { args.max_peers.map(|n| n as usize) }
}

/// Applies the options for listening.
pub fn listening(args: &ListenArgs, address: &Address, options: &mut Options) -> Result<()> {
    options.reuse_address = !args.no_reuseaddr;
    options.mode = args.mode;
    #[cfg(unix)]
    {
        options.inherited = unstick::endpoint::Inherited::from_environment();
    }
    if args.mode.is_some() && address.socket_name().is_none() {
        return Err(Error::usage(format!("--mode is for the file of a unix: socket, and {address} has none")));
    }
    Ok(())
}
