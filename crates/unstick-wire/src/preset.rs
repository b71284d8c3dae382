//! Presets: protocols by name. Each has a framing spec for what its clients send, and one for what its servers send.
//!
//! A preset is a row of a table; the files below this one hold one family of rows each. Every preset comes with a
//! golden file: bytes of the protocol that other programs made (`tests/goldens`). Not here: how frames are found
//! (`framing`).

mod calls;
mod databases;
mod devices;
mod messaging;
mod network;
mod programs;
mod row;
mod serial;
mod text;
mod values;

use std::borrow::Cow;

use crate::error::SpecError;
use crate::role::Role;

pub use row::{Family, MessageFormat, Preset};

/// A protocol without a preset.
#[derive(Debug)]
pub struct UnsupportedProtocol {
    /// Its name.
    pub title: &'static str,
    /// The document that specifies it.
    pub document: &'static str,
    /// Why it has no preset.
    pub why: &'static str,
}

/// All presets, by family.
pub const PRESETS: &[Family] = &[
    databases::FAMILY,
    messaging::FAMILY,
    calls::FAMILY,
    text::FAMILY,
    network::FAMILY,
    devices::FAMILY,
    serial::FAMILY,
    values::FAMILY,
    programs::FAMILY,
];

/// Protocols that were examined, and why there is no preset for them.
pub const UNSUPPORTED: &[UnsupportedProtocol] = &[UnsupportedProtocol {
    title: "VNC (RFB)",
    document: "RFC 6143 section 7",
    why: "messages have no length: it follows from their type, from the pixel format and from each rectangle's encoding",
}];

impl Preset {
    /// All presets, in the order of the table.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        PRESETS.iter().flat_map(|family| family.presets)
    }
}

/// The names of all presets.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    Preset::all().map(|preset| preset.name)
}

fn name_of(phase: &str) -> &str {
    phase.split([':', ',']).next().unwrap_or(phase)
}

/// The preset that a spec names in one of its phases. A protocol that is a framing of its own (`netstring`) counts as
/// that framing, which takes more keys.
pub(crate) fn named_in(spec: &str) -> Option<&'static Preset> {
    let called = |name: &str| Preset::all().find(|preset| preset.is_called(name) && preset.client != name);
    spec.split('/').find_map(|phase| called(name_of(phase)))
}

/// Replaces the preset's name by the preset's own spec: it is the last phase, and takes `max`, `oversize` and
/// `damaged`.
pub(crate) fn written_out<'a>(spec: &'a str, preset: &Preset, role: Role) -> Result<Cow<'a, str>, SpecError> {
    let (before, phase) = match spec.rsplit_once('/') {
        Some((before, phase)) => (Some(before), phase),
        None => (None, spec),
    };
    let name = name_of(phase);
    if !preset.is_called(name) || before.is_some_and(|before| named_in(before).is_some()) {
        return Err(SpecError::new(format!("`{}` is a preset with phases of its own: none can follow", preset.name)));
    }
    let keys: Vec<&str> = phase[name.len()..].split(',').skip(1).collect();
    let known = |key: &&str| ["max=", "oversize=", "damaged="].iter().any(|known| key.starts_with(known));
    if phase[name.len()..].starts_with(':') || !keys.iter().all(known) {
        return Err(SpecError::new(format!("`{phase}`: the preset `{name}` takes max=, oversize= and damaged= alone"))
            .with_hint(format!("{name} is written out as {}", preset.spec(role))));
    }
    let own: Vec<&str> = preset.spec(role).split('/').collect();
    let own = own.iter().enumerate().map(|(i, phase)| with_keys(phase, &keys, i + 1 == own.len()));
    Ok(before.map(str::to_owned).into_iter().chain(own).collect::<Vec<_>>().join("/").into())
}

/// Adds the user's keys to a phase of a preset: `max` to every phase whose frames have no fixed length, the keys about
/// skipping input only to the last phase.
fn with_keys(phase: &str, keys: &[&str], last: bool) -> String {
    let mut text = phase.to_owned();
    for key in keys {
        let fits = if key.starts_with("max=") { !phase.starts_with("fixed:") } else { last };
        if fits {
            text = format!("{text},{key}");
        }
    }
    text
}
