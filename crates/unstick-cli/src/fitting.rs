//! Which framing does fit the bytes that broke another one.

use std::sync::atomic::{AtomicU32, Ordering};

use unstick::wire::guess::{Guess, Sample};
use unstick::wire::{DecodeError, Role};

/// Errors of one run that are looked at: each takes some milliseconds, and clients can cause any number of them.
const MAX_LOOKS: u32 = 16;

/// As many bytes as an error keeps: there are more, and the last segment may go on.
const KEPT: usize = 1024;

/// Returns a hint with the framing that is certain for the bytes from which on a stream could not be decoded. Only at its start: later, the
/// framing that was named has decoded something.
pub fn hint(error: &DecodeError) -> Option<String> {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    if error.offset() > 0 || error.head().is_empty() || LOOKS.fetch_add(1, Ordering::Relaxed) >= MAX_LOOKS {
        return None;
    }
    let [client, server] = [Role::Client, Role::Server].map(|from| spec(&guess(from, error.head())));
    match (client, server) {
        (Some(spec), Some(other)) if spec == other => Some(format!("these bytes fit -f {spec}")),
        (Some(spec), None) => Some(format!("these bytes fit -f {spec}, as a client sends it")),
        (None, Some(spec)) => Some(format!("these bytes fit -f {spec}, as a server sends it")),
        _ => None,
    }
}

fn guess(from: Role, bytes: &[u8]) -> Guess {
    if bytes.len() >= KEPT {
        return Sample::of_stream(from, bytes, true).guess();
    }
    // What has arrived ends where something that was sent ends.
    let mut sample = Sample::new(0);
    sample.open(1, true);
    sample.segment(1, from, bytes);
    sample.guess()
}

fn spec(guess: &Guess) -> Option<String> {
    guess.candidates.first().filter(|_| guess.certain).map(|first| first.spec.clone())
}

#[cfg(test)]
mod tests {
    use unstick::wire::Framing;

    use super::{KEPT, MAX_LOOKS, hint};

    /// What is said of this stream, which breaks this framing.
    fn told(spec: &str, stream: &[u8]) -> Option<String> {
        let mut decoder = Framing::parse(spec).unwrap().decoder();
        decoder.feed(stream);
        decoder.finish();
        loop {
            match decoder.next() {
                Ok(message) => assert!(message.is_some(), "{spec} takes {stream:?}"),
                Err(error) => return hint(&error),
            }
        }
    }

    /// One test: all share the number of looks.
    #[test]
    fn a_certain_framing_is_named_with_its_side_and_only_so_often() {
        let request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
        assert_eq!(told("u32be", request).as_deref(), Some("these bytes fit -f http, as a client sends it"));
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(told("u32be", response).as_deref(), Some("these bytes fit -f http, as a server sends it"));
        let long = [&request[..], &vec![b'x'; KEPT]].concat();
        assert_eq!(told("u32be", &long).as_deref(), Some("these bytes fit -f http, as a client sends it"));
        for unclear in [&b"\xff\xff\xff\xff"[..], b"hello\r\n", &[0xa7; 2 * KEPT]] {
            assert_eq!(told("u32be", unclear), None);
        }
        // What was decoded before says that the framing was right there.
        let later = [&b"\0\0\0\x01x"[..], request].concat();
        assert_eq!(told("u32be", &later), None);
        let answers = (0..MAX_LOOKS).filter(|_| told("u32be", request).is_some()).count();
        assert_eq!(answers as u32, MAX_LOOKS - 6, "six were looked at above");
    }
}
