//! Names of Unix sockets: as the system takes them, and as people read them.

use std::os::fd::AsFd;

use rustix::net::SocketAddrUnix;
use socket2::SockAddr;

use crate::address::SocketName;
use crate::error::{Error, Result};

/// The name as the system takes it.
pub(super) fn system_name(name: &SocketName) -> Result<SockAddr> {
    let too_long = |length: usize| {
        let error = Error::usage(format!("a socket's name of {length} bytes is too long"));
        error.with_hint("most systems take about 100; a path may be relative to where unstick runs")
    };
    match name {
        SocketName::Path(path) => SockAddr::unix(path).map_err(|_| too_long(path.as_os_str().len())),
        SocketName::Abstract(name) if cfg!(target_os = "linux") => {
            SockAddr::unix(format!("\0{name}")).map_err(|_| too_long(name.len()))
        }
        SocketName::Abstract(_) => {
            Err(Error::usage("this system has no sockets without a file")
                .with_hint("write a path, such as unix:/tmp/it"))
        }
    }
}

/// The name that a listener is bound to, in the form in which senders' names arrive.
pub(super) fn own_name(name: &SocketName) -> Option<SocketAddrUnix> {
    match name {
        SocketName::Path(path) => SocketAddrUnix::new(path).ok(),
        #[cfg(target_os = "linux")]
        SocketName::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()).ok(),
        #[cfg(not(target_os = "linux"))]
        SocketName::Abstract(_) => None,
    }
}

/// A socket's name as users write it; `None` if it has none.
pub(super) fn display(name: &SockAddr) -> Option<String> {
    if let Some(path) = name.as_pathname() {
        return Some(readable(path.as_os_str().as_encoded_bytes()));
    }
    let name = name.as_abstract_namespace()?;
    Some(format!("@{}", readable(name)))
}

/// The bytes of a name as text. Bytes that are not UTF-8 are written as `\xff`, so that different names stay different.
fn readable(name: &[u8]) -> String {
    let chunks = name.utf8_chunks();
    chunks.map(|chunk| format!("{}{}", chunk.valid(), chunk.invalid().escape_ascii())).collect()
}

/// The name of a datagram's sender as users write it.
pub(super) fn display_sender(name: &SocketAddrUnix) -> Option<String> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.abstract_name() {
        return Some(format!("@{}", readable(name)));
    }
    let path = name.path_bytes()?;
    Some(readable(path.strip_suffix(b"\0").unwrap_or(path)))
}

/// Names the other end of a connected socket: its name, else its process.
pub(super) fn remote(socket: &impl AsFd) -> String {
    let named = socket2::SockRef::from(socket).peer_addr().ok().as_ref().and_then(display);
    named.or_else(|| process(socket)).unwrap_or_else(|| "a process".to_owned())
}

/// Names this end: its name, else this process.
pub(super) fn local(socket: &impl AsFd) -> String {
    let named = socket2::SockRef::from(socket).local_addr().ok().as_ref().and_then(display);
    named.unwrap_or_else(|| format!("process {}", std::process::id()))
}

/// Names the process that opened the other end.
#[cfg(target_os = "linux")]
fn process(socket: &impl AsFd) -> Option<String> {
    let credentials = rustix::net::sockopt::socket_peercred(socket).ok()?;
    Some(format!("process {}", credentials.pid))
}

#[cfg(not(target_os = "linux"))]
fn process(_: &impl AsFd) -> Option<String> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_text_differ_when_they_are_shown() {
        assert_eq!(readable(b"/tmp/caf\xc3\xa9"), "/tmp/café");
        assert_eq!((readable(b"\xfe"), readable(b"a\xffb")), (r"\xfe".into(), r"a\xffb".into()));
    }
}
