//! `websocket-frame`, `zmtp-frame`, `coap-frame`: bits of the header give the width of its length. The message is the whole
//! frame.
//!
//! Not here: the meaning of a frame's content. A `ws://` endpoint handles WebSocket's masks and fragments.

use super::prefixed::{Prefix, Prefixed};
use crate::codec::{FrameError, Row, Shape, quoted};

/// RFC 6455, section 5.2.
pub(super) const WEBSOCKET: Row<Prefixed<WebSocket>> = Row {
    name: "websocket-frame",
    syntax: "websocket-frame",
    frame: "a whole WebSocket frame, masked or not (for the handshake before it, see the preset)",
    examples: &["websocket-frame", "websocket-frame,max=200,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "websocket-frame",
    parse: |_| Ok(Prefixed(WebSocket)),
};

/// ZMTP 3.1, "Framing".
pub(super) const ZMTP: Row<Prefixed<Zmtp>> = Row {
    name: "zmtp-frame",
    syntax: "zmtp-frame",
    frame: "a whole ZMTP 3 frame: flags, a length of 1 or 8 bytes, the body",
    examples: &["zmtp-frame", "zmtp-frame,max=300"],
    keeps_boundaries: true,
    matches: |name| name == "zmtp-frame",
    parse: |_| Ok(Prefixed(Zmtp)),
};

/// RFC 8323, section 3.2.
pub(super) const COAP: Row<Prefixed<Coap>> = Row {
    name: "coap-frame",
    syntax: "coap-frame",
    frame: "a whole CoAP message over TCP: four bits of length or an escape, token, options, payload",
    examples: &["coap-frame", "coap-frame,max=100"],
    keeps_boundaries: true,
    matches: |name| name == "coap-frame",
    parse: |_| Ok(Prefixed(Coap)),
};

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[derive(Debug, Clone)]
pub(crate) struct WebSocket;

impl Prefix for WebSocket {
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let Some(&second) = input.get(1) else { return Ok(None) };
        let (short, mask) = (second & 0x7f, if second & 0x80 != 0 { 4 } else { 0 });
        let long = match short {
            126 => 2,
            127 => 8,
            _ => return Ok(Some((2 + mask, short.into()))),
        };
        Ok(input.get(2..2 + long).map(|length| (2 + long + mask, big_endian(length))))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Zmtp;

/// The flag of a length of eight bytes.
const LONG: u8 = 2;

impl Prefix for Zmtp {
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let flags = input[0];
        if flags > 7 {
            return Err(FrameError::broken(format!("{} are not the flags of a ZMTP frame", quoted(&[flags]))));
        }
        let width = if flags & LONG != 0 { 8 } else { 1 };
        Ok(input.get(1..1 + width).map(|length| (1 + width, big_endian(length))))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Coap;

impl Prefix for Coap {
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let (nibble, token) = (input[0] >> 4, input[0] & 0x0f);
        if token > 8 {
            return Err(FrameError::broken(format!("a CoAP token has at most 8 bytes, not {token}")));
        }
        let (width, base) = match nibble {
            13 => (1, 13),
            14 => (2, 269),
            15 => (4, 65805),
            _ => (0, u64::from(nibble)),
        };
        let Some(extended) = input.get(1..1 + width) else { return Ok(None) };
        // The code and the token follow the length, which does not count them.
        Ok(Some((1 + width, base + big_endian(extended) + 1 + u64::from(token))))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}
