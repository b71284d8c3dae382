//! Finds the server under test and opens conversations with it: over TCP, inside TLS, inside a WebSocket, through a
//! Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpSocket, TcpStream};
#[cfg(feature = "ws")]
use tungstenite::protocol::frame::Frame;
#[cfg(feature = "ws")]
use tungstenite::protocol::frame::coding::{Data, OpCode};

#[cfg(unix)]
use super::local::{self, Local};
use super::sink::{Below, Over, Sink, Wire};
use unstick::Advice;
#[cfg(unix)]
use unstick::address::SocketName;
#[cfg(feature = "ws")]
use unstick::address::WsAddress;
#[cfg(all(unix, feature = "ws"))]
use unstick::address::WsUnixAddress;
use unstick::address::{Address, HostPort};
#[cfg(feature = "ws")]
use unstick::endpoint::MessageKind;
use unstick::endpoint::{Options, StreamTransport};
#[cfg(any(unix, feature = "tls"))]
use unstick::endpoint::{Transport, connect};
use unstick::internal::Table;
#[cfg(feature = "ws")]
use unstick::internal::ws_frames;
#[cfg(all(unix, feature = "ws"))]
use unstick::internal::ws_unix_frames;
#[cfg(all(feature = "tls", feature = "ws"))]
use unstick::internal::wss_frames;
use unstick::internal::{self, Half};
use unstick::{Error, Result};

/// A server to test, at one address.
#[derive(Debug, Clone)]
pub struct Target {
    at: At,
    options: Arc<Options>,
}

#[derive(Debug, Clone)]
enum At {
    Tcp(SocketAddr),
    /// With the host that the certificate is for.
    #[cfg(feature = "tls")]
    Tls(SocketAddr, HostPort),
    #[cfg(feature = "ws")]
    Ws(SocketAddr, WsAddress),
    #[cfg(all(feature = "tls", feature = "ws"))]
    Wss(SocketAddr, WsAddress),
    #[cfg(unix)]
    Local(SocketName),
    #[cfg(all(unix, feature = "ws"))]
    LocalWs(WsUnixAddress),
}

/// A stream above TCP or a Unix socket, and the bytes that end it.
type Above = (StreamTransport, Option<Vec<u8>>);

/// The reading side of a connection.
pub(super) struct Inlet(Box<dyn AsyncRead + Send + Unpin>);

impl AsyncRead for Inlet {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

/// The key that client frames are masked with: that of the example in RFC 6455, section 5.7, so that runs are
/// repeatable. Random keys keep proxies from being misled, and there is no proxy here.
#[cfg(feature = "ws")]
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The status of an orderly Close frame (RFC 6455, section 7.4.1).
#[cfg(feature = "ws")]
const NORMAL: u16 = 1000;

impl From<SocketAddr> for Target {
    fn from(at: SocketAddr) -> Self {
        Self { at: At::Tcp(at), options: Arc::default() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Tcp(at) => write!(f, "tcp://{at}"),
            #[cfg(feature = "tls")]
            At::Tls(_, named) => write!(f, "tls://{named}"),
            #[cfg(feature = "ws")]
            At::Ws(_, named) => write!(f, "ws://{named}"),
            #[cfg(all(feature = "tls", feature = "ws"))]
            At::Wss(_, named) => write!(f, "wss://{named}"),
            #[cfg(unix)]
            At::Local(name) => write!(f, "unix:{name}"),
            #[cfg(all(unix, feature = "ws"))]
            At::LocalWs(named) => write!(f, "ws+unix:{named}"),
        }
    }
}

impl Target {
    /// Finds the server at an address. If its host has several addresses, it takes the first on which this host's
    /// table shows a listener, else the first. `options` configure TLS and WebSocket.
    ///
    /// # Errors
    ///
    /// If the address is not a TCP, TLS, WebSocket or Unix stream address, or its host does not resolve.
    pub async fn find(address: &Address, options: &Options) -> Result<Self> {
        let at = match address {
            Address::Tcp(named) => At::Tcp(resolve(address, named).await?),
            #[cfg(feature = "tls")]
            Address::Tls(named) => At::Tls(resolve(address, named).await?, named.clone()),
            #[cfg(feature = "ws")]
            Address::Ws(named) => At::Ws(resolve(address, &named.at).await?, named.clone()),
            #[cfg(all(feature = "tls", feature = "ws"))]
            Address::Wss(named) => At::Wss(resolve(address, &named.at).await?, named.clone()),
            #[cfg(unix)]
            Address::Unix(name) => At::Local(name.clone()),
            #[cfg(all(unix, feature = "ws"))]
            Address::WsUnix(named) => At::LocalWs(named.clone()),
            Address::Serial(_) => {
                let what = format!("shake needs a new connection for each case, and {address} has only one");
                return Err(
                    Error::usage(what).with_hint(format!("unstick ask '{address}' MESSAGE sends it one message"))
                );
            }
            _ => {
                let error = Error::usage(format!("shake cuts streams, and {address} is not a stream"));
                return Err(error.with_advice(Advice::NameStreamServer));
            }
        };
        Ok(Self { at, options: Arc::new(options.clone()) })
    }

