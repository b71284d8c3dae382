//! The framings of a stream's two directions, and an address with a framing in front of it.

use std::str::FromStr;

use unstick_wire::{Framing, Role};

use super::{Address, SCHEMES, WS_UNIX};
use crate::error::{Error, Result};

/// The framings of a stream's two directions. A preset whose client and server send different frames is told apart by
/// [`as_seen_by`](Self::as_seen_by), which connecting and listening do themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framings {
    /// How the peer's messages are framed.
    pub inbound: Framing,
    /// How this end's messages are framed.
    pub outbound: Framing,
}

impl Framings {
    /// The same framing both ways.
    pub fn both(framing: Framing) -> Self {
        Self { inbound: framing.clone(), outbound: framing }
    }

    /// The framings as seen by this role: what it sends, and what the other side sends.
    #[must_use]
    pub fn as_seen_by(&self, role: Role) -> Self {
        Self { inbound: self.inbound.sent_by(role.other()), outbound: self.outbound.sent_by(role) }
    }
}

impl From<Framing> for Framings {
    fn from(framing: Framing) -> Self {
        Self::both(framing)
    }
}

/// An address with the framing that was written in front of it, if any: `u32be+tcp://:7000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramedAddress {
    /// The address.
    pub address: Address,
    /// The framing; only a stream has one.
    pub framing: Option<Framing>,
}

impl FromStr for FramedAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A command may hold anything.
        let (before, exec) = match text.find("exec:") {
            Some(0) => ("", None),
            Some(at) if text[..at].ends_with('+') => ("", Some(at - 1)),
            _ => (text, None),
        };
        let plus = match before.find("+ws+unix:") {
            // The name of the scheme, and not a framing `ws`; `wss+unix:` gets its hint as an address.
            _ if before.starts_with(WS_UNIX) || before.starts_with("wss+unix:") => None,
            Some(at) => Some(at),
            None => exec.or_else(|| SCHEMES.iter().filter_map(|scheme| before.rfind(&format!("+{scheme}"))).max()),
        };
        let (framing, address) = match plus {
            Some(at) => (Some(Framing::parse(&text[..at])?), text[at + 1..].parse::<Address>()?),
            None => (None, text.parse::<Address>()?),
        };
        if framing.is_some() && !address.is_stream() {
            return Err(Error::usage(format!("a framing in front of {address} has no effect"))
                .with_hint(address.why_no_framing()));
        }
        Ok(Self { address, framing })
    }
}
