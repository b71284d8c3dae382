//! Shows what was decoded: as text for people, as JSON, or the payloads alone.

use std::cell::RefCell;
use std::io::{BufWriter, IsTerminal, Read, StdoutLock, Write};
use std::path::Path;
use std::rc::Rc;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use unstick::wire::{Damage, Encoder, Frame, Gap, Role};
use unstick::{Error, Result, Unfinished};

use super::message_line::MessageLines;
use super::place::{Place, direction, put_time, timestamp};
use crate::count::Count;
use crate::frontend::terminal::render::colour_of;
use crate::io_format::Format;
use crate::options::decode::Decode;
use crate::style::{CYAN, FAINT, MAGENTA, styled};
use crate::timeline::{Connection, Timeline};
use crate::{advice, json_lines, output, passed_text, sanitize};

/// Writes to standard output.
pub struct Shown {
    look: Look,
    out: Rc<RefCell<Out>>,
    /// Whether an event has had the version.
    versioned: bool,
    zone: TimeZone,
    /// The line of the last message: its memory is used again.
    line: Vec<u8>,
    lines: MessageLines,
}

type Out = BufWriter<StdoutLock<'static>>;

/// A source that is read once everything that was decoded so far has been shown: the next read may wait for long.
struct ShownFirst {
    out: Rc<RefCell<Out>>,
    source: Box<dyn Read>,
}

impl Read for ShownFirst {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        // An error is met again by what is shown next.
        let _ = self.out.borrow_mut().flush();
        self.source.read(room)
    }
}

/// In which form.
enum Look {
    /// A line for each message, with a dump below it.
    Text { hex: bool, wire: bool, colour: bool },
    /// One object a line.
    Json,
    /// The payloads and nothing else.
    Payloads(Box<Payloads>),
    /// A page, which is written at the end.
    Page(Box<Timeline>),
}

/// How payloads are written.
struct Payloads {
    format: Format,
    encoder: Encoder,
    /// Whether standard output is a terminal.
    screen: bool,
    written: Vec<u8>,
    frame: Vec<u8>,
}

/// How a direction ended.
#[derive(Debug)]
pub struct Ending {
    /// Number of its messages.
    pub messages: u64,
    /// Where and why it could not be decoded any further, and what had arrived of the frame.
    pub failure: Option<Failure>,
}

/// The offset of a frame, what is wrong with it, and what had arrived of it.
pub type Failure = (u64, Error, Option<Unfinished>);

/// A connection of a capture.
#[derive(Debug)]
pub struct Opening {
    pub peer: u64,
    pub protocol: String,
    pub client: String,
    pub server: String,
    /// The framing that its messages are decoded in, if any.
    pub framing: Option<String>,
    /// Whether it was guessed.
    pub guessed: bool,
    /// Whether the capture shows its beginning.
    pub whole: bool,
    pub time: Option<u64>,
}

/// The end of a connection of a capture.
#[derive(Debug)]
pub struct Closing {
    pub peer: u64,
    pub reason: &'static str,
    /// Number of messages of the client and of the server.
    pub passed: [u64; 2],
    /// Number of bytes that came when nothing could be decoded any more.
    pub undecoded: u64,
    pub segments: bool,
    pub time: Option<u64>,
}

impl Shown {
    /// Reads from the arguments how messages are shown.
    pub fn new(args: &Decode) -> Result<Self> {
        let look = match &args.io {
            _ if args.html.is_some() => Look::Page(Box::new(Timeline::new(&title(args)))),
            Some(format) => Look::Payloads(Box::new(Payloads::new(format.parse()?)?)),
            None if args.json => Look::Json,
            None => Look::Text { hex: args.hex, wire: args.wire, colour: output::colour_on(&std::io::stdout()) },
        };
        let out = Rc::new(RefCell::new(output::gathered()));
        Ok(Self {
            look,
            out,
            versioned: false,
            zone: TimeZone::system(),
            line: Vec::new(),
            lines: MessageLines::default(),
        })
    }

