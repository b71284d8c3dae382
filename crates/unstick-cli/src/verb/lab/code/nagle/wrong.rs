//! three reads return three messages
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut messages = Vec::new();
    for _ in 0..3 {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer)?;
        messages.push(buffer[..count].to_vec());
    }
    Ok(messages)
}
