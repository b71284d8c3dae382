//! a length and a body, as from a stream
use std::io::Result;
use std::net::UdpSocket;

type Messages = Vec<Vec<u8>>;

pub fn receive(socket: &UdpSocket) -> Result<Messages> {
    let mut header = [0; 4];
    socket.recv(&mut header)?;
    let length = u32::from_be_bytes(header);
    let mut body = vec![0; length as usize];
    socket.recv(&mut body)?; // of the next datagram
    Ok(vec![body])
}
