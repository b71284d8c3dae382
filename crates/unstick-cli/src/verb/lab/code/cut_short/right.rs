//! room for one byte more than a message may have
use std::io::{self, Result};
use std::net::UdpSocket;

type Messages = Vec<Vec<u8>>;

pub fn receive(socket: &UdpSocket) -> Result<Messages> {
    let mut buffer = [0; 8 + 1];
    let count = socket.recv(&mut buffer)?;
    if count > 8 {
        let why = "longer than a message may be";
        return Err(io::Error::other(why));
    }
    Ok(vec![buffer[..count].to_vec()])
}
