//! one read, one message; 65,535 bytes are always enough
use std::io::Result;
use std::net::UdpSocket;

type Messages = Vec<Vec<u8>>;

pub fn receive(socket: &UdpSocket) -> Result<Messages> {
    let mut buffer = vec![0; 65_535];
    let count = socket.recv(&mut buffer)?;
    Ok(vec![buffer[..count].to_vec()])
}
