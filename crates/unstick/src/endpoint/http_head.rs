//! Reads the head of an HTTP message from a stream, up to its empty line: for handshakes after which another protocol
//! follows.
//!
//! Not here: what its lines mean. The handshakes of WebSocket and of proxies know that.

use std::io;

#[cfg(feature = "ws")]
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
#[cfg(feature = "proxy")]
use tokio::net::TcpStream;

use crate::limits;

/// Maximum number of header lines that are read.
pub(super) const MAX_HEADERS: usize = 64;

/// Number of bytes that are read at once.
const PIECE: usize = 1024;

/// The part of a head that has arrived.
struct Begun {
    bytes: Vec<u8>,
    /// Whether these bytes can still become a head.
    begins: fn(&[u8]) -> bool,
}

impl Begun {
    fn new(begins: fn(&[u8]) -> bool) -> Self {
        Self { bytes: Vec::new(), begins }
    }

    /// Adds the bytes of one read. Returns where the head ends, if it does.
    fn add(&mut self, piece: &[u8]) -> io::Result<Option<usize>> {
        // Bytes that were checked before are not checked again, except the last three, which may begin the end.
        let from = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(piece);
        let end = self.bytes[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4);
        if end.unwrap_or(self.bytes.len()) > limits::MAX_OPENING {
            let what = format!("its HTTP head is longer than {} KiB", limits::MAX_OPENING >> 10);
            return Err(io::Error::other(what));
        }
        Ok(end)
    }

    /// Whether no head will come of it. Parsing what is there then shows what is wrong.
    fn is_lost(&self, piece: &[u8]) -> bool {
        piece.is_empty() || !(self.begins)(&self.bytes)
    }
}

/// Reads a head, or up to where it is clear that there will be none. Returns it, and what was read after it.
#[cfg(feature = "ws")]
pub(super) async fn read<S>(stream: &mut S, begins: fn(&[u8]) -> bool) -> io::Result<(Vec<u8>, Vec<u8>)>
where
    S: AsyncRead + Unpin,
{
    let mut begun = Begun::new(begins);
    let mut seen = vec![0; PIECE];
    loop {
        let length = stream.read(&mut seen).await?;
        let piece = &seen[..length];
        if let Some(end) = begun.add(piece)? {
            let rest = begun.bytes.split_off(end);
            return Ok((begun.bytes, rest));
        }
        if begun.is_lost(piece) {
            return Ok((begun.bytes, Vec::new()));
        }
    }
}

/// Reads a head without taking any byte after it.
#[cfg(feature = "proxy")]
pub(super) async fn read_alone(stream: &mut TcpStream, begins: fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut begun = Begun::new(begins);
    let mut seen = vec![0; PIECE];
    loop {
        let length = stream.peek(&mut seen).await?;
        let before = begun.bytes.len();
        let end = begun.add(&seen[..length])?;
        begun.bytes.truncate(end.unwrap_or(begun.bytes.len()));
        stream.read_exact(&mut seen[..begun.bytes.len() - before]).await?;
        if end.is_some() || begun.is_lost(&seen[..length]) {
            return Ok(begun.bytes);
        }
    }
}

/// Whether this can be the beginning of an HTTP line, which is text.
#[cfg(feature = "ws")]
pub(super) fn begins_like_text(head: &[u8]) -> bool {
    head.iter().take(8).all(|byte| (b' '..=b'~').contains(byte))
}

/// Whether this can become an HTTP response.
#[cfg(feature = "proxy")]
pub(super) fn begins_like_answer(head: &[u8]) -> bool {
    head.iter().zip(b"HTTP/1.").all(|(one, other)| one == other)
}

#[cfg(all(test, feature = "proxy", feature = "ws"))]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_is_cut() {
        let head = b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-";
        for cut in 0..head.len() {
            let mut begun = Begun::new(begins_like_answer);
            let first = begun.add(&head[..cut]).unwrap();
            let end = if first.is_some() { first } else { begun.add(&head[cut..]).unwrap() };
            assert_eq!(end, Some(19), "{cut}");
        }
        assert_eq!(Begun::new(begins_like_answer).add(b"HTTP/1.1 200 OK\r\n\r").unwrap(), None);
    }

    #[test]
    fn what_no_head_can_begin_with_is_not_waited_for() {
        assert!(begins_like_answer(b"") && begins_like_answer(b"HTT") && begins_like_answer(b"HTTP/1.1 200"));
        assert!(!begins_like_answer(b"SSH-") && !begins_like_answer(b"\x05"));
        assert!(begins_like_text(b"GET / HTTP") && !begins_like_text(b"\x16\x03\x01"));
    }
}
