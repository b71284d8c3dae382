//! Takes messages out of bytes that come in any pieces: no socket, no runtime.
//!
//! ```text
//! cargo run -p unstick-wire --example decode
//! ```

#![allow(clippy::print_stdout)] // An example is a program.

use unstick_wire::{DecodeError, Framing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let framing = Framing::parse("u32be")?;
    let mut wire = Vec::new();
    let mut encoder = framing.encoder()?;
    encoder.encode(b"Hello", &mut wire)?;
    encoder.encode("Grüße".as_bytes(), &mut wire)?;

    // The messages are the same however the bytes are cut.
    for size in [1, 5, wire.len()] {
        println!("in pieces of {size}: {:?}", decode(&framing, wire.chunks(size))?);
    }
    // If a peer speaks something else, the error says what its bytes look like.
    if let Err(error) = decode(&framing, [&b"GET / HTTP/1.1\r\n"[..]]) {
        println!("error at byte {}: {error}", error.offset());
    }
    Ok(())
}

/// The messages in these pieces of a stream, which then ends.
fn decode<'a>(framing: &Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, DecodeError> {
    let mut decoder = framing.decoder();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(message) = decoder.next()? {
            messages.push(String::from_utf8_lossy(message).into_owned());
        }
    }
    decoder.finish(); // An end inside a frame is an error; for some framings the rest is a message.
    while let Some(message) = decoder.next()? {
        messages.push(String::from_utf8_lossy(message).into_owned());
    }
    Ok(messages)
}
