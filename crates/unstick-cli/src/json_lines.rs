//! Writes objects as lines of JSON: with version and time, messages as text or base64, and nothing that a terminal
//! would act on.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use data_encoding::{BASE64, DecodeError, DecodeKind};
use serde_json::{Map, Value, json};
use unstick::endpoint::Request;
use unstick::{Error, Unfinished};

use crate::{json_text, sanitize};

/// Version of the events and commands. It goes up when a script written for the last version would break.
pub const VERSION: u64 = 1;

/// Puts the time into an event, and the version into the first event of a run.
pub fn stamp(event: &mut Value, versioned: &mut bool) {
    event["time"] = now().into();
    put_version(event, versioned);
}

/// Puts the version into the first event of a run.
pub fn put_version(event: &mut Value, versioned: &mut bool) {
    if !std::mem::replace(versioned, true) {
        event["version"] = VERSION.into();
    }
}

/// Returns an event as a line, without its LF. It is made safe, because someone may show it on a terminal.
pub fn line(event: &Value) -> String {
    safe(written(event))
}

/// Escapes everything in JSON that a terminal would not show.
pub fn safe(text: String) -> String {
    match sanitize::json(&text) {
        Cow::Owned(safe) => safe,
        Cow::Borrowed(_) => text,
    }
}

/// Keys that come first, for people who read along: what happened, with whom, when. The other keys follow in
/// alphabetical order.
const IN_FRONT: [&str; 5] = ["event", "peer", "from", "local", "time"];

/// Writes an event, with the keys of [`IN_FRONT`] first.
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

/// Returns a message as a JSON string, or as an object with base64 if it is not UTF-8.
pub fn text_or_base64(message: &[u8]) -> Value {
    match std::str::from_utf8(message) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": BASE64.encode(message) }),
    }
}

/// Reads what [`text_or_base64`] wrote; `None` if it is neither.
pub fn from_text_or_base64(written: &[u8]) -> Option<Bytes> {
    match serde_json::from_slice(written).ok()? {
        Value::String(text) => Some(text.into()),
        Value::Object(object) => message_of(&object).ok().flatten(),
        _ => None,
    }
}

fn not_base64(error: &DecodeError) -> String {
    match error.kind {
        DecodeKind::Length => {
            "base64: the number of characters is not a multiple of 4: is the padding missing?".to_owned()
        }
        _ => format!("base64: {error}"),
    }
}

/// Returns the message in an object: `text` or `base64`.
pub fn message_of(object: &Map<String, Value>) -> Result<Option<Bytes>, String> {
    match (object.get("text"), object.get("base64")) {
        (Some(Value::String(text)), None) => Ok(Some(text.clone().into())),
        (None, Some(Value::String(encoded))) => {
            BASE64.decode(encoded.as_bytes()).map(|bytes| Some(bytes.into())).map_err(|error| not_base64(&error))
        }
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err("`text` and `base64` exclude each other".into()),
        _ => Err("`text` and `base64` are strings".into()),
    }
}

/// Returns the current time in RFC 3339 with milliseconds, in UTC.
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// Puts a message into an object: as `text`, or as `base64` if it is not UTF-8.
pub fn put_message(object: &mut Value, message: &[u8]) {
    match std::str::from_utf8(message) {
        Ok(text) => object["text"] = text.into(),
        Err(_) => object["base64"] = BASE64.encode(message).into(),
    }
}

/// Appends the key and the value that [`put_message`] would put, for lines that are written in bulk.
pub fn write_message(line: &mut Vec<u8>, message: &[u8]) {
    match std::str::from_utf8(message) {
        Ok(text) => write_text(line, text),
        Err(_) => write_base64(line, message),
    }
}

/// Appends `"text":"..."`.
pub fn write_text(line: &mut Vec<u8>, text: &str) {
    line.extend_from_slice(br#""text":""#);
    json_text::push(line, text);
    line.push(b'"');
}

/// Appends `"base64":"..."`.
pub fn write_base64(line: &mut Vec<u8>, bytes: &[u8]) {
    /// Bytes that are encoded together: a multiple of three, so that only the last ones are padded.
    const PART: usize = 3 << 8;
    line.extend_from_slice(br#""base64":""#);
    let mut written = [0; PART / 3 * 4];
    for part in bytes.chunks(PART) {
        let written = &mut written[..BASE64.encode_len(part.len())];
        BASE64.encode_mut(part, written);
        line.extend_from_slice(written);
    }
    line.push(b'"');
}

/// Puts the request of a WebSocket client into an object.
pub fn put_request(object: &mut Value, request: Option<&Request>) {
    let Some(request) = request else { return };
    let mut headers = Map::new();
    for (name, _) in &request.headers {
        headers.insert(name.clone(), request.header(name).into());
    }
    object["path"] = request.path.clone().into();
    object["query"] = request.query.clone().into();
    object["subprotocol"] = request.protocol.clone().into();
    object["headers"] = headers.into();
}

/// Puts the exit status of the process at the other end into its `close` event, if the process has ended by itself.
pub fn put_status(object: &mut Value, from: &str, ended: bool, failure: Option<&Error>) {
    let status = failure.and_then(Error::exit_status).or((ended && from.starts_with("exec:")).then_some(0));
    if let Some(status) = status {
        object["status"] = status.into();
    }
    if let Some(lost) = failure.and_then(Error::unfinished) {
        object["unfinished"] = unfinished(lost);
    }
}

/// Returns what had arrived of a message that is lost.
pub fn unfinished(lost: &Unfinished) -> Value {
    let mut object = json!({ "bytes": lost.length });
    put_message(&mut object, &lost.beginning);
    object
}

/// Returns the name of a failure's kind.
pub fn failure_name(error: &Error) -> &'static str {
    match error {
        error if error.is_framing() => "framing",
        error if error.is_over_budget() => "memory",
        error if error.is_timeout() => "timeout",
        error if error.is_reset() => "reset",
        _ => "error",
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
}
