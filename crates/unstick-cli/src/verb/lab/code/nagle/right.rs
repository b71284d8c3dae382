//! each message ends in a newline: read up to it
use std::io::{self, BufRead, BufReader, Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut messages = Vec::new();
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(messages);
        }
        if line.pop() != Some(b'\n') {
            let cut = io::ErrorKind::UnexpectedEof;
            return Err(cut.into());
        }
        messages.push(line);
    }
}
