//! `--json`: one JSON object a line, in both directions. The first event says that the format is version 1.

mod command;

use std::future::Future;
use std::pin::Pin;

use serde_json::{Value, json};
use unstick::endpoint::Notice;
use unstick::service::talk::{Command, Event, Input, Output, Reason};
use unstick::wire::Framing;
use unstick::{Address, Error, Options, Receiver, Result, Sender};

use crate::advice;
use crate::frontend::terminal::render::listening;
use crate::json_lines::{failure_name, line, now, put_message, put_request, put_status, stamp};
use crate::output::{self, unread, unwritten};

/// Bytes of an unfinished frame that its event shows: enough to recognise it.
const PREVIEW: usize = 256;

/// Reads commands from standard input.
pub struct JsonInput {
    receiver: Receiver,
    errors: Lines,
}

/// Writes events to standard output.
pub struct JsonOutput {
    lines: Lines,
    versioned: bool,
}

/// Writes objects to standard output, one a line.
#[derive(Clone)]
struct Lines {
    sender: Sender,
}

impl Lines {
    fn push(&self, event: &Value) -> Result<()> {
        self.sender.force_send(line(event).as_bytes()).map_err(unwritten)
    }
}

/// Opens standard input and output as JSON lines.
pub async fn open() -> Result<(JsonInput, JsonOutput)> {
    let framings = Framing::parse("line,max=1G")?.into();
    let link = unstick::connect(&Address::Stdio, Some(&framings), &Options::default()).await?;
    let (sender, receiver) = link.split();
    let lines = Lines { sender };
    Ok((JsonInput { receiver, errors: lines.clone() }, JsonOutput { lines, versioned: false }))
}

/// Reports that a run could not begin on standard output too, for a script that reads nothing else.
pub fn not_begun(error: &Error) {
    let mut event = object(&Event::Error { peer: None, id: None, error }).unwrap_or_default();
    stamp(&mut event, &mut false);
    // A script that reads nothing has the exit status.
    let _ = output::print(&(line(&event) + "\n"));
}

impl JsonInput {
    /// Reads a command. A malformed line becomes an error event: one bad line of a script does not end its server.
    fn read(&self, line: &[u8]) -> Result<Option<Command>> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        match command::read(line) {
            Ok(command) => Ok(Some(command)),
            Err(what) => {
                let mut event = json!({
                    "event": "error", "error": format!("standard input: {what}"), "hint": command::EXAMPLES,
                    "time": now(),
                });
                command::name_what_failed(line, &mut event);
                self.errors.push(&event)?;
                Ok(None)
            }
        }
    }
}

impl Input for JsonInput {
    async fn next(&mut self) -> Result<Option<Command>> {
        while let Some(line) = self.receiver.recv().await.map_err(unread)? {
            if let Some(command) = self.read(&line)? {
                return Ok(Some(command));
            }
            // Each mistake becomes an event. Waiting here stops a script that reads no events from causing ever more of
            // them.
            self.errors.sender.writable().await;
        }
        Ok(None)
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        while !self.errors.sender.is_full() {
            let Some(line) = self.receiver.try_recv().map_err(unread)? else { break };
            if let Some(command) = self.read(&line)? {
                return Ok(Some(command));
            }
        }
        Ok(None)
    }

    fn has_commands(&self) -> bool {
        true
    }
}

impl JsonOutput {
    /// Returns the sender to standard output, so that the end of the run can wait for it.
    pub fn sender(&self) -> Sender {
        self.lines.sender.clone()
    }
}

