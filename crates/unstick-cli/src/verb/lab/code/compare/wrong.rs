//! this is how long the kernel takes to copy 64 bytes
use std::io::Result;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

pub fn measure(socket: &UdpSocket) -> Result<Duration> {
    let begun = Instant::now();
    socket.send(&[0; 64])?;
    Ok(begun.elapsed())
}
