//! `wss://HOST:PORT/PATH`: WebSocket inside TLS.

use std::sync::Arc;

use super::handshakes::Handshakes;
use super::options::Options;
use super::transport::{MessageTransport, StreamTransport};
use super::{tls, ws};
use crate::address::{HostPort, WSS_PORT, WsAddress};
use crate::error::Result;

/// Connects, does the handshakes of TLS and WebSocket, and opens a WebSocket.
pub(super) async fn connect(at: &WsAddress, options: &Options) -> Result<MessageTransport> {
    // In boxes: these futures are large, and gone once they have completed.
    let (stream, names) = Box::pin(tls::dial(&at.at, "wss", options)).await?;
    Box::pin(ws::open(stream, names, at, &format!("wss://{at}"), WSS_PORT, options)).await
}

/// Connects to `to`, asks for the WebSocket named `at`, and returns the stream of its frames inside TLS, which the caller
/// writes and reads itself.
pub async fn frames(to: &HostPort, at: &WsAddress, options: &Options) -> Result<StreamTransport> {
    let (stream, names) = Box::pin(tls::dial(to, "wss", options)).await?;
    let opened = Box::pin(ws::asked(stream, at, &format!("wss://{at}"), WSS_PORT, options)).await?;
    let end = tls::transport(opened.stream, names);
    Ok(StreamTransport { reader: ws::behind(opened.rest, end.reader), ..end })
}

pub(super) async fn listen(at: &WsAddress, options: &Options) -> Result<Handshakes> {
    ws::check_path(&at.path, |path| format!("wss://{}{path}", at.at))?;
    let (inner, acceptor) = tls::bind(&at.at, "wss", options).await?;
    let local = ws::is_local(&inner);
    let own = Arc::new((at.clone(), options.clone()));
    let handshakes = Handshakes::new(inner, move |stream, names| {
        let (own, acceptor) = (Arc::clone(&own), acceptor.clone());
        async move {
            let (at, options) = &*own;
            let stream = tls::accept(stream, &names, &acceptor, "ws://", options).await?;
            ws::accept(stream, names, at, local, options).await
        }
    });
    Ok(handshakes.with_path(&at.path))
}
