//! the first read returns the length, alone and whole
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer)?;
    let header = buffer[..count].try_into();
    let header = header.expect("a length has 4 bytes");
    let length = u32::from_be_bytes(header);
    let mut body = vec![0; length as usize];
    let count = stream.read(&mut body)?;
    Ok(vec![body[..count].to_vec()])
}
