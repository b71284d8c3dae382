//! there and back: the other side has really received it
use std::io::Result;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

pub fn measure(socket: &UdpSocket) -> Result<Duration> {
    let begun = Instant::now();
    socket.send(&[0; 64])?;
    socket.recv(&mut [0; 64])?;
    Ok(begun.elapsed())
}
