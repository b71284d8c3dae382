//! `ws+unix:SOCKET:/PATH`: WebSocket over Unix stream sockets.

use std::net::Shutdown;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::UnixStream;

use super::handshakes::Handshakes;
use super::options::Options;
use super::transport::{MessageTransport, StreamTransport};
use super::unix;
use super::ws;
use super::ws::carrier::Carrier;
use crate::address::{Address, WS_PORT, WsUnixAddress};
use crate::error::Result;

impl Carrier for UnixStream {
    const SCHEME: &'static str = "unix:";

    /// Unix sockets have no reset on demand. The stream ends without WebSocket's Close instead, which is a cut as well.
    fn reset(&self) {
        // If this fails, the peer has gone.
        let _ = SockRef::from(self).shutdown(Shutdown::Both);
    }
}

/// Connects, and opens a WebSocket.
pub(super) async fn connect(at: &WsUnixAddress, options: &Options) -> Result<MessageTransport> {
    let address = Address::WsUnix(at.clone());
    let (stream, names) = unix::dial(&address, &at.name, options).await?;
    Box::pin(ws::open(stream, names, &at.place(), &address.to_string(), WS_PORT, options)).await
}

/// Connects, asks for the WebSocket, and returns the stream of its frames, which the caller writes and reads itself.
pub async fn frames(at: &WsUnixAddress, options: &Options) -> Result<StreamTransport> {
    let address = Address::WsUnix(at.clone());
    let (stream, names) = unix::dial(&address, &at.name, options).await?;
    let opened = Box::pin(ws::asked(stream, &at.place(), &address.to_string(), WS_PORT, options)).await?;
    let end = unix::transport(opened.stream, names);
    Ok(StreamTransport { reader: ws::behind(opened.rest, end.reader), ..end })
}

/// Listens as `unix:` does. All clients do their handshakes at the same time.
///
/// Every `Host` is accepted: a page in a browser cannot connect here, and a proxy that can passes on the name that it
/// was called by.
pub(super) fn listen(at: &WsUnixAddress, options: &Options) -> Result<Handshakes> {
    ws::check_path(&at.path, |path| format!("ws+unix:{}:{path}", at.name))?;
    let nameless = WsUnixAddress { path: String::new(), ..at.clone() };
    let inner = unix::bind(&Address::WsUnix(nameless), &at.name, options)?;
    let own = Arc::new((at.place(), options.clone()));
    let handshakes = Handshakes::new(inner, move |stream, names| {
        let own = Arc::clone(&own);
        async move {
            let (at, options) = &*own;
            ws::accept(stream, names, at, false, options).await
        }
    });
    let path = if at.path.is_empty() { String::new() } else { format!(":{}", at.path) };
    Ok(handshakes.with_path(&path))
}