    /// The TCP address to connect to, if there is one.
    pub(super) fn tcp(&self) -> Option<SocketAddr> {
        match &self.at {
            At::Tcp(at) => Some(*at),
            #[cfg(feature = "tls")]
            At::Tls(at, _) => Some(*at),
            #[cfg(feature = "ws")]
            At::Ws(at, _) => Some(*at),
            #[cfg(all(feature = "tls", feature = "ws"))]
            At::Wss(at, _) => Some(*at),
            #[cfg(unix)]
            At::Local(_) => None,
            #[cfg(all(unix, feature = "ws"))]
            At::LocalWs(_) => None,
        }
    }

    /// The Unix socket, if the address is one.
    #[cfg(unix)]
    fn local(&self) -> Option<&SocketName> {
        match &self.at {
            At::Local(name) => Some(name),
            #[cfg(all(unix, feature = "ws"))]
            At::LocalWs(named) => Some(&named.name),
            _ => None,
        }
    }

    /// Whether the address is the same in each start of the server.
    pub fn is_fixed(&self) -> bool {
        self.tcp().is_none_or(|at| at.port() != 0)
    }

    /// The same target with another TCP address.
    pub(super) fn at(&self, to: SocketAddr) -> Self {
        let at = match self.at.clone() {
            At::Tcp(_) => At::Tcp(to),
            #[cfg(feature = "tls")]
            At::Tls(_, named) => At::Tls(to, HostPort { port: to.port(), ..named }),
            #[cfg(feature = "ws")]
            At::Ws(_, named) => At::Ws(to, with_port(named, to.port())),
            #[cfg(all(feature = "tls", feature = "ws"))]
            At::Wss(_, named) => At::Wss(to, with_port(named, to.port())),
            #[cfg(unix)]
            local @ At::Local(_) => local,
            #[cfg(all(unix, feature = "ws"))]
            local @ At::LocalWs(_) => local,
        };
        Self { at, options: Arc::clone(&self.options) }
    }

    /// The address that a client under test connects to. A client that speaks WebSocket makes the handshake itself.
    pub(super) fn below_web_sockets(self) -> Self {
        let at = match self.at {
            #[cfg(feature = "ws")]
            At::Ws(at, _) => At::Tcp(at),
            #[cfg(all(feature = "tls", feature = "ws"))]
            At::Wss(at, named) => At::Tls(at, named.at),
            #[cfg(all(unix, feature = "ws"))]
            At::LocalWs(named) => At::Local(named.name),
            other => other,
        };
        Self { at, options: self.options }
    }

    /// Whether messages are sent in WebSocket frames.
    #[cfg(feature = "ws")]
    pub(super) fn is_web_socket(&self) -> bool {
        match self.at {
            #[cfg(feature = "ws")]
            At::Ws(..) => true,
            #[cfg(all(feature = "tls", feature = "ws"))]
            At::Wss(..) => true,
            #[cfg(all(unix, feature = "ws"))]
            At::LocalWs(_) => true,
            _ => false,
        }
    }

    /// Puts a message in a frame, as a client sends it.
    #[cfg(feature = "ws")]
    pub(super) fn framed(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let is_text = std::str::from_utf8(&message).is_ok();
        let kind = match self.options.ws.kind {
            MessageKind::Text if !is_text => return Err(Error::usage("a message is not UTF-8 and cannot go as text")),
            MessageKind::Binary => Data::Binary,
            _ if is_text => Data::Text,
            _ => Data::Binary,
        };
        masked(Frame::message(message, OpCode::Data(kind), true))
    }

