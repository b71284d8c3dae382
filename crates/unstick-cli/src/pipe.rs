//! Messages in a pipe: how they stand in standard input and output (`--io`).

use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;
use std::str::FromStr;

use bytes::Bytes;
use unstick::service::talk::{Command, Event, Input, Output, Target};
use unstick::wire::Framing;
use unstick::{Address, Error, Framings, Options, Receiver, Result, Sender};

use crate::output;
use crate::report::Status;

/// Bytes of standard input that are taken as one message (`--io raw`): it is held in memory until the input ends.
const MAX_WHOLE: usize = 1 << 30;

/// How messages stand in a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Frames of a framing, `line` above all: the payload verbatim.
    Framed(Framing),
    /// A line of hexadecimal digits each.
    Hex,
    /// A line each, with what is not text escaped as in C: `\n`, `\x00`, `\\`.
    Escaped,
    /// A line each, as a JSON string, or `{"base64": "..."}` where it is not UTF-8.
    Json,
    /// All of standard input is one message; what arrives is written with nothing between.
    Raw,
}

impl Default for Format {
    fn default() -> Self {
        Self::Framed(line())
    }
}

fn line() -> Framing {
    Framing::parse("line").expect("`line` is in the table")
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "hex" => Self::Hex,
            "escaped" => Self::Escaped,
            "json" => Self::Json,
            "raw" => Self::Raw,
            spec => Self::Framed(Framing::parse(spec).map_err(|error| {
                let hint = "--io takes line, hex, escaped, json, raw or a framing spec";
                Error::usage(format!("--io {spec}: {error}")).with_hint(hint)
            })?),
        })
    }
}

impl Format {
    /// How the lines, or frames, that hold the messages are themselves framed.
    fn framings(&self) -> Result<Framings> {
        Ok(match self {
            Self::Framed(framing) => framing.clone().into(),
            Self::Hex | Self::Escaped | Self::Json => Framing::parse("line,max=1G")?.into(),
            Self::Raw => Framing::parse("raw")?.into(),
        })
    }

    /// A message as it is written.
    fn write(&self, message: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Framed(_) | Self::Raw => out.extend_from_slice(message),
            Self::Hex => out.extend(message.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)])),
            Self::Escaped => escape(message, out),
            Self::Json => out.extend_from_slice(crate::json::text_or_base64(message).to_string().as_bytes()),
        }
    }

    /// A message as it was written; `None` where it makes no sense.
    fn read(&self, written: &[u8]) -> Option<Bytes> {
        match self {
            Self::Framed(_) | Self::Raw => Some(Bytes::copy_from_slice(written)),
            Self::Hex => parse_hex(written).map(Bytes::from),
            Self::Escaped => unescape(written).map(Bytes::from),
            Self::Json => crate::json::from_text_or_base64(written),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Framed(_) => "framed",
            Self::Hex => "hex",
            Self::Escaped => "escaped",
            Self::Json => "json",
            Self::Raw => "raw",
        }
    }

    /// Whether messages pass unchanged: then they are not copied on their way.
    fn is_verbatim(&self) -> bool {
        matches!(self, Self::Framed(_) | Self::Raw)
    }
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

/// Bytes from pairs of hexadecimal digits, blanks between them allowed.
pub fn parse_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    if digits.len() % 2 != 0 {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    digits.chunks(2).map(|pair| Some((value(pair[0])? << 4 | value(pair[1])?) as u8)).collect()
}

/// Text stays as it is; what is not text, and the backslash, is escaped.
fn escape(message: &[u8], out: &mut Vec<u8>) {
    for chunk in message.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                c if c.is_control() && c.is_ascii() => escape_byte(c as u8, out),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, out));
    }
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
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
            b'x' => parse_hex(&[rest.next()?, rest.next()?])?.pop()?,
            _ => return None,
        });
    }
    Some(out)
}

/// Standard input, message by message.
pub struct PipeInput {
    format: Format,
    receiver: Receiver,
    /// All of standard input, where it is one message.
    whole: Option<Vec<u8>>,
}

/// Standard output, message by message; everything else goes to standard error.
pub struct PipeOutput {
    format: Format,
    sender: Sender,
    verbose: bool,
    /// Standard output is a terminal.
    screen: bool,
    scratch: Vec<u8>,
}

