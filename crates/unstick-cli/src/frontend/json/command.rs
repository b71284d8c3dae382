//! Parses one line of standard input as a command under `--json`.

use std::sync::Arc;

use serde_json::{Map, Value};
use unstick::endpoint::Closing;
use unstick::service::talk::{Command, PeerId, Recipient};

use crate::json_lines::message_of;

/// Examples of the lines that standard input may hold.
pub const EXAMPLES: &str = r#"{"to":2,"text":"hi"}, {"to":[1,3],"text":"hi"}, {"to":"all","base64":"aGk="}, {"except":2,"text":"hi"}, {"close":2} or {"quit":true}"#;

/// The keys of a command.
const KEYS: [&str; 10] = ["to", "except", "text", "base64", "binary", "close", "code", "reason", "quit", "id"];

/// Most characters of an `id`: it comes back with every error of its command.
const LONGEST_ID: usize = 256;

/// Parses a line. The error says what is wrong with it.
pub fn read(line: &[u8]) -> Result<Command, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(mut object) = value else { return Err("not an object".into()) };
    if let Some(unknown) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("unknown key `{unknown}`"));
    }
    let id = match object.remove("id") {
        Some(id) => Some(
            written_id(&id)
                .ok_or_else(|| format!("`id` is a string or a number of at most {LONGEST_ID} characters"))?,
        ),
        None => None,
    };
    let command = untagged(&object)?;
    Ok(match id {
        Some(id) => Command::Tagged { id, command: Box::new(command) },
        None => command,
    })
}

fn untagged(object: &Map<String, Value>) -> Result<Command, String> {
    if let Some(close) = object.get("close") {
        let peer = close.as_u64().ok_or("`close` takes a peer's number")?;
        return closed(object, peer);
    }
    if object.contains_key("code") || object.contains_key("reason") {
        return Err("`code` and `reason` belong to `close`".into());
    }
    if let Some(quit) = object.get("quit") {
        let alone = *quit == Value::Bool(true) && object.len() == 1;
        return if alone { Ok(Command::Quit) } else { Err("`quit` takes the value true, and no other key".into()) };
    }
    let to = target(object)?;
    let binary = match object.get("binary") {
        None => false,
        Some(Value::Bool(binary)) => *binary,
        Some(_) => return Err("`binary` is true or false".into()),
    };
    let message = message_of(object)?.ok_or("neither `text`, `base64`, `close` nor `quit`")?;
    Ok(if binary { Command::SendBinary { to, message } } else { Command::Send { to, message } })
}

/// Parses a command with `close`, which may have a code and a reason.
fn closed(object: &Map<String, Value>, peer: PeerId) -> Result<Command, String> {
    if object.keys().any(|key| !["close", "code", "reason"].contains(&key.as_str())) {
        return Err("`close` takes `code` and `reason`, and no other key".into());
    }
    let reason = match object.get("reason") {
        None => "",
        Some(reason) => reason.as_str().ok_or("`reason` is a string")?,
    };
    let Some(code) = object.get("code") else {
        return if reason.is_empty() { Ok(Command::Close(peer)) } else { Err("`reason` needs a `code`".into()) };
    };
    let code = code.as_u64().and_then(|code| u16::try_from(code).ok()).ok_or("`code` is a number, such as 4000")?;
    Closing::new(code, reason).map(|closing| Command::CloseWith(peer, closing)).map_err(|error| error.to_string())
}

fn target(object: &Map<String, Value>) -> Result<Recipient, String> {
    match (object.get("to"), object.get("except")) {
        (None, None) => Ok(Recipient::Latest),
        (Some(Value::String(all)), None) if all == "all" => Ok(Recipient::All),
        (None, Some(except)) => {
            Ok(Recipient::Except(peers(except).ok_or("`except` takes a peer's number or a list of them")?))
        }
        (Some(Value::String(all)), Some(except)) if all == "all" => {
            Ok(Recipient::Except(peers(except).ok_or("`except` takes a peer's number or a list of them")?))
        }
        (Some(_), Some(_)) => Err("`except` is for messages to all peers".into()),
        (Some(Value::Array(list)), None) if list.is_empty() => Err("`to` is an empty list".into()),
        (Some(to @ Value::Array(_)), None) => {
            Ok(Recipient::Peers(peers(to).ok_or("`to` takes a peer's number, a list of numbers or \"all\"")?))
        }
        (Some(number), None) => {
            Ok(Recipient::Peer(number.as_u64().ok_or("`to` takes a peer's number, a list of numbers or \"all\"")?))
        }
    }
}

