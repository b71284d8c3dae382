//! Finds a listener's own addresses: a datagram from one of them is forged, and an answer to it would come back here.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long the list of this machine's addresses is used before it is read again.
const AGE: Duration = Duration::from_secs(5);

/// The address that a socket is bound to; if that is the wildcard address, also the addresses of this machine.
#[derive(Debug)]
pub(super) struct Own {
    bound: SocketAddr,
    machine: Vec<IpAddr>,
    read: Option<Instant>,
}

impl Own {
    pub(super) fn new(bound: SocketAddr) -> Self {
        Self { bound, machine: Vec::new(), read: None }
    }

    /// Whether the source of a datagram that was sent to `local` is this socket's own address, so that it is forged.
    pub(super) fn is(&mut self, source: SocketAddr, local: Option<IpAddr>) -> bool {
        if source.port() != self.bound.port() {
            return false;
        }
        let (source, bound) = (source.ip().to_canonical(), self.bound.ip().to_canonical());
        if source == bound || source.is_unspecified() || local.is_some_and(|local| local.to_canonical() == source) {
            return true;
        }
        bound.is_unspecified() && (source.is_loopback() || self.machine().contains(&source))
    }

    fn machine(&mut self) -> &[IpAddr] {
        if self.read.is_none_or(|at| at.elapsed() > AGE) {
            self.read = Some(Instant::now());
            self.machine = addresses();
        }
        &self.machine
    }
}

/// The addresses of this machine's interfaces.
#[cfg(unix)]
fn addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect()
}

/// These systems give no list. A socket bound to every address recognizes its own by the address that a datagram was
/// sent to.
#[cfg(not(unix))]
fn addresses() -> Vec<IpAddr> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_own(bound: &str, source: &str, local: Option<&str>) -> bool {
        let local = local.map(|local| local.parse().expect("an address"));
        Own::new(bound.parse().expect("an address")).is(source.parse().expect("an address"), local)
    }

    #[test]
    fn own_addresses_are_known_in_every_form() {
        assert!(is_own("127.0.0.1:9005", "127.0.0.1:9005", None));
        assert!(is_own("0.0.0.0:9005", "127.0.0.7:9005", None));
        assert!(is_own("[::]:9005", "[::ffff:127.0.0.1]:9005", None));
        assert!(is_own("[::]:9005", "[::1]:9005", None));
        assert!(is_own("0.0.0.0:9005", "192.0.2.1:9005", Some("192.0.2.1")), "an interface too new to be listed");
        for interface in addresses() {
            let any = if interface.is_ipv4() { "0.0.0.0:9005" } else { "[::]:9005" };
            assert!(is_own(any, &SocketAddr::new(interface, 9005).to_string(), None), "{interface}");
        }
    }

    #[test]
    fn others_are_others() {
        assert!(!is_own("127.0.0.1:9005", "127.0.0.1:9006", None));
        assert!(!is_own("127.0.0.1:9005", "127.0.0.2:9005", Some("127.0.0.1")));
        assert!(!is_own("0.0.0.0:9005", "192.0.2.1:9005", Some("192.0.2.2")));
    }
}