    /// Returns the same source, of which each read waits until everything that was decoded has been shown.
    pub fn before_reads_of(&self, source: Box<dyn Read>) -> Box<dyn Read> {
        Box::new(ShownFirst { out: Rc::clone(&self.out), source })
    }

    /// Shows a connection of a capture.
    pub fn open(&mut self, opening: &Opening) -> Result<()> {
        let Opening { peer, protocol, client, server, framing, guessed, whole, time } = opening;
        if let Look::Page(page) = &mut self.look {
            page.open(Connection {
                number: *peer,
                client: client.clone(),
                server: server.clone(),
                protocol: protocol.clone(),
                framing: framing.clone(),
            });
        }
        match self.look {
            Look::Text { colour, .. } => {
                let head = self.head(*time, *peer, colour);
                let framing = framing.as_ref().map(|framing| format!(" in {framing}")).unwrap_or_default();
                let guess = if *guessed { ", guessed" } else { "" };
                let middle = if *whole { "" } else { ", begun before the capture" };
                self.put(format!("{head} {protocol} {client} to {server}{framing}{guess}{middle}\n").as_bytes())
            }
            Look::Json => {
                let mut object = json!({
                    "event": "open", "peer": peer, "from": client, "to": server, "protocol": protocol,
                    "framing": framing, "whole": whole,
                });
                if *guessed {
                    object["guessed"] = true.into();
                }
                put_time(&mut object, *time);
                self.object(object)
            }
            Look::Payloads(_) | Look::Page(..) => Ok(()),
        }
    }

    /// Shows that a connection goes on in TLS records, and where in a direction that was seen.
    pub fn tls(&mut self, place: &Place, offset: u64) -> Result<()> {
        match self.look {
            Look::Text { colour, .. } => {
                let head = self.head(place.time, place.peer.unwrap_or(1), colour);
                let way = direction(place.from);
                self.put(format!("{head} {way} @{offset}: TLS begins; from here on messages in tls\n").as_bytes())
            }
            Look::Json => {
                let mut object = place.object("framing");
                object["offset"] = offset.into();
                object["framing"] = "tls".into();
                self.object(object)
            }
            Look::Payloads(_) | Look::Page(..) => Ok(()),
        }
    }

    /// Shows a message.
    pub fn message(&mut self, place: &Place, frame: &Frame<'_>) -> Result<()> {
        match &mut self.look {
            Look::Page(page) => {
                if place.segments || !place.is_stream {
                    page.segment(place.at(frame.offset), frame.bytes.len());
                }
                page.message(place.at(frame.offset), frame);
                Ok(())
            }
            Look::Text { hex, wire, colour } => {
                let (hex, wire, colour) = (*hex, *wire, *colour);
                let head = match place.peer {
                    Some(peer) => {
                        let way = if place.from == Role::Client { CYAN } else { MAGENTA };
                        format!(
                            "{} {}",
                            self.head(place.time, peer, colour),
                            styled(colour, direction(place.from), way)
                        )
                    }
                    None => styled(colour, &format!("@{}", frame.offset), FAINT),
                };
                let text = passed_text::lines(&head, frame.message, Some(frame).filter(|_| wire), hex, colour);
                self.put(text.as_bytes())
            }
            Look::Json => {
                self.line.clear();
                let first = !std::mem::replace(&mut self.versioned, true);
                self.lines.put(&mut self.line, place, frame, first);
                self.out.borrow_mut().write_all(&self.line).map_err(output::unwritten_text)
            }
            Look::Payloads(payloads) => {
                payloads.write(frame.message)?;
                self.out.borrow_mut().write_all(&payloads.frame).map_err(output::unwritten_text)
            }
        }
    }

    /// A segment has passed, from this offset on: only a page shows it.
    pub fn segment(&mut self, place: &Place, offset: u64, length: usize) {
        if let Look::Page(page) = &mut self.look {
            page.segment(place.at(offset), length);
        }
    }

