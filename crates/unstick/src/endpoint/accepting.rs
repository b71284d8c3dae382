//! What listeners share: which failures of `accept` concern one client and which concern this machine, when to try
//! again, and the one connection that may have been handed over.

use std::io;
use std::time::Instant;

use crate::error::Error;
use crate::limits;

/// Keeps a listener from retrying at once what cannot succeed yet.
#[derive(Debug, Default)]
pub(super) struct AcceptBackoff {
    not_before: Option<Instant>,
}

impl AcceptBackoff {
    /// Waits until it makes sense to accept. Cancel safe.
    pub(super) async fn wait(&mut self) {
        if let Some(at) = self.not_before {
            tokio::time::sleep_until(at.into()).await;
            self.not_before = None;
        }
    }

    /// Handles a failure of `accept`. `None` means that it concerns one client that is gone already, and the next one
    /// can be accepted at once. Everything else is reported, and [`wait`](Self::wait) then waits for
    /// [`limits::ACCEPT_PAUSE`].
    pub(super) fn failed(&mut self, error: io::Error) -> Option<Error> {
        if is_of_one_client(&error) {
            return None;
        }
        self.not_before = Some(Instant::now() + limits::ACCEPT_PAUSE);
        Some(cannot_accept(error))
    }
}

/// The connection that a listener may have in place of a socket; it is accepted once.
#[derive(Debug)]
pub(super) struct One<S> {
    connection: Option<S>,
    /// Whether there is or was such a connection.
    is_all: bool,
}

impl<S> Default for One<S> {
    fn default() -> Self {
        Self { connection: None, is_all: false }
    }
}

impl<S> One<S> {
    pub(super) fn new(connection: S) -> Self {
        Self { connection: Some(connection), is_all: true }
    }

    pub(super) fn take(&mut self) -> Option<S> {
        self.connection.take()
    }

    pub(super) fn is_all(&self) -> bool {
        self.is_all
    }
}

/// Whether a failure of `accept`, or of the first calls on the accepted connection, concerns that one connection. The
/// client has reset it, a firewall has refused it, or its network failed. Linux reports such errors of a waiting
/// connection through `accept`, and its manual says to try again at once.
pub(super) fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    #[cfg(target_os = "linux")]
    {
        use rustix::io::Errno;
        let of_the_network = [Errno::PROTO, Errno::NOPROTOOPT, Errno::OPNOTSUPP, Errno::NONET, Errno::PERM];
        if of_the_network.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
            return true;
        }
    }
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::TimedOut
            | Kind::Interrupted
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::HostUnreachable
    ) || is_host_down(error)
}

/// Whether it is the one network error without an `ErrorKind` of its own.
fn is_host_down(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::HOSTDOWN.raw_os_error());
    #[cfg(not(unix))]
    return error.raw_os_error() == Some(10_064); // WSAEHOSTDOWN
}

/// Whether this process or this machine has no more open files.
pub(super) fn is_out_of_files(error: &Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let raw = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
        let raw = raw.and_then(io::Error::raw_os_error);
        raw.is_some_and(|raw| [Errno::MFILE, Errno::NFILE].iter().any(|errno| errno.raw_os_error() == raw))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

fn cannot_accept(error: io::Error) -> Error {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) {
        let limit = limits::open_files().map_or_else(String::new, |limit| format!(" of {limit} open files"));
        let error = Error::io("a connection cannot be accepted", error);
        return error.with_hint(format!("this process has reached its limit{limit}; `ulimit -n` raises it"));
    }
    Error::io("a connection cannot be accepted", error)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn os(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    /// The list is that of accept(2), plus the error of `getpeername` on a connection that was reset.
    #[test]
    fn what_one_client_did_is_no_lack_of_anything() {
        for errno in [
            Errno::CONNABORTED,
            Errno::CONNRESET,
            Errno::NOTCONN,
            Errno::PIPE,
            Errno::TIMEDOUT,
            Errno::INTR,
            Errno::PERM,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::NONET,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
            Errno::NETUNREACH,
        ] {
            let mut patience = AcceptBackoff::default();
            assert!(patience.failed(os(errno)).is_none(), "{errno:?}");
            assert!(patience.not_before.is_none(), "{errno:?} pauses accepting");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::BADF, Errno::INVAL] {
            let mut patience = AcceptBackoff::default();
            let error = patience.failed(os(errno)).unwrap();
            assert!(patience.not_before.is_some(), "{errno:?} would be tried without a pause");
            assert_eq!(is_out_of_files(&error), matches!(errno, Errno::MFILE | Errno::NFILE), "{errno:?}");
        }
    }
}
