//! Resolves a host and port to the addresses to try, and words the errors when none of them answers or can be bound.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::options::Options;
use crate::address::HostPort;
use crate::advice::Advice;
use crate::error::{Error, Result};
use crate::limits;

/// Tries something, and again until `retry` is over: the server may not be there yet.
pub(super) async fn retrying<T, F>(options: &Options, mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begun = std::time::Instant::now();
    loop {
        match attempt().await {
            Err(error) if !error.is_usage() && retries(options, begun) => {
                options.tell(|| format!("{error}; trying again"));
                tokio::time::sleep(limits::RETRY_PAUSE).await;
            }
            Err(error) => return Err(hint_after(error, options)),
            done => return done,
        }
    }
}

/// The hint for an address that refuses.
const NOTHING_THERE: &str = "nothing listens there";

/// Adds the hint and advice for an address where nothing listens.
pub(super) fn nothing_there(error: Error) -> Error {
    error.with_hint(NOTHING_THERE).with_advice(Advice::Retry)
}

/// Removes the advice to retry, if the caller has retried already.
fn hint_after(error: Error, options: &Options) -> Error {
    match options.retry {
        Some(retry) if error.hint() == Some(NOTHING_THERE) => {
            error.with_hint(format!("nothing has listened there for {retry:?}")).without_advice()
        }
        Some(_) if error.advice() == Some(&Advice::Retry) => error.without_advice(),
        _ => error,
    }
}

fn retries(options: &Options, begun: std::time::Instant) -> bool {
    options.retry.is_some_and(|retry| begun.elapsed() + limits::RETRY_PAUSE < retry)
}

/// Resolves a host and port to the addresses of the family in the options; an IP address needs no resolver.
pub async fn resolve(at: &HostPort, options: &Options) -> Result<Vec<SocketAddr>> {
    let mut found = resolve_all(at, options).await?;
    if let Some(family) = options.family {
        found.retain(|address| family.has(address.ip()));
        if found.is_empty() {
            return Err(Error::unreachable(format!("{} has no {family} address", at.host()), None));
        }
    }
    Ok(found)
}

async fn resolve_all(at: &HostPort, options: &Options) -> Result<Vec<SocketAddr>> {
    if let Ok(ip) = at.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, at.port)]);
    }
    if at.host.is_none() {
        return Ok(loopback(at.port));
    }
    let begun = std::time::Instant::now();
    let system = async { Ok(tokio::net::lookup_host((at.host(), at.port)).await?.collect()) };
    let found = if is_localhost(at.host()) { Ok(or_loopback(at.port, system).await) } else { system.await };
    let found = found.map_err(|e| Error::unreachable(format!("cannot resolve {}", at.host()), e))?;
    if found.is_empty() {
        return Err(Error::unreachable(format!("{} has no address", at.host()), None));
    }
    options.tell(|| {
        let list: Vec<_> = found.iter().map(|a| a.ip().to_string()).collect();
        format!("{} is {} ({:.1?})", at.host(), list.join(", "), begun.elapsed())
    });
    Ok(found)
}

/// The addresses of this machine for itself, of both families.
fn loopback(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))]
}

/// Whether a name means this machine on every machine: `localhost`, and all names that end in `.localhost` (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    let labels: Vec<_> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
    labels.iter().all(|label| !label.is_empty())
        && labels.last().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

/// The addresses of a name that means this machine: what the system says, or else loopback. A container without `/etc/hosts` has
/// nobody who knows `localhost`, and musl asks a name server for it.
async fn or_loopback(port: u16, system: impl Future<Output = io::Result<Vec<SocketAddr>>>) -> Vec<SocketAddr> {
    match tokio::time::timeout(limits::LOCALHOST_LOOKUP, system).await {
        Ok(Ok(found)) if !found.is_empty() => found,
        _ => loopback(port),
    }
}

/// Whether a listener can do without an address that it could not bind. Either this machine does not have that family,
/// or another program holds, in one family, the port that was picked in the other.
pub(super) fn may_be_missing(at: &HostPort, error: &io::Error, have_another: bool) -> bool {
    if at.port == 0 && have_another {
        return true;
    }
    let missing = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported);
    (missing || is_of_unknown_family(error)) && (at.host.is_none() || have_another)
}

