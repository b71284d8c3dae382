//! `ws://HOST:PORT/PATH`: WebSocket messages (RFC 6455) over TCP, as client and as server.
//!
//! Not here: WebSocket inside TLS ([`super::wss`]) and over Unix sockets (`ws_unix`).

mod breach;
pub(super) mod carrier;
mod frames;
mod guarded;
mod handshake;
mod messages;
mod opening;
pub(super) mod settings;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, Chain, ReadBuf};
use tungstenite::protocol::Role;

use super::handshakes::Handshakes;
use super::options::Options;
use super::transport::{Accept, MessageTransport, PeerAddrs, StreamRead, StreamTransport, Transport};
use super::{tcp, write_error};
use crate::address::{HostPort, WS_PORT, WsAddress};
use crate::error::{Error, Result};
use carrier::Carrier;

/// Connects, and opens a WebSocket.
pub(super) async fn connect(at: &WsAddress, options: &Options) -> Result<MessageTransport> {
    let (stream, names) = tcp::dial(&at.at, "ws", options).await?;
    Box::pin(open(stream, names, at, &format!("ws://{at}"), WS_PORT, options)).await
}

/// Opens a WebSocket on a connection. The text of errors begins with `whom`.
pub(super) async fn open<S: Carrier>(
    stream: S,
    names: PeerAddrs,
    at: &WsAddress,
    whom: &str,
    default_port: u16,
    options: &Options,
) -> Result<MessageTransport> {
    let opened = asked(stream, at, whom, default_port, options).await?;
    Ok(transport(opened, Role::Client, names, options).await)
}

/// Asks for a WebSocket, within the time that connecting may take.
pub(super) async fn asked<S: Carrier>(
    stream: S,
    at: &WsAddress,
    whom: &str,
    default_port: u16,
    options: &Options,
) -> Result<opening::Opened<S>> {
    let asked = opening::ask(stream, at, default_port, whom, &options.ws);
    tokio::time::timeout(options.connect_timeout, asked).await.unwrap_or_else(|_| {
        let error = Error::timed_out(format!("the WebSocket handshake with {whom}"), options.connect_timeout);
        Err(error.with_hint(format!("does the server speak WebSocket? {} speaks without", S::SCHEME)))
    })
}

/// Connects to `to`, asks for the WebSocket named `at`, and returns the stream of its frames, which the caller writes
/// and reads itself.
pub async fn frames(to: &HostPort, at: &WsAddress, options: &Options) -> Result<StreamTransport> {
    let (stream, names) = tcp::dial(to, "ws", options).await?;
    let opened = Box::pin(asked(stream, at, &format!("ws://{at}"), WS_PORT, options)).await?;
    let (reader, writer) = opened.stream.into_split();
    let (reader, writer) = write_error::halves(reader, writer);
    Ok(StreamTransport { reader: behind(opened.rest, Box::new(reader)), writer: Box::new(writer), names })
}

/// Puts bytes that were read already in front of the rest of a stream.
pub(super) fn behind(read: Vec<u8>, rest: Box<dyn StreamRead>) -> Box<dyn StreamRead> {
    Box::new(Behind(io::Cursor::new(read).chain(rest)))
}

struct Behind(Chain<io::Cursor<Vec<u8>>, Box<dyn StreamRead>>);

impl AsyncRead for Behind {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl StreamRead for Behind {}

/// Listens as TCP does. All clients do their handshakes at the same time.
pub(super) async fn listen(at: &WsAddress, options: &Options) -> Result<Handshakes> {
    check_path(&at.path, |path| format!("ws://{}{path}", at.at))?;
    let inner = tcp::bind_all(&at.at, "ws", options).await?;
    let local = is_local(&inner);
    let own = Arc::new((at.clone(), options.clone()));
    let handshakes = Handshakes::new(inner, move |stream, names| {
        let own = Arc::clone(&own);
        async move {
            let (at, options) = &*own;
            accept(stream, names, at, local, options).await
        }
    });
    Ok(handshakes.with_path(&at.path))
}

/// Rejects a path with a query. Clients may add any query, so a listener with one of its own would serve nobody.
pub(super) fn check_path(path: &str, address: impl FnOnce(&str) -> String) -> Result<()> {
    let Some((path, query)) = path.split_once('?') else { return Ok(()) };
    let what = format!("a listener has a path alone, and `?{query}` is what a client may add");
    Err(Error::usage(what).with_hint(format!("such as {}", address(path))))
}

/// Whether a listener can be reached only from this machine.
pub(super) fn is_local(listener: &tcp::Listener) -> bool {
    let ip = |address: &String| address.rsplit("//").next().and_then(|it| it.parse::<std::net::SocketAddr>().ok());
    listener.addresses().iter().all(|address| ip(address).is_some_and(|at| at.ip().is_loopback()))
}

/// Answers a client that has connected.
pub(super) async fn accept<S: Carrier>(
    stream: S,
    names: PeerAddrs,
    at: &WsAddress,
    local: bool,
    options: &Options,
) -> Result<Transport> {
    let opened = opening::answer(stream, at, local, &names.remote, &options.ws).await?;
    Ok(Transport::Message(transport(opened, Role::Server, names, options).await))
}

async fn transport<S: Carrier>(
    opened: opening::Opened<S>,
    role: Role,
    names: PeerAddrs,
    options: &Options,
) -> MessageTransport {
    options.tell(|| match &opened.protocol {
        Some(protocol) => format!("{}: a WebSocket with the subprotocol {protocol}", names.remote),
        None => format!("{}: a WebSocket", names.remote),
    });
    let request = opened.request.map(Arc::new);
    let end = messages::transport(opened.stream, opened.rest, role, names, options).await;
    MessageTransport { request, ..end }
}