    /// Marks a place in a page.
    fn mark(&mut self, place: &Place, offset: u64, what: &str) {
        if let Look::Page(page) = &mut self.look {
            page.mark(place.at(offset), what);
        }
    }

    /// Reports bytes that were passed over because they break the framing.
    pub fn damaged(&mut self, place: &Place, damage: &Damage) -> Result<()> {
        self.mark(place, damage.at, &damage.to_string());
        if matches!(self.look, Look::Json) {
            let mut object = place.object("damaged");
            object["offset"] = damage.at.into();
            object["bytes"] = damage.bytes.into();
            object["places"] = damage.places.into();
            object["error"] = damage.what.clone().into();
            json_lines::put_message(&mut object, &damage.preview);
            return self.object(object);
        }
        self.loss(&format!("{}: {damage}", place.named(damage.at)))
    }

    /// Reports messages that were over the limit of the framing, and datagrams that were captured in part.
    pub fn lost(&mut self, place: &Place, messages: u64, cut_short: u64) -> Result<()> {
        if matches!(self.look, Look::Json) {
            let mut object = place.object("lost");
            object["messages"] = messages.into();
            object["cut_short"] = cut_short.into();
            return self.object(object);
        }
        let peer = place.peer.map(|peer| format!("peer {peer}: ")).unwrap_or_default();
        if messages > 0 {
            let many = Count(messages, "message");
            self.loss(&format!("{peer}{many} passed over as too long (oversize=discard)"))?;
        }
        if cut_short > 0 {
            self.loss(&format!("{peer}{} cut short by the capture", Count(cut_short, "datagram")))?;
        }
        Ok(())
    }

    /// Reports bytes that the capture lacks.
    pub fn gap(&mut self, place: &Place, gap: &Gap) -> Result<()> {
        self.mark(place, gap.offset, &format!("{} missing", Count(gap.bytes, "byte")));
        if matches!(self.look, Look::Json) {
            let mut object = place.object("gap");
            object["offset"] = gap.offset.into();
            object["bytes"] = gap.bytes.into();
            object["unfinished"] = gap.unfinished.into();
            object["resumes"] = gap.resumes.into();
            return self.object(object);
        }
        let are = if gap.bytes == 1 { "is" } else { "are" };
        let mut text = format!("{}: {} {are} not in the capture", place.named(gap.offset), Count(gap.bytes, "byte"));
        if gap.unfinished > 0 {
            text += &format!(", and {} before them are of a message that is lost", Count(gap.unfinished, "byte"));
        }
        if !gap.resumes {
            text += "; what follows in this direction cannot be decoded";
        }
        self.loss(&text)
    }

    /// Reports that a direction of a connection cannot be decoded any further.
    pub fn failed(&mut self, place: &Place, failure: &Failure) -> Result<()> {
        self.mark(place, failure.0, &failure.1.to_string());
        if matches!(self.look, Look::Json) {
            let mut object = place.object("error");
            object["hint"] = advice::hint(&failure.1).into();
            put_failure(&mut object, failure);
            self.object(object)?;
        }
        self.error(place, failure)
    }

    /// Reports the end of a connection.
    pub fn close(&mut self, closing: &Closing) -> Result<()> {
        let Closing { peer, reason, passed: [up, down], undecoded, segments, time } = closing;
        let unit = if *segments { "segment" } else { "message" };
        match self.look {
            Look::Text { colour, .. } => {
                let head = self.head(*time, *peer, colour);
                let (up, down) = (Count(*up, unit), Count(*down, unit));
                let left = if *undecoded == 0 {
                    String::new()
                } else {
                    format!("; {} not decoded", Count(*undecoded, "byte"))
                };
                self.put(format!("{head} {reason}: {up} to the server, {down} back{left}\n").as_bytes())
            }
            Look::Json => {
                let mut object = json!({
                    "event": "close", "peer": peer, "reason": reason, "unit": format!("{unit}s"), "c2s": up, "s2c": down,
                    "undecoded": undecoded,
                });
                put_time(&mut object, *time);
                self.object(object)
            }
            Look::Payloads(_) | Look::Page(..) => Ok(()),
        }
    }

