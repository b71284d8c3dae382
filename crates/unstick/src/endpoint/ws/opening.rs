//! The opening handshake on a stream: reads a head of bounded length, and loses no byte of what follows it.

use tokio::io::AsyncWriteExt;
use tungstenite::handshake::client::generate_key;

use super::super::http_head::{self, begins_like_text};
use super::super::request::Request;
use super::carrier::Carrier;
use super::handshake::{self, Refusal};
use super::settings::WsOptions;
use crate::address::WsAddress;
use crate::error::{Error, Result};

/// The result of the handshake.
pub(in crate::endpoint) struct Opened<S> {
    pub(in crate::endpoint) stream: S,
    /// What the peer has sent already after the handshake.
    pub(in crate::endpoint) rest: Vec<u8>,
    pub(in crate::endpoint) protocol: Option<String>,
    /// What the client asked for, if this end is the server.
    pub(super) request: Option<Request>,
}

/// Asks a server to open a WebSocket. The text of errors begins with `whom`.
pub(super) async fn ask<S: Carrier>(
    mut stream: S,
    at: &WsAddress,
    default_port: u16,
    whom: &str,
    options: &WsOptions,
) -> Result<Opened<S>> {
    let failed =
        |e: std::io::Error| Error::handshake(format!("{whom} did not open a WebSocket: {}", crate::error::plain(&e)));
    let key = generate_key();
    let request = handshake::request(at, default_port, &key, options);
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let (head, rest) = http_head::read(&mut stream, begins_like_text).await.map_err(failed)?;
    match handshake::accepted(&head, &key, S::SCHEME, options) {
        Ok(protocol) => Ok(Opened { stream, rest, protocol, request: None }),
        Err(refusal) => Err(told(whom, refusal)),
    }
}

/// Answers a client, and accepts or refuses it.
pub(super) async fn answer<S: Carrier>(
    mut stream: S,
    at: &WsAddress,
    local: bool,
    whom: &str,
    options: &WsOptions,
) -> Result<Opened<S>> {
    let failed =
        |e: std::io::Error| Error::handshake(format!("{whom} did not open a WebSocket: {}", crate::error::plain(&e)));
    let (head, rest) = http_head::read(&mut stream, begins_like_text).await.map_err(failed)?;
    match handshake::welcome(&head, at, local, S::SCHEME, options) {
        Ok(welcome) => {
            stream.write_all(welcome.answer.as_bytes()).await.map_err(failed)?;
            stream.flush().await.map_err(failed)?;
            let protocol = welcome.request.protocol.clone();
            Ok(Opened { stream, rest, protocol, request: Some(welcome.request) })
        }
        Err(refusal) => {
            // A client that does not read its refusal gets no other answer.
            let _ = stream.write_all(refusal.answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            Err(told(whom, refusal))
        }
    }
}

fn told(whom: &str, refusal: Refusal) -> Error {
    let error = Error::handshake(format!("{whom} {}", refusal.what));
    let error = match refusal.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    };
    match refusal.advice {
        Some(advice) => error.with_advice(advice),
        None => error,
    }
}
