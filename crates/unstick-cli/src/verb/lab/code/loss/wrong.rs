//! what was sent has arrived
use std::io::Result;
use std::net::UdpSocket;

pub fn send(to: &UdpSocket, all: &[&[u8]]) -> Result<()> {
    for message in all {
        to.send(message)?;
    }
    Ok(())
}