    /// Reports the end of a file of the bytes of one direction.
    pub fn end_of_file(&mut self, place: &Place, ending: &Ending) -> Result<()> {
        if matches!(self.look, Look::Json) {
            let of = |role| if place.from == role { ending.messages } else { 0 };
            let mut object = json!({
                "event": "close", "peer": 1, "reason": "ended", "unit": "messages", "c2s": of(Role::Client),
                "s2c": of(Role::Server),
            });
            if let Some(failure) = &ending.failure {
                object["reason"] = json_lines::failure_name(&failure.1).into();
                object["direction"] = direction(place.from).into();
                put_failure(&mut object, failure);
            }
            self.object(object)?;
        }
        ending.failure.as_ref().map_or(Ok(()), |failure| self.error(place, failure))
    }

    /// Reports a loss on standard error, behind what was shown before it.
    pub fn loss(&mut self, text: &str) -> Result<()> {
        self.flush()?;
        output::loss(text);
        Ok(())
    }

    /// Writes a page, if there is one to write.
    pub fn finish(&mut self, args: &Decode) -> Result<()> {
        let look = std::mem::replace(&mut self.look, Look::Json);
        match (look, args.html.as_deref()) {
            (Look::Page(page), Some(to)) => page.write(to),
            _ => self.flush(),
        }
    }

    /// Writes out what was gathered.
    pub fn flush(&mut self) -> Result<()> {
        self.out.borrow_mut().flush().map_err(output::unwritten_text)
    }

    fn error(&mut self, place: &Place, (offset, error, unfinished): &Failure) -> Result<()> {
        self.flush()?;
        output::error_of(&format!("{}: ", place.named(*offset)), error);
        if let Some(unfinished) = unfinished {
            output::plain(&format!("  {}", sanitize::lost_message(unfinished)));
        }
        Ok(())
    }

    /// The local time and the number of a connection.
    fn head(&self, time: Option<u64>, peer: u64, colour: bool) -> String {
        let time = time.and_then(timestamp).map(|time| time.to_zoned(self.zone.clone()));
        let time = time.map_or_else(|| "-".to_owned(), |time| time.strftime("%H:%M:%S%.3f").to_string());
        format!("{} {}", styled(colour, &time, FAINT), styled(colour, &peer.to_string(), colour_of(peer)))
    }

    fn object(&mut self, mut object: Value) -> Result<()> {
        json_lines::put_version(&mut object, &mut self.versioned);
        self.put((json_lines::line(&object) + "\n").as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.borrow_mut().write_all(bytes).map_err(output::unwritten_text)
    }
}

/// The name of a page.
fn title(args: &Decode) -> String {
    let name = args.file.as_deref().and_then(Path::file_name);
    name.map_or_else(|| "standard input".to_owned(), |name| name.display().to_string())
}

fn put_failure(object: &mut Value, (offset, error, unfinished): &Failure) {
    object["offset"] = (*offset).into();
    object["error"] = error.to_string().into();
    if let Some(unfinished) = unfinished {
        object["unfinished"] = json_lines::unfinished(unfinished);
    }
}

impl Payloads {
    fn new(format: Format) -> Result<Self> {
        let encoder = format.framings()?.outbound.encoder()?;
        let screen = std::io::stdout().is_terminal();
        Ok(Self { format, encoder, screen, written: Vec::new(), frame: Vec::new() })
    }

    /// Writes a payload into `frame`.
    fn write(&mut self, message: &[u8]) -> Result<()> {
        self.written.clear();
        self.frame.clear();
        self.format.write_for(message, self.screen, &mut self.written);
        self.encoder.encode(&self.written, &mut self.frame).map_err(|error| self.format.unfit(error))
    }
}
