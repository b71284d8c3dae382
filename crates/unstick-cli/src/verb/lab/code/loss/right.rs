//! numbered, and sent again until its number comes back
use std::io::Result;
use std::net::UdpSocket;
use std::time::Duration;

pub fn send(to: &UdpSocket, all: &[&[u8]]) -> Result<()> {
    let wait = Duration::from_millis(100);
    to.set_read_timeout(Some(wait))?;
    for (number, message) in (0u32..).zip(all) {
        let mark = number.to_be_bytes();
        let mut answer = [0xff; 4];
        while answer != mark {
            to.send(&[&mark, *message].concat())?;
            let _ = to.recv(&mut answer); // or lost
        }
    }
    Ok(())
}
