//! Reads and writes bytes in hexadecimal, as people write them.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// Returns bytes as `00 0a ff`.
pub fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| HEXLOWER.encode(&[*byte])).collect::<Vec<_>>().join(" ")
}

/// Reads pairs of hexadecimal digits. Blanks, `:`, `,` and `-` may separate bytes, and `0x` or `\\x` may precede them.
///
/// # Errors
///
/// Says which part is wrong, and why.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let between = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-');
    for part in text.split(between).filter(|part| !part.is_empty()) {
        // `\x00\x0a` has the prefix before each byte.
        for run in part.split("\\x").enumerate().filter(|(at, run)| *at > 0 || !run.is_empty()).map(|(_, run)| run) {
            parse_run(run.strip_prefix("0x").unwrap_or(run), part, &mut bytes)?;
        }
    }
    Ok(bytes)
}

fn parse_run(digits: &str, part: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!("{part} is not hexadecimal"));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{part} has an odd number of digits, and two make a byte"));
    }
    let run = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| format!("{part} is not hexadecimal"))?;
    bytes.extend(run);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_written_in_many_ways() {
        for text in [
            "00 0a ff",
            "000aff",
            "0x00 0x0A 0xFF",
            "00:0a:ff",
            "\\x00,0a,ff",
            "\\x00\\x0a\\xff",
            "0x000aff",
            "00-0a-ff\n",
        ] {
            assert_eq!(parse_hex(text), Ok(vec![0, 10, 255]), "{text}");
        }
        assert_eq!(parse_hex(""), Ok(vec![]));
    }

    #[test]
    fn what_is_not_hexadecimal_is_named() {
        assert_eq!(parse_hex("00 zz").unwrap_err(), "zz is not hexadecimal");
        assert_eq!(parse_hex("0 0a").unwrap_err(), "0 has an odd number of digits, and two make a byte");
        for text in ["grüß", "0x", "\\x", "0x0x00", "+1", "0x\\x00"] {
            assert!(parse_hex(text).is_err(), "{text}");
        }
    }
}