/// Returns an event as an object, without its time.
fn object(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Listening { addresses } => json!({
            "event": "listening", "address": addresses.first(), "addresses": addresses,
        }),
        Event::Open { peer, names, request, .. } => {
            let mut object = json!({ "event": "open", "peer": peer, "from": names.remote, "local": names.local });
            put_request(&mut object, *request);
            object
        }
        Event::Message { peer, from, message, binary, .. } => {
            let mut object = json!({ "event": "message", "peer": peer, "from": from });
            put_message(&mut object, message);
            if let Some(binary) = binary {
                object["binary"] = (*binary).into();
            }
            object
        }
        Event::Pending { peer, so_far } => pending(*peer, so_far),
        Event::Slow { peer, bytes } => json!({ "event": "slow", "peer": peer, "bytes": bytes }),
        Event::Lost { peer, lost, cut_short } => json!({
            "event": "lost", "peer": peer, "messages": lost, "cut_short": cut_short,
        }),
        Event::Damaged { peer, damage } => {
            let mut object = json!({
                "event": "damaged", "peer": peer, "bytes": damage.bytes, "places": damage.places, "error": damage.what,
            });
            put_message(&mut object, &damage.preview);
            object
        }
        Event::Unanswered { peer, messages } => json!({ "event": "unanswered", "peer": peer, "messages": messages }),
        Event::Notice { notice } => return notice_object(notice),
        Event::Reconnecting { attempt, after, sent } => json!({
            "event": "reconnecting", "attempt": attempt, "after": after.as_secs_f64(), "sent": sent,
        }),
        Event::Close { peer, from, reason, closing } => {
            let mut object = json!({ "event": "close", "peer": peer, "from": from, "reason": reason_name(reason) });
            put_status(&mut object, from, reason_name(reason) == "ended", reason.error());
            if let Some(error) = reason.error() {
                object["error"] = error.to_string().into();
            }
            if let Some(closing) = closing {
                object["code"] = closing.code().into();
                object["close_reason"] = closing.reason().into();
            }
            object
        }
        Event::Error { peer, id, error } => {
            let mut object =
                json!({ "event": "error", "peer": peer, "error": error.to_string(), "hint": advice::hint(error) });
            if let Some(id) = id.and_then(|id| serde_json::from_str(id).ok()) {
                let _: &Value = &id;
                object["id"] = id;
            }
            object
        }
        _ => return None,
    })
}

/// Returns the object for datagrams that reached no peer.
fn notice_object(notice: &Notice) -> Option<Value> {
    Some(match notice {
        Notice::Lost { datagrams } => json!({ "event": "lost", "peer": null, "messages": datagrams, "cut_short": 0 }),
        Notice::Refused { datagrams, .. } => json!({ "event": "refused", "messages": datagrams, "why": "sessions" }),
        Notice::Forged { datagrams } => json!({ "event": "refused", "messages": datagrams, "why": "own address" }),
        _ => return None,
    })
}

/// Describes an unfinished frame: its length so far, and its beginning.
fn pending(peer: u64, so_far: &[u8]) -> Value {
    let preview = &so_far[..so_far.len().min(PREVIEW)];
    // A character that the limit has cut in two is left out.
    let cut = preview.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let is_letter = std::str::from_utf8(cut).is_err_and(|error| error.error_len().is_none());
    let text = match is_letter && preview.len() < so_far.len() {
        true => &preview[..preview.len() - cut.len()],
        false => preview,
    };
    let text_of = String::from_utf8_lossy(text);
    let mut object = json!({ "event": "pending", "peer": peer, "bytes": so_far.len(), "text": text_of });
    if text.len() < so_far.len() {
        object["shown"] = text.len().into();
    }
    object
}

/// Returns the reason of a `close` event, in one word.
fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Ended => "ended",
        Reason::Closed => "closed",
        Reason::Until => "until",
        Reason::Slow => "slow",
        Reason::Idle(_) => "idle",
        Reason::Failed(error) => failure_name(error),
        _ => "error",
    }
}

impl Output for JsonOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        if let Event::Listening { addresses } = &event {
            output::notice(&listening(addresses));
        }
        let Some(mut object) = object(&event) else { return Ok(()) };
        stamp(&mut object, &mut self.versioned);
        self.lines.push(&object)
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        if !self.lines.sender.is_full() {
            return None;
        }
        let sender = self.sender();
        Some(Box::pin(async move { sender.writable().await }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_event_shows_how_a_frame_begins() {
        let event = |so_far: &[u8]| pending(1, so_far);
        assert_eq!(event(b"half")["text"], "half");
        let long = event(&vec![0; 16 << 20]);
        assert_eq!((&long["bytes"], &long["shown"]), (&(16 << 20).into(), &PREVIEW.into()));
        assert!(long.to_string().len() < 6 * PREVIEW + 200, "each NUL is six characters");
        let cut = event(&"ü".repeat(PREVIEW).into_bytes()[1..]);
        assert_eq!(
            cut["text"].as_str().map(|text| text.chars().filter(|letter| *letter == '\u{fffd}').count()),
            Some(1)
        );
        assert_eq!(event("xü".as_bytes())["text"], "xü");
    }

    #[test]
    fn messages_that_are_not_utf8_are_base64() {
        let event = |message, binary| {
            object(&Event::Message { peer: 2, from: "127.0.0.1:5", message, binary, frame: None })
                .expect("a message is an object")
        };
        assert_eq!(event(&[0xff], None)["base64"], "/w==");
        assert_eq!(event(&[0xff], None).get("binary"), None, "without kinds of messages, the key is missing");
        assert_eq!(event(b"x", Some(true))["binary"], true);
        assert_eq!(event(b"x", Some(false))["binary"], false);
    }
}
