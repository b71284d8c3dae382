//! The options of a connection: its framing, how to reach a server, and how they apply.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use unstick::endpoint::AddressFamily;
use unstick::wire::quantity::parse_number;
use unstick::{Address, Error, Options, Result};

use crate::options::children;
use crate::options::completion::{specs, specs_or_auto};
use crate::options::proxy::ProxyArgs;
use crate::options::tls::TlsClientArgs;
use crate::options::values::{Keepalive, at_least_one, duration, keepalive};
use crate::options::websocket::WsClientArgs;
use crate::{output, sanitize};

/// The framing and the limits of a connection.
#[derive(Debug, Args)]
#[command(next_help_heading = "Framing")]
pub struct WireArgs {
    /// The framing of streams, such as line, u32be or struct:i (see `unstick framings`); auto guesses it from what the peer sends
    #[arg(short = 'f', long = "frame", value_name = "SPEC", value_parser = specs_or_auto(), hide_possible_values = true)]
    pub frame: Option<String>,
    /// The framing of received messages, if the directions differ
    #[arg(long, value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
    pub frame_in: Option<String>,
    /// The framing of sent messages, if the directions differ
    #[arg(long, value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
    pub frame_out: Option<String>,
    /// Close a peer whose frame takes longer than TIME from its first byte to its last
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub frame_timeout: Option<Duration>,
    /// Probe a silent TCP peer every TIME, and close the connection if it does not answer; a listener does so every 60s by
    /// default, and closes after 4 minutes of silence. `no` switches it off
    #[arg(long, value_name = "TIME|no", value_parser = keepalive, help_heading = "Connecting")]
    pub keepalive: Option<Keepalive>,
    /// Let the kernel gather small segments (Nagle's algorithm)
    #[arg(long, alias = "no-nodelay", help_heading = "Connecting")]
    pub nagle: bool,
    /// Use IPv4 only
    #[arg(short = '4', long, overrides_with = "ipv6", help_heading = "Connecting")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long, overrides_with = "ipv4", help_heading = "Connecting")]
    pub ipv6: bool,
    /// Print resolved names, tried addresses and times
    #[arg(short, long, overrides_with = "quiet", help_heading = "Output")]
    pub verbose: bool,
    /// Print only messages and errors: no notices, such as who connects and where it listens
    #[arg(short, long, overrides_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
}

/// How to connect to a peer.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connecting")]
pub struct ConnectArgs {
    /// Give up connecting after TIME [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub connect_timeout: Option<Duration>,
    /// Keep trying for TIME if nothing listens there yet
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub retry: Option<Duration>,
    /// Connect from this address, port or both: IP, :PORT or IP:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub source: Option<String>,
    /// The proxy.
    #[command(flatten)]
    pub through: ProxyArgs,
    /// TLS, as a client.
    #[command(flatten)]
    pub verify: TlsClientArgs,
    /// WebSocket, as a client.
    #[command(flatten)]
    pub request: WsClientArgs,
}

/// Whether to connect again after a connection is lost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connecting")]
pub struct ReconnectArgs {
    /// Connect again when the connection is lost, and send the greeting (--send) again; with --to, the connection to that
    /// address. The pause before an attempt grows from 200ms to 30s
    #[arg(long)]
    pub reconnect: bool,
    /// Stop after N failed attempts to connect again [default: never]
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "reconnect")]
    pub reconnect_attempts: Option<u64>,
}

impl ReconnectArgs {
    /// Refuses these options if this run connects to no peer.
    pub fn check_unused(&self) -> Result<()> {
        if !self.reconnect {
            return Ok(());
        }
        let error = Error::usage("--reconnect is for connecting, and listen only accepts connections");
        Err(error.with_hint("--to ADDRESS connects every client to another address"))
    }
}

