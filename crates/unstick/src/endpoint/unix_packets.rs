//! Receives and sends messages on a connected Unix socket that keeps their boundaries.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, SocketAddrUnix, send};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::datagrams::{Batch, RecvDatagrams};
use super::transport::{DatagramTransport, PeerAddrs, SendDatagram};
use super::unix_name;
use super::write_error::WriteError;
use crate::error::{Error, Result};
use crate::limits;

/// Number of messages taken at once: with more, other tasks would wait longer than the saved system calls are worth.
const AT_ONCE: usize = 32;

thread_local! {
    /// The buffer that messages are received into: one for each thread. Only the pages that messages reach are ever
    /// touched.
    static LANDING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One message that was taken off a socket.
pub(super) struct Taken<'a> {
    pub(super) message: &'a [u8],
    pub(super) cut_short: bool,
    /// Nothing was taken: the peer has ended. Set only if the system was asked to distinguish this from an empty
    /// message.
    pub(super) ended: bool,
}

/// Takes messages until none is left, or the limit is reached.
///
/// # Errors
///
/// `WouldBlock` if there is nothing at all; other errors come after the messages before them.
pub(super) fn take_all(socket: &UnixDatagram, ends: bool, mut take: impl FnMut(Taken<'_>)) -> io::Result<()> {
    LANDING.with_borrow_mut(|landing| {
        landing.resize(limits::LARGEST_PACKET, 0);
        for number in 0..AT_ONCE {
            match take_one(socket, landing, ends) {
                Ok(taken) => {
                    let ended = taken.ended;
                    take(taken);
                    if ended {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && number > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// Takes one message. An empty message and the end look alike, but a message brings its sender's credentials.
///
/// The control buffer has room for the credentials only. The kernel closes file descriptors that do not fit, so none
/// that a peer passes is ever opened here. If one were, it would be closed with `control`.
#[cfg(target_os = "linux")]
fn take_one<'a>(socket: &UnixDatagram, landing: &'a mut [u8], ends: bool) -> io::Result<Taken<'a>> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, ReturnFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = if ends { RecvAncillaryBuffer::new(&mut space) } else { RecvAncillaryBuffer::default() };
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(socket, &mut [io::IoSliceMut::new(landing)], &mut control, flags)?;
    let from_somebody = control.drain().any(|control| matches!(control, RecvAncillaryMessage::ScmCredentials(_)));
    let (message, cut_short) = (&landing[..got.bytes], got.flags.contains(ReturnFlags::TRUNC));
    Ok(Taken { message, cut_short, ended: ends && got.bytes == 0 && !from_somebody })
}

/// Takes one message. The system closes file descriptors that a peer passes, because there is no room for them.
#[cfg(not(target_os = "linux"))]
fn take_one<'a>(socket: &UnixDatagram, landing: &'a mut [u8], _ends: bool) -> io::Result<Taken<'a>> {
    let (length, cut_short, _) = take_whole(socket, landing)?;
    Ok(Taken { message: &landing[..length], cut_short, ended: false })
}

/// Receives a message. Returns how many of its bytes fit, whether it was longer, and its sender's name.
///
/// Only Linux returns the whole length with `MSG_TRUNC`; every system reports that a message was longer.
fn take_whole(socket: &UnixDatagram, landing: &mut [u8]) -> io::Result<(usize, bool, Option<SocketAddrUnix>)> {
    use rustix::net::{RecvAncillaryBuffer, ReturnFlags, recvmsg};
    let mut nothing = RecvAncillaryBuffer::default();
    let got = recvmsg(socket, &mut [io::IoSliceMut::new(landing)], &mut nothing, RecvFlags::DONTWAIT)?;
    let from = got.address.and_then(|from| SocketAddrUnix::try_from(from).ok());
    Ok((got.bytes, got.flags.contains(ReturnFlags::TRUNC), from))
}

/// Takes one message off a socket that many peers send to, with its sender's name, if it has one.
pub(super) fn take_from(
    socket: &UnixDatagram,
    take: impl FnOnce(&[u8], bool, Option<SocketAddrUnix>),
) -> io::Result<()> {
    LANDING.with_borrow_mut(|landing| {
        landing.resize(limits::LARGEST_PACKET, 0);
        let (length, cut_short, from) = take_whole(socket, landing)?;
        take(&landing[..length], cut_short, from);
        Ok(())
    })
}

/// Flags for a send that neither waits nor raises SIGPIPE. On systems without a flag for the latter, socket2 has set a socket
/// option that does the same.
pub(super) fn at_once() -> SendFlags {
    #[cfg(not(target_vendor = "apple"))]
    return SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    return SendFlags::DONTWAIT;
}

/// Registers a socket of any kind with the runtime, which then reports when it is ready. tokio has this type for
/// datagram sockets only, but what is done here through its descriptor works for every kind.
pub(super) fn readied(socket: Socket) -> io::Result<UnixDatagram> {
    UnixDatagram::from_std(std::os::fd::OwnedFd::from(socket).into())
}

/// Makes the two halves of a connected socket. `ends`: this end can see the peer's end of file.
pub(super) fn transport(socket: Socket, ends: bool) -> io::Result<DatagramTransport> {
    let names = PeerAddrs::new(unix_name::remote(&socket), unix_name::local(&socket));
    let socket = Arc::new(Packets { socket: readied(socket)?, ends, lost: WriteError::default() });
    let incoming = Box::new(Reader { socket: Arc::clone(&socket), ended: false });
    Ok(DatagramTransport { incoming, outgoing: socket, names })
}

struct Packets {
    socket: UnixDatagram,
    ends: bool,
    /// A reset. The system reports it once: to a send, or to a read before the data that came earlier.
    lost: WriteError,
}

impl SendDatagram for Packets {
    fn try_send(&self, message: &[u8]) -> io::Result<()> {
        let flags = at_once();
        let sending = || {
            self.socket
                .try_io(Interest::WRITABLE, || send(&self.socket, message, flags).map(|_| ()).map_err(io::Error::from))
        };
        match self.ends {
            true => self.lost.during(sending),
            false => sending(),
        }
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(self.socket.writable())
    }

    fn ends(&self) -> bool {
        self.ends
    }

    fn finish(&self) {
        if self.ends {
            // If this fails, the peer has gone and needs no end of file.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
    }

    fn too_large(&self) -> String {
        too_large()
    }
}

/// Says what to do about a message that is too large for such a socket.
pub(super) fn too_large() -> String {
    "a socket of this machine takes a message that its send buffer holds: about 200 KiB on Linux, unless \
     net.core.wmem_default says otherwise"
        .to_owned()
}

struct Reader {
    socket: Arc<Packets>,
    ended: bool,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The sending half may live on, but nobody reads what the peer sends.
        let _ = self.socket.socket.shutdown(std::net::Shutdown::Read);
    }
}

impl RecvDatagrams for Reader {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        loop {
            let Packets { socket, ends, lost } = &*self.socket;
            if self.ended {
                return Poll::Ready(lost.at_end().map(|()| false).map_err(|e| Error::io("receiving", e)));
            }
            let polled = socket.poll_recv_ready(cx);
            if polled.is_pending() {
                batch.release();
            }
            ready!(polled).map_err(|e| Error::io("receiving", e))?;
            batch.clear();
            let taken = socket.try_io(Interest::READABLE, || {
                take_all(socket, *ends, |taken| match taken.ended {
                    true => self.ended = true,
                    false => batch.push(taken.message, taken.cut_short),
                })
            });
            match taken {
                Err(error) if *ends && error.kind() == io::ErrorKind::ConnectionReset => lost.note(&error),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(Error::io("receiving", error)));
                }
                // The end of file, or nothing yet.
                _ => {}
            }
            if !batch.is_empty() {
                return Poll::Ready(Ok(true));
            }
        }
    }

    /// Always 0: the system makes senders wait.
    fn dropped(&self) -> u64 {
        0
    }
}
