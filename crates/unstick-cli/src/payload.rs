//! Messages as they are typed: text, bytes in hexadecimal, and files, for options and at the prompt alike.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::ArgMatches;
use unstick::wire::Framing;
use unstick::wire::limits::MAX_MESSAGE;
use unstick::{Error, Result};

use crate::output;

/// What --send, --send-hex and --send-file name, in the order in which the user typed them.
pub fn in_order(
    texts: &[String],
    hexes: &[String],
    files: &[PathBuf],
    framing: Option<&Framing>,
    matches: &ArgMatches,
) -> Result<Vec<Bytes>> {
    let mut parts: Vec<(usize, Bytes)> = Vec::new();
    let places = |id: &str| matches.indices_of(id).into_iter().flatten().collect::<Vec<_>>();
    for (at, text) in places("send").into_iter().zip(texts) {
        parts.push((at, text.clone().into()));
    }
    for (at, text) in places("send_hex").into_iter().zip(hexes) {
        parts.push((at, hex(text)?));
    }
    for (at, path) in places("send_file").into_iter().zip(files) {
        parts.push((at, without_line_end(file(path)?, framing)));
    }
    parts.sort_by_key(|(at, _)| *at);
    Ok(parts.into_iter().map(|(_, message)| message).collect())
}

/// The bytes of `--send-hex`.
pub fn hex(text: &str) -> Result<Bytes> {
    parse_hex(text)
        .map(Bytes::from)
        .map_err(|why| Error::usage(format!("--send-hex `{text}`: {why}")).with_hint("such as 00ff10 or 00 ff 10"))
}

/// Bytes from pairs of hexadecimal digits. Blanks, `:`, `,` and `-` may stand between bytes, and `0x` or `\\x` in front of them.
///
/// # Errors
///
/// Says which part is wrong, and why.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let between = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-');
    for part in text.split(between).filter(|part| !part.is_empty()) {
        // `\x00\x0a` has the sign in front of each byte.
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
    for at in (0..digits.len()).step_by(2) {
        bytes.push(u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits only"));
    }
    Ok(())
}

/// A file as one message, every byte of it.
pub fn file(path: &Path) -> Result<Bytes> {
    let wrong = |what: String| Error::usage(format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| wrong(output::reason(&e)))?.len();
    if size > MAX_MESSAGE as u64 {
        // The framing's own max= is checked when it is sent; this is about reading it at all.
        output::notice(&format!("{} has {size} bytes: a framing needs max= for that", path.display()));
    }
    std::fs::read(path).map(Bytes::from).map_err(|e| wrong(output::reason(&e)))
}

/// A file's content as a message in this framing: where messages are lines, the line end that closes the file is no content.
pub fn without_line_end(content: Bytes, framing: Option<&Framing>) -> Bytes {
    match framing {
        Some(framing) => content.slice_ref(framing.without_line_end(&content)),
        None => content,
    }
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
