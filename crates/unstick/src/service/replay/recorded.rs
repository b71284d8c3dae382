//! What is replayed: the messages of each connection of a recording, in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::error::plain;
use crate::recording::{Event, Recording, What};
use crate::wire::replay::{Script, Step};
use crate::wire::{Framing, Piece, Role, Transcript};
use crate::{Advice, Error, Result};

/// Bytes of messages and frames that are kept in memory: a recording that is replayed is read as a whole.
const MAX_REPLAYED: usize = 128 << 20;

/// The connections of a recording that can be replayed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Recorded {
    /// The framings of what the client and the server send; `None` if nothing names them.
    pub framings: Option<[Framing; 2]>,
    /// The connections.
    pub scripts: Vec<Script>,
    /// The connections that cannot be replayed.
    pub left_out: Vec<LeftOut>,
    /// The number of a last line that is cut short.
    pub cut_short: Option<u64>,
}

/// A connection that cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Its number in the recording.
    pub connection: u64,
    /// Why.
    pub why: String,
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

impl Recorded {
    /// Reads all connections of a recording.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], or if the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::usage(format!("{name}: {}", plain(&error))))?;
        Self::read(&name, Box::new(file), None, None)
    }

    /// Reads a recording: all of its connections, or the one with this number. `name` is for errors; `framing`, if there is one,
    /// takes the place of what the recording names.
    ///
    /// # Errors
    ///
    /// If it is malformed or too large, or if nothing of it can be replayed.
    pub fn read(name: &str, source: Box<dyn Read>, framing: Option<&Framing>, only: Option<u64>) -> Result<Self> {
        let mut recording = Recording::open(name, source)?;
        let framings = match framing {
            Some(framing) => Some([framing.clone(), framing.clone()]),
            None => recording.framing()?.map(|sides| [sides.client, sides.server]),
        };
        if let Some(framing) = framings.iter().flatten().find(|framing| !framing.keeps_boundaries()) {
            let error = Error::usage(format!("{framing} has no messages that could be replayed"));
            return Err(error.with_advice(Advice::NameFramingWithMessages));
        }
        let mut readings: BTreeMap<u64, Reading> = BTreeMap::new();
        let mut kept = 0_usize;
        while let Some(event) = recording.next_event()? {
            if only.is_some_and(|only| only != event.peer) {
                continue;
            }
            if let What::Open { is_stream, continued, .. } = event.what {
                if !(continued && readings.contains_key(&event.peer)) {
                    let reading = Reading::new(event.peer, framings.as_ref(), is_stream, !continued);
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
                return Err(error.with_advice(Advice::ReplayOneConnection));
            }
        }
        let mut found = Self { framings, cut_short: recording.cut_short(), ..Self::default() };
        for Reading { script, broken, .. } in readings.into_values() {
            match broken {
                Some(why) => found.left_out.push(LeftOut { connection: script.connection, why }),
                None if script.steps.is_empty() => {}
                None => found.scripts.push(script),
            }
        }
        Ok(found)
    }
}

impl Reading {
    fn new(connection: u64, framings: Option<&[Framing; 2]>, is_stream: bool, whole: bool) -> Self {
        let transcript = framings
            .filter(|_| is_stream && whole)
            .map(|[client, server]| Transcript::of_sides(client.sent_by(Role::Client), server.sent_by(Role::Server)));
        let broken = match transcript {
            _ if !whole => Some("its beginning is in an earlier file".to_owned()),
            None if is_stream => Some("no framing is named".to_owned()),
            _ => None,
        };
        let script = Script { connection, steps: Vec::new(), server_ends_first: false };
        Self { script, transcript, last: None, ended: false, broken, kept: 0 }
    }

    /// Bytes of memory that it takes.
    fn size(&self) -> usize {
        size_of::<Self>() + self.kept + self.transcript.as_ref().map_or(0, Transcript::held)
    }

    /// What cannot be replayed takes no memory.
    fn forget(&mut self) {
        (self.script.steps, self.transcript, self.kept) = (Vec::new(), None, 0);
    }

    fn take(&mut self, event: Event) {
        let Event { time, what, .. } = event;
        if self.broken.is_some() {
            self.forget();
            return;
        }
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
                self.push(from, message, Bytes::new(), time);
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
                self.broken.get_or_insert_with(|| match bytes {
                    1 => "1 byte of it was not recorded".to_owned(),
                    bytes => format!("{bytes} bytes of it were not recorded"),
                });
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
        self.script.steps.push(Step::new(from, message, frame, Duration::from_nanos(since)));
    }
}
