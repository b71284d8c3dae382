//! a message has 5 bytes, and is read until they are there
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut messages = Vec::new();
    let mut message = [0; 5];
    while stream.read_exact(&mut message).is_ok() {
        messages.push(message.to_vec());
    }
    Ok(messages)
}
