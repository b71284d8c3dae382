//! exactly 4 bytes, then exactly as many as they say
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_be_bytes(header);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok(vec![body])
}