/// Makes the endpoint options that every command uses.
pub fn options(wire: &WireArgs) -> Options {
    let mut options = Options::default();
    if wire.quiet {
        output::be_quiet();
    }
    options.processes = children::processes(None);
    options.frame_timeout = wire.frame_timeout;
    match wire.keepalive {
        Some(Keepalive::Every(time)) => options.keepalive = Some(time),
        Some(Keepalive::Never) => options.accepted_keepalive = None,
        None => {}
    }
    options.nodelay = !wire.nagle;
    options.family = match (wire.ipv4, wire.ipv6) {
        (true, _) => Some(AddressFamily::V4),
        (_, true) => Some(AddressFamily::V6),
        _ => None,
    };
    if wire.verbose {
        options.trace = Some(Arc::new(|what: &str| output::notice(&sanitize::line(what))));
    }
    options
}

/// Refuses `-4` and `-6` for addresses without a host.
pub fn check_family(wire: &WireArgs, ends: &[&Address]) -> Result<()> {
    if !(wire.ipv4 || wire.ipv6) || ends.iter().any(|at| has_host(at)) {
        return Ok(());
    }
    let shown: Vec<String> = ends.iter().map(ToString::to_string).collect();
    Err(Error::usage(format!("-4 and -6 are for addresses with a host, not for {}", shown.join(" and "))))
}

fn can_wait(address: &Address) -> bool {
    !matches!(address, Address::Exec(_) | Address::Stdio | Address::Mem(_))
}

fn has_host(address: &Address) -> bool {
    can_wait(address) && address.socket_name().is_none() && !matches!(address, Address::Serial(_))
}

/// Applies the options for connecting.
pub fn connecting(asked: &ConnectArgs, options: &mut Options) -> Result<()> {
    options.connect_timeout = asked.connect_timeout.unwrap_or(options.connect_timeout);
    options.retry = asked.retry;
    options.source = asked.source.as_deref().map(source).transpose()?;
    Ok(())
}

/// Refuses the options for connecting if no end connects.
pub fn check_connecting(asked: &ConnectArgs, ends: &[&Address]) -> Result<()> {
    let (names, fits) = match asked {
        asked if asked.source.is_some() => {
            ("--source is for addresses with a host", ends.iter().any(|at| has_host(at)))
        }
        asked if asked.retry.is_some() || asked.connect_timeout.is_some() => {
            ("--connect-timeout and --retry are for sockets and serial lines", ends.iter().any(|at| can_wait(at)))
        }
        _ => return Ok(()),
    };
    if fits {
        return Ok(());
    }
    let shown: Vec<String> = ends.iter().map(ToString::to_string).collect();
    Err(Error::usage(format!("{names}, not for {}", shown.join(" and "))))
}

/// Reads `IP`, `:PORT` or `IP:PORT`.
fn source(text: &str) -> Result<SocketAddr> {
    let parsed = text.parse::<SocketAddr>().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| (ip, 0).into()));
    let port = || text.strip_prefix(':').and_then(parse_number).map(|port: u16| ([0, 0, 0, 0], port).into());
    parsed.or_else(port).ok_or_else(|| {
        Error::usage(format!("--source {text}: not an address of this machine")).with_hint("write IP, :PORT or IP:PORT")
    })
}

impl ConnectArgs {
    /// Refuses the options for connecting if nothing connects: a listener without `--to`.
    pub fn check_unused(&self) -> Result<()> {
        let names = match self {
            asked if asked.connect_timeout.is_some() || asked.retry.is_some() || asked.source.is_some() => {
                "--connect-timeout, --retry and --source"
            }
            asked if asked.through.proxy.is_some() => "--proxy",
            asked if asked.verify.is_asked() => "--pin, --sni and --insecure",
            asked if !asked.request.header.is_empty() => "--header",
            _ => return Ok(()),
        };
        let are = if names.contains(' ') { "are" } else { "is" };
        let error = Error::usage(format!("{names} {are} for connecting, and listen only accepts connections"));
        Err(error.with_hint("--to ADDRESS connects every client to another address"))
    }
}
