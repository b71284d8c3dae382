//! The timeline: conversations as one page for a browser, which needs no network.
//!
//! Here the data is gathered and the page put together; `timeline/page.js` draws it. Peers' bytes are in the page as base64 and as JSON without
//! `<`, so that nothing of them can be HTML. The page allows no script and no style but its own, which the policy names by their hashes.

use std::fmt::Write;
use std::io::Write as _;
use std::path::Path;

use data_encoding::BASE64;
use serde_json::{Value, json};
use unstick::wire::{Frame, Role};
use unstick::{Error, Result};

use crate::count::Count;
use crate::{output, private_file};

const PAGE: &str = include_str!("timeline/page.html");
const STYLE: &str = include_str!("timeline/style.css");
const SCRIPT: &str = include_str!("timeline/page.js");

/// The SHA-256 of the script and of the style, as the policy names them. A test holds them.
const SCRIPT_HASH: &str = "sha256-ixov/sFqq4FZKHgHM74WN2Gr95BkvYFkCylpJP1lYcQ=";
const STYLE_HASH: &str = "sha256-5dAweU0KtmIh+MuQNOoATdTbQTg54W4bQBIYG1eHoAs=";

/// Messages of a page, and segments of it: a browser draws that many at once.
const MAX_ROWS: usize = 200_000;

/// Connections of a page, and places that are marked in it.
const MAX_CONNECTIONS: usize = 10_000;
const MAX_MARKS: usize = 1_000;

/// Bytes that a page keeps of one frame, and of all.
const MAX_OF_FRAME: usize = 4 << 10;
const MAX_BYTES: usize = 24 << 20;

/// Nanoseconds of a day. Times before that are of a stopwatch, and not of a clock.
const DAY: u64 = 86_400_000_000_000;

/// What has been gathered.
pub struct Timeline {
    title: String,
    connections: Vec<Connection>,
    messages: Rows,
    segments: Rows,
    marks: Rows,
    bytes: Vec<u8>,
    /// The time of what came first, in nanoseconds since 1970.
    start: Option<u64>,
}

/// A conversation, as its opening is shown.
pub struct Connection {
    pub number: u64,
    pub client: String,
    pub server: String,
    pub protocol: String,
    pub framing: Option<String>,
}

/// Where something was seen.
#[derive(Clone, Copy)]
pub struct At {
    pub connection: u64,
    pub from: Role,
    /// Nanoseconds since 1970.
    pub time: Option<u64>,
    /// In bytes from the start of the stream.
    pub offset: u64,
}

/// Rows of a table, as the inside of a JSON array.
#[derive(Default)]
struct Rows {
    json: String,
    count: usize,
    left_out: u64,
}

impl Rows {
    fn push(&mut self, most: usize, row: &str) {
        if self.count == most {
            self.left_out += 1;
            return;
        }
        if self.count > 0 {
            self.json.push(',');
        }
        self.json.push_str(row);
        self.count += 1;
    }
}

impl Timeline {
    /// An empty timeline.
    pub fn new(title: &str) -> Self {
        let rows = Rows::default;
        let (connections, bytes) = (Vec::new(), Vec::new());
        Self {
            title: title.to_owned(),
            connections,
            messages: rows(),
            segments: rows(),
            marks: rows(),
            bytes,
            start: None,
        }
    }

    /// A conversation has opened.
    pub fn open(&mut self, connection: Connection) {
        if self.connections.len() < MAX_CONNECTIONS {
            self.connections.push(connection);
        }
    }

    /// One read or write of a stream, or one packet.
    pub fn segment(&mut self, at: At, length: usize) {
        let row = format!("[{},{length}]", self.place(at));
        self.segments.push(MAX_ROWS, &row);
    }

    /// A message is complete.
    pub fn message(&mut self, at: At, frame: &Frame<'_>) {
        let (header, payload) = match &frame.layout.message {
            Some(_) => (frame.layout.header().len(), frame.layout.payload().len()),
            None => (0, 0), // The frame holds the message in other bytes.
        };
        self.framed(at, frame.bytes, header, payload);
    }

