//! What listeners share: the pause where the system cannot accept, and the one connection that may have been handed over.

use std::io;
use std::time::Instant;

use crate::error::Error;
use crate::limits;

/// Keeps a listener from trying again and again what cannot succeed.
#[derive(Debug, Default)]
pub(super) struct Patience {
    not_before: Option<Instant>,
}

impl Patience {
    /// Resolves when it makes sense to accept. Cancel safe.
    pub(super) async fn wait(&mut self) {
        if let Some(at) = self.not_before {
            tokio::time::sleep_until(at.into()).await;
            self.not_before = None;
        }
    }

    /// Accepting has failed: notes it, and says it.
    pub(super) fn failed(&mut self, error: io::Error) -> Error {
        self.not_before = exhausted(&error).then(|| Instant::now() + limits::ACCEPT_PAUSE);
        cannot_accept(error)
    }
}

/// The connection that a listener has in place of a socket, if it does: it is accepted once.
#[derive(Debug)]
pub(super) struct One<S> {
    connection: Option<S>,
    /// There is or was one.
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

/// The process or the machine has run out of something, of open files for the most part.
fn exhausted(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
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
