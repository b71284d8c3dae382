//! Chooses what to compare of a stream: its messages, and the rest after they break the framing; the records of TLS; otherwise
//! its bytes.

use std::borrow::Cow;

use unstick_wire::Framing;
use unstick_wire::shake::{Direction, decoders};

use super::outcome::Exchange;

/// Follows each message, so that two short messages differ from one long one.
const SEPARATOR: &[u8] = b"\xff\n\xfe";

/// Returns the content of a stream to compare.
pub(super) fn content<'a>(exchange: &'a Exchange, framings: Option<&[Framing; 2]>, way: Direction) -> Cow<'a, [u8]> {
    let bytes = &exchange.of(way).recording.bytes[..];
    let Some(framings) = framings else { return super::tls_records::lines(bytes).map_or(bytes.into(), Cow::from) };
    let mut content = Vec::with_capacity(bytes.len());
    messages(exchange, framings, way, |_, part, is_message| {
        content.extend_from_slice(part);
        content.extend_from_slice(if is_message { SEPARATOR } else { b"" });
    });
    content.into()
}

/// Returns the offset in the stream for an offset in its content. If the stream does not contain the bytes as they are, returns
/// the offset of their message.
pub(super) fn place(exchange: &Exchange, framings: Option<&[Framing; 2]>, way: Direction, at: usize) -> usize {
    let bytes = &exchange.of(way).recording.bytes[..];
    let Some(framings) = framings else {
        // TLS records are described in words, which the stream does not contain.
        return if super::tls_records::lines(bytes).is_some() { 0 } else { at };
    };
    let (mut begins, mut place) = (0, bytes.len());
    messages(exchange, framings, way, |from, part, is_message| {
        let ends = begins + part.len() + if is_message { SEPARATOR.len() } else { 0 };
        if (begins..ends).contains(&at) {
            let header =
                if part.is_empty() { None } else { bytes[from..].windows(part.len()).position(|seen| seen == part) };
            place = from + header.map_or(0, |header| header + (at - begins).min(part.len()));
        }
        begins = ends;
    });
    place.min(bytes.len())
}

/// Calls `each` with the messages of a stream, and with what is left, each with the offset of its frame.
fn messages(exchange: &Exchange, framings: &[Framing; 2], way: Direction, mut each: impl FnMut(usize, &[u8], bool)) {
    let bytes = &exchange.of(way).recording.bytes[..];
    let [mut client, mut server] = decoders(framings);
    if way == Direction::ServerToClient && framings[1].depends_on_requests() {
        client.feed(&exchange.of(Direction::ClientToServer).recording.bytes);
        while let Ok(Some(_)) = client.next() {}
    }
    let decoder = if way == Direction::ClientToServer { &mut client } else { &mut server };
    decoder.feed(bytes);
    decoder.finish();
    loop {
        let from = bytes.len() - decoder.pending().len();
        match decoder.next() {
            Ok(Some(message)) => each(from, message, true),
            Ok(None) => return,
            Err(_) => return each(from, &bytes[from..], false),
        }
    }
}
