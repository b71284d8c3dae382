//! each message ends in a newline, and is read up to it
use std::io::{BufRead, BufReader, Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let lines = BufReader::new(stream).split(b'\n');
    lines.take(3).collect()
}
