//! The addresses at which other machines may reach a listener.

use std::net::{IpAddr, SocketAddr};

use crate::address::Address;

pub(super) fn bound(address: &str) -> Option<SocketAddr> {
    address.parse::<Address>().ok()?.socket_addr()
}

/// The addresses at which others may reach a listener. A wildcard address stands for each address of this machine.
pub(super) fn reachable(bound: &[SocketAddr]) -> Vec<String> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for at in bound {
        match at.ip().is_unspecified() {
            false => found.push(*at),
            true => {
                let machine = nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(|interface| {
                    let address = interface.address?;
                    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
                    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
                });
                let fits = |ip: &IpAddr| at.is_ipv6() || ip.is_ipv4();
                found.extend(
                    machine.filter(fits).filter(|ip| !is_link_local(ip)).map(|ip| SocketAddr::from((ip, at.port()))),
                );
            }
        }
    }
    // Loopback comes last, because no other machine can use it.
    found.sort_by_key(|at| at.ip().is_loopback());
    found.dedup();
    found.truncate(MOST_ADDRESSES);
    found.iter().map(ToString::to_string).collect()
}

/// The same for an address with a scheme: each address of this machine replaces a wildcard.
pub(super) fn reachable_inside(bound: &str) -> Vec<String> {
    match self::bound(bound) {
        Some(at) if at.ip().is_unspecified() => {
            let all = reachable(&[at]);
            all.iter().map(|one| bound.replacen(&at.to_string(), one, 1)).collect()
        }
        _ => vec![bound.to_owned()],
    }
}

/// Most addresses in a ticket.
const MOST_ADDRESSES: usize = 16;

/// A link-local address needs the name of an interface, and that name differs on every machine.
fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
