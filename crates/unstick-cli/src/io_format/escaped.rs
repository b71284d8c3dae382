//! Writes and reads messages as text on one line, with bytes that are not text escaped as in C.

use crate::sanitize::is_unsafe;

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

/// Escapes everything that is not text, the backslash, and the quote if there is one. Text stays unchanged.
pub(super) fn escape_text(message: &[u8], quote: Option<char>, out: &mut Vec<u8>) {
    for chunk in message.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                c if Some(c) == quote => {
                    out.push(b'\\');
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                c if is_unsafe(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape_byte(byte, out)),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, out));
    }
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'\'' => b'\'',
            b'x' => nibble(rest.next()?)? << 4 | nibble(rest.next()?)?,
            _ => return None,
        });
    }
    Some(out)
}
