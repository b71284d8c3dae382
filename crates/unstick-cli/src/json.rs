//! `--json`: one object a line, both ways. The format is version 1, said in the first event.

use std::borrow::Cow;
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use unstick::endpoint::Notice;
use unstick::service::talk::{Command, Event, Input, Output, Reason, Target};
use unstick::wire::Framing;
use unstick::{Address, Error, Options, Receiver, Result, Sender};

use crate::output::{self, unread, unwritten};
use crate::visible;

/// Version of the events and commands: it goes up when a script written for the last one would break.
const VERSION: u64 = 1;

/// What a line of standard input can be.
const COMMANDS: &str = r#"{"to":2,"text":"hi"}, {"to":"all","base64":"aGk="}, {"close":2} or {"quit":true}"#;

/// Standard input as commands.
pub struct JsonInput {
    receiver: Receiver,
    errors: Lines,
}

/// Events on standard output.
pub struct JsonOutput {
    lines: Lines,
    versioned: bool,
}

/// Standard output, an object a line.
#[derive(Clone)]
struct Lines {
    sender: Sender,
}

impl Lines {
    fn push(&self, event: &Value) -> Result<()> {
        self.sender.push(line(event).as_bytes()).map_err(unwritten)
    }
}

/// Puts the time into an event, and into the first of a run the version.
pub fn stamp(event: &mut Value, versioned: &mut bool) {
    event["time"] = now().into();
    if !std::mem::replace(versioned, true) {
        event["version"] = VERSION.into();
    }
}

/// An event as a line without its end. Wherever it goes, somebody may show it on a terminal.
pub fn line(event: &Value) -> String {
    safe(written(event))
}

/// JSON in which everything that a terminal would not show is escaped.
pub fn safe(text: String) -> String {
    match visible::json(&text) {
        Cow::Owned(safe) => safe,
        Cow::Borrowed(_) => text,
    }
}

/// Keys that stand in front, for people who read along: what happened, with whom, when. The rest follows by the alphabet.
const IN_FRONT: [&str; 5] = ["event", "peer", "from", "local", "time"];

/// An event, what stands in front first.
fn written(event: &Value) -> String {
    let Value::Object(object) = event else { return event.to_string() };
    let front = IN_FRONT.iter().filter_map(|key| object.get_key_value(*key));
    let rest = object.iter().filter(|(key, _)| !IN_FRONT.contains(&key.as_str()));
    let mut text = String::from("{");
    for (key, value) in front.chain(rest) {
        let comma = if text.len() > 1 { "," } else { "" };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}\"{key}\":{value}");
    }
    text + "}"
}

/// Opens standard input and output as JSON lines.
pub async fn open() -> Result<(JsonInput, JsonOutput)> {
    let framings = Framing::parse("line,max=1G")?.into();
    let link = unstick::connect(&Address::Stdio, Some(&framings), &Options::default()).await?;
    let (sender, receiver) = link.split();
    let lines = Lines { sender };
    Ok((JsonInput { receiver, errors: lines.clone() }, JsonOutput { lines, versioned: false }))
}

/// A message as a JSON string, or as an object with base64 where it is not UTF-8.
pub fn text_or_base64(message: &[u8]) -> Value {
    match std::str::from_utf8(message) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": BASE64.encode(message) }),
    }
}

/// The reverse; `None` where it is neither.
pub fn from_text_or_base64(written: &[u8]) -> Option<Bytes> {
    match serde_json::from_slice(written).ok()? {
        Value::String(text) => Some(text.into()),
        Value::Object(object) => message_of(&object).ok().flatten(),
        _ => None,
    }
}

/// The message in an object: `text` or `base64`.
fn message_of(object: &Map<String, Value>) -> Result<Option<Bytes>, String> {
    match (object.get("text"), object.get("base64")) {
        (Some(Value::String(text)), None) => Ok(Some(text.clone().into())),
        (None, Some(Value::String(encoded))) => {
            BASE64.decode(encoded).map(|bytes| Some(bytes.into())).map_err(|error| format!("base64: {error}"))
        }
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err("`text` and `base64` exclude each other".into()),
        _ => Err("`text` and `base64` are strings".into()),
    }
}

