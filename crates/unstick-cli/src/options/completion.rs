//! Values that a shell offers for options that take other values as well: framings and presets, formats, scenes.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use crate::scene::Scene;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};
use unstick::HalfClose;
use unstick::wire::{FRAMINGS, Preset};

/// Takes any text. The values are only for completion: the parser of the option's value reports what is wrong with it.
#[derive(Debug, Clone, Copy)]
pub struct Offers(fn() -> Vec<Offer>);

/// A value and its description, without characters that have a meaning in a shell's script.
type Offer = (&'static str, &'static str);

impl TypedValueParser for Offers {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = self.0().into_iter().map(|(value, what)| match what {
            "" => PossibleValue::new(value),
            what => PossibleValue::new(value).help(what),
        });
        Some(Box::new(values))
    }
}

/// The names of framings and presets.
pub fn spec_names() -> impl Iterator<Item = &'static str> {
    known_specs().into_iter().map(|(spec, _)| spec)
}

/// Offers framings and presets, for `-f`.
pub fn specs() -> Offers {
    Offers(known_specs)
}

/// Offers framings, presets and `auto`, where a framing may be guessed.
pub fn specs_or_auto() -> Offers {
    Offers(|| [vec![("auto", "guess the framing")], known_specs()].concat())
}

/// Offers formats of messages, for `--io`.
pub fn formats() -> Offers {
    Offers(|| {
        let formats = ["line", "quoted", "hex", "escaped", "json", "raw"];
        formats.map(|format| (format, "")).to_vec()
    })
}

/// The values of the option for when to shut down the sending side.
pub fn half_close() -> impl TypedValueParser<Value = HalfClose> {
    let times = Offers(|| ["now", "answered", "never"].map(|time| (time, "")).to_vec());
    times.try_map(|text| match text.as_str() {
        "now" => Ok(HalfClose::Now),
        "answered" => Ok(HalfClose::Answered),
        "never" => Ok(HalfClose::Never),
        _ => Err("it is now, answered or never"),
    })
}

/// Offers the scenes of `lab`.
pub fn scenes() -> Offers {
    Offers(|| Scene::ALL.into_iter().map(|scene| (scene.name(), "")).collect())
}

/// Every preset, and for every framing the shortest spec that works without more.
fn known_specs() -> Vec<Offer> {
    let mut offers = INTEGERS.map(|name| (name, "")).to_vec();
    for framing in FRAMINGS.iter().filter(|framing| !framing.name.starts_with('[')) {
        let plain = framing.examples.iter().find(|spec| !spec.contains("max="));
        offers.extend(plain.map(|spec| (*spec, "")));
    }
    for preset in Preset::all() {
        offers.extend(preset.aliases.iter().chain([&preset.name]).map(|name| (*name, preset.title)));
    }
    // Some presets have the same name as their framing.
    let mut seen = BTreeSet::new();
    offers.retain(|(spec, _)| seen.insert(*spec));
    offers
}

/// The specs for lengths that are one integer.
const INTEGERS: [&str; 30] = [
    "u8", "i8", "u16be", "i16be", "u16le", "i16le", "u24be", "i24be", "u24le", "i24le", "u32be", "i32be", "u32le",
    "i32le", "u40be", "i40be", "u40le", "i40le", "u48be", "i48be", "u48le", "i48le", "u56be", "i56be", "u56le",
    "i56le", "u64be", "i64be", "u64le", "i64le",
];

#[cfg(test)]
mod tests {
    use unstick::wire::Framing;

    use super::*;

    #[test]
    fn every_spec_that_is_offered_works_and_stands_there_once() {
        let offers = known_specs();
        for (spec, _) in &offers {
            assert!(Framing::parse(spec).is_ok(), "{spec}");
        }
        for (spec, what) in &offers {
            assert!(!what.contains(['$', '"', '`', '\\']), "{spec}: {what}");
        }
        let names: BTreeSet<_> = offers.iter().map(|(spec, _)| spec).collect();
        assert_eq!(names.len(), offers.len());
        assert!(["u32be", "i8", "line", "struct:i", "postgres"].iter().all(|spec| names.contains(spec)));
        for framing in FRAMINGS.iter().filter(|framing| !framing.name.starts_with('[')) {
            assert!(names.iter().any(|spec| spec.starts_with(framing.name)), "{} is not offered", framing.name);
        }
    }
}
