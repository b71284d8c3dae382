//! What is replayed: the messages of each connection of a recording, in order.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use unstick::wire::{Framing, Piece, Role, Transcript};
use unstick::{Error, Framings, Result};

use crate::count::Count;
use crate::output;
use crate::recording::{Event, Recording, Sides, What};

/// Bytes of messages and frames that are kept in memory: a recording that is replayed is read as a whole.
const MAX_REPLAYED: usize = 128 << 20;

/// All connections that can be replayed.
pub struct Scripts {
    /// `None` if nothing names one.
    pub framing: Option<Sides>,
    pub scripts: Vec<Script>,
}

/// One connection.
pub struct Script {
    /// Its number in the recording.
    pub peer: u64,
    pub steps: Vec<Step>,
    /// Whether the server ended its direction before the client did.
    pub server_ends_first: bool,
}

/// One message.
pub struct Step {
    pub from: Role,
    pub message: Bytes,
    /// The message with its frame, as it was recorded.
    pub frame: Bytes,
    /// Time since the message before it.
    pub after: Duration,
}

/// A connection while it is read.
struct Reading {
    script: Script,
    /// `None` where messages were recorded.
    transcript: Option<Transcript>,
    last: Option<u64>,
    /// Whether a side has ended.
    ended: bool,
    /// Why it cannot be replayed.
    broken: Option<String>,
    /// Bytes of its messages and their frames.
    kept: usize,
}

impl Scripts {
    /// Reads a recording: all of its connections, or one.
    ///
    /// # Errors
    ///
    /// If it is malformed or too large, or if nothing of it can be replayed.
    pub fn read(name: &str, source: Box<dyn Read>, framing: Option<&str>, only: Option<u64>) -> Result<Self> {
        let mut recording = Recording::open(name, source)?;
        let framing = match framing {
            Some(spec) => Some(Sides::parse(spec)?),
            None => recording.framing()?,
        };
        let sides = framing.iter().flat_map(|sides| [&sides.client, &sides.server]);
        if let Some(framing) = sides.into_iter().find(|framing| !framing.keeps_boundaries()) {
            let error = Error::usage(format!("{framing} has no messages that could be replayed"));
            return Err(error.with_hint("-f names a framing that has, such as -f redis"));
        }
        let mut readings: BTreeMap<u64, Reading> = BTreeMap::new();
        let mut kept = 0_usize;
        while let Some(event) = recording.next()? {
            if only.is_some_and(|only| only != event.peer) {
                continue;
            }
            if let What::Open { is_stream, continued, .. } = event.what {
                if !(continued && readings.contains_key(&event.peer)) {
                    let reading = Reading::new(event.peer, framing.as_ref(), is_stream, !continued);
                    kept += reading.size();
                    let before = readings.insert(event.peer, reading);
                    kept -= before.as_ref().map_or(0, Reading::size);
                }
            } else if let Some(reading) = readings.get_mut(&event.peer) {
                let before = reading.size();
                reading.take(event);
                kept = kept + reading.size() - before;
            }
            if kept > MAX_REPLAYED {
                let error = Error::other(format!("{name}: over {} MiB of messages", MAX_REPLAYED >> 20));
                return Err(error.with_hint("--connection N replays one connection"));
            }
        }
        if let Some(line) = recording.cut_short() {
            output::loss(&format!("{name}: the recording ends in the middle of line {line}"));
        }
        let mut scripts = Vec::new();
        for Reading { script, broken, .. } in readings.into_values() {
            match broken {
                Some(why) => output::loss(&format!("connection {} is left out: {why}", script.peer)),
                None if script.steps.is_empty() => {}
                None => scripts.push(script),
            }
        }
        if scripts.is_empty() {
            return Err(Error::usage(format!("{name}: no connection in it can be replayed")));
        }
        Ok(Self { framing, scripts })
    }
}

impl Reading {
    fn new(peer: u64, framing: Option<&Sides>, is_stream: bool, whole: bool) -> Self {
        let transcript = framing.filter(|_| is_stream).map(|framing| {
            let mut transcript = framing.transcript();
            if !whole {
                [Role::Client, Role::Server].into_iter().for_each(|role| transcript.begins_in_the_middle(role));
            }
            transcript
        });
        let broken = (is_stream && transcript.is_none()).then(|| "no framing is named: -f names it".to_owned());
        let script = Script { peer, steps: Vec::new(), server_ends_first: false };
        Self { script, transcript, last: None, ended: false, broken, kept: 0 }
    }

    /// Bytes of memory that it takes.
    fn size(&self) -> usize {
        size_of::<Self>() + self.kept + self.transcript.as_ref().map_or(0, Transcript::held)
    }

    fn take(&mut self, event: Event) {
        let Event { time, what, .. } = event;
        match what {
            What::Segment { from, bytes } => {
                if let Some(transcript) = &mut self.transcript {
                    transcript.segment(from, &bytes);
                }
                self.messages_of(from, time);
            }
            What::Message { cut_short: true, .. } => {
                self.broken.get_or_insert_with(|| "a datagram was recorded in part".to_owned());
            }
            What::Message { from, message, .. } => {
                self.push(from, message.clone(), message, time);
            }
            What::End { from } => {
                if !std::mem::replace(&mut self.ended, true) {
                    self.script.server_ends_first = from == Role::Server;
                }
                if let Some(transcript) = &mut self.transcript {
                    transcript.finish(from);
                }
                self.messages_of(from, time);
            }
            What::Lost { bytes, .. } => {
                self.broken.get_or_insert_with(|| format!("{} of it were not recorded", Count(bytes, "byte")));
            }
            What::Open { .. } | What::Reset { .. } | What::Failed { .. } | What::Close => {}
        }
    }

    /// Takes the messages that are complete.
    fn messages_of(&mut self, from: Role, time: Option<u64>) {
        // One line may hold millions of messages.
        while self.kept <= MAX_REPLAYED
            && let Some(piece) = self.transcript.as_mut().and_then(|transcript| transcript.next(from))
        {
            match piece {
                Piece::Message(frame) => {
                    let [message, frame] = [frame.message, frame.bytes].map(Bytes::copy_from_slice);
                    self.push(from, message, frame, time);
                }
                Piece::Failed(error) => {
                    self.broken.get_or_insert_with(|| error.to_string());
                }
                _ => {}
            }
        }
    }

    fn push(&mut self, from: Role, message: Bytes, frame: Bytes, time: Option<u64>) {
        let since = time.zip(self.last).map_or(0, |(time, last)| time.saturating_sub(last));
        self.last = time.or(self.last);
        self.kept += message.len() + frame.len() + size_of::<Step>();
        self.script.steps.push(Step { from, message, frame, after: Duration::from_nanos(since) });
    }
}

/// How a link carries what is replayed, for this side of it. What it sends are the frames of the recording, byte by byte,
/// except where the other direction depends on what was sent.
///
/// # Errors
///
/// If the framing can only be read, and its frames cannot be sent as they are.
pub fn framings(sides: &Sides, role: Role) -> Result<(Framings, bool)> {
    let (own, other) = match role {
        Role::Client => (&sides.client, &sides.server),
        Role::Server => (&sides.server, &sides.client),
    };
    if own.depends_on_requests() || other.depends_on_requests() {
        let framings = Framings { inbound: other.clone(), outbound: own.clone() };
        return Ok((framings.as_seen_by(role), false));
    }
    let framings = Framings { inbound: other.sent_by(role.other()), outbound: Framing::parse("raw")? };
    Ok((framings, true))
}
