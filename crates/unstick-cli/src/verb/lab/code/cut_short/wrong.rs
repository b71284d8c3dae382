//! a full buffer looks like a whole message
use std::io::Result;
use std::net::UdpSocket;

type Messages = Vec<Vec<u8>>;

pub fn receive(socket: &UdpSocket) -> Result<Messages> {
    let mut buffer = [0; 8];
    let count = socket.recv(&mut buffer)?;
    Ok(vec![buffer[..count].to_vec()])
}