/// Parses one number, or a list of numbers.
fn peers(value: &Value) -> Option<Arc<[PeerId]>> {
    match value {
        Value::Array(list) => list.iter().map(Value::as_u64).collect(),
        one => Some([one.as_u64()?].into()),
    }
}

/// Returns an `id` as JSON.
fn written_id(id: &Value) -> Option<Arc<str>> {
    let simple = id.is_string() || id.is_number();
    Some(id.to_string()).filter(|text| simple && text.len() <= LONGEST_ID).map(Into::into)
}

/// Puts the peer and the `id` that a line names into an event about it, whatever else is wrong with the line.
pub fn name_what_failed(line: &[u8], event: &mut Value) {
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    event["peer"] = value.get("to").or_else(|| value.get("close")).and_then(Value::as_u64).into();
    if let Some(id) = value.get("id").filter(|id| written_id(id).is_some()) {
        event["id"] = id.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let read = |text: &str| format!("{:?}", read(text.as_bytes()));
        assert_eq!(read(r#"{"to":2,"text":"hi"}"#), r#"Ok(Send { to: Peer(2), message: b"hi" })"#);
        assert_eq!(read(r#"{"to":[1,3],"text":"hi"}"#), r#"Ok(Send { to: Peers([1, 3]), message: b"hi" })"#);
        assert_eq!(read(r#"{"to":"all","base64":"/w=="}"#), r#"Ok(Send { to: All, message: b"\xff" })"#);
        assert_eq!(read(r#"{"except":2,"text":"hi"}"#), r#"Ok(Send { to: Except([2]), message: b"hi" })"#);
        assert_eq!(
            read(r#"{"to":"all","except":[2,4],"text":""}"#),
            r#"Ok(Send { to: Except([2, 4]), message: b"" })"#
        );
        assert_eq!(read(r#"{"text":""}"#), r#"Ok(Send { to: Latest, message: b"" })"#);
        assert_eq!(read(r#"{"text":"x","binary":true}"#), r#"Ok(SendBinary { to: Latest, message: b"x" })"#);
        assert_eq!(read(r#"{"text":"x","binary":false}"#), r#"Ok(Send { to: Latest, message: b"x" })"#);
        assert_eq!(read(r#"{"close":2}"#), "Ok(Close(2))");
        assert_eq!(read(r#"{"quit":true}"#), "Ok(Quit)");
        assert_eq!(read(r#"{"close":2,"id":"a"}"#), r#"Ok(Tagged { id: "\"a\"", command: Close(2) })"#);
        assert_eq!(read(r#"{"quit":true,"id":7}"#), r#"Ok(Tagged { id: "7", command: Quit })"#);
    }

    #[test]
    fn wrong_commands_say_what_is_wrong() {
        let wrong = |text: &str| read(text.as_bytes()).unwrap_err();
        assert!(wrong("hello").starts_with("not JSON"));
        assert_eq!(wrong("[1]"), "not an object");
        assert_eq!(wrong(r#"{"tu":2}"#), "unknown key `tu`");
        assert_eq!(wrong(r#"{"to":"bob","text":"x"}"#), "`to` takes a peer's number, a list of numbers or \"all\"");
        assert_eq!(wrong(r#"{"to":[1,"bob"],"text":"x"}"#), "`to` takes a peer's number, a list of numbers or \"all\"");
        assert_eq!(wrong(r#"{"to":[],"text":"x"}"#), "`to` is an empty list");
        assert_eq!(wrong(r#"{"to":1,"except":2,"text":"x"}"#), "`except` is for messages to all peers");
        assert_eq!(wrong(r#"{"except":"all","text":"x"}"#), "`except` takes a peer's number or a list of them");
        assert_eq!(wrong(r#"{"to":1}"#), "neither `text`, `base64`, `close` nor `quit`");
        assert_eq!(wrong(r#"{"to":1,"text":1}"#), "`text` and `base64` are strings");
        assert_eq!(wrong(r#"{"to":1,"text":"","base64":""}"#), "`text` and `base64` exclude each other");
        assert_eq!(wrong(r#"{"text":"x","binary":1}"#), "`binary` is true or false");
        let long = format!(r#"{{"text":"x","id":"{}"}}"#, "i".repeat(LONGEST_ID));
        for id in [r#"{"text":"x","id":[]}"#, r#"{"text":"x","id":null}"#, &long] {
            assert_eq!(wrong(id), "`id` is a string or a number of at most 256 characters", "{id}");
        }
    }
}
