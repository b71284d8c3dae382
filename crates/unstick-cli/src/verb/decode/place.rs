//! Where in the conversations of a file something stands, and how that is said.

use jiff::Timestamp;
use serde_json::{Value, json};
use unstick::wire::Role;
use unstick::wire::shake::Direction;

use crate::timeline::At;

/// Where something stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The number of the connection; `None` in a file of the bytes of one direction.
    pub peer: Option<u64>,
    /// The side that has sent it.
    pub from: Role,
    /// When, in nanoseconds since 1970, if that is known.
    pub time: Option<u64>,
    /// Whether what is shown are segments, because no framing is known.
    pub segments: bool,
    /// Whether bytes pass there, and no messages.
    pub is_stream: bool,
}

impl Place {
    /// In a file of the bytes of one direction.
    pub fn in_file(from: Role) -> Self {
        Self { peer: None, from, time: None, segments: false, is_stream: true }
    }

    /// The same in a page.
    pub fn at(&self, offset: u64) -> At {
        At { connection: self.peer.unwrap_or(1), from: self.from, time: self.time, offset }
    }

    /// The keys of JSON that say it.
    pub fn object(&self, event: &str) -> Value {
        let mut object = json!({ "event": event, "peer": self.peer.unwrap_or(1), "direction": direction(self.from) });
        put_time(&mut object, self.time);
        object
    }

    /// `@12`, or `peer 1 c2s @12`, for people.
    pub fn named(&self, offset: u64) -> String {
        match self.peer {
            Some(peer) => format!("peer {peer} {} @{offset}", direction(self.from)),
            None => format!("@{offset}"),
        }
    }
}

/// Captures have their times to the microsecond at least.
pub fn put_time(object: &mut Value, time: Option<u64>) {
    if let Some(time) = time.and_then(timestamp) {
        object["time"] = format!("{time:.6}").into();
    }
}

/// The same as a point in time.
pub fn timestamp(nanoseconds: u64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds.into()).ok()
}

/// How a direction is named.
pub fn direction(from: Role) -> &'static str {
    Direction::from(from).short()
}
