//! a message has 5 bytes: read until all of them are there
use std::io::{ErrorKind, Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut messages = Vec::new();
    loop {
        let mut data = Vec::new();
        stream.take(5).read_to_end(&mut data)?;
        match data.len() {
            0 => return Ok(messages),
            5 => messages.push(data),
            _ => break, // inside a message
        }
    }
    Err(ErrorKind::UnexpectedEof.into())
}
