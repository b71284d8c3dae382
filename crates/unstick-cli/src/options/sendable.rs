//! Refuses a message that is certain to be sent but cannot be, before anything is opened.
//!
//! Not here: messages that become known later. A wrong message from standard input ends the run; a wrong answer ends
//! the conversation with its peer.

use bytes::Bytes;
use unstick::endpoint::MessageKind;
use unstick::limits::{LARGEST_PACKET, LARGEST_PAYLOAD};
use unstick::wire::quantity::size;
use unstick::wire::{EncodeError, Framing};
use unstick::{Address, Error, Framings, Options, Result};

/// Number of bytes of a message that an error shows.
const SHOWN: usize = 40;

/// Size of the largest message in a datagram over IPv6, in bytes: the length field does not count the IPv6 header.
const LARGEST_PAYLOAD_IPV6: usize = LARGEST_PAYLOAD + 20;

/// Checks the messages that each peer gets when its connection opens, in order, and the answer to every message.
pub fn check(
    address: &Address,
    framings: Option<&Framings>,
    options: &Options,
    greeting: &[Bytes],
    reply: Option<&Bytes>,
) -> Result<()> {
    let Some(framings) = framings else {
        return greeting.iter().chain(reply).try_for_each(|message| fits_transport(address, options, message));
    };
    let (mut encoder, mut frames) = (framings.outbound.encoder()?, Vec::new());
    for message in greeting {
        frames.clear();
        encoder.encode(message, &mut frames).map_err(|error| unsendable(message, &framings.outbound, &error))?;
    }
    // With a framing in phases, a later phase may carry the reply. Which one is known only when a peer has sent a
    // message, and so is a framing that is guessed.
    if let Some(reply) = reply
        && !framings.outbound.has_phases()
        && !framings.outbound.is_chosen()
    {
        encoder.encode(reply, &mut frames).map_err(|error| unsendable(reply, &framings.outbound, &error))?;
    }
    Ok(())
}

/// Checks a message against the limits of a transport that carries messages.
fn fits_transport(address: &Address, options: &Options, message: &[u8]) -> Result<()> {
    let over = |largest: usize| message.len() > largest;
    match address {
        Address::Udp(at) => {
            let ipv6 = at.host.as_deref().is_some_and(|host| host.contains(':'));
            let largest = if ipv6 { LARGEST_PAYLOAD_IPV6 } else { LARGEST_PAYLOAD };
            if over(largest) {
                let what = format!("a message of {} bytes is too long for a datagram", message.len());
                let hint = format!("a UDP datagram carries at most {largest} bytes");
                return Err(refused(message, address, &what).with_hint(hint));
            }
        }
        Address::UnixDgram(_) | Address::UnixSeqpacket(_) if over(LARGEST_PACKET) => {
            let what =
                format!("a message there has at most {LARGEST_PACKET} bytes, and this one has {}", message.len());
            return Err(refused(message, address, &what).with_hint("split it, or use unix: with a framing"));
        }
        Address::Ws(_) | Address::Wss(_) | Address::WsUnix(_) => {
            if over(options.ws.largest) {
                let limit = size(options.ws.largest as u64);
                let what = format!("the message has {} bytes, over the limit of {limit}", message.len());
                return Err(refused(message, address, &what).with_hint("--max-message SIZE allows more"));
            }
            if options.ws.kind == MessageKind::Text && std::str::from_utf8(message).is_err() {
                let error = refused(message, address, "it is not UTF-8, which text has to be");
                return Err(error.with_hint("without --text, unstick sends such a message as a binary message"));
            }
        }
        _ => {}
    }
    Ok(())
}

fn refused(message: &[u8], address: &Address, why: &str) -> Error {
    Error::usage(format!("{} cannot be sent to {address}: {why}", quoted(message)))
}

/// Makes the error for a message that this framing cannot carry.
pub fn unsendable(message: &[u8], framing: &Framing, error: &EncodeError) -> Error {
    let wrong = Error::usage(format!("{} cannot be sent in {framing}: {error}", quoted(message)));
    match error.hint() {
        Some(hint) => wrong.with_hint(hint),
        None => wrong,
    }
}

/// Shows a message in an error.
fn quoted(message: &[u8]) -> String {
    let shown = crate::sanitize::line_of_bytes(&message[..message.len().min(SHOWN)]);
    let more = if message.len() > SHOWN { " ..." } else { "" };
    format!("`{shown}`{more}")
}
