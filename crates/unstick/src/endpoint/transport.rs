//! What an open endpoint offers: a stream, datagrams, or messages; and what a listener does.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::closing::Closings;
use super::datagrams::RecvDatagrams;
use super::notices::Notices;
#[cfg(unix)]
use super::ready::ReadySocket;
use super::request::Request;
use super::write_error::{self, Half};
use crate::error::{Error, Result};
use crate::limits;

/// Who is at either end of a connection: as text, and as addresses where its transport has such.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerAddrs {
    /// The peer, as text: `127.0.0.1:51234`, a path, a process.
    pub remote: String,
    /// This side, as text.
    pub local: String,
    /// The peer's address and port, where it has one.
    pub peer_addr: Option<SocketAddr>,
    /// This side's address and port, where it has one.
    pub local_addr: Option<SocketAddr>,
}

impl PeerAddrs {
    /// Of a transport without addresses and ports.
    pub fn new(remote: impl Into<String>, local: impl Into<String>) -> Self {
        Self { remote: remote.into(), local: local.into(), peer_addr: None, local_addr: None }
    }

    /// Of a transport with addresses and ports. An IPv4 peer of a socket of both families has its IPv4 address.
    pub(crate) fn of_sockets(peer: SocketAddr, local: SocketAddr) -> Self {
        let canonical = |address: SocketAddr| match address.ip().to_canonical() {
            IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
            IpAddr::V6(_) => address,
        };
        let (peer, local) = (canonical(peer), canonical(local));
        Self { remote: peer.to_string(), local: local.to_string(), peer_addr: Some(peer), local_addr: Some(local) }
    }
}

/// The receiving half of a stream.
pub(crate) trait StreamRead: AsyncRead + Send + Unpin {
    /// Whether its end is that of both directions: nobody is there any more.
    fn ends_both(&self) -> bool {
        false
    }

    /// Ready when the connection fails, with its error: for who has read its end and reads no more. A peer that goes in order is
    /// no failure. `None` where the transport cannot tell.
    fn lost(&mut self) -> Option<Lost<'_>> {
        None
    }

    /// As [`StreamWrite::reset`]: for who does not have the other half any more.
    fn reset(&mut self) {}

    /// As [`StreamWrite::unacknowledged`].
    fn unacknowledged(&self) -> Option<u32> {
        None
    }

    /// The socket itself, where bytes can be taken off it past this half.
    #[cfg(unix)]
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    fn ready(&self) -> Option<ReadySocket<'_>> {
        None
    }
}

/// How a connection fails that nobody reads any more.
pub(crate) type Lost<'a> = Pin<Box<dyn Future<Output = io::Error> + Send + 'a>>;

/// The sending half of a stream. Shutting it down half-closes, where the transport can.
pub(crate) trait StreamWrite: AsyncWrite + Send + Unpin {
    /// Makes the connection end in a reset instead of an orderly end, where the transport can.
    fn reset(&mut self) {}

    /// Bytes that the peer's system has not acknowledged: a reset now would throw them away. `None` where nobody knows.
    fn unacknowledged(&self) -> Option<u32> {
        None
    }

    /// Writes at once as much as goes without waiting, where the transport can.
    fn try_write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// The socket itself, where bytes can be put onto it past this half.
    #[cfg(unix)]
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    fn ready(&self) -> Option<ReadySocket<'_>> {
        None
    }

    /// The socket itself, for moving bytes without looking at them.
    #[cfg(unix)]
    fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

/// One open end of a stream.
pub struct StreamTransport {
    pub(crate) reader: Box<dyn StreamRead>,
    pub(crate) writer: Box<dyn StreamWrite>,
    pub(crate) names: PeerAddrs,
}

impl StreamTransport {
    /// An end of any other stream: a pipe, a child process, a stream that is encrypted or made of something else.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        names: PeerAddrs,
    ) -> Self {
        let (reader, writer) = write_error::halves(Foreign(reader), Foreign(writer));
        Self { reader: Box::new(reader), writer: Box::new(writer), names }
    }

    /// Who is at either end.
    pub fn names(&self) -> &PeerAddrs {
        &self.names
    }

    /// The socket itself, where there is one: for what is asked of sockets only.
    #[cfg(unix)]
    pub fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.writer.socket()
    }
}

