//! Borrowed sockets that report readiness, for moving bytes without looking at them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::write_error::WriteError;
use crate::limits;

/// A stream socket, borrowed from one half of an end. Both halves share it, so one task has to use both.
#[derive(Clone, Copy)]
pub(crate) struct ReadySocket<'a> {
    socket: Socket<'a>,
    failed: &'a WriteError,
}

#[derive(Clone, Copy)]
enum Socket<'a> {
    Tcp(&'a TcpStream),
    Unix(&'a UnixStream),
}

impl<'a> ReadySocket<'a> {
    pub(super) fn tcp(socket: &'a TcpStream, failed: &'a WriteError) -> Self {
        Self { socket: Socket::Tcp(socket), failed }
    }

    pub(super) fn unix(socket: &'a UnixStream, failed: &'a WriteError) -> Self {
        Self { socket: Socket::Unix(socket), failed }
    }

    /// Maximum number of bytes to write to the socket at once.
    pub(crate) fn most_at_once(&self) -> usize {
        match self.socket {
            Socket::Tcp(_) => usize::MAX,
            Socket::Unix(_) => limits::UNIX_WRITE,
        }
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket {
            Socket::Tcp(socket) => socket.poll_read_ready(cx),
            Socket::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket {
            Socket::Tcp(socket) => socket.poll_write_ready(cx),
            Socket::Unix(socket) => socket.poll_write_ready(cx),
        }
    }

    /// Reads bytes from the socket; 0 at its end. After `WouldBlock`, the next poll waits for the socket again.
    ///
    /// # Errors
    ///
    /// Those of `taking`, and the error of an earlier write if the read returns an end.
    pub(crate) fn try_read(&self, taking: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        let taken = self.try_io(Interest::READABLE, taking)?;
        if taken == 0 {
            self.failed.at_end()?;
        }
        Ok(taken)
    }

    /// Writes bytes to the socket. After `WouldBlock`, the next poll waits for the socket again.
    pub(crate) fn try_write(&self, putting: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        self.failed.during(|| self.try_io(Interest::WRITABLE, putting))
    }

    fn try_io<T>(&self, interest: Interest, doing: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.socket {
            Socket::Tcp(socket) => socket.try_io(interest, doing),
            Socket::Unix(socket) => socket.try_io(interest, doing),
        }
    }
}

impl AsFd for ReadySocket<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}
