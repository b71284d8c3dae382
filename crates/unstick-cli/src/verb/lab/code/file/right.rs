//! the length first: an end before that is a cut
use std::io::{ErrorKind, Read, Result};

type Messages = Vec<Vec<u8>>;

pub fn receive(stream: &mut impl Read) -> Result<Messages> {
    let mut length = [0; 8];
    stream.read_exact(&mut length)?;
    let length = u64::from_be_bytes(length);
    let mut file = Vec::new();
    stream.take(length).read_to_end(&mut file)?;
    if (file.len() as u64) < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(vec![file])
}
