//! The reference tables: framings and exit statuses, in Markdown for docs/reference.md, and as they are for the man page.

use unstick::wire::{FRAMINGS, Framing, FramingInfo, MessageFormat, PRESETS, Preset, Role, UNSUPPORTED};

use crate::status::STATUSES;

/// Number of examples of a framing that a table shows.
const SHOWN: usize = 3;

/// Most characters of a syntax that fit on a line.
const LONG: usize = 60;

/// Keys that every framing takes, besides its own words.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("max=SIZE", "the longest message as you see it, both ways (16M)"),
    (
        "oversize=close|discard",
        "what to do with a longer message that arrives: end the stream, or skip and count the message if the framing can find the next one (not raw, gap, fixed)",
    ),
    (
        "damaged=close|skip",
        "what to do with bytes that break the framing: end the stream, or skip them up to the next frame and report them, if the framing has a mark to find it (line, crlf, delim, null, between, mllp, headers, slip, cobs, hdlc, dle, json, json-seq, gdb-packet, fix-message, dnp3-frame, jt808-frame) or a CRC (modbus-rtu-frame)",
    ),
    ("times=N", "the number of frames of a phase that another phase follows, after a / (1)"),
    ("if=HEX[+HEX...]", "the phase holds only while frames begin with these bytes, or have them at an offset: if=4:01"),
    (
        "until=HEX[+HEX...]",
        "the phase holds up to the message that begins with these bytes, or has them at an offset: until=1:15",
    ),
];

/// The specs of a framing that are worth showing; the table has more, to be tested.
pub(crate) fn examples(entry: &FramingInfo) -> impl Iterator<Item = &'static str> {
    let plain = |spec: &&&str| !spec.contains("max=");
    entry.examples.iter().filter(plain).take(SHOWN).copied()
}

/// Returns the syntax of a framing, with blanks where a long one can be broken into lines.
pub(crate) fn syntax(entry: &FramingInfo) -> String {
    if entry.syntax.len() > LONG { entry.syntax.replace("[,", " [,") } else { entry.syntax.to_owned() }
}

/// The text between the markers in docs/reference.md.
pub(super) fn markdown() -> String {
    let mut text = String::from("## Framings\n\n| spec | frame | examples |\n|---|---|---|\n");
    for entry in FRAMINGS {
        let such_as: Vec<String> = examples(entry).map(code).collect();
        text += &format!("| {} | {} | {} |\n", code(&syntax(entry)), cell(entry.frame), such_as.join(" "));
    }
    text +=
        "\nEvery framing takes these as well, as in `line,max=1K,oversize=discard`:\n\n| key | meaning |\n|---|---|\n";
    for (key, meaning) in KEYS {
        text += &format!("| {} | {} |\n", code(key), cell(meaning));
    }
    text += &presets();
    text += "\n## Exit status\n\n| status | meaning |\n|---|---|\n";
    for (status, meaning) in STATUSES {
        text += &format!("| {} | {} |\n", *status as u8, cell(meaning));
    }
    text
}

/// Returns the presets, family by family, and the protocols that are not supported.
fn presets() -> String {
    let mut text = String::from(
        "\n## Presets\n\nProtocols by name, as in `unstick connect 5432 -f postgres`: `connect` speaks as a client, `listen` as a server. \
         `max=`, `oversize=` and `damaged=` can be given as well. The table has the default of `--io`.\n",
    );
    for family in PRESETS {
        text += &format!("\n**{}**\n\n| preset | protocol | frames | --io |\n|---|---|---|---|\n", family.title);
        for preset in family.presets {
            let names: Vec<String> = names(preset).into_iter().map(code).collect();
            let frames = match preset.client == preset.server {
                true => code(preset.client),
                false => format!("clients {} servers {}", code(preset.client), code(preset.server)),
            };
            text += &format!("| {} | {} | {frames} | {} |\n", names.join(" "), cell(&about(preset)), io(preset));
        }
    }
    if !UNSUPPORTED.is_empty() {
        text += "\n**Not supported**\n\n| protocol | why |\n|---|---|\n";
    }
    for protocol in UNSUPPORTED {
        text += &format!("| {} ({}) | {} |\n", cell(protocol.title), cell(protocol.document), cell(protocol.why));
    }
    text
}

/// Returns all names of a preset in a spec.
pub(crate) fn names(preset: &Preset) -> Vec<&'static str> {
    std::iter::once(preset.name).chain(preset.aliases.iter().copied()).collect()
}

/// Returns the protocol, its port and its specification.
pub(crate) fn about(preset: &Preset) -> String {
    let port = if preset.port > 0 { format!(", port {}", preset.port) } else { String::new() };
    format!("{}{port} ({})", preset.title, preset.document)
}

/// Returns the default `--io` of a preset.
pub(crate) fn io(preset: &Preset) -> &'static str {
    match preset.format {
        MessageFormat::Hex => "hex",
        MessageFormat::Line if is_lines(preset) => "line",
        MessageFormat::Line => "quoted",
        MessageFormat::Escaped => "escaped",
    }
}

/// Whether neither side's messages can hold an LF.
fn is_lines(preset: &Preset) -> bool {
    [Role::Client, Role::Server].iter().all(|role| Framing::parse(preset.spec(*role)).is_ok_and(|spec| spec.is_lines()))
}

/// Returns a word in a table's cell, set as code.
fn code(word: &str) -> String {
    format!("`{}`", cell(word))
}

/// Escapes bars, which would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