/// One line of standard input.
fn command(line: &[u8]) -> Result<Command, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("not an object".into()) };
    if let Some(unknown) = object.keys().find(|key| !["to", "text", "base64", "close", "quit"].contains(&key.as_str()))
    {
        return Err(format!("unknown key `{unknown}`"));
    }
    if let Some(close) = object.get("close") {
        let peer = close.as_u64().ok_or("`close` takes a peer's number")?;
        return if object.len() == 1 { Ok(Command::Close(peer)) } else { Err("`close` stands alone".into()) };
    }
    if let Some(quit) = object.get("quit") {
        let alone = *quit == Value::Bool(true) && object.len() == 1;
        return if alone { Ok(Command::Quit) } else { Err("`quit` is true, and stands alone".into()) };
    }
    let to = match object.get("to") {
        None => Target::Latest,
        Some(Value::String(all)) if all == "all" => Target::All,
        Some(number) => Target::Peer(number.as_u64().ok_or("`to` takes a peer's number or \"all\"")?),
    };
    let message = message_of(&object)?.ok_or("neither `text`, `base64`, `close` nor `quit`")?;
    Ok(Command::Send { to, message })
}

/// The peer that a line names, whatever else is wrong with it.
fn named(line: &[u8]) -> Option<u64> {
    let value: Value = serde_json::from_slice(line).ok()?;
    value.get("to").or_else(|| value.get("close"))?.as_u64()
}

/// Says on standard output too that a run has not begun, for a script that reads nothing else.
pub fn not_begun(error: &Error) {
    let mut event = object(&Event::Error { peer: None, error }).unwrap_or_default();
    stamp(&mut event, &mut false);
    // Who reads nothing has the exit status.
    let _ = output::print(&(line(&event) + "\n"));
}

impl JsonInput {
    /// A line that makes no sense is an error event: a script's one bad line does not end its server.
    fn read(&self, line: &[u8]) -> Result<Option<Command>> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        match command(line) {
            Ok(command) => Ok(Some(command)),
            Err(what) => {
                let error = format!("standard input: {what}");
                let event = json!({
                    "event": "error", "peer": named(line), "error": error, "hint": COMMANDS, "time": now(),
                });
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
        }
        Ok(None)
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        while let Some(line) = self.receiver.try_next_bytes().map_err(unread)? {
            if let Some(command) = self.read(&line)? {
                return Ok(Some(command));
            }
        }
        Ok(None)
    }
}

/// Now, in RFC 3339 with milliseconds, in UTC.
fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

impl JsonOutput {
    /// What is written to standard output, to be waited for at the end.
    pub fn sender(&self) -> Sender {
        self.lines.sender.clone()
    }
}

/// Puts a message into an object: as `text`, or as `base64` where it is not UTF-8.
pub fn put_message(object: &mut Value, message: &[u8]) {
    match std::str::from_utf8(message) {
        Ok(text) => object["text"] = text.into(),
        Err(_) => object["base64"] = BASE64.encode(message).into(),
    }
}

/// An event as an object, without its time.
fn object(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Listening { addresses } => json!({
            "event": "listening", "address": addresses.first(), "addresses": addresses,
        }),
        Event::Open { peer, names, .. } => json!({
            "event": "open", "peer": peer, "from": names.remote, "local": names.local,
        }),
        Event::Message { peer, from, message, binary } => {
            let mut object = json!({ "event": "message", "peer": peer, "from": from });
            put_message(&mut object, message);
            if let Some(binary) = binary {
                object["binary"] = (*binary).into();
            }
            object
        }
        Event::Pending { peer, so_far } => json!({
            "event": "pending", "peer": peer, "bytes": so_far.len(), "text": String::from_utf8_lossy(so_far),
        }),
        Event::Lost { peer, lost, cut_short } => json!({
            "event": "lost", "peer": peer, "messages": lost, "cut_short": cut_short,
        }),
        Event::Unanswered { peer, messages } => json!({ "event": "unanswered", "peer": peer, "messages": messages }),
        Event::Notice { notice } => return notice_object(notice),
        Event::Close { peer, from, reason } => {
            let mut object = json!({ "event": "close", "peer": peer, "from": from, "reason": reason_name(reason) });
            put_status(&mut object, from, reason_name(reason) == "ended", reason.error());
            if let Some(error) = reason.error() {
                object["error"] = error.to_string().into();
            }
            object
        }
        Event::Error { peer, error } => json!({
            "event": "error", "peer": peer, "error": error.to_string(), "hint": error.hint(),
        }),
        _ => return None,
    })
}

