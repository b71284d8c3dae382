//! Reads and writes messages on standard input and output (`--io`).

mod escaped;
mod quoted;

use std::fmt::Display;
use std::str::FromStr;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use unstick::wire::Framing;
use unstick::{Error, Framings, Result};

use crate::hex::parse_hex;
use crate::json_lines::{from_text_or_base64, safe, text_or_base64};
use crate::sanitize;
use escaped::{escape_text, unescape};

/// The format of messages in a pipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Format {
    /// One message a line, verbatim. A message that holds an LF does not fit.
    Line,
    /// One message a line, verbatim; a message that holds an LF is quoted: `$'a\nb'`.
    #[default]
    Quoted,
    /// Frames of another framing, with the payload verbatim.
    Framed(Framing),
    /// One message a line, in hexadecimal digits.
    Hex,
    /// One message a line, with bytes that are not text escaped as in C: `\n`, `\x00`, `\\`.
    Escaped,
    /// One message a line, as a JSON string, or as `{"base64": "..."}` if it is not UTF-8.
    Json,
    /// All of standard input is one message; received messages are written without a separator.
    Raw,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "line" => Self::Line,
            "quoted" => Self::Quoted,
            "hex" => Self::Hex,
            "escaped" => Self::Escaped,
            "json" => Self::Json,
            "raw" => Self::Raw,
            spec => Self::Framed(Framing::parse(spec).map_err(|error| {
                let hint = "--io takes line, quoted, hex, escaped, json, raw or a framing spec";
                Error::usage(format!("--io {spec}: {error}")).with_hint(hint)
            })?),
        })
    }
}

impl Format {
    /// Returns the default format for these framings. Messages without an LF are written as lines; all others in a
    /// format in which every message fits.
    pub fn of(framings: Option<&Framings>) -> Self {
        let lines = |framings: &Framings| framings.inbound.is_lines() && framings.outbound.is_lines();
        if framings.is_some_and(lines) { Self::Line } else { Self::Quoted }
    }

    /// Returns the framing of the lines, or frames, that hold the messages.
    pub fn framings(&self) -> Result<Framings> {
        Ok(match self {
            Self::Framed(framing) => framing.clone().into(),
            // The limit of the peer's framing counts. A CR is content: nothing is altered.
            Self::Line | Self::Quoted => Framing::parse("line,cr=keep,max=1G")?.into(),
            Self::Hex | Self::Escaped | Self::Json => Framing::parse("line,max=1G")?.into(),
            Self::Raw => Framing::parse("raw,max=1G")?.into(),
        })
    }

    /// Writes a message in this format.
    pub fn write(&self, message: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Line | Self::Framed(_) | Self::Raw => out.extend_from_slice(message),
            Self::Hex => out.extend_from_slice(HEXLOWER.encode(message).as_bytes()),
            Self::Escaped => escape_text(message, None, out),
            Self::Quoted => quoted::quote(message, out),
            Self::Json => out.extend_from_slice(safe(text_or_base64(message).to_string()).as_bytes()),
        }
    }

    /// Writes a message for its reader. A terminal (`screen`) never gets a peer's control characters, whatever the user
    /// asked for.
    pub fn write_for(&self, message: &[u8], screen: bool, out: &mut Vec<u8>) {
        let quotes = *self == Self::Quoted;
        if quotes && is_plain(message, screen) {
            out.extend_from_slice(message);
        } else if self.is_verbatim() && !quotes && screen {
            out.extend_from_slice(sanitize::text(message).as_bytes());
        } else {
            self.write(message, out);
        }
    }

    /// The error for a message that this format cannot hold.
    pub fn unfit(&self, error: impl Display) -> Error {
        let what = format!("a message does not fit standard output as --io {}: {error}", self.name());
        Error::unfit(what).with_hint("--io quoted, hex, escaped or json shows any message on one line")
    }

    /// Reads a written message; `None` if it is malformed.
    fn read(&self, written: &[u8]) -> Option<Bytes> {
        match self {
            Self::Line | Self::Framed(_) | Self::Raw => Some(Bytes::copy_from_slice(written)),
            Self::Hex => parse_hex(std::str::from_utf8(written).ok()?).map(Bytes::from).ok(),
            Self::Escaped => unescape(written).map(Bytes::from),
            Self::Quoted if quoted::is_quoted(written) => quoted::unquote(written).map(Bytes::from),
            Self::Quoted => Some(Bytes::copy_from_slice(written)),
            Self::Json => from_text_or_base64(written),
        }
    }

    /// Reads a message from standard input.
    pub fn parse_message(&self, written: &[u8]) -> Result<Bytes> {
        self.read(written).ok_or_else(|| {
            let shown = sanitize::line_of_bytes(&written[..written.len().min(60)]);
            let error = Error::other(format!("standard input: `{shown}` is not a message in --io {}", self.name()));
            error.with_hint(match self {
                Self::Hex => "a message in hexadecimal is written 00ff10 or 00 ff 10",
                Self::Escaped => "\\n, \\r, \\t, \\0, \\xHH and \\\\ are what a backslash begins",
                Self::Quoted => "a line that begins with $' is read as a quoted message, such as $'a\\nb'; --io line takes every line as it is",
                _ => "a message in JSON is a string, or {\"base64\":\"...\"}",
            })
        })
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Line => "line",
            Self::Quoted => "quoted",
            Self::Framed(framing) => framing.as_str(),
            Self::Hex => "hex",
            Self::Escaped => "escaped",
            Self::Json => "json",
            Self::Raw => "raw",
        }
    }

    /// Whether each message is one line.
    pub fn is_lines(&self) -> bool {
        matches!(self, Self::Line | Self::Quoted | Self::Hex | Self::Escaped | Self::Json)
    }

    /// Whether messages are written unchanged, apart from those that [`Self::Quoted`] quotes. Such messages need no
    /// copy.
    pub fn is_verbatim(&self) -> bool {
        matches!(self, Self::Line | Self::Quoted | Self::Framed(_) | Self::Raw)
    }

    /// Whether this line of input is the message itself.
    pub fn stands(&self, written: &[u8]) -> bool {
        self.is_verbatim() && !(*self == Self::Quoted && quoted::is_quoted(written))
    }
}

/// Whether a message needs no quotes. On a terminal a message with control characters needs them too.
fn is_plain(message: &[u8], screen: bool) -> bool {
    let safe = !screen || sanitize::text(message).as_bytes() == message;
    safe && !message.contains(&b'\n') && !quoted::is_ambiguous(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_what_it_writes() {
        let messages: &[&[u8]] = &[b"", b"hello", b"a\nb\r\t\0\\x41", &[0xff, 0xfe, 0x00], "grüße \u{202e}".as_bytes()];
        for format in [Format::Hex, Format::Escaped, Format::Quoted, Format::Json] {
            for message in messages {
                let mut written = Vec::new();
                format.write(message, &mut written);
                assert!(!written.contains(&b'\n'), "{format:?} {message:?}");
                assert_eq!(format.read(&written).as_deref(), Some(*message), "{format:?}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(Format::Hex.read(b"0"), None);
        assert_eq!(Format::Hex.read(b"zz"), None);
        assert_eq!(Format::Escaped.read(b"\\q"), None);
        assert_eq!(Format::Escaped.read(b"\\x4"), None);
        assert_eq!(Format::Json.read(b"{"), None);
    }
}
