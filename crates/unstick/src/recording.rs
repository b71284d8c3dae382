//! Reads recordings: what the program's `--record` has written, line by line.
//!
//! A recording may come from anybody, and may end in the middle of a line, as one does whose program was killed.
//! `docs/recording.md` is the reference of the format.
//!
//! ```
//! use unstick::recording::{Recording, What};
//!
//! let lines = "{\"event\":\"recording\",\"version\":1,\"framing\":\"line\"}
//! {\"event\":\"segment\",\"peer\":1,\"direction\":\"c2s\",\"text\":\"hello\\n\"}\n";
//! let mut recording = Recording::open("doc", Box::new(lines.as_bytes()))?;
//! let event = recording.next_event()?.expect("a line");
//! assert!(matches!(event.what, What::Segment { bytes, .. } if bytes == "hello\n"));
//! # Ok::<(), unstick::Error>(())
//! ```
//!
//! Not here: what is replayed of it, which is [`service::replay`](crate::service::replay).

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Map, Value};

use crate::error::plain;
use crate::wire::{Framing, Role, SpecError, Transcript};
use crate::{Advice, Error, Result};

/// The version that is read here.
const VERSION: u64 = 1;

/// Bytes of a line: those of the longest message that is recorded, as base64 or as text with escapes.
const MAX_LINE: u64 = 64 << 20;

/// Connections that are open at once: a program rarely has more, and each takes memory.
pub const MAX_OPEN: usize = 65_536;

/// Bytes that one read of the file takes.
const READ: usize = 256 << 10;

/// How the first line begins.
pub const BEGINNING: &[u8] = br#"{"event":"recording""#;

/// A recording that is being read.
pub struct Recording {
    name: String,
    source: BufReader<Box<dyn Read>>,
    buffer: Vec<u8>,
    /// The number of the last line.
    line: u64,
    head: Head,
    cut_short: bool,
}

/// What the first line says.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Head {
    /// The framing of both directions.
    pub framing: Option<String>,
    /// The framings of the client and of the server, if they differ.
    pub framings: Option<[String; 2]>,
    /// The address that was listened on, or connected to.
    pub address: String,
    /// The server of a bridge.
    pub to: Option<String>,
}

/// The framings of the two sides of a conversation.
#[derive(Debug, Clone)]
pub struct Sides {
    /// That of the client.
    pub client: Framing,
    /// That of the server.
    pub server: Framing,
}

impl Sides {
    /// Both sides send in this framing. If it is a preset, each side sends what is its own.
    pub fn both(framing: &Framing) -> Self {
        Self { client: framing.clone(), server: framing.clone() }
    }

    /// As [`both`](Self::both).
    ///
    /// # Errors
    ///
    /// If the spec has no meaning.
    pub fn parse(spec: &str) -> std::result::Result<Self, SpecError> {
        Framing::parse(spec).map(|framing| Self::both(&framing))
    }

    /// The name for people and in JSON: one spec, or that of the client and that of the server.
    pub fn name(&self) -> String {
        let (client, server) = (self.client.as_str(), self.server.as_str());
        if client == server { client.to_owned() } else { format!("{client} and {server}") }
    }

    /// Makes the transcript of a conversation.
    pub fn transcript(&self) -> Transcript {
        Transcript::of_sides(self.client.sent_by(Role::Client), self.server.sent_by(Role::Server))
    }
}

/// What a line says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// The number of the connection.
    pub peer: u64,
    /// Nanoseconds since 1970.
    pub time: Option<u64>,
    /// What has happened.
    pub what: What,
}

