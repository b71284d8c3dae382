//! What bytes look like that have no framing, or none that could be found.

use super::sample::Sample;
use crate::role::Role;

/// What the bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looks {
    /// Nothing has passed.
    Empty,
    /// All of it is text.
    Text,
    /// Bytes like random ones: encrypted or compressed.
    Random,
    /// A file in a format of compression or of media, by its first bytes: this one.
    File(&'static str),
    /// A protocol that has no framing: this one.
    Unframed(&'static str),
    /// Something else.
    Binary,
}

/// First bytes of files that have no messages in them.
const FILES: &[(&[u8], &str)] = &[
    (&[0x1f, 0x8b, 8], "gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "Zstandard"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (b"BZh", "bzip2"),
    (&[4, 0x22, 0x4d, 0x18], "LZ4"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (&[0xff, 0xd8, 0xff], "JPEG"),
    (b"GIF8", "GIF"),
    (b"%PDF", "PDF"),
    (b"\x7fELF", "ELF"),
    (b"OggS", "Ogg"),
    (b"RIFF", "RIFF"),
    (b"ID3", "MP3"),
    (b"SQLite format 3\0", "SQLite"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
];

/// First bytes of a client or a server whose protocol has no framing.
const PROTOCOLS: &[(&[u8], &str)] = &[
    (b"RFB 00", "VNC (RFB)"),
    (&[0xff, 0xfd], "telnet"),
    (&[0xff, 0xfb], "telnet"),
    (&[5, 1, 0], "SOCKS 5"),
    (&[5, 2, 0], "SOCKS 5"),
];

/// Looks at the bytes of a sample.
pub(super) fn of(sample: &Sample) -> Looks {
    let sides = |role: Role| sample.connections.iter().map(move |connection| connection.side(role));
    let streams: Vec<Vec<u8>> =
        sides(Role::Client).chain(sides(Role::Server)).filter(|side| !side.is_empty()).collect();
    let Some(first) = streams.first() else { return Looks::Empty };
    for (head, name) in FILES {
        if first.starts_with(head) && !sample.connections.iter().any(|connection| connection.segmented) {
            return Looks::File(name);
        }
    }
    for (head, name) in PROTOCOLS {
        if streams.iter().any(|stream| stream.starts_with(head)) {
            return Looks::Unframed(name);
        }
    }
    let bytes = streams.concat();
    if is_text(&bytes) {
        Looks::Text
    } else if is_random(&bytes) {
        Looks::Random
    } else {
        Looks::Binary
    }
}

/// Whether there are no control characters but blanks, tabs and line ends, and UTF-8 if it is not ASCII.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &&u8| matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    // An end cut inside a character is no reason.
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    bytes.iter().filter(control).count() == 0 && is_utf8
}

/// Whether all values of bytes are as frequent as each other, as far as the number of bytes can tell (chi squared).
pub(super) fn is_random(bytes: &[u8]) -> bool {
    /// Fewer bytes cannot tell.
    const LEAST: usize = 512;
    if bytes.len() < LEAST {
        return false;
    }
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let expected = bytes.len() as f64 / 256.0;
    let squared: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    // 255 on average, and under 400 nearly always. What is encrypted in records has headers, and compression is not perfect.
    squared < 255.0 + 0.1 * bytes.len() as f64 + 150.0
}
