//! Writes a text as a JSON string, in one pass, because the messages of bulk go through here.

use data_encoding::HEXLOWER;

use crate::ascii_words::{WORD, equal, first, unprintable};
use crate::sanitize;

/// Appends a text as it stands between the quotes of a JSON string. Everything that a terminal would not show is escaped, as
/// [`sanitize::json`] does.
pub fn push(out: &mut Vec<u8>, mut text: &str) {
    loop {
        let (plain, rest) = text.split_at(plain_length(text.as_bytes()));
        out.extend_from_slice(plain.as_bytes());
        let Some(byte) = rest.bytes().next() else { return };
        // One character of ASCII, or everything up to the next one.
        let special = rest.bytes().position(|byte| byte.is_ascii()).unwrap_or(rest.len()).max(1);
        let (special, rest) = rest.split_at(special);
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                let mut escape = *b"\\u0000";
                HEXLOWER.encode_mut(&[byte], &mut escape[4..]);
                out.extend_from_slice(&escape);
            }
            _ => out.extend_from_slice(sanitize::json(special).as_bytes()),
        }
        text = rest;
    }
}

/// Number of bytes at the front that stand for themselves: printable ASCII without quotes and backslashes.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    // A zero behind the last byte does not stand for itself.
    let mut last = [0; WORD];
    last[..rest.len()].copy_from_slice(rest);
    let mut at = 0;
    loop {
        let word = *words.get(at).unwrap_or(&last);
        let special = unprintable(word) | equal(word, b'"') | equal(word, b'\\');
        if special != 0 {
            return at * WORD + first(special);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(text: &str) -> String {
        let mut out = Vec::new();
        push(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_is_written_as_serde_does_and_then_made_safe() {
        let all: String =
            (0..0x300).chain([0x200d, 0x202e, 0x2028, 0xfe0f, 0xe0041, 0x1f469]).filter_map(char::from_u32).collect();
        let long =
            "a plain text that is longer than two words, and has \"quotes\" and a \u{9b} late in it: \u{1}\u{7f}end";
        for text in ["", "a", "\"", "ü", "\u{7f}", long, &all, &all.chars().rev().collect::<String>()] {
            let by_serde = serde_json::Value::from(text).to_string();
            assert_eq!(format!("\"{}\"", pushed(text)), sanitize::json(&by_serde), "{text:?}");
        }
    }

    #[test]
    fn each_byte_at_each_place_is_looked_at() {
        for byte in 0..=u8::MAX {
            for at in 0..2 * WORD + 5 {
                for others in [b' ', b'x', b'~'] {
                    let mut bytes = [others; 2 * WORD + 5];
                    bytes[at] = byte;
                    let is_plain = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
                    assert_eq!(plain_length(&bytes), if is_plain { bytes.len() } else { at }, "{byte:#x} at {at}");
                }
            }
        }
    }
}
