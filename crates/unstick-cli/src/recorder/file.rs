//! The file of a recording: its first line, its lines, and the file that follows it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::json;
use unstick::wire::Role;
use unstick::{Error, Framings, Result};

use super::about::{About, Recording};
use super::events::{Event, What, now, put, written_time};
use super::view;
use crate::packets::Packets;
use crate::{json_lines, output, private_file};

/// The version of the format.
const VERSION: u64 = 1;

/// Bytes of lines that are written at once, at least, while more of them wait.
const GATHERED: usize = 64 << 10;

/// The file, and what has to be known to begin another one.
pub struct RecordingFile {
    recording: &'static Recording,
    protocol: String,
    /// `None` once it could not be written: that is reported once.
    file: Option<File>,
    /// Whether an earlier recording is still in it: a run in which nothing passes must not cost that.
    is_old: bool,
    /// What is not in the file yet: lines, or packets.
    lines: Vec<u8>,
    /// Where the recording is of packets.
    packets: Option<Packets>,
    /// Bytes of the file, with the gathered lines.
    length: u64,
    /// The connections that are open.
    open: BTreeMap<u64, Event>,
    /// What has happened before any data, while an earlier recording is in the file.
    held: Vec<Event>,
}

/// Events without data that wait before they replace an earlier recording. Many clients that send nothing are worth recording too.
pub const MAX_HELD: usize = 1_000;

impl RecordingFile {
    /// Creates the file, with its first line. An earlier recording stays in it until data passes.
    pub fn create(recording: &'static Recording) -> Result<Self> {
        let unwritten = |error: io::Error| {
            Error::other(format!("cannot record to {}: {}", recording.path.display(), output::reason(&error)))
        };
        let (file, is_old) = private_file::open(&recording.path).map_err(unwritten)?;
        let address = recording.about.address.to_string();
        let protocol = match address.split_once(':') {
            Some((scheme, _)) => scheme.to_owned(),
            None => "stdio".to_owned(),
        };
        let packets = recording.is_of_packets().then(|| Packets::new(recording.about.framing()));
        let (lines, open, held) = (Vec::new(), BTreeMap::new(), Vec::new());
        let file = Some(file);
        let mut this = Self { recording, protocol, file, is_old, lines, packets, length: 0, open, held };
        if is_old {
            return Ok(this);
        }
        this.begin();
        let lines = std::mem::take(&mut this.lines);
        if let Some(file) = &mut this.file {
            file.write_all(&lines).map_err(unwritten)?;
        }
        Ok(this)
    }

    /// Writes an event. Lines are gathered while more of them wait.
    pub fn write(&mut self, event: Event) {
        if self.is_old {
            if !event.what.is_of_data() && self.held.len() < MAX_HELD {
                return self.held.push(event);
            }
            self.replace();
            for held in std::mem::take(&mut self.held) {
                self.add(held);
            }
        }
        self.add(event);
    }

    fn add(&mut self, event: Event) {
        if self.file.is_none() {
            return;
        }
        if self.recording.max.is_some_and(|max| self.length >= max) {
            self.follow();
        }
        self.put(&event, false);
        match event.what {
            What::Open { .. } => drop(self.open.insert(event.connection, event)),
            What::Close => drop(self.open.remove(&event.connection)),
            _ => {}
        }
        if self.lines.len() >= GATHERED {
            self.flush();
        }
    }

    /// Whether an earlier recording is still in the file.
    pub fn is_old(&self) -> bool {
        self.is_old
    }

    /// Empties the file, and begins it.
    fn replace(&mut self) {
        self.is_old = false;
        match self.file.as_ref().map(|file| file.set_len(0)) {
            Some(Err(error)) => self.give_up(&error),
            _ => self.begin(),
        }
    }

    /// Writes the gathered lines.
    pub fn flush(&mut self) {
        let Some(file) = &mut self.file else { return };
        let written = file.write_all(&self.lines);
        self.lines.clear();
        if let Err(error) = written {
            self.give_up(&error);
        }
    }

    fn put(&mut self, event: &Event, continued: bool) {
        let before = self.lines.len();
        match &mut self.packets {
            Some(packets) => {
                view::put(packets, event, &self.protocol);
                self.lines.append(&mut packets.out);
            }
            None => put(&mut self.lines, event, &self.protocol, continued),
        }
        self.length += (self.lines.len() - before) as u64;
    }

    /// The beginning of a file.
    fn begin(&mut self) {
        match &mut self.packets {
            Some(packets) => {
                packets.begin();
                self.lines.append(&mut packets.out);
            }
            None => self.first_line(),
        }
        self.length = self.lines.len() as u64;
    }

    fn first_line(&mut self) {
        let About { verb, role, address, to, framings } = &self.recording.about;
        let role_name = if *role == Role::Client { "client" } else { "server" };
        let mut head = json!({
            "event": "recording", "version": VERSION, "program": format!("unstick {}", env!("CARGO_PKG_VERSION")),
            "time": written_time(now()), "verb": verb, "role": role_name, "address": address.to_string(),
            "to": to.as_ref().map(ToString::to_string), "framing": null,
        });
        if let Some(framing) = self.recording.about.framing() {
            head["framing"] = framing.into();
        } else if let Some(Framings { inbound, outbound }) = framings
            && inbound.as_str() != outbound.as_str()
        {
            let (c2s, s2c) = match role {
                Role::Client => (outbound, inbound),
                Role::Server => (inbound, outbound),
            };
            head["framing_c2s"] = c2s.as_str().into();
            head["framing_s2c"] = s2c.as_str().into();
        }
        self.lines.extend(json_lines::line(&head).as_bytes());
        self.lines.push(b'\n');
    }

    /// Begins another file. The one so far gets the ending `.1`.
    fn follow(&mut self) {
        self.flush();
        if self.file.is_none() {
            return;
        }
        let path = &self.recording.path;
        let mut old = path.clone().into_os_string();
        old.push(".1");
        match std::fs::rename(path, PathBuf::from(old)).and_then(|()| private_file::create(path)) {
            Ok(file) => self.file = Some(file),
            Err(error) => return self.give_up(&error),
        }
        self.begin();
        if self.packets.is_some() {
            return; // They know the connections that are open.
        }
        let open = std::mem::take(&mut self.open);
        for event in open.values() {
            self.put(event, true);
        }
        self.open = open;
    }

    fn give_up(&mut self, error: &io::Error) {
        (self.file, self.open, self.lines) = (None, BTreeMap::new(), Vec::new());
        let path = self.recording.path.display();
        output::problem(&format!("{path}: {}; the recording ends here, and the run goes on", output::reason(error)));
    }
}
