//! The types of open endpoints: streams, datagrams and messages; and the trait of listeners.

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

/// The names of both ends of a connection: as text, and as addresses if the transport has them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerAddrs {
    /// The peer, as text: `127.0.0.1:51234`, a path, a process.
    pub remote: String,
    /// This side, as text.
    pub local: String,
    /// The peer's address and port, if it has one.
    pub peer_addr: Option<SocketAddr>,
    /// This side's address and port, if it has one.
    pub local_addr: Option<SocketAddr>,
}

impl PeerAddrs {
    /// Creates the names for a transport without addresses and ports.
    pub fn new(remote: impl Into<String>, local: impl Into<String>) -> Self {
        Self { remote: remote.into(), local: local.into(), peer_addr: None, local_addr: None }
    }

    /// Creates the names for a transport with addresses and ports. An IPv4 peer of a socket of both families gets its
    /// IPv4 address.
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
    /// Whether its end ends both directions, because nobody is there any more.
    fn ends_both(&self) -> bool {
        false
    }

    /// Waits until the connection fails, and returns its error: for a caller that has read its end and reads no more. A
    /// peer that ends in order is no failure. `None` if the transport cannot tell.
    fn lost(&mut self) -> Option<Lost<'_>> {
        None
    }

    /// As [`StreamWrite::reset`]: for a caller that no longer has the other half.
    fn reset(&mut self) {}

    /// As [`StreamWrite::unacknowledged`].
    fn unacknowledged(&self) -> Option<u32> {
        None
    }

    /// The socket itself, if bytes can be read from it without this half.
    #[cfg(unix)]
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    fn ready(&self) -> Option<ReadySocket<'_>> {
        None
    }
}

/// Waits for the failure of a connection that nobody reads any more.
pub(crate) type Lost<'a> = Pin<Box<dyn Future<Output = io::Error> + Send + 'a>>;

/// The sending half of a stream. Shutting it down half-closes, if the transport can.
pub(crate) trait StreamWrite: AsyncWrite + Send + Unpin {
    /// Makes the connection end in a reset instead of an orderly close, if the transport can.
    fn reset(&mut self) {}

    /// Number of bytes that the peer's system has not acknowledged: a reset now would throw them away. `None` if that
    /// is unknown.
    fn unacknowledged(&self) -> Option<u32> {
        None
    }

    /// Writes as much as goes without waiting, if the transport can.
    fn try_write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// The socket itself, if bytes can be written to it without this half.
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
    /// Makes an end of any other stream: a pipe, a child process, a stream that is encrypted or made of something else.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        names: PeerAddrs,
    ) -> Self {
        let (reader, writer) = write_error::halves(Foreign(reader), Foreign(writer));
        Self { reader: Box::new(reader), writer: Box::new(writer), names }
    }

    /// The names of both ends.
    pub fn names(&self) -> &PeerAddrs {
        &self.names
    }

    /// The socket itself, if there is one: for operations that only sockets have.
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

/// One end of a conversation in messages. All of them arrive, in order, until it ends: for both sides at once, without
/// half-close.
///
/// It is neither a stream, which would need a framing, nor a datagram, which may be lost and has no queue.
pub struct MessageTransport {
    pub(crate) incoming: Box<dyn RecvDatagrams>,
    /// Takes records: the length of a message in [`RECORD`] bytes, big-endian, then the message. A write never holds a
    /// part of a record, but may hold many. The length's highest bit marks a binary message. Shutting it down ends the
    /// conversation.
    pub(crate) outgoing: Box<dyn StreamWrite>,
    /// Size of the longest message that can be sent, in bytes.
    pub(crate) largest: usize,
    /// Whether only UTF-8 can be sent.
    pub(crate) text_only: bool,
    pub(crate) names: PeerAddrs,
    /// The request with which the client opened the conversation, if this end is the server.
    pub(crate) request: Option<Arc<Request>>,
    /// How it is closed.
    pub(crate) closings: Arc<Closings>,
}

impl MessageTransport {
    /// The request with which the client opened the conversation, if this end is the server.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }
}

/// Number of bytes of the length in front of a message on its way to a [`MessageTransport`].
pub(crate) const RECORD: usize = 4;

/// Size of the longest message that such a record can hold: the highest bit has another meaning.
pub(crate) const LARGEST_RECORD: u32 = u32::MAX >> 1;

/// The sending side of a datagram session.
pub(crate) trait SendDatagram: Send + Sync {
    /// Sends at once, or fails with `WouldBlock`.
    fn try_send(&self, message: &[u8]) -> io::Result<()>;

    /// Waits until sending may work again.
    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>;

    /// Whether the peer sees this end's end of file, and this end sees the peer's.
    fn ends(&self) -> bool {
        false
    }

    /// Ends the sending side, if the peer can see that.
    fn finish(&self) {}

    /// Returns the network's error about a sent message that did not arrive, if any is known; reported once.
    fn failure(&self) -> Option<Error> {
        None
    }

    /// Says what to do about a message that is too large for the transport.
    fn too_large(&self) -> String {
        format!("a UDP datagram carries at most {} bytes", limits::LARGEST_PAYLOAD)
    }
}

/// One open end of any transport.
pub enum Transport {
    /// Bytes, which need a framing.
    Stream(StreamTransport),
    /// Messages already, which may be lost.
    Datagram(DatagramTransport),
    /// Messages already, of which none is lost.
    Message(MessageTransport),
}

/// A bound endpoint that peers connect to.
pub(crate) trait Accept: Send {
    /// Accepts the next peer. Cancel safe.
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>>;

    /// The addresses that it is actually bound to, as `tcp://127.0.0.1:8080`.
    fn addresses(&self) -> &[String];

    /// Whether there is only one connection, which was handed over to this process.
    fn serves_one(&self) -> bool {
        false
    }

    /// Number of messages from peers that were refused.
    fn refused(&self) -> u64 {
        0
    }

    /// Where datagrams that reached no session are counted.
    fn notices(&self) -> Option<Arc<Notices>> {
        None
    }
}

/// A caller's half of a stream.
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
