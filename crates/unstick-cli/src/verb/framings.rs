//! `framings`: lists every framing, and shows what one spec looks like on the wire.

mod draw;

use unstick::Result;
use unstick::wire::{FRAMINGS, Framing, PRESETS, Preset, Role, UNSUPPORTED};

use crate::args::Framings;
use crate::canvas::Canvas;
use crate::hex::spaced;
use crate::options::completion::spec_names;
use crate::output;
use crate::sanitize;
use crate::status::Status;
use crate::verb::generate::reference;

/// Lists the framings, explains one spec, or finds protocols by a word.
pub fn framings(args: &Framings) -> Result<Status> {
    let text = match &args.spec {
        Some(word) => match (Framing::parse(word), found(word)) {
            (Err(_), found) if !found.is_empty() => list_found(word, &found, args),
            (framing, _) => explain(word, &framing?, args.json)?,
        },
        None if args.names => spec_names().map(|spec| format!("{spec}\n")).collect(),
        None if args.json => list_json(),
        None => list(),
    };
    Ok(output::print(&text))
}

/// Returns presets that match a word in the name of their protocol, their specification or their family.
fn found(word: &str) -> Vec<&'static Preset> {
    let wanted = word.to_lowercase();
    let has = |text: &str| {
        let text = text.to_lowercase();
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.any(|one| one == wanted || (wanted.len() >= LONG_WORD && one.starts_with(&wanted)))
    };
    let mut found = Vec::new();
    for family in PRESETS {
        let all = has(family.title);
        found.extend(family.presets.iter().filter(|preset| all || has(preset.title) || has(preset.document)));
    }
    found
}

/// Number of letters from which the beginning of a word is enough.
const LONG_WORD: usize = 5;

fn list_found(word: &str, found: &[&Preset], args: &Framings) -> String {
    if args.names {
        return found.iter().map(|preset| format!("{}\n", preset.name)).collect();
    }
    if args.json {
        return found.iter().map(|preset| format!("{}\n", preset_json(preset))).collect();
    }
    let mut text = format!("Protocols that `{}` describes; `unstick framings NAME` shows one:\n", sanitize::line(word));
    for preset in found {
        text += &format!("  {:<24} {}\n", reference::names(preset).join(" "), reference::about(preset));
    }
    text
}

/// Lists each framing: what it is, specs to copy, and a frame to compare with what a peer sends.
fn list() -> String {
    let mut text = String::new();
    for entry in FRAMINGS {
        let such_as: Vec<_> = reference::examples(entry).collect();
        text += &format!("{}\n    {}\n    such as {}\n", reference::syntax(entry), entry.frame, such_as.join("  "));
        if let Some((spec, frame)) = such_as.first().and_then(|spec| Some((spec, sample(spec)?))) {
            text += &format!("    `hello` in {spec}: {frame}\n");
        }
    }
    text += "\nEvery framing takes these as well:\n";
    for (key, meaning) in reference::KEYS {
        text += &format!("{key}\n    {meaning}\n");
    }
    text += "\nPhases are joined by a slash: struct:i/raw. `unstick framings SPEC` shows the bytes of a spec.\n";
    text + &list_presets()
}

/// Lists each preset with its port and specification, and then the protocols that are not supported.
fn list_presets() -> String {
    let mut text = "\nPresets: protocols by name. `connect` speaks as a client, `listen` as a server.\n".to_owned();
    for family in PRESETS {
        text += &format!("\n{}\n", family.title);
        for preset in family.presets {
            text += &format!("  {:<24} {}\n", reference::names(preset).join(" "), reference::about(preset));
            for (who, spec) in sides(preset) {
                text += &format!("    {who}{spec}\n");
            }
        }
    }
    if !UNSUPPORTED.is_empty() {
        text += "\nProtocols that no framing here can express\n";
    }
    for protocol in UNSUPPORTED {
        text += &format!("  {}: {} ({})\n", protocol.title, protocol.why, protocol.document);
    }
    text
}

/// Returns the spec of each side.
fn sides(preset: &Preset) -> Vec<(&'static str, &'static str)> {
    if preset.client == preset.server {
        return vec![("", preset.client)];
    }
    vec![("clients send ", preset.client), ("servers send ", preset.server)]
}