/// What has happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum What {
    /// A connection is open.
    Open {
        /// The client's address.
        client: String,
        /// The server's address.
        server: String,
        /// The scheme of the address, such as `tcp`.
        protocol: String,
        /// Whether it carries bytes; otherwise messages.
        is_stream: bool,
        /// Whether it opened in an earlier file of this recording.
        continued: bool,
    },
    /// One read or write of a stream.
    Segment {
        /// The side that sent it.
        from: Role,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A datagram, or a message of a transport with messages.
    Message {
        /// The side that sent it.
        from: Role,
        /// The message.
        message: Bytes,
        /// Whether it was longer than what is recorded.
        cut_short: bool,
    },
    /// A side has ended its direction.
    End {
        /// The side.
        from: Role,
    },
    /// The connection was reset.
    Reset {
        /// The side that reset it.
        from: Role,
    },
    /// The connection has failed in another way.
    Failed {
        /// How, in a sentence.
        error: String,
    },
    /// Nothing more comes of this connection.
    Close,
    /// Something was not recorded.
    Lost {
        /// The side that sent it.
        from: Role,
        /// Number of bytes.
        bytes: u64,
        /// Number of segments or messages.
        events: u64,
    },
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("name", &self.name).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Recording {
    /// Opens a recording, and reads its first line.
    ///
    /// # Errors
    ///
    /// If it is not a recording, or one of a later version.
    pub fn open(name: &str, source: Box<dyn Read>) -> Result<Self> {
        let source = BufReader::with_capacity(READ, source);
        let head = Head::default();
        let mut this = Self { name: name.to_owned(), source, buffer: Vec::new(), line: 0, head, cut_short: false };
        let first = this.next_object()?;
        let Some(object) = first.filter(|object| text(object, "event") == Some("recording")) else {
            let error = Error::usage(format!("{name} is not a recording: its first line is not that of one"));
            return Err(error.with_advice(Advice::RecordConversation));
        };
        match object.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(version) => {
                let error = Error::other(format!("{name} is a recording of version {version}"));
                return Err(error.with_hint(format!("this program reads version {VERSION}: use a later one")));
            }
            None => return Err(this.malformed("`version` is missing")),
        }
        let word = |key: &str| text(&object, key).map(str::to_owned);
        this.head = Head {
            framing: word("framing"),
            framings: word("framing_c2s").zip(word("framing_s2c")).map(|(up, down)| [up, down]),
            address: word("address").unwrap_or_default(),
            to: word("to"),
        };
        Ok(this)
    }

    /// What the first line says.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The framings of the client and of the server that the first line names.
    ///
    /// # Errors
    ///
    /// If it names one that is not known here.
    pub fn framing(&self) -> Result<Option<Sides>> {
        if let Some([up, down]) = &self.head.framings {
            return Ok(Some(Sides { client: Framing::parse(up)?, server: Framing::parse(down)? }));
        }
        Ok(self.head.framing.as_deref().map(Sides::parse).transpose()?)
    }

    /// Reports that more than [`MAX_OPEN`] connections are open.
    pub fn too_many(&self) -> Error {
        Error::other(format!("{}: over {MAX_OPEN} connections are open at once", self.name))
    }

    /// The number of a last line that is cut short: what it said is not known.
    pub fn cut_short(&self) -> Option<u64> {
        self.cut_short.then_some(self.line)
    }

    /// Returns what the next line says; `None` at the end. Lines that this version does not know are passed over.
    ///
    /// # Errors
    ///
    /// When reading fails, or a line is malformed: with its number.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        while let Some(object) = self.next_object()? {
            if let Some(event) = event(&object).map_err(|what| self.malformed(&what))? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn next_object(&mut self) -> Result<Option<Map<String, Value>>> {
        self.buffer.clear();
        let read = (&mut self.source).take(MAX_LINE + 1).read_until(b'\n', &mut self.buffer);
        read.map_err(|error| Error::other(format!("{}: {}", self.name, plain(&error))))?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.len() as u64 > MAX_LINE {
            return Err(self.malformed(&format!("it has over {} MiB", MAX_LINE >> 20)));
        }
        if self.buffer.last() != Some(&b'\n') {
            self.cut_short = true;
            return Ok(None);
        }
        match serde_json::from_slice(&self.buffer) {
            Ok(Value::Object(object)) => Ok(Some(object)),
            Ok(_) => Err(self.malformed("it is not an object")),
            Err(error) => Err(self.malformed(&format!("it is not JSON (column {})", error.column()))),
        }
    }

    fn malformed(&self, what: &str) -> Error {
        Error::other(format!("{}, line {}: {what}", self.name, self.line))
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

/// What an object says; `None` if this version does not know its event.
fn event(object: &Map<String, Value>) -> std::result::Result<Option<Event>, String> {
    let word = |key: &str| text(object, key).map(str::to_owned).ok_or_else(|| format!("`{key}` is missing"));
    let number = |key: &str| object.get(key).and_then(Value::as_u64).ok_or_else(|| format!("`{key}` is not a number"));
    let is = |key: &str| object.get(key).and_then(Value::as_bool).unwrap_or(false);
    let from = || match text(object, "direction") {
        Some("c2s") => Ok(Role::Client),
        Some("s2c") => Ok(Role::Server),
        _ => Err("`direction` is neither c2s nor s2c".to_owned()),
    };
    let what = match &*word("event")? {
        "open" => What::Open {
            client: word("from")?,
            server: word("to")?,
            protocol: word("protocol")?,
            is_stream: word("carries")? == "bytes",
            continued: is("continued"),
        },
        "segment" => What::Segment { from: from()?, bytes: content(object)? },
        "message" => What::Message { from: from()?, message: content(object)?, cut_short: is("cut_short") },
        "end" => What::End { from: from()? },
        "reset" => What::Reset { from: from()? },
        "failed" => What::Failed { error: word("error")? },
        "close" => What::Close,
        // Without a connection it says only that there may have been more of them.
        "lost" if object.get("peer").is_none_or(Value::is_null) => return Ok(None),
        "lost" => What::Lost { from: from()?, bytes: number("bytes")?, events: number("events")? },
        _ => return Ok(None),
    };
    let time = match text(object, "time") {
        Some(time) => Some(nanoseconds(time).ok_or_else(|| "`time` is not a time after 1970".to_owned())?),
        None => None,
    };
    Ok(Some(Event { peer: number("peer")?, time, what }))
}

fn nanoseconds(time: &str) -> Option<u64> {
    u64::try_from(time.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

/// The bytes of a line.
fn content(object: &Map<String, Value>) -> std::result::Result<Bytes, String> {
    let bytes: Bytes = match (object.get("text"), object.get("base64")) {
        (Some(Value::String(text)), None) => text.clone().into(),
        (None, Some(Value::String(encoded))) => {
            BASE64.decode(encoded.as_bytes()).map_err(|error| format!("base64: {error}"))?.into()
        }
        (None, None) => return Err("neither `text` nor `base64` is there".to_owned()),
        (Some(_), Some(_)) => return Err("`text` and `base64` exclude each other".to_owned()),
        _ => return Err("`text` and `base64` are strings".to_owned()),
    };
    match object.get("bytes").map(Value::as_u64) {
        Some(length) if length != Some(bytes.len() as u64) => Err(format!("`bytes` says other than {}", bytes.len())),
        _ => Ok(bytes),
    }
}