/// Opens standard input and output as messages.
pub async fn open(format: Format, verbose: bool) -> Result<(PipeInput, PipeOutput)> {
    let link = unstick::connect(&Address::Stdio, Some(&format.framings()?), &Options::default()).await?;
    let (sender, receiver) = link.split();
    let whole = (format == Format::Raw).then(Vec::new);
    let input = PipeInput { format: format.clone(), receiver, whole };
    Ok((input, PipeOutput { format, sender, verbose, screen: std::io::stdout().is_terminal(), scratch: Vec::new() }))
}

impl PipeInput {
    fn command(&self, written: &[u8]) -> Result<Command> {
        let message = self.format.read(written).ok_or_else(|| {
            let shown = crate::visible::line(&String::from_utf8_lossy(&written[..written.len().min(60)]));
            Error::usage(format!("standard input: `{shown}` is no message in --io {}", self.format.name()))
        })?;
        Ok(Command::Send { to: Target::Latest, message })
    }

    /// The rest of a whole input.
    async fn next_whole(&mut self) -> Result<Option<Command>> {
        let Some(whole) = &mut self.whole else { return Ok(None) };
        while let Some(part) = self.receiver.recv().await? {
            if whole.len() + part.len() > MAX_WHOLE {
                return Err(Error::other("standard input is over 1 GiB, which is no message any more")
                    .with_hint("--io raw takes all of it as one message; without --io it is passed on as it is"));
            }
            whole.extend_from_slice(&part);
        }
        let message = self.whole.take().filter(|whole| !whole.is_empty());
        Ok(message.map(|message| Command::Send { to: Target::Latest, message: message.into() }))
    }
}

impl Input for PipeInput {
    async fn next(&mut self) -> Result<Option<Command>> {
        if self.format == Format::Raw {
            return self.next_whole().await;
        }
        match self.receiver.recv().await? {
            Some(message) if self.format.is_verbatim() => Ok(Some(Command::Send { to: Target::Latest, message })),
            Some(written) => self.command(&written).map(Some),
            None => Ok(None),
        }
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        if self.format == Format::Raw {
            return Ok(None);
        }
        match self.receiver.try_next_bytes()? {
            Some(message) if self.format.is_verbatim() => Ok(Some(Command::Send { to: Target::Latest, message })),
            Some(written) => self.command(&written).map(Some),
            None => Ok(None),
        }
    }
}

impl PipeOutput {
    /// What is written to standard output, to be waited for at the end.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    fn message(&mut self, message: &[u8]) -> Result<()> {
        let written = if self.format.is_verbatim() && self.screen {
            // A terminal gets no peer's control characters, whatever was asked for.
            self.sender.push(crate::visible::text(message).as_bytes())
        } else if self.format.is_verbatim() {
            self.sender.push(message)
        } else {
            self.scratch.clear();
            self.format.write(message, &mut self.scratch);
            self.sender.push(&self.scratch)
        };
        written.map_err(|error| output_error(error, &self.format))
    }
}

/// A message that does not fit the format ends the run with a hint; a closed pipe ends it quietly.
fn output_error(error: Error, format: &Format) -> Error {
    if error.is_message() {
        let what = format!("a message does not fit standard output as --io {}: {error}", format.name());
        return Error::other(what).with_hint("--io hex, escaped or json shows any message on one line");
    }
    if error.io_kind() == Some(std::io::ErrorKind::BrokenPipe) { Error::output_closed() } else { error }
}

impl Output for PipeOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Message { message, .. } => return self.message(message),
            other => crate::terminal::notice(&other, self.verbose),
        }
        Ok(())
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        if !self.sender.is_full() {
            return None;
        }
        let sender = self.sender.clone();
        Some(Box::pin(async move { sender.room().await }))
    }
}

/// Prints one message, and waits until it is out.
pub async fn print(format: &Format, message: &[u8]) -> Result<Status> {
    if std::io::stdout().is_terminal() && matches!(format, Format::Framed(_)) {
        return Ok(output::print(&format!("{}\n", crate::visible::text(message))));
    }
    let (_, mut output) = open(format.clone(), false).await?;
    match output.message(message) {
        Err(error) if error.is_closed() => return Ok(Status::Done),
        other => other?,
    }
    finish(output.sender()).await.map(|()| Status::Done)
}

/// Waits until standard output has everything.
pub async fn finish(sender: Sender) -> Result<()> {
    match sender.flush().await {
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::BrokenPipe) => Ok(()),
        Err(error) => {
            output::problem("standard output could not be written");
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_what_it_writes() {
        let messages: &[&[u8]] = &[b"", b"hello", b"a\nb\r\t\0\\x41", &[0xff, 0xfe, 0x00], "grüße \u{202e}".as_bytes()];
        for format in [Format::Hex, Format::Escaped, Format::Json] {
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
