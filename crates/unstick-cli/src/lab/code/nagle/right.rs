//! each message ends in a newline, and is read up to it
use std::io::{BufReader, Read, Result};

use super::Messages;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let lines = BufReader::new(stream).split(b'\n');
    lines.take(3).collect()
}
