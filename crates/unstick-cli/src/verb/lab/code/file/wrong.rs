//! read until the end: then the file is whole
use std::io::{Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut file = Vec::new();
    stream.read_to_end(&mut file)?;
    Ok(vec![file])
}
