//! What a replay reports: differences, connections and the verdict, as text or as JSON.

use serde_json::{Value, json};
use unstick::wire::Role;
use unstick::wire::shake::Direction;
use unstick::{Error, Result};

use super::difference::shown;
use crate::frontend::terminal::render::listening;
use crate::{json_lines, output};

/// Where reports go.
pub struct Report {
    json: bool,
    versioned: bool,
}

/// Where something differs from the recording.
pub struct Place {
    /// The number of the client, or of the connection that is made.
    pub peer: u64,
    /// The number of the connection in the recording.
    pub connection: u64,
    /// The number of the message in it, of both sides, from 1 on.
    pub message: usize,
    /// Whose message.
    pub from: Role,
}

impl Report {
    pub fn new(json: bool) -> Self {
        Self { json, versioned: false }
    }

    /// The server accepts connections.
    pub fn listening(&mut self, addresses: &[String]) -> Result<()> {
        if self.json {
            return self.put(json!({ "event": "listening", "address": addresses.first(), "addresses": addresses }));
        }
        output::notice(&listening(addresses));
        Ok(())
    }

    /// A message is not that of the recording. `None`: it is missing, on one of both sides.
    pub fn differs(
        &mut self,
        place: &Place,
        recorded: Option<&[u8]>,
        received: Option<&[u8]>,
        at: usize,
    ) -> Result<()> {
        let Place { peer, connection, message, from } = *place;
        let way = Direction::from(from).short();
        if self.json {
            let of = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, json_lines::text_or_base64);
            return self.put(json!({
                "event": "difference", "peer": peer, "connection": connection, "message": message, "direction": way,
                "offset": at, "recorded": of(recorded), "received": of(received),
            }));
        }
        let place = format!("peer {peer}: message {message} ({way}) of connection {connection}");
        match (recorded, received) {
            (Some(recorded), Some(received)) => {
                output::loss(&format!("{place} differs from the recording"));
                output::plain(&shown(recorded, received, at));
            }
            (None, Some(received)) => {
                output::loss(&format!("{place} is one more than the recording has"));
                output::plain(&shown(&[], received, 0));
            }
            (Some(recorded), None) => {
                output::loss(&format!("{place} has not come"));
                output::plain(&shown(recorded, &[], 0));
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Something failed that is not a message.
    pub fn failed(&mut self, peer: u64, error: &Error) -> Result<()> {
        if self.json {
            self.put(json!({ "event": "error", "peer": peer, "error": error.to_string() }))?;
        }
        output::error_of_peer(peer, error);
        Ok(())
    }

    /// A connection is over.
    pub fn connection(&mut self, peer: u64, connection: u64, messages: usize, same: bool) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        self.put(json!({
            "event": "close", "peer": peer, "connection": connection, "messages": messages, "same": same,
        }))
    }

    /// The run is over.
    pub fn verdict(&mut self, verdict: &str, compared: usize, text: &str) -> Result<()> {
        if self.json {
            return self.put(json!({ "event": "verdict", "verdict": verdict, "compared": compared }));
        }
        output::put_all(&format!("{}: {text}\n", verdict.to_uppercase()))
    }

    fn put(&mut self, mut object: Value) -> Result<()> {
        json_lines::stamp(&mut object, &mut self.versioned);
        output::put_all(&(json_lines::line(&object) + "\n"))
    }
}
