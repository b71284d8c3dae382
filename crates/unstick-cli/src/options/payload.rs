//! Messages that the user types: text, bytes in hexadecimal, and files, for options and the prompt.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::ArgMatches;
use unstick::wire::Framing;
use unstick::wire::limits::MAX_MESSAGE;
use unstick::{Error, Result};

use crate::hex::parse_hex;
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

/// Parses the bytes of `--send-hex`.
pub fn hex(text: &str) -> Result<Bytes> {
    parse_hex(text)
        .map(Bytes::from)
        .map_err(|why| Error::usage(format!("--send-hex `{text}`: {why}")).with_hint("such as 00ff10 or 00 ff 10"))
}

/// Reads a file as one message, every byte of it.
pub fn file(path: &Path) -> Result<Bytes> {
    let wrong = |what: String| Error::usage(format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| wrong(output::reason(&e)))?.len();
    if size > MAX_MESSAGE as u64 {
        // The framing's own max= is checked when the message is sent; this notice is about a file beyond any framing's
        // default.
        output::notice(&format!("{} has {size} bytes: a framing needs max= for that", path.display()));
    }
    std::fs::read(path).map(Bytes::from).map_err(|e| wrong(output::reason(&e)))
}

/// A file's content as a message in this framing. If messages are lines, the line end at the end of the file is not
/// part of it.
pub fn without_line_end(content: Bytes, framing: Option<&Framing>) -> Bytes {
    match framing {
        Some(framing) => content.slice_ref(framing.without_line_end(&content)),
        None => content,
    }
}
