//! exactly 4 bytes, then exactly as many as they say
use std::io::{ErrorKind, Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut messages = Vec::new();
    loop {
        let mut header = Vec::new();
        stream.take(4).read_to_end(&mut header)?;
        if header.is_empty() {
            return Ok(messages); // ended between two
        }
        let Ok(header) = header.try_into() else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        let length = u32::from_be_bytes(header).into();
        let mut body = Vec::new();
        stream.take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        messages.push(body);
    }
}
