//! the buffer is as long as most messages
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut buffer = [0; 8];
    let count = stream.read(&mut buffer)?;
    Ok(vec![buffer[..count].to_vec()])
}
