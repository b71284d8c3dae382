//! What can be asked of WebSocket when an endpoint is opened.

use std::time::Duration;

use super::super::closing::Closing;
use crate::advice::Advice;
use crate::error::{Error, Result};
use crate::limits;

/// What can be asked of WebSocket when an endpoint is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "options do nothing until something is opened with them"]
pub struct WsOptions {
    /// Connecting: more lines of the request, name and value. `Host` stands in place of the address's.
    pub headers: Vec<(String, String)>,
    /// The target of a bridge: names of headers of the client's request that it is sent as well.
    pub pass_headers: Vec<String>,
    /// Subprotocols: those offered, or those spoken, the best first.
    pub protocols: Vec<String>,
    /// What messages are sent as.
    pub kind: MessageKind,
    /// Ask a peer so often whether it is still there; one that does not answer before the next time has gone.
    pub ping: Option<Duration>,
    /// Listening: origins whose pages may connect, as `https://example.org`; `any` is all of them. Programs that are no
    /// browsers say none, and may.
    pub origins: Vec<String>,
    /// The code and reason of the Close that this end sends; 1000 where nothing is said.
    pub close: Option<Closing>,
    /// Bytes of the longest message, both ways. 16 MiB; 2 GiB at most.
    pub largest: usize,
}

/// What messages are sent as: WebSocket has two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageKind {
    /// What is UTF-8 as text, unless it is passed on from a peer that sent it as a binary message; all else as binary.
    #[default]
    ByContent,
    /// As text. What is not UTF-8 is refused before anything of it is sent.
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
    /// Offers or speaks this subprotocol, behind those that were named before.
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        self.protocols.push(name.into());
        self
    }

    /// Asks the peer, so often, whether it is still there.
    pub fn ping(mut self, every: Duration) -> Self {
        self.ping = Some(every);
        self
    }

    /// Adds a line to the request: `Authorization: Bearer ...`.
    ///
    /// # Errors
    ///
    /// A usage error for what is no header line, and for those that the handshake writes itself.
    pub fn add_header(&mut self, line: &str) -> Result<()> {
        let wrong = |what: String| Error::usage(what).with_hint("such as 'Authorization: Bearer 1234'");
        // What is in it may be a secret: no error repeats it.
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