    /// Whether a server listens there; `None` if that cannot be seen.
    pub(super) fn is_listened_on(&self, table: Option<&Arc<Table>>) -> Option<bool> {
        #[cfg(unix)]
        if let Some(name) = self.local() {
            return local::is_listening(name);
        }
        table?.is_listening(self.tcp()?).ok()
    }

    /// The maximum number of connections that wait for the server to accept them; `None` if that cannot be seen.
    pub(super) fn backlog(&self, table: Option<&Arc<Table>>) -> Option<u32> {
        table?.backlog(self.tcp()?).ok().flatten()
    }

    /// Fills in the command that starts a server there, and the variables of its environment.
    pub(super) fn in_command(&self, line: &str) -> (String, Vec<(&'static str, String)>) {
        #[cfg(unix)]
        if let Some(name) = self.local() {
            return (line.replace("{path}", &name.to_string()), vec![("UNSTICK_PATH", name.to_string())]);
        }
        let Some(at) = self.tcp() else { return (line.to_owned(), Vec::new()) };
        let (host, port) = (at.ip().to_string(), at.port().to_string());
        (line.replace("{port}", &port).replace("{host}", &host), vec![("UNSTICK_PORT", port)])
    }

    /// Removes the socket file that an ended server has left, since the next server cannot bind it.
    pub(super) fn clear(&self) {
        #[cfg(unix)]
        if let Some(SocketName::Path(path)) = self.local() {
            use std::os::unix::fs::FileTypeExt;
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
            if is_socket && self.is_listened_on(None) == Some(false) {
                // If removing is not allowed, the server reports the failure.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Opens a conversation, and returns both halves of it, in the plain text inside.
    pub(super) async fn open(&self, table: Option<&Arc<Table>>) -> Result<(Inlet, Sink)> {
        // `Err` is the address of plain TCP. Without features and Unix sockets there is nothing else.
        let above: std::result::Result<Above, SocketAddr> = match &self.at {
            At::Tcp(at) => Err(*at),
            #[cfg(feature = "tls")]
            At::Tls(at, named) => Ok((stream(&Address::Tls(numbered(*at)), &self.named(named)).await?, None)),
            #[cfg(feature = "ws")]
            At::Ws(at, named) => Ok((ws_frames(&numbered(*at), named, &self.options).await?, Some(goodbye()?))),
            #[cfg(all(feature = "tls", feature = "ws"))]
            At::Wss(at, named) => {
                let options = self.named(&named.at);
                Ok((wss_frames(&numbered(*at), named, &options).await?, Some(goodbye()?)))
            }
            #[cfg(unix)]
            At::Local(name) => Ok((stream(&Address::Unix(name.clone()), &self.options).await?, None)),
            #[cfg(all(unix, feature = "ws"))]
            At::LocalWs(named) => Ok((ws_unix_frames(named, &self.options).await?, Some(goodbye()?))),
        };
        let (end, farewell) = match above {
            Ok(above) => above,
            Err(at) => {
                let lost = |e| Error::io("the connection", e);
                return Ok(boxed(halves(self.tcp_stream(at).await?, table).map_err(lost)?));
            }
        };
        let below = self.below(table, &end);
        let (reader, writer) = internal::into_halves(end);
        Ok((Inlet(Box::new(Ended(reader))), Sink::Over(Over { writer, below, farewell })))
    }

    /// Opens a TCP connection. The timeout is for a server whose backlog is full: it answers nothing at all.
    async fn tcp_stream(&self, to: SocketAddr) -> Result<TcpStream> {
        let limit = self.options.connect_timeout;
        let timed_out = |_| Error::timed_out(format!("connecting to tcp://{to}"), limit);
        tokio::time::timeout(limit, connected(to)).await.map_err(timed_out)?
    }

    /// What lies below a stream and can be looked into.
    fn below(&self, table: Option<&Arc<Table>>, end: &StreamTransport) -> Below {
        #[cfg(unix)]
        if self.local().is_some() {
            return end.socket().and_then(|socket| Local::of(table, socket).ok()).map_or(Below::Dark, Below::Local);
        }
        let names = end.names();
        match (names.remote.parse(), names.local.parse()) {
            (Ok(there), Ok(here)) => Below::Tcp(Wire::inside(table, there, here)),
            _ => Below::Dark,
        }
    }

    #[cfg(feature = "tls")]
    /// The options of TLS, with the name that the certificate is for: the connection is made to a numeric address.
    fn named(&self, host: &HostPort) -> Options {
        let mut options = Options::clone(&self.options);
        options.tls.server_name.get_or_insert_with(|| host.host().to_owned());
        options
    }
}

#[cfg(feature = "ws")]
fn with_port(named: WsAddress, port: u16) -> WsAddress {
    WsAddress { at: HostPort { port, ..named.at }, ..named }
}

#[cfg(any(feature = "tls", feature = "ws"))]
fn numbered(at: SocketAddr) -> HostPort {
    HostPort { host: Some(at.ip().to_string()), port: at.port() }
}

#[cfg(feature = "ws")]
fn masked(mut frame: Frame) -> Result<Vec<u8>> {
    frame.header_mut().mask = Some(MASK);
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes).map_err(|error| Error::other(format!("WebSocket: {error}")))?;
    Ok(bytes)
}

/// Makes a Close frame, as a client sends it.
#[cfg(feature = "ws")]
fn goodbye() -> Result<Vec<u8>> {
    let close = tungstenite::protocol::CloseFrame { code: NORMAL.into(), reason: "".into() };
    masked(Frame::close(Some(close)))
}

async fn resolve(address: &Address, named: &HostPort) -> Result<SocketAddr> {
    let found = internal::resolve(named, &Options::default()).await?;
    let table = Table::open().ok();
    let listens = |at: &&SocketAddr| table.as_ref().is_some_and(|table| table.is_listening(**at).unwrap_or(false));
    let first = found.first().copied();
    found.iter().find(listens).copied().or(first).ok_or_else(|| Error::usage(format!("{address} has no address")))
}

#[cfg(any(unix, feature = "tls"))]
async fn stream(address: &Address, options: &Options) -> Result<StreamTransport> {
    match connect(address, options).await? {
        Transport::Stream(end) => Ok(end),
        _ => Err(Error::usage(format!("{address} is not a stream"))),
    }
}

async fn connected(to: SocketAddr) -> Result<TcpStream> {
    let connected = async {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Its port must be reusable, in case it is needed to free the server's port.
        socket.set_reuseaddr(true)?;
        socket.connect(to).await
    };
    connected.await.map_err(|error: std::io::Error| {
        let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
        let error = Error::unreachable(format!("cannot connect to tcp://{to}"), error);
        if refused {
            let hint = "nothing listens there; a server of one connection has ended";
            return error.with_hint(hint).with_advice(Advice::StartServerForEachCase);
        }
        error
    })
}

/// Splits a connection into both halves, and sends small segments at once.
pub(super) fn halves(stream: TcpStream, table: Option<&Arc<Table>>) -> std::io::Result<(Half<OwnedReadHalf>, Sink)> {
    stream.set_nodelay(true)?;
    let (from, to) = stream.into_split();
    let wire = Wire::find(table, &to)?;
    let (from, to) = internal::halves(from, to);
    Ok((from, Sink::Tcp(to, wire)))
}

fn boxed((from, to): (Half<OwnedReadHalf>, Sink)) -> (Inlet, Sink) {
    (Inlet(Box::new(from)), to)
}

/// A stream that ends in order even without TLS's own end (close_notify): many servers leave it out.
struct Ended<T>(T);

impl<T: AsyncRead + Unpin> AsyncRead for Ended<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buf) {
            Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            other => other,
        }
    }
}

#[cfg(all(test, feature = "ws"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_message_is_framed_as_the_example_of_rfc_6455() {
        let target = Target::from(SocketAddr::from(([127, 0, 0, 1], 80)));
        let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(target.framed(b"Hello".to_vec()).unwrap(), hello);
        assert_eq!(target.framed(vec![0xff]).unwrap()[0], 0x82, "a message that is not text is sent as binary");
        assert_eq!(target.framed(vec![b'x'; 300]).unwrap()[..4], [0x81, 0xfe, 1, 44]);
        assert_eq!(goodbye().unwrap(), b"\x88\x82\x37\xfa\x21\x3d\x34\x12");
    }
}
