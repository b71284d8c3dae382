//! Messages in a pipe: how they stand in standard input and output (`--io`).

mod quoted;

use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;
use std::str::FromStr;

use bytes::Bytes;
use unstick::limits::LAST_CALL;
use unstick::service::talk::{Command, Event, Input, Output, Target};
use unstick::wire::Framing;
use unstick::{Address, Error, Framings, Options, Receiver, Result, Sender};

use crate::json::text_or_base64;
use crate::output::{unread, unwritten};
use crate::payload::parse_hex;
use crate::signals;
use crate::terminal::{self, Notices};
use crate::visible::{self, is_unsafe};

/// Bytes of standard input that are taken as one message (`--io raw`): it is held in memory until the input ends.
const MAX_WHOLE: usize = 1 << 30;

/// How messages stand in a pipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Format {
    /// A line each, verbatim. A message that holds an LF does not fit.
    Line,
    /// A line each, verbatim, except that a message that holds an LF is quoted: `$'a\nb'`.
    #[default]
    Quoted,
    /// Frames of another framing: the payload verbatim.
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
    /// How messages of these framings stand in a pipe where nobody says: lines as they are, and whatever may hold an LF so
    /// that every message fits.
    pub fn of(framings: Option<&Framings>) -> Self {
        let lines = |framings: &Framings| framings.inbound.is_lines() && framings.outbound.is_lines();
        if framings.is_some_and(lines) { Self::Line } else { Self::Quoted }
    }

    /// How the lines, or frames, that hold the messages are themselves framed.
    fn framings(&self) -> Result<Framings> {
        Ok(match self {
            Self::Framed(framing) => framing.clone().into(),
            // The limit that counts is the peer's framing's. A CR is content: nothing is altered.
            Self::Line | Self::Quoted => Framing::parse("line,cr=keep,max=1G")?.into(),
            Self::Hex | Self::Escaped | Self::Json => Framing::parse("line,max=1G")?.into(),
            Self::Raw => Framing::parse("raw,max=1G")?.into(),
        })
    }

    /// A message as it is written.
    fn write(&self, message: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Line | Self::Framed(_) | Self::Raw => out.extend_from_slice(message),
            Self::Hex => out.extend(message.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)])),
            Self::Escaped => escape_text(message, None, out),
            Self::Quoted => quoted::quote(message, out),
            Self::Json => out.extend_from_slice(crate::json::safe(text_or_base64(message).to_string()).as_bytes()),
        }
    }

    /// A message as it was written; `None` where it makes no sense.
    fn read(&self, written: &[u8]) -> Option<Bytes> {
        match self {
            Self::Line | Self::Framed(_) | Self::Raw => Some(Bytes::copy_from_slice(written)),
            Self::Hex => parse_hex(std::str::from_utf8(written).ok()?).map(Bytes::from).ok(),
            Self::Escaped => unescape(written).map(Bytes::from),
            Self::Quoted if quoted::is_quoted(written) => quoted::unquote(written).map(Bytes::from),
            Self::Quoted => Some(Bytes::copy_from_slice(written)),
            Self::Json => crate::json::from_text_or_base64(written),
        }
    }

    /// A message as it stands in standard input.
    pub fn parse_message(&self, written: &[u8]) -> Result<Bytes> {
        self.read(written).ok_or_else(|| {
            let shown = visible::line_of_bytes(&written[..written.len().min(60)]);
            let error = Error::other(format!("standard input: `{shown}` is no message in --io {}", self.name()));
            error.with_hint(match self {
                Self::Hex => "a message in hexadecimal is written 00ff10 or 00 ff 10",
                Self::Escaped => "\\n, \\r, \\t, \\0, \\xHH and \\\\ are what a backslash begins",
                Self::Quoted => "a line that begins with $' is read as a quoted message, such as $'a\\nb'; --io line takes every line as it is",
                _ => "a message in JSON is a string, or {\"base64\":\"...\"}",
            })
        })
    }

    fn name(&self) -> &str {
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

    /// Whether each message is a line of its own.
    pub fn is_lines(&self) -> bool {
        matches!(self, Self::Line | Self::Quoted | Self::Hex | Self::Escaped | Self::Json)
    }

    /// Whether messages stand as they are, but for those that [`Self::Quoted`] quotes: then they are not copied on their way.
    fn is_verbatim(&self) -> bool {
        matches!(self, Self::Line | Self::Quoted | Self::Framed(_) | Self::Raw)
    }

    /// Whether this line of the input is the message itself.
    fn stands(&self, written: &[u8]) -> bool {
        self.is_verbatim() && !(*self == Self::Quoted && quoted::is_quoted(written))
    }
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

/// Text stays as it is; what is not text, the backslash, and a quote where there is one, is escaped.
fn escape_text(message: &[u8], quote: Option<char>, out: &mut Vec<u8>) {
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
            b'\'' => b'\'',
            b'x' => nibble(rest.next()?)? << 4 | nibble(rest.next()?)?,
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
    notices: Notices,
    /// Standard output is a terminal.
    screen: bool,
    /// The local time stands in front of each line.
    times: bool,
    scratch: Vec<u8>,
}

/// Opens standard input and output as messages.
pub async fn open(format: Format, notices: Notices) -> Result<(PipeInput, PipeOutput)> {
    let link = unstick::connect(&Address::Stdio, Some(&format.framings()?), &Options::default()).await?;
    let (sender, receiver) = link.split();
    let whole = (format == Format::Raw).then(Vec::new);
    let input = PipeInput { format: format.clone(), receiver, whole };
    let screen = std::io::stdout().is_terminal();
    Ok((input, PipeOutput { format, sender, notices, screen, times: false, scratch: Vec::new() }))
}

impl PipeInput {
    fn command(&self, written: &[u8]) -> Result<Command> {
        let message = self.format.parse_message(written)?;
        Ok(Command::Send { to: Target::Latest, message })
    }

    /// The rest of a whole input.
    async fn next_whole(&mut self) -> Result<Option<Command>> {
        let Some(whole) = &mut self.whole else { return Ok(None) };
        while let Some(part) = self.receiver.recv().await.map_err(unread)? {
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
        match self.receiver.recv().await.map_err(unread)? {
            Some(message) if self.format.stands(&message) => Ok(Some(Command::Send { to: Target::Latest, message })),
            Some(written) => self.command(&written).map(Some),
            None => Ok(None),
        }
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        if self.format == Format::Raw {
            return Ok(None);
        }
        match self.receiver.try_next_bytes().map_err(unread)? {
            Some(message) if self.format.stands(&message) => Ok(Some(Command::Send { to: Target::Latest, message })),
            Some(written) => self.command(&written).map(Some),
            None => Ok(None),
        }
    }

    fn pass_on(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        if self.format.is_verbatim() && self.format != Format::Raw {
            while let Some(message) = self.receiver.try_next().map_err(unread)? {
                let taken = match self.format.stands(message) {
                    true => take(message),
                    false => take(&self.format.parse_message(message)?),
                };
                if !taken {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl PipeOutput {
    /// What is written to standard output, to be waited for at the end.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Puts the local time in front of each line, if that is asked for.
    pub fn with_times(mut self, times: bool) -> Self {
        self.times = times;
        self
    }

    /// Writes one message; one that does not fit the format is [`Error::is_message`], a reader that has gone
    /// [`Error::is_closed`].
    pub fn message(&mut self, message: &[u8]) -> Result<()> {
        let quotes = self.format == Format::Quoted;
        let stands = self.format.stands(message);
        if stands && !self.times && !self.screen {
            match self.sender.push(message) {
                Err(error) if quotes && error.is_message() => {}
                written => return written.map_err(|error| output_error(error, &self.format)),
            }
        }
        self.scratch.clear();
        if self.times {
            self.scratch.extend_from_slice(terminal::now_with_offset().as_bytes());
            self.scratch.push(b' ');
        }
        if quotes && self.is_plain(message) {
            self.scratch.extend_from_slice(message);
        } else if self.format.is_verbatim() && !quotes && self.screen {
            // A terminal gets no peer's control characters, whatever was asked for.
            self.scratch.extend_from_slice(visible::text(message).as_bytes());
        } else {
            self.format.write(message, &mut self.scratch);
        }
        self.sender.push(&self.scratch).map_err(|error| output_error(error, &self.format))
    }

    /// Whether a message needs no quotes. A terminal gets no peer's control characters: there they hold more.
    fn is_plain(&self, message: &[u8]) -> bool {
        let safe = !self.screen || visible::text(message).as_bytes() == message;
        safe && !message.contains(&b'\n') && !quoted::is_ambiguous(message)
    }
}

/// A message that does not fit the format concerns its peer, with a hint; a closed pipe ends the run quietly.
fn output_error(error: Error, format: &Format) -> Error {
    if error.is_message() {
        let what = format!("a message does not fit standard output as --io {}: {error}", format.name());
        return Error::unfit(what).with_hint("--io quoted, hex, escaped or json shows any message on one line");
    }
    unwritten(error)
}

impl Output for PipeOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Message { message, .. } => return self.message(message),
            other => self.notices.say(&other),
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

/// Waits until standard output has everything. A reader that has gone is no error.
pub async fn finish(sender: Sender) -> Result<()> {
    match sender.flush().await {
        Err(error) => match unwritten(error) {
            error if error.is_closed() => Ok(()),
            error => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

/// The same, but not for long in a hurry, and no longer than a run that was ended from outside may take.
pub async fn finish_in_time(sender: Sender, hurry: bool) -> Result<()> {
    let stop = signals::stop();
    tokio::select! {
        written = finish(sender) => written,
        () = tokio::time::sleep(LAST_CALL), if hurry => Ok(()),
        () = stop.overdue() => Ok(()),
    }
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
