//! The options of WebSocket.

use std::time::Duration;

use super::super::closing::Closing;
use crate::advice::Advice;
use crate::error::{Error, Result};
use crate::limits;

/// The options of WebSocket when an endpoint is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "options do nothing until something is opened with them"]
pub struct WsOptions {
    /// Connecting: further header lines of the request, as name and value. A `Host` replaces the address's host.
    pub headers: Vec<(String, String)>,
    /// The target of a bridge: names of headers of the client's request to pass on to it.
    pub pass_headers: Vec<String>,
    /// Subprotocols that the client offers or the server speaks, in order of preference.
    pub protocols: Vec<String>,
    /// The kind of message to send.
    pub kind: MessageKind,
    /// Send a ping at this interval; a peer that has not answered by the next one counts as gone.
    pub ping: Option<Duration>,
    /// Listening: origins whose pages may connect, as `https://example.org`; `any` allows all. Programs other than
    /// browsers send no origin, and may always connect.
    pub origins: Vec<String>,
    /// The code and reason of the Close that this end sends. Default: 1000.
    pub close: Option<Closing>,
    /// Size of the longest message in either direction, in bytes. Default: 16 MiB; maximum: 2 GiB.
    pub largest: usize,
}

/// The kind of message to send: WebSocket has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageKind {
    /// UTF-8 as text, unless the message is passed on from a peer that sent it as binary; everything else as binary.
    #[default]
    ByContent,
    /// Text. A message that is not UTF-8 is refused before any byte of it is sent.
    Text,
    /// As binary messages.
    Binary,
}

impl Default for WsOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            pass_headers: Vec::new(),
            protocols: Vec::new(),
            kind: MessageKind::default(),
            ping: None,
            origins: Vec::new(),
            close: None,
            largest: limits::LARGEST_WS_MESSAGE,
        }
    }
}

impl WsOptions {
    /// Offers or speaks this subprotocol, after those that were added before.
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        self.protocols.push(name.into());
        self
    }

    /// Sends the peer a ping at this interval.
    pub fn ping(mut self, every: Duration) -> Self {
        self.ping = Some(every);
        self
    }

    /// Adds a line to the request: `Authorization: Bearer ...`.
    ///
    /// # Errors
    ///
    /// A usage error for text that is not a header line, and for headers that the handshake writes itself.
    pub fn add_header(&mut self, line: &str) -> Result<()> {
        let wrong = |what: String| Error::usage(what).with_hint("such as 'Authorization: Bearer 1234'");
        // The line may hold a secret, so no error repeats it.
        let (name, value) =
            line.split_once(':').ok_or_else(|| wrong("a header line needs a colon after its name".into()))?;
        let value = value.trim();
        let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(of_token) || value.chars().any(char::is_control) {
            return Err(wrong(format!("`{}: ...` is not a header line", name.escape_debug())));
        }
        let lower = name.to_ascii_lowercase();
        if lower == "sec-websocket-protocol" {
            return Err(
                Error::usage(format!("`{name}` has an option of its own")).with_advice(Advice::OfferSubprotocol)
            );
        }
        if ["upgrade", "connection"].contains(&lower.as_str()) || lower.starts_with("sec-websocket-") {
            return Err(wrong(format!("the handshake itself writes `{name}`")));
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }
}