    /// The same for a frame with a header and a payload of these lengths.
    pub fn framed(&mut self, at: At, frame: &[u8], header: usize, payload: usize) {
        let kept = frame.len().min(MAX_OF_FRAME).min(MAX_BYTES - self.bytes.len());
        let start = self.bytes.len();
        let row = format!("[{},{},{header},{payload},{start},{kept}]", self.place(at), frame.len());
        if self.messages.count < MAX_ROWS {
            self.bytes.extend_from_slice(&frame[..kept]);
        }
        self.messages.push(MAX_ROWS, &row);
    }

    /// Something went wrong at this place.
    pub fn mark(&mut self, at: At, what: &str) {
        let row = format!("[{},{}]", self.place(at), Value::from(what));
        self.marks.push(MAX_MARKS, &row);
    }

    /// Connection, direction, microseconds since the start, offset.
    fn place(&mut self, at: At) -> String {
        let At { connection, from, time, offset } = at;
        let start = *self.start.get_or_insert(time.unwrap_or(0));
        let time = match time {
            Some(time) => (i128::from(time) - i128::from(start)).div_euclid(1000).to_string(),
            None => "null".to_owned(),
        };
        format!("{connection},{},{time},{offset}", from as usize)
    }

    /// Writes the page to a file that its owner alone may read, or to standard output (`-`).
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(self, to: &Path) -> Result<()> {
        let page = self.into_page();
        if to == Path::new("-") {
            return output::put_all(&page);
        }
        let written = private_file::create(to).and_then(|mut file| file.write_all(page.as_bytes()));
        written.map_err(|error| Error::usage(format!("cannot write {}: {}", to.display(), output::reason(&error))))
    }

    fn into_page(self) -> String {
        let mut notes = Vec::new();
        for (rows, what) in [(&self.messages, "message"), (&self.segments, "segment"), (&self.marks, "mark")] {
            if rows.left_out > 0 {
                notes.push(format!(
                    "{} left out, because a page has at most {} of them",
                    Count(rows.left_out, what),
                    rows.count
                ));
            }
        }
        let start = self
            .start
            .filter(|start| *start > DAY)
            .and_then(|start| jiff::Timestamp::from_nanosecond(start.into()).ok());
        let connection = |one: &Connection| json!({ "id": one.number, "client": one.client, "server": one.server, "protocol": one.protocol, "framing": one.framing });
        let about = json!({
            "version": 1, "title": self.title, "program": format!("unstick {}", env!("CARGO_PKG_VERSION")), "notes": notes,
            "start": start.map(|start| format!("{start:.3}")), "connections": self.connections.iter().map(connection).collect::<Vec<_>>(),
        });
        let mut data = about.to_string();
        data.pop();
        for (name, rows) in [("messages", self.messages), ("segments", self.segments), ("marks", self.marks)] {
            // Writing to a string does not fail.
            let _ = write!(data, ",\"{name}\":[{}]", rows.json);
        }
        let _ = write!(data, ",\"bytes\":\"{}\"}}", BASE64.encode(&self.bytes));
        // `<` is only inside strings. Without it, no text can end the script element, or begin a comment.
        filled(&[SCRIPT_HASH, STYLE_HASH, STYLE, &data.replace('<', "\\u003c"), SCRIPT])
    }
}

/// The page with these in its gaps, from the first to the last. A gap is looked for behind the one before: what was filled in has none.
fn filled(parts: &[&str; 5]) -> String {
    const GAPS: [&str; 5] = ["{script-hash}", "{style-hash}", "{style}", "{data}", "{script}"];
    let mut page = String::with_capacity(PAGE.len() + parts.iter().map(|part| part.len()).sum::<usize>());
    let mut rest = PAGE;
    for (gap, part) in GAPS.iter().zip(parts) {
        let Some((before, behind)) = rest.split_once(gap) else { continue };
        page.push_str(before);
        page.push_str(part);
        rest = behind;
    }
    page + rest
}
