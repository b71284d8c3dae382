//! What a replay reports: differences, connections and the verdict, as text or as JSON.

use serde_json::{Value, json};
use unstick::Result;
use unstick::service::replay::{Event, Outcome, Place, Recorded};
use unstick::wire::faults::Unit;
use unstick::wire::replay::Difference;
use unstick::wire::shake::Direction;

use super::difference::shown;
use super::junit::Junit;
use crate::frontend::terminal::render::listening;
use crate::{json_lines, output};

/// Where reports go.
pub struct Report {
    json: bool,
    versioned: bool,
    junit: Option<Junit>,
}

impl Report {
    pub fn new(json: bool, junit: Option<Junit>) -> Self {
        Self { json, versioned: false, junit }
    }

    /// What of a recording is not replayed.
    pub fn left_out(&mut self, name: &str, recorded: &Recorded) -> Result<()> {
        if let Some(line) = recorded.cut_short {
            output::loss(&format!("{name}: the recording ends in the middle of line {line}"));
        }
        for left_out in &recorded.left_out {
            let (connection, why) = (left_out.connection, &left_out.why);
            if self.json {
                self.put(json!({ "event": "left_out", "connection": connection, "error": why }))?;
            }
            output::loss(&format!("connection {connection} is left out: {why}"));
        }
        Ok(())
    }

    /// Writes the file of `--junit`, if there is one. `doubt`: why nothing is certain, or why the run failed.
    pub fn write_junit(&self, doubt: Option<&str>) -> Result<()> {
        self.junit.as_ref().map_or(Ok(()), |junit| junit.write(doubt))
    }

    /// Reports what happens.
    pub fn event(&mut self, event: &Event<'_>) -> Result<()> {
        if let Some(junit) = &mut self.junit {
            junit.event(event);
        }
        match event {
            Event::Listening(addresses) if self.json => {
                self.put(json!({ "event": "listening", "address": addresses.first(), "addresses": addresses }))
            }
            Event::Listening(addresses) => {
                output::notice(&listening(addresses));
                Ok(())
            }
            Event::Differs { place, recorded, received, at } => self.differs(place, *recorded, *received, *at),
            Event::NotEnded { peer, connection } => {
                if self.json {
                    self.put(json!({ "event": "not_ended", "peer": peer, "connection": connection }))?;
                } else {
                    output::loss(&format!("peer {peer}: the server has not ended, as connection {connection} did"));
                }
                Ok(())
            }
            Event::Failed { peer, error } => {
                if self.json {
                    self.put(json!({ "event": "error", "peer": peer, "error": error.to_string() }))?;
                }
                match peer {
                    Some(peer) => output::error_of_peer(*peer, error),
                    None => output::error(error),
                }
                Ok(())
            }
            Event::Closed { peer, connection, messages, same, .. } if self.json => self.put(json!({
                "event": "close", "peer": peer, "connection": connection, "messages": messages, "same": same,
            })),
            Event::Faulted { peer, from, unit, taken, counts } if self.json => {
                let done = counts.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count)));
                self.put(json!({
                    "event": "faults", "peer": peer, "direction": Direction::from(*from).short(), "taken": taken,
                    "unit": if *unit == Unit::Bytes { "bytes" } else { "messages" },
                    "done": done.collect::<serde_json::Map<_, _>>(),
                }))
            }
            _ => Ok(()),
        }
    }

    /// A message is not that of the recording. `None`: it is missing, on one of both sides.
    fn differs(
        &mut self,
        place: &Place,
        recorded: Option<&[u8]>,
        received: Option<&[u8]>,
        at: Difference,
    ) -> Result<()> {
        let Place { peer, connection, message, from, .. } = *place;
        let way = Direction::from(from).short();
        if self.json {
            let of = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, json_lines::text_or_base64);
            return self.put(json!({
                "event": "difference", "peer": peer, "connection": connection, "message": message, "direction": way,
                "offset": at.recorded, "recorded": of(recorded), "received": of(received),
            }));
        }
        let place = format!("peer {peer}: message {message} ({way}) of connection {connection}");
        let what = match (recorded, received) {
            (Some(_), Some(_)) => "differs from the recording",
            (None, _) => "is one more than the recording has",
            (Some(_), None) => "has not come",
        };
        output::loss(&format!("{place} {what}"));
        output::plain(&shown(recorded.unwrap_or_default(), received.unwrap_or_default(), at));
        Ok(())
    }

    /// The run is over. Without `text`, people have seen what there is to see.
    pub fn verdict(&mut self, verdict: &str, outcome: &Outcome, text: Option<&str>) -> Result<()> {
        if self.json {
            let (compared, connections, differing) = (outcome.compared, outcome.connections, outcome.differing);
            return self.put(json!({
                "event": "verdict", "verdict": verdict, "compared": compared, "connections": connections,
                "differing": differing,
            }));
        }
        let Some(text) = text else { return Ok(()) };
        output::put_all(&format!("{}: {text}\n", verdict.to_uppercase()))
    }

    fn put(&mut self, mut object: Value) -> Result<()> {
        json_lines::stamp(&mut object, &mut self.versioned);
        output::put_all(&(json_lines::line(&object) + "\n"))
    }
}
