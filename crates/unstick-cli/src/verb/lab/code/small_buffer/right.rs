//! the sender closes after its message: read to the end
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut message = Vec::new();
    let mut buffer = [0; 8];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(vec![message]),
            count => message.extend(&buffer[..count]),
        }
    }
}
