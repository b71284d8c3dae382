//! read on until the newline that ends the message
use std::io::{self, BufRead, BufReader, Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut message = Vec::new();
    let mut stream = BufReader::new(stream); // keep it
    stream.read_until(b'\n', &mut message)?;
    if message.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(vec![message])
}
