//! The opening handshake on a stream: a head of bounded length is read, and not a byte of what follows it is lost.

use tokio::io::AsyncWriteExt;
use tungstenite::handshake::client::generate_key;

use super::super::http_head::{self, begins_like_text};
use super::super::request::Request;
use super::carrier::Carrier;
use super::handshake::{self, Refusal};
use super::settings::WsOptions;
use crate::address::WsAddress;
use crate::error::{Error, Result};

/// What the handshake came to.
pub(in crate::endpoint) struct Opened<S> {
    pub(in crate::endpoint) stream: S,
    /// What the peer has said already, behind the handshake.
    pub(in crate::endpoint) rest: Vec<u8>,
    pub(in crate::endpoint) protocol: Option<String>,
    /// What the client asked for, where this end is the server.
    pub(super) request: Option<Request>,
}

/// Asks a server to open a WebSocket. `whom` begins the sentences of errors.
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

/// Answers a client, and lets it in or not.
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
            // Whoever does not take its refusal has had its answer.
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
