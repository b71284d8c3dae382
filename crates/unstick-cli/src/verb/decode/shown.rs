//! Shows what was decoded: as text for people, as JSON, or the payloads alone.

use std::io::{BufWriter, IsTerminal, StdoutLock, Write};

use serde_json::{Value, json};
use unstick::wire::shake::Direction;
use unstick::wire::{Damage, Encoder, Frame, Role};
use unstick::{Error, Result, Unfinished};

use crate::count::Count;
use crate::io_format::Format;
use crate::options::decode::Decode;
use crate::style::{FAINT, styled};
use crate::{json_lines, output, passed_text, sanitize};

/// Writes to standard output.
pub struct Shown {
    look: Look,
    out: BufWriter<StdoutLock<'static>>,
    /// Whether an event has had the version.
    versioned: bool,
}

/// In which form.
enum Look {
    /// A line for each message, with a dump below it.
    Text { hex: bool, wire: bool, colour: bool },
    /// One object a line.
    Json,
    /// The payloads and nothing else.
    Payloads(Box<Payloads>),
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

/// Whose a message is.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The number of the connection.
    pub peer: u64,
    /// The side that has sent it.
    pub from: Role,
}

/// How a direction ended.
#[derive(Debug)]
pub struct Ending {
    /// Number of its messages.
    pub messages: u64,
    /// Where and why it could not be decoded any further, and what had arrived of the frame.
    pub failure: Option<(u64, Error, Option<Unfinished>)>,
}

impl Shown {
    /// Reads from the arguments how messages are shown.
    pub fn new(args: &Decode) -> Result<Self> {
        let look = match &args.io {
            Some(format) => Look::Payloads(Box::new(Payloads::new(format.parse()?)?)),
            None if args.json => Look::Json,
            None => Look::Text { hex: args.hex, wire: args.wire, colour: output::colour_on(&std::io::stdout()) },
        };
        Ok(Self { look, out: output::gathered(), versioned: false })
    }

    /// Shows a message.
    pub fn message(&mut self, place: &Place, frame: &Frame<'_>) -> Result<()> {
        match &mut self.look {
            Look::Text { hex, wire, colour } => {
                let head = styled(*colour, &format!("@{}", frame.offset), FAINT);
                let text = passed_text::lines(&head, frame.message, Some(frame).filter(|_| *wire), *hex, *colour);
                self.put(text.as_bytes())
            }
            Look::Json => {
                let mut object = json!({
                    "event": "message", "peer": place.peer, "direction": direction(place.from),
                    "bytes": frame.message.len(), "offset": frame.offset,
                });
                json_lines::put_message(&mut object, frame.message);
                self.object(object)
            }
            Look::Payloads(payloads) => {
                payloads.write(frame.message)?;
                self.out.write_all(&payloads.frame).map_err(output::unwritten_text)
            }
        }
    }

    /// Reports bytes that were passed over because they break the framing.
    pub fn damaged(&mut self, place: &Place, damage: &Damage) -> Result<()> {
        if matches!(self.look, Look::Json) {
            let mut object = json!({
                "event": "damaged", "peer": place.peer, "direction": direction(place.from), "offset": damage.at,
                "bytes": damage.bytes, "places": damage.places, "error": damage.what,
            });
            json_lines::put_message(&mut object, &damage.preview);
            return self.object(object);
        }
        self.flush()?;
        output::loss(&format!("@{}: {damage}", damage.at));
        Ok(())
    }

    /// Reports messages that were over the limit of the framing.
    pub fn lost(&mut self, place: &Place, messages: u64) -> Result<()> {
        if matches!(self.look, Look::Json) {
            return self.object(json!({
                "event": "lost", "peer": place.peer, "direction": direction(place.from), "messages": messages,
                "cut_short": 0,
            }));
        }
        self.flush()?;
        output::loss(&format!("{} passed over as too long (oversize=discard)", Count(messages, "message")));
        Ok(())
    }

    /// Reports the end of a direction.
    pub fn close(&mut self, place: &Place, ending: &Ending) -> Result<()> {
        if matches!(self.look, Look::Json) {
            self.object(close_object(place, ending))?;
        }
        let Some((offset, error, unfinished)) = &ending.failure else { return Ok(()) };
        self.flush()?;
        output::error_of(&format!("@{offset}: "), error);
        if let Some(unfinished) = unfinished {
            output::plain(&format!("  {}", sanitize::lost_message(unfinished)));
        }
        Ok(())
    }

    /// Writes out what was gathered.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(output::unwritten_text)
    }

    fn object(&mut self, mut object: Value) -> Result<()> {
        json_lines::put_version(&mut object, &mut self.versioned);
        self.put((json_lines::line(&object) + "\n").as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(output::unwritten_text)
    }
}

fn close_object(place: &Place, ending: &Ending) -> Value {
    let of = |role| if place.from == role { ending.messages } else { 0 };
    let mut object = json!({
        "event": "close", "peer": place.peer, "reason": "ended", "unit": "messages", "c2s": of(Role::Client),
        "s2c": of(Role::Server),
    });
    let Some((offset, error, unfinished)) = &ending.failure else { return object };
    object["reason"] = json_lines::failure_name(error).into();
    object["direction"] = direction(place.from).into();
    object["offset"] = (*offset).into();
    object["error"] = error.to_string().into();
    if let Some(unfinished) = unfinished {
        object["unfinished"] = json_lines::unfinished(unfinished);
    }
    object
}

fn direction(from: Role) -> &'static str {
    Direction::from(from).short()
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