/// Whether this machine does not have the address family at all.
fn is_of_unknown_family(error: &io::Error) -> bool {
    #[cfg(unix)]
    let unknown = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    #[cfg(not(unix))]
    let unknown = 10_047; // WSAEAFNOSUPPORT
    error.raw_os_error() == Some(unknown)
}

/// Shows an address as users know it: a socket of both families gives IPv4 addresses in IPv6 form.
pub(super) fn display_address(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())).to_string(),
        IpAddr::V6(_) => address.to_string(),
    }
}

/// The error of a failed bind: `what` failed, at which address, why, and what to do about it.
pub(super) fn cannot_bind(
    what: String,
    address: SocketAddr,
    why: io::Error,
    holder: impl Fn(u16) -> Option<String>,
) -> Error {
    let (kind, port, is_unknown) = (why.kind(), address.port(), is_of_unknown_family(&why));
    let error = Error::unreachable(what, why);
    match kind {
        _ if is_unknown && address.is_ipv6() && address.ip().is_unspecified() => {
            error.with_hint(format!("this machine has no IPv6; 0.0.0.0:{port} stands for its IPv4 addresses"))
        }
        _ if is_unknown && address.is_ipv6() => error.with_hint("this machine has no IPv6"),
        io::ErrorKind::AddrInUse => error.with_hint(match holder(port) {
            Some(who) => format!("port {port} is held by {who}"),
            None => format!("port {port} is held by another program; port 0 picks a free one"),
        }),
        io::ErrorKind::PermissionDenied => error.with_hint("ports under 1024 need more rights on most systems"),
        io::ErrorKind::AddrNotAvailable => error.with_hint("that address is not of this machine"),
        _ => error,
    }
}

/// Returns the address to connect from, if one was given; an error if it is of the other family. A source without an
/// address is a port of either family.
pub(super) fn source_for(address: SocketAddr, options: &Options) -> io::Result<Option<SocketAddr>> {
    match options.source {
        Some(source) if source.is_ipv4() == address.is_ipv4() => Ok(Some(source)),
        Some(source) if source.ip().is_unspecified() && address.is_ipv4() => {
            Ok(Some(([0, 0, 0, 0], source.port()).into()))
        }
        Some(source) if source.ip().is_unspecified() => Ok(Some(([0u16; 8], source.port()).into())),
        Some(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_end_in_localhost_mean_this_machine() {
        for name in ["localhost", "LocalHost", "localhost.", "app.localhost", "a.b.localhost."] {
            assert!(is_localhost(name), "{name}");
        }
        for name in
            ["", ".", ".localhost", "a..localhost", "localhost..", "notlocalhost", "localhost.example", "localhost4"]
        {
            assert!(!is_localhost(name), "{name}");
        }
    }

    #[tokio::test]
    async fn localhost_is_what_the_system_says() {
        let said = vec![SocketAddr::from(([127, 0, 0, 7], 80))];
        assert_eq!(or_loopback(80, async { Ok(said.clone()) }).await, said);
    }

    #[tokio::test]
    async fn localhost_is_loopback_when_the_system_does_not_know_it() {
        let both: Vec<SocketAddr> = vec!["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()];
        assert_eq!(or_loopback(80, async { Err(io::ErrorKind::NotFound.into()) }).await, both);
        assert_eq!(or_loopback(80, async { Ok(Vec::new()) }).await, both);
    }

    /// `LOCALHOST_LOOKUP`: a system that never answers crosses it.
    #[tokio::test(start_paused = true)]
    async fn localhost_waits_for_a_silent_name_server_for_a_moment_only() {
        let begun = tokio::time::Instant::now();
        assert_eq!(or_loopback(80, std::future::pending()).await, loopback(80));
        assert_eq!(begun.elapsed().as_millis(), limits::LOCALHOST_LOOKUP.as_millis());
    }
}