/// One end of a conversation in datagrams.
pub struct DatagramTransport {
    pub(crate) incoming: Box<dyn RecvDatagrams>,
    pub(crate) outgoing: Arc<dyn SendDatagram>,
    pub(crate) names: PeerAddrs,
}

/// One end of a conversation in messages that arrive all of them, in order, until it ends: for both sides at once, there is
/// no half-close.
///
/// Neither of the others: a stream would need a framing, and what is a datagram may be lost and has no queue.
pub struct MessageTransport {
    pub(crate) incoming: Box<dyn RecvDatagrams>,
    /// Takes records: the length of a message in [`RECORD`] bytes, the highest first, and the message. Never a part of one,
    /// though many at once. The length's highest bit says that it is to be a binary message. Shutting it down ends the
    /// conversation.
    pub(crate) outgoing: Box<dyn StreamWrite>,
    /// Bytes of the longest message that can be sent.
    pub(crate) largest: usize,
    /// What is not UTF-8 cannot be sent.
    pub(crate) text_only: bool,
    pub(crate) names: PeerAddrs,
    /// What the client asked for as it opened the conversation, where this end is the server.
    pub(crate) request: Option<Arc<Request>>,
    /// How it is closed.
    pub(crate) closings: Arc<Closings>,
}

impl MessageTransport {
    /// What the client asked for as it opened the conversation, where this end is the server.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }
}

/// Bytes of the length in front of a message on its way to a [`MessageTransport`].
pub(crate) const RECORD: usize = 4;

/// The longest message in bytes of which such a record can tell: the highest bit has a meaning of its own.
pub(crate) const LARGEST_RECORD: u32 = u32::MAX >> 1;

/// The sending side of a datagram session.
pub(crate) trait SendDatagram: Send + Sync {
    /// Sends at once, or says `WouldBlock`.
    fn try_send(&self, message: &[u8]) -> io::Result<()>;

    /// Resolves when sending may work again.
    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>;

    /// Whether the peer sees the end of what is sent, and its own end is seen.
    fn ends(&self) -> bool {
        false
    }

    /// Ends the sending side, where the peer sees that.
    fn finish(&self) {}

    /// What the network has said by now of a message that was sent and did not arrive, if anything; told once.
    fn failure(&self) -> Option<Error> {
        None
    }

    /// What to do about a message that is too large for the transport.
    fn too_large(&self) -> String {
        format!("a UDP datagram carries at most {} bytes", limits::LARGEST_PAYLOAD)
    }
}

/// One open end of any transport.
pub enum Transport {
    /// Bytes, to be framed.
    Stream(StreamTransport),
    /// Messages already.
    Datagram(DatagramTransport),
    /// Messages already, none of which is lost.
    Message(MessageTransport),
}

/// A bound endpoint that others connect to.
pub(crate) trait Accept: Send {
    /// The next one who comes. Cancel safe.
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>>;

    /// The addresses that it is really bound to, as `tcp://127.0.0.1:8080`.
    fn addresses(&self) -> &[String];

    /// Whether there is one connection and no more: it was handed over to this process.
    fn serves_one(&self) -> bool {
        false
    }

    /// Messages of peers that were not let in.
    fn refused(&self) -> u64 {
        0
    }

    /// Where datagrams are counted that reached no session.
    fn notices(&self) -> Option<Arc<Notices>> {
        None
    }
}

/// Somebody else's half of a stream.
struct Foreign<T>(T);

impl<T: AsyncRead + Unpin> AsyncRead for Foreign<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Foreign<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Send + Unpin> StreamRead for Half<Foreign<T>> {}
impl<T: AsyncWrite + Send + Unpin> StreamWrite for Half<Foreign<T>> {}
