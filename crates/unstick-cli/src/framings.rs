//! `framings`: every framing, and what one spec looks like on the wire.

use unstick::Result;
use unstick::wire::{ENTRIES, Framing};

use crate::args::Framings;
use crate::output;
use crate::report::Status;

/// Lists the framings, or explains one spec.
pub fn framings(args: &Framings) -> Result<Status> {
    match &args.spec {
        Some(spec) => explain(spec, args.json),
        None => Ok(output::print(&if args.json { list_json() } else { list() })),
    }
}

fn list() -> String {
    let mut text = String::new();
    for entry in ENTRIES {
        text += &format!("{}\n    {}\n    such as {}\n", entry.syntax, entry.frame, entry.examples.join("  "));
    }
    text += "\nEvery framing takes max=SIZE (16M) and oversize=close|discard. Phases are joined by /: struct:i/raw\n";
    text
}

fn list_json() -> String {
    let line = |entry: &unstick::wire::Entry| {
        serde_json::json!({
            "name": entry.name, "syntax": entry.syntax, "frame": entry.frame, "examples": entry.examples,
            "keeps_boundaries": entry.keeps_boundaries,
        })
    };
    ENTRIES.iter().map(|entry| format!("{}\n", line(entry))).collect()
}

/// A few messages, and their frames.
fn explain(spec: &str, json: bool) -> Result<Status> {
    let framing = Framing::parse(spec)?;
    let mut text = String::new();
    for message in [&b"hello"[..], b"", b"{}"] {
        let mut encoder = framing.encoder()?;
        let mut frame = Vec::new();
        let shown = String::from_utf8_lossy(message);
        let outcome = match encoder.encode(message, &mut frame) {
            Ok(()) => frame.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
            Err(error) => format!("cannot: {error}"),
        };
        if json {
            text += &format!("{}\n", serde_json::json!({ "spec": spec, "message": shown, "frame": outcome }));
        } else {
            text += &format!("{:<8} {outcome}\n", format!("`{shown}`"));
        }
    }
    Ok(output::print(&text))
}
