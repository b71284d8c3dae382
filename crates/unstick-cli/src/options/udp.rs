//! The options of UDP and Unix datagrams, and how they apply.

use std::time::Duration;

use clap::Args;
use unstick::{Address, Result};

use crate::options::endpoint::{EndpointOptions, misplaced};
use crate::options::values::{at_least_one, duration, group, hops};

/// The options of UDP sockets.
#[derive(Debug, Args)]
#[command(next_help_heading = "UDP")]
pub struct UdpArgs {
    /// Allow sending to broadcast addresses
    #[arg(long)]
    pub broadcast: bool,
    /// Join a multicast group when listening
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub join: Vec<std::net::IpAddr>,
    /// Limit multicast datagrams to N hops
    #[arg(long, value_name = "N", value_parser = hops)]
    pub ttl: Option<u32>,
    /// Use this interface for multicast: name, number or address
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Forget a UDP or Unix-datagram peer after TIME without a datagram [default: 300s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub session_idle: Option<Duration>,
    /// Remember at most N UDP or Unix-datagram peers at once [default: 10000]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_sessions: Option<u64>,
}

/// Applies the options of UDP to the ends that use it.
pub fn udp(udp: &UdpArgs, ends: &mut [EndpointOptions<'_>]) -> Result<()> {
    let asked = udp.broadcast || !udp.join.is_empty() || udp.ttl.is_some() || udp.interface.is_some();
    if asked && !ends.iter().any(|end| matches!(end.address, Address::Udp(_))) {
        let wrong = misplaced("--broadcast, --join, --ttl and --interface", "udp://", ends);
        return Err(wrong.with_hint("write udp:// in front of the host"));
    }
    let sessions = udp.session_idle.is_some() || udp.max_sessions.is_some();
    if sessions && !ends.iter().any(|end| matches!(end.address, Address::Udp(_) | Address::UnixDgram(_))) {
        let wrong = misplaced("--session-idle and --max-sessions", "udp:// and unix-dgram:", ends);
        return Err(wrong.with_hint("only datagrams have sessions"));
    }
    for end in ends {
        let default = &mut end.options.udp;
        default.broadcast = udp.broadcast;
        default.join.clone_from(&udp.join);
        default.ttl = udp.ttl;
        default.interface.clone_from(&udp.interface);
        default.session_idle = udp.session_idle.unwrap_or(default.session_idle);
        default.max_sessions = udp.max_sessions.map_or(default.max_sessions, |n| n as usize);
    }
    Ok(())
}
