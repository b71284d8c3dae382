//! Sockets that this process was started with: socket activation, as systemd and similar programs do it (`LISTEN_FDS`).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use listenfd::ListenFd;
use socket2::{Domain, SockAddr, Socket, Type};

use super::unix_name;
use crate::address::{HostPort, SocketName};
use crate::error::{Error, Result};

/// Sockets that another process has bound for this one; each can be listened on once.
#[derive(Debug)]
pub struct Inherited {
    sockets: Mutex<Vec<Socket>>,
}

impl Inherited {
    /// Reads which sockets were handed over from the environment (`LISTEN_PID`, `LISTEN_FDS`; sd_listen_fds(3)); `None`
    /// if there are none.
    ///
    /// Only the first call returns them.
    pub fn from_environment() -> Option<Arc<Self>> {
        let mut handed_over = ListenFd::from_env();
        let kinds = [
            (Domain::IPV4, Type::STREAM),
            (Domain::IPV4, Type::DGRAM),
            (Domain::UNIX, Type::STREAM),
            (Domain::UNIX, Type::DGRAM),
            (Domain::UNIX, Type::SEQPACKET),
        ];
        let mut sockets = Vec::new();
        for index in 0..handed_over.len() {
            // IPv4 stands for both families here.
            let socket = kinds.iter().find_map(|(domain, kind)| {
                handed_over.take_custom::<Socket>(index, (*domain).into(), (*kind).into(), "socket").ok().flatten()
            });
            sockets.extend(socket);
        }
        (!sockets.is_empty()).then(|| Arc::new(Self { sockets: Mutex::new(sockets) }))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the sockets for a host and port. Without a host, every address of that port fits: the process that bound
    /// it has chosen the address. In the same way every port fits port 0.
    ///
    /// # Errors
    ///
    /// If sockets were handed over and none of them fits: binding another would not be what the user meant.
    pub(super) fn take_ports(&self, at: &HostPort, kind: Type) -> Result<Vec<Socket>> {
        let host: Option<IpAddr> = at.host.as_deref().and_then(|host| host.parse().ok());
        self.take(kind, &at.to_string(), |address| {
            let Some(address) = address.as_socket() else { return false };
            let (ip, any) = (address.ip().to_canonical(), address.ip().is_unspecified());
            let fits = match host {
                Some(host) => host == ip || (any && host.is_unspecified()),
                None => at.host.is_none() || ip.is_loopback() || any,
            };
            fits && (at.port == 0 || at.port == address.port())
        })
    }

    /// Takes the socket for a Unix socket's name.
    ///
    /// # Errors
    ///
    /// As [`take_ports`](Self::take_ports).
    pub(super) fn take_named(&self, name: &SocketName, kind: Type) -> Result<Option<Socket>> {
        let wanted = name.to_string();
        let found =
            self.take(kind, &wanted, |address| unix_name::display(address).is_some_and(|name| name == wanted))?;
        Ok(found.into_iter().next())
    }

    fn take(&self, kind: Type, wanted: &str, fits: impl Fn(&SockAddr) -> bool) -> Result<Vec<Socket>> {
        let found = self.remove(kind, fits);
        if found.is_empty() {
            let error = Error::unreachable(format!("no socket for {wanted} was handed over (LISTEN_FDS)"), None);
            return Err(error.with_hint(format!("handed over: {}", self.names())));
        }
        for socket in &found {
            socket.set_nonblocking(true).map_err(|e| Error::io("the socket", e))?;
        }
        Ok(found)
    }

    /// Takes the sockets of a kind whose address fits.
    fn remove(&self, kind: Type, fits: impl Fn(&SockAddr) -> bool) -> Vec<Socket> {
        let is_it = |socket: &Socket| {
            socket.r#type().is_ok_and(|found| found == kind) && socket.local_addr().is_ok_and(|address| fits(&address))
        };
        let mut sockets = self.lock();
        let (taken, left) = std::mem::take(&mut *sockets).into_iter().partition(is_it);
        *sockets = left;
        taken
    }

    /// The names of the sockets that were handed over and not taken yet.
    fn names(&self) -> String {
        let name = |socket: &Socket| {
            let address = socket.local_addr().ok()?;
            address.as_socket().map(|address| address.to_string()).or_else(|| unix_name::display(&address))
        };
        let names: Vec<String> = self.lock().iter().filter_map(name).collect();
        names.join(" and ")
    }
}

/// Whether this socket is itself a connection, not one to listen on: systemd's `Accept=yes`.
pub(super) fn is_connection(socket: &Socket) -> bool {
    // A connection whose peer has gone has no peer address any more. So if the system reports whether a socket listens,
    // that decides.
    #[cfg(not(target_vendor = "apple"))]
    return socket.is_listener().is_ok_and(|listens| !listens);
    #[cfg(target_vendor = "apple")]
    return socket.peer_addr().is_ok();
}