/// Returns `hello` in a frame; `None` if this framing cannot carry it.
fn sample(spec: &str) -> Option<String> {
    let mut frame = Vec::new();
    Framing::parse(spec).ok()?.encoder().ok()?.encode(b"hello", &mut frame).ok()?;
    Some(spaced(&frame))
}

fn preset_json(preset: &Preset) -> serde_json::Value {
    serde_json::json!({
        "preset": preset.name, "aliases": preset.aliases, "title": preset.title, "document": preset.document,
        "port": (preset.port > 0).then_some(preset.port), "io": reference::io(preset),
        "client": preset.client, "server": preset.server,
    })
}

fn list_json() -> String {
    let line = |entry: &unstick::wire::FramingInfo| {
        serde_json::json!({
            "name": entry.name, "syntax": entry.syntax, "frame": entry.frame, "examples": entry.examples,
            "keeps_boundaries": entry.keeps_boundaries,
        })
    };
    let unsayable = UNSUPPORTED.iter().map(|protocol| {
        serde_json::json!({ "title": protocol.title, "document": protocol.document, "why_not": protocol.why })
    });
    let lines = FRAMINGS.iter().map(line).chain(Preset::all().map(preset_json)).chain(unsayable);
    lines.map(|line| format!("{line}\n")).collect()
}

/// Shows a few messages and their frames, one after the other, so that phases are visible; for a preset, also its facts. Then
/// draws frames.
fn explain(spec: &str, framing: &Framing, json: bool) -> Result<String> {
    if json {
        return examples_json(spec, framing);
    }
    let mut canvas = Canvas::of_standard_output();
    let Some(preset) = framing.preset() else {
        canvas.put(&sanitize::lines(&examples(framing)?));
        draw::frames(&mut canvas, framing);
        return Ok(canvas.into_text());
    };
    canvas.put(&describe(preset));
    let sides = match preset.client == preset.server {
        true => &[("both sides send", Role::Client)][..],
        false => &[("clients send", Role::Client), ("servers send", Role::Server)],
    };
    for (who, role) in sides {
        canvas.put(&format!("{who}\n"));
        draw::frames(&mut canvas, &framing.sent_by(*role));
    }
    Ok(canvas.into_text())
}

/// Messages that the frames show.
const EXAMPLES: [&str; 3] = ["hello", "", "{}"];

fn examples(framing: &Framing) -> Result<String> {
    let mut encoder = framing.encoder()?;
    let mut text = String::new();
    for message in EXAMPLES {
        let mut frame = Vec::new();
        let result = encoder.encode(message.as_bytes(), &mut frame);
        let shown = result.map_or_else(|error| format!("cannot be sent: {error}"), |()| spaced(&frame));
        text += &format!("{:<8} {shown}\n", format!("`{message}`"));
    }
    Ok(text)
}

fn examples_json(spec: &str, framing: &Framing) -> Result<String> {
    let mut encoder = framing.encoder()?;
    let mut text = String::new();
    for message in EXAMPLES {
        let mut frame = Vec::new();
        let error = encoder.encode(message.as_bytes(), &mut frame).err().map(|error| error.to_string());
        let line = serde_json::json!({ "spec": spec, "message": message, "frame": spaced(&frame), "error": error });
        text += &(crate::json_lines::safe(line.to_string()) + "\n");
    }
    Ok(text)
}

fn describe(preset: &Preset) -> String {
    let mut text = format!("{}: {}\n", reference::names(preset).join(", "), reference::about(preset));
    for (who, role) in [("clients", Role::Client), ("servers", Role::Server)] {
        text += &format!("{who} send    {}\n", preset.spec(role));
    }
    text += &format!("--io            {}, by default\n", reference::io(preset));
    let mut what = "such as";
    for address in addresses(preset) {
        text += &format!("{what:<15} unstick connect {address} -f {}\n", preset.name);
        what = "or";
    }
    text
}

/// Returns addresses of the protocol, as `connect` takes them: on a port, and on a serial line.
fn addresses(preset: &Preset) -> Vec<String> {
    let port = (preset.port > 0).then(|| preset.port.to_string());
    // The shell would expand the question mark.
    let line = (!preset.serial.is_empty()).then(|| format!("'serial:/dev/ttyUSB0?{}'", preset.serial));
    let any = (port.is_none() && line.is_none()).then(|| "PORT".to_owned());
    [port, line, any].into_iter().flatten().collect()
}
