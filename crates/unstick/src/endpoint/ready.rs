//! Sockets that say when they are ready, for moving bytes without looking at them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A stream socket, borrowed from the half of an end. The halves of one end share it: one task is to use both.
#[derive(Clone, Copy)]
pub(crate) enum ReadySocket<'a> {
    Tcp(&'a TcpStream),
    Unix(&'a UnixStream),
}

impl ReadySocket<'_> {
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Unix(socket) => socket.poll_write_ready(cx),
        }
    }

    /// Does something that may say `WouldBlock`: the socket is then waited for anew.
    pub(crate) fn try_io<T>(&self, interest: Interest, doing: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(socket) => socket.try_io(interest, doing),
            Self::Unix(socket) => socket.try_io(interest, doing),
        }
    }
}

impl AsFd for ReadySocket<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}
