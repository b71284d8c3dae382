//! Writes what happened in a scene, one JSON object a line.

use crate::scenes::{Act, Scene, Transport, What};
use data_encoding::BASE64;
use serde_json::{Value, json};

/// Version of these events. It goes up when a script written for the last version would break.
const VERSION: u64 = 1;

/// Returns the acts of a scene; the first line of a run carries the version.
pub(super) fn lines(scene: Scene, acts: &[Act], first: bool) -> String {
    let mut text = String::new();
    for (number, act) in acts.iter().enumerate() {
        let line = |mut object: Value| {
            object["scene"] = scene.name().into();
            object["act"] = act.name.into();
            crate::json_lines::safe(object.to_string()) + "\n"
        };
        let transport = if act.transport == Transport::Udp { "udp" } else { "tcp" };
        let mut begin = json!({ "event": "begin", "transport": transport });
        if first && number == 0 {
            begin["version"] = VERSION.into();
        }
        text += &line(begin);
        for event in &act.events {
            let mut object = object(&event.what);
            object["at_us"] = (event.at.as_nanos() as f64 / 1e3).into();
            text += &line(object);
        }
        text += &line(json!({ "event": "end", "shown": act.shown }));
    }
    text
}

fn object(what: &What) -> Value {
    match what {
        What::Sent { offset, bytes } => content(json!({ "event": "sent", "offset": offset }), bytes),
        What::Passed { offset, bytes } => content(json!({ "event": "passed", "offset": offset }), bytes),
        What::Full => json!({ "event": "full" }),
        What::Queued { bytes } => json!({ "event": "queued", "bytes": bytes }),
        What::Read { offset, room, bytes, cut } => {
            content(json!({ "event": "read", "offset": offset, "room": room, "cut": cut }), bytes)
        }
        What::Took { bytes } => content(json!({ "event": "took" }), bytes),
        What::Stuck { why } => json!({ "event": "stuck", "why": why }),
        What::Closed => json!({ "event": "closed" }),
        What::Ended => json!({ "event": "ended" }),
        What::Fooled { why } => json!({ "event": "fooled", "why": why }),
        What::Length { length, bytes, signed, unsigned } => {
            let hex = bytes.map(|byte| format!("{byte:02x}")).concat();
            json!({ "event": "length", "length": length, "hex": hex, "signed": signed, "unsigned": unsigned })
        }
        What::Boundaries { sent, reads } => json!({ "event": "boundaries", "sent": sent, "reads": reads }),
        What::Largest { bytes, refused } => json!({ "event": "largest", "bytes": bytes, "refused": refused }),
        What::Flood { sent, received } => json!({ "event": "flood", "sent": sent, "received": received }),
        What::Time { messages, median } => {
            json!({ "event": "time", "messages": messages, "median_us": median.as_nanos() as f64 / 1e3 })
        }
    }
}

/// Adds the bytes, and their number, to an object.
fn content(mut object: Value, bytes: &[u8]) -> Value {
    object["bytes"] = bytes.len().into();
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => object["text"] = text.into(),
        _ => object["base64"] = BASE64.encode(bytes).into(),
    }
    object
}
