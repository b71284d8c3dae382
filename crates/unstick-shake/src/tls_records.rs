//! Describes a TLS connection that `shake` sees from outside by its records, since their contents differ in every run.

use std::fmt::Write;

/// The bytes in front of a record: its type, the version and the length of what follows.
const HEADER: usize = 5;

/// The record types of TLS (RFC 8446, section 5.1): the first is change_cipher_spec, the last heartbeat.
const TYPES: std::ops::RangeInclusive<u8> = 20..=24;

/// The type of a record that holds a handshake, which every connection begins with.
const HANDSHAKE: u8 = 22;

/// Maximum length of a record: 2^14 bytes, and what TLS 1.2 allows for encryption (RFC 5246, section 6.2.3).
const LONGEST: usize = (1 << 14) + 2048;

/// A line for each record; `None` if these bytes are not TLS from the start to the end.
pub(super) fn lines(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < HEADER || bytes[0] != HANDSHAKE {
        return None;
    }
    let mut lines = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(header) = rest.first_chunk::<HEADER>() else {
            let _ = writeln!(lines, "record breaks off");
            break;
        };
        let [kind, 3, minor, high, low] = *header else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !TYPES.contains(&kind) || minor > 4 || length > LONGEST {
            return None;
        }
        let _ = writeln!(lines, "record {kind} version {minor} length {length}");
        match rest.get(HEADER + length..) {
            Some(behind) => rest = behind,
            None => {
                let _ = writeln!(lines, "breaks off");
                break;
            }
        }
    }
    Some(lines.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_by_type_version_and_length() {
        let said = |bytes: &[u8]| lines(bytes).map(|lines| String::from_utf8_lossy(&lines).into_owned());
        let two = b"\x16\x03\x01\0\x02ab\x17\x03\x03\0\x01x";
        assert_eq!(
            said(two).as_deref(),
            Some("record 22 version 1 length 2\nrecord 23 version 3 length 1\n"),
            "what they hold is not compared"
        );
        assert_eq!(said(&two[..11]).as_deref(), Some("record 22 version 1 length 2\nrecord breaks off\n"));
        assert_eq!(said(&two[..6]).as_deref(), Some("record 22 version 1 length 2\nbreaks off\n"));
        for other in [
            &b""[..],
            b"\x16\x03\x01\0",
            b"GET / HTTP/1.1",
            b"\x17\x03\x03\0\x01x",
            b"\x16\x03\x01\0\x01x\x19\x03\x03\0\0",
            b"\x16\x03\x01\x7f\xff",
        ] {
            assert_eq!(said(other), None, "{other:?} is not TLS");
        }
    }
}