/// Datagrams that reached no peer.
fn notice_object(notice: &Notice) -> Option<Value> {
    Some(match notice {
        Notice::Lost { datagrams } => json!({ "event": "lost", "peer": null, "messages": datagrams, "cut_short": 0 }),
        Notice::Refused { datagrams, .. } => json!({ "event": "refused", "messages": datagrams, "why": "sessions" }),
        Notice::Forged { datagrams } => json!({ "event": "refused", "messages": datagrams, "why": "own address" }),
        _ => return None,
    })
}

/// Puts the exit status of a process that was at the other end into its `close` event, where it has ended by itself.
pub fn put_status(object: &mut Value, from: &str, ended: bool, failure: Option<&Error>) {
    let status = failure.and_then(Error::exit_status).or((ended && from.starts_with("exec:")).then_some(0));
    if let Some(status) = status {
        object["status"] = status.into();
    }
    if let Some(unfinished) = failure.and_then(Error::unfinished) {
        let mut lost = json!({ "bytes": unfinished.length });
        put_message(&mut lost, &unfinished.beginning);
        object["unfinished"] = lost;
    }
}

/// The reason of a `close` event, in one word.
fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Ended => "ended",
        Reason::Closed => "closed",
        Reason::Until => "until",
        Reason::Failed(error) => failure_name(error),
        _ => "error",
    }
}

/// The same of what failed.
pub fn failure_name(error: &Error) -> &'static str {
    match error {
        error if error.is_framing() => "framing",
        error if error.is_timeout() => "timeout",
        error if error.is_reset() => "reset",
        _ => "error",
    }
}

impl Output for JsonOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        if let Event::Listening { addresses } = &event {
            output::notice(&crate::terminal::listening(addresses));
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
        Some(Box::pin(async move { sender.room().await }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_stands_in_front() {
        let event = json!({ "text": "a\"b", "time": "now", "from": "x", "event": "message", "peer": 2 });
        assert_eq!(written(&event), r#"{"event":"message","peer":2,"from":"x","time":"now","text":"a\"b"}"#);
        assert_eq!(written(&json!({})), "{}");
    }

    #[test]
    fn commands_are_read() {
        let read = |text: &str| format!("{:?}", command(text.as_bytes()));
        assert_eq!(read(r#"{"to":2,"text":"hi"}"#), r#"Ok(Send { to: Peer(2), message: b"hi" })"#);
        assert_eq!(read(r#"{"to":"all","base64":"/w=="}"#), r#"Ok(Send { to: All, message: b"\xff" })"#);
        assert_eq!(read(r#"{"text":""}"#), r#"Ok(Send { to: Latest, message: b"" })"#);
        assert_eq!(read(r#"{"close":2}"#), "Ok(Close(2))");
        assert_eq!(read(r#"{"quit":true}"#), "Ok(Quit)");
    }

    #[test]
    fn wrong_commands_say_what_is_wrong() {
        let wrong = |text: &str| command(text.as_bytes()).unwrap_err();
        assert!(wrong("hello").starts_with("not JSON"));
        assert_eq!(wrong("[1]"), "not an object");
        assert_eq!(wrong(r#"{"tu":2}"#), "unknown key `tu`");
        assert_eq!(wrong(r#"{"to":"bob","text":"x"}"#), "`to` takes a peer's number or \"all\"");
        assert_eq!(wrong(r#"{"to":1}"#), "neither `text`, `base64`, `close` nor `quit`");
        assert_eq!(wrong(r#"{"to":1,"text":1}"#), "`text` and `base64` are strings");
        assert_eq!(wrong(r#"{"to":1,"text":"","base64":""}"#), "`text` and `base64` exclude each other");
    }

    #[test]
    fn messages_that_are_not_utf8_are_base64() {
        let event = |message, binary| {
            object(&Event::Message { peer: 2, from: "127.0.0.1:5", message, binary }).expect("a message is an object")
        };
        assert_eq!(event(&[0xff], None)["base64"], "/w==");
        assert_eq!(event(&[0xff], None).get("binary"), None, "where there are no kinds, none is told");
        assert_eq!(event(b"x", Some(true))["binary"], true);
        assert_eq!(event(b"x", Some(false))["binary"], false);
    }
}
