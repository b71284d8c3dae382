//! The parts of a frame, as the decoder finds them.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::ops::Range;

use unstick_wire::{FRAMINGS, Framing, Preset, Role};

/// The parts of the first sample: bytes, message, length, what it counts.
type Parts = (usize, Option<Range<usize>>, Option<Range<usize>>, Option<Range<usize>>);

fn parts(spec: &str) -> Parts {
    let framing = Framing::parse(spec).unwrap();
    let samples = framing.samples();
    let layout = framing.layout(0, &samples[0]).unwrap_or_else(|| panic!("{spec}: {samples:02x?}"));
    let length = layout.length.clone();
    (layout.total, layout.message, length.as_ref().map(|one| one.bytes.clone()), length.and_then(|one| one.counted))
}

#[test]
fn header_message_and_trailer_are_told_apart_and_what_a_length_counts() {
    for (spec, wanted) in [
        ("line", (6, Some(0..5), None, None)),
        ("between:02:03", (7, Some(1..6), None, None)),
        ("u32be", (9, Some(4..9), Some(0..4), Some(4..9))),
        ("u16le,adj=-2", (7, Some(2..7), Some(0..2), Some(0..7))),
        ("length:off=1,width=2,adj=-3,head=aa0000", (8, Some(3..8), Some(1..3), Some(0..8))),
        ("length:width=2,trailer=0d0a,adj=2", (9, Some(2..7), Some(0..2), None)),
        ("length:width=2,header=keep", (7, Some(0..7), Some(0..2), Some(2..7))),
        ("netstring", (8, Some(2..7), None, None)),
        ("hdlc", (9, Some(1..6), None, None)),
    ] {
        let found = parts(spec);
        assert_eq!((found.0, &found.1, &found.2), (wanted.0, &wanted.1, &wanted.2), "{spec}");
        if wanted.3.is_some() {
            assert_eq!(found.3, wanted.3, "{spec}");
        }
    }
    assert_eq!(parts("cobs").1, None, "what is coded does not stand in the frame");
}

#[test]
fn every_spec_has_a_sample_that_its_decoder_takes_whole() {
    let presets =
        Preset::all().flat_map(|preset| [Role::Client, Role::Server].map(|role| (preset.name, preset.spec(role))));
    let examples = FRAMINGS.iter().flat_map(|framing| framing.examples).map(|spec| (*spec, *spec));
    for (name, spec) in presets.chain(examples) {
        let framing = Framing::parse(spec).unwrap();
        let samples = framing.samples();
        assert!(!samples.is_empty(), "no sample for {name} {spec}");
        let layout = framing.layout(0, &samples[0]).unwrap_or_else(|| panic!("{name} {spec}: {:02x?}", samples[0]));
        // The LF behind a JSON value stands between frames.
        let between = usize::from(["json", "json,max=20,oversize=discard"].contains(&spec));
        assert_eq!(layout.total + between, samples[0].len(), "{name} {spec}");
    }
}
