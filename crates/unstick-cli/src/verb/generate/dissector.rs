//! `generate dissector`: a framing as a dissector for Wireshark, in Lua.
//!
//! `dissector.lua` finds frames in the ways that framings describe; here it is told which ones, from the description that the wire crate has.

use std::fmt::Write;

use unstick::wire::recipe::{PhaseRecipe, Told};
use unstick::wire::{Framing, Preset, Role};
use unstick::{Error, Result};

use crate::sanitize;

const DISSECTOR: &str = include_str!("dissector.lua");

/// Where the phases go.
const PHASES: &str = "@PHASES@\n";

/// Characters of the name that Wireshark filters by.
const MAX_NAME: usize = 40;

/// The dissector of this framing for connections to these ports.
///
/// # Errors
///
/// If its frames cannot be described, or no port is known.
pub fn script(spec: &str, ports: &[u16]) -> Result<String> {
    let framing = Framing::parse(spec)?;
    let preset = Preset::all().find(|preset| preset.name == spec || preset.aliases.contains(&spec));
    let usual = preset.map(|preset| preset.port).filter(|port| *port > 0);
    let ports = if ports.is_empty() { usual.into_iter().collect() } else { ports.to_vec() };
    if ports.is_empty() {
        return Err(Error::usage(format!("{spec} has no usual port")).with_hint("--port names the port of the server"));
    }
    if !framing.keeps_boundaries() {
        return Err(Error::usage(format!("{spec} has no messages that a dissector could show")));
    }
    let side = |role| {
        let unlike = || {
            let error = Error::usage(format!(
                "{spec} cannot be a dissector: its frames are not found by a length, a mark or a size"
            ));
            error.with_hint("decode --pcapng writes packets that Wireshark's own dissectors read")
        };
        framing.recipes(role).ok_or_else(unlike)
    };
    let (client, server) = (side(Role::Client)?, side(Role::Server)?);
    let title = preset.map_or_else(|| spec.to_owned(), |preset| format!("{} ({spec})", preset.title));
    let (before, behind) = DISSECTOR.split_once(PHASES).unwrap_or((DISSECTOR, ""));
    let version = env!("CARGO_PKG_VERSION");
    let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let safe = sanitize::line(spec);
    Ok(format!(
        "-- The framing {safe} for Wireshark, written by unstick {version}. Put it into the folder of your Lua plug-ins,\n\
         -- or try it: wireshark -X lua_script:FILE. Ports choose the server's direction.\n\
         local NAME, TITLE, PORTS = {}, {}, {{ {ports} }}\n\
         {before}local CLIENT = {}\nlocal SERVER = {}\n{behind}",
        quoted(name(spec).as_bytes()),
        quoted(title.as_bytes()),
        phases(&client),
        phases(&server),
    ))
}

/// The name of the protocol: lower case letters, digits and `_`.
fn name(spec: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = spec.chars().map(plain).take(MAX_NAME).collect();
    format!("unstick_{}", name.trim_end_matches('_'))
}

fn phases(phases: &[PhaseRecipe]) -> String {
    let mut text = "{\n".to_owned();
    for PhaseRecipe { recipe, max, times, only, last } in phases {
        // Writing to a string does not fail.
        let _ =
            write!(text, "    {{ read = {}({}), max = {max}, times = {times}", recipe.procedure, table(&recipe.told));
        for (key, pattern) in [("only", only), ("last", last)] {
            if let Some((offset, runs)) = pattern {
                let runs = runs.iter().map(|run| quoted(run)).collect::<Vec<_>>().join(", ");
                let _ = write!(text, ", {key} = {{ offset = {offset}, runs = {{ {runs} }} }}");
            }
        }
        text += " },\n";
    }
    text + "}"
}

fn table(told: &[(&str, Told)]) -> String {
    let entries = told.iter().map(|(name, what)| {
        let what = match what {
            Told::Number(number) => number.to_string(),
            Told::Flag(flag) => flag.to_string(),
            Told::Bytes(bytes) => quoted(bytes),
            Told::Table(told) => table(told),
        };
        format!("{name} = {what}")
    });
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

/// Bytes as a string of Lua.
fn quoted(bytes: &[u8]) -> String {
    let mut text = "\"".to_owned();
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_are_those_of_lua() {
        assert_eq!(name("struct:!I"), "unstick_struct__i");
        assert_eq!(quoted(b"a\"\\\r\n\xff1"), r#""a\"\\\013\010\2551""#);
    }
}
