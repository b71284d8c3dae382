//! The parts of a frame, as the decoder finds them.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::ops::Range;

use unstick_wire::{FRAMINGS, Framing, Preset, Role};

/// The parts of the first sample: bytes, message, length, and the bytes that the length counts.
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
    assert_eq!(parts("cobs").1, None, "an encoded message is not in the frame as it is");
}

#[test]
fn a_message_comes_with_its_frame_however_the_bytes_are_cut() {
    for (spec, bytes, wanted) in [
        ("u16be", &b"\0\x02hi\0\0"[..], &[(&b"\0\x02hi"[..], &b"hi"[..]), (b"\0\0", b"")][..]),
        ("u8/line", b"\x02hi\x61\n", &[(b"\x02hi", b"hi"), (b"a\n", b"a")]),
        // Bytes between two frames are in neither.
        ("json", b" {}  [1]", &[(b"{}", b"{}"), (b"[1]", b"[1]")]),
        ("slip", b"\xdb\xdd\xc0a\xdb\xdc\xc0", &[(b"\xdb\xdd\xc0", b"\xdb"), (b"a\xdb\xdc\xc0", b"a\xc0")]),
        ("line,max=2,oversize=discard", b"long\nhi\n", &[(b"hi\n", b"hi")]),
        // The end of the stream ends the last frame.
        ("line", b"hi", &[(b"hi", b"hi")]),
    ] {
        for cut in 0..=bytes.len() {
            let mut decoder = Framing::parse(spec).unwrap().decoder();
            let mut found = Vec::new();
            for (at, segment) in [&bytes[..cut], &bytes[cut..]].into_iter().enumerate() {
                decoder.feed(segment);
                if at == 1 {
                    decoder.finish();
                }
                while let Some(frame) = decoder.next_frame().unwrap() {
                    assert_eq!(frame.layout.total, frame.bytes.len(), "{spec}");
                    if let Some(message) = &frame.layout.message {
                        assert_eq!(&frame.bytes[message.clone()], frame.message, "{spec}");
                    }
                    found.push((frame.bytes.to_vec(), frame.message.to_vec()));
                }
            }
            let wanted: Vec<_> = wanted.iter().map(|(frame, message)| (frame.to_vec(), message.to_vec())).collect();
            assert_eq!(found, wanted, "{spec} cut at {cut}");
        }
    }
}

#[test]
fn frames_and_messages_can_be_taken_in_turns() {
    let mut decoder = Framing::parse("u8").unwrap().decoder();
    decoder.feed(b"\x01a\x01b\x01c\x01d");
    assert_eq!(decoder.next().unwrap(), Some(&b"a"[..]));
    assert_eq!(decoder.next_frame().unwrap().unwrap().bytes, b"\x01b");
    assert_eq!(decoder.next_bytes().unwrap().unwrap(), "c");
    let last = decoder.next_frame().unwrap().unwrap();
    assert_eq!((last.bytes, last.layout.header(), last.layout.payload()), (&b"\x01d"[..], 0..1, 1..2));
    assert_eq!(decoder.next_frame().unwrap(), None);
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
        // The LF after a JSON value is between frames.
        let between = usize::from(["json", "json,max=20,oversize=discard"].contains(&spec));
        assert_eq!(layout.total + between, samples[0].len(), "{name} {spec}");
    }
}
