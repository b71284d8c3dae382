//! What a recording consists of, and how it is written as lines of JSON.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};
use unstick::wire::Role;
use unstick::wire::shake::Direction;

use crate::json_lines;

/// Something that happened in a connection.
pub struct Event {
    pub connection: u64,
    /// Nanoseconds since 1970.
    pub time: u64,
    pub what: What,
}

/// What happened.
pub enum What {
    Open {
        client: String,
        server: String,
        carries: &'static str,
    },
    Segment {
        from: Role,
        bytes: Vec<u8>,
    },
    Message {
        from: Role,
        message: Vec<u8>,
        binary: Option<bool>,
        cut_short: bool,
    },
    End {
        from: Role,
        code: Option<u16>,
        reason: Option<String>,
    },
    Reset {
        from: Role,
    },
    Failed {
        from: Role,
        error: String,
    },
    Close,
    Lost {
        from: Role,
        bytes: u64,
        events: u64,
    },
    /// Events that were not even counted for their connection.
    LostOthers {
        events: u64,
    },
}

impl Event {
    /// Bytes that this event holds in memory.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.what.size()
    }
}

impl What {
    /// Whether data has passed: it is here, or it is counted as lost.
    pub fn is_of_data(&self) -> bool {
        matches!(self, Self::Segment { .. } | Self::Message { .. } | Self::Lost { .. } | Self::LostOthers { .. })
    }

    /// Bytes on the heap.
    pub fn size(&self) -> usize {
        match self {
            Self::Open { client, server, .. } => client.len() + server.len(),
            Self::Segment { bytes, .. } => bytes.len(),
            Self::Message { message, .. } => message.len(),
            Self::End { reason, .. } => reason.as_ref().map_or(0, String::len),
            Self::Failed { error, .. } => error.len(),
            Self::Reset { .. } | Self::Close | Self::Lost { .. } | Self::LostOthers { .. } => 0,
        }
    }
}

/// The time now, in nanoseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A time as the lines have it.
pub fn written_time(time: u64) -> String {
    let time = Timestamp::from_nanosecond(time.into()).unwrap_or_default();
    format!("{time:.6}")
}

fn direction(from: Role) -> &'static str {
    Direction::from(from).short()
}

/// Appends the line of an event.
pub fn put(out: &mut Vec<u8>, event: &Event, protocol: &str, continued: bool) {
    let Event { connection: peer, time, what } = event;
    match what {
        What::Segment { from, bytes } => return put_bytes(out, event, ("segment", *from), bytes, ""),
        What::Message { from, message, binary, cut_short } => {
            let binary = binary.map(|binary| format!(",\"binary\":{binary}")).unwrap_or_default();
            let more = if *cut_short { binary + ",\"cut_short\":true" } else { binary };
            return put_bytes(out, event, ("message", *from), message, &more);
        }
        _ => {}
    }
    let mut object = json!({ "peer": peer, "time": written_time(*time) });
    let mut put = |key: &str, value: Value| object[key] = value;
    match what {
        What::Open { client, server, carries } => {
            put("event", "open".into());
            put("from", client.as_str().into());
            put("to", server.as_str().into());
            put("protocol", protocol.into());
            put("carries", (*carries).into());
            if continued {
                put("continued", true.into());
            }
        }
        What::End { from, code, reason } => {
            put("event", "end".into());
            put("direction", direction(*from).into());
            if let Some(reason) = reason {
                put("code", (*code).into());
                put("close_reason", reason.as_str().into());
            }
        }
        What::Reset { from } => {
            put("event", "reset".into());
            put("direction", direction(*from).into());
        }
        What::Failed { from, error } => {
            put("event", "failed".into());
            put("direction", direction(*from).into());
            put("error", error.as_str().into());
        }
        What::Close => put("event", "close".into()),
        What::Lost { from, bytes, events } => {
            put("event", "lost".into());
            put("direction", direction(*from).into());
            put("bytes", (*bytes).into());
            put("events", (*events).into());
        }
        What::LostOthers { events } => {
            put("event", "lost".into());
            put("peer", Value::Null);
            put("events", (*events).into());
        }
        What::Segment { .. } | What::Message { .. } => {}
    }
    out.extend(json_lines::line(&object).as_bytes());
    out.push(b'\n');
}

/// Appends a line with bytes. It is put together by hand, because most lines are such.
fn put_bytes(out: &mut Vec<u8>, event: &Event, (name, from): (&str, Role), bytes: &[u8], more: &str) {
    let (peer, time, way) = (event.connection, written_time(event.time), direction(from));
    let length = bytes.len();
    // Writing into memory does not fail.
    let _ =
        write!(out, r#"{{"event":"{name}","peer":{peer},"direction":"{way}","time":"{time}","bytes":{length}{more},"#);
    match as_text(bytes) {
        Some(text) => json_lines::write_text(out, text),
        None => json_lines::write_base64(out, bytes),
    }
    out.extend(b"}\n");
}

/// The bytes as text, unless that would make a line longer than base64 does.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let most = if bytes.len() <= 64 { bytes.len() } else { bytes.len() / 16 };
    let is_escaped = |byte: &&u8| byte.is_ascii_control() && !b"\n\r\t".contains(byte);
    // Counted before UTF-8 is checked, and no further than it matters: most binary data is found out by its first bytes.
    let escaped = bytes.iter().filter(is_escaped).take(most + 1).count();
    if escaped > most { None } else { std::str::from_utf8(bytes).ok() }
}
