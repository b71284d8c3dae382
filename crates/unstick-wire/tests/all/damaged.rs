//! Tests `damaged=skip`: after any damage, the decoder finds the intact frames from the next boundary on, however the stream
//! is cut; and it counts the skipped bytes.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use unstick_wire::{Framing, limits};

use crate::drive::{self, Way, encode, framing};

/// A framing, and the function that makes a numbered message for it.
type Numbered = (&'static str, fn(u64) -> String);

/// Framings that can find their next frame, each with a numbered message.
const SPECS: [Numbered; 15] = [
    ("line", |n| format!("message {n}")),
    ("crlf", |n| format!("message {n}")),
    ("null", |n| format!("message {n}")),
    ("delim:2c3b", |n| format!("message {n}")),
    ("slip", |n| format!("message {n} \u{fffd}")),
    ("cobs", |n| format!("message\0{n}\0")),
    ("hdlc", |n| format!("message }} ~ {n}")),
    ("hdlc,fcs=32", |n| format!("message {n}")),
    ("dle,lrc=yes", |n| format!("message \x10 {n}")),
    ("mllp", |n| format!("MSH|message {n}")),
    ("between:02:03", |n| format!("message {n}")),
    ("headers", |n| format!("{{\"message\":{n}}}")),
    ("json", |n| format!("{{\"message\":[{n}]}}")),
    ("json-seq", |n| format!("{{\"message\":[{n}]}}")),
    ("gdb-packet", |n| format!("$m{n}")),
];

/// The damage to one frame.
#[derive(Debug, Clone)]
enum Blow {
    /// These bytes instead of some.
    Replace(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    /// Only its beginning arrives.
    Cut(usize),
}

impl Blow {
    fn strike(&self, frame: &mut Vec<u8>) {
        let place = |at: &usize, length: usize| at % (length + 1);
        match self {
            Self::Replace(at, bytes) => {
                let at = place(at, frame.len());
                let end = (at + bytes.len()).min(frame.len());
                frame.splice(at..end, bytes.iter().copied());
            }
            Self::Insert(at, bytes) => {
                let at = place(at, frame.len());
                frame.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = place(at, frame.len());
                let end = (at + count).min(frame.len());
                frame.drain(at..end);
            }
            Self::Cut(at) => frame.truncate(place(at, frame.len())),
        }
    }
}

/// Bytes that have a meaning in some framing, and any others. No digits: nobody can see that a length has another value.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b"\n\r\0\x02\x03\x0b\x10\x1c\x1e{}[]\",:;$#}~\xc0\xdb\xdc ".to_vec());
    let any = any::<u8>().prop_map(|byte| if byte.is_ascii_digit() { byte | 0x80 } else { byte });
    prop::collection::vec(prop_oneof![telling, any], 1..12)
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        (any::<usize>(), bytes()).prop_map(|(at, bytes)| Blow::Replace(at, bytes)),
        (any::<usize>(), bytes()).prop_map(|(at, bytes)| Blow::Insert(at, bytes)),
        (any::<usize>(), 1..20_usize).prop_map(|(at, count)| Blow::Remove(at, count)),
        any::<usize>().prop_map(Blow::Cut),
    ]
}

/// All messages, and the skipped bytes.
fn run(framing: &Framing, segments: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
    let mut decoder = framing.decoder();
    let (mut messages, mut passed) = (Vec::new(), 0);
    let mut take = |decoder: &mut unstick_wire::Decoder| {
        while let Some(message) = decoder.next().unwrap_or_else(|error| panic!("{framing}: {error}")) {
            messages.push(message.to_vec());
        }
        if let Some(damage) = decoder.take_damage(false) {
            assert!(damage.bytes > 0 && damage.places > 0 && !damage.what.is_empty(), "{damage:?}");
            assert!(damage.preview.len() as u64 <= damage.bytes);
            passed += damage.bytes;
        }
    };
    for segment in segments {
        decoder.feed(segment);
        take(&mut decoder);
    }
    decoder.finish();
    take(&mut decoder);
    (messages, passed)
}

proptest! {
    #[test]
    fn intact_frames_behind_the_next_boundary_come_out(
        spec in prop::sample::select(SPECS.to_vec()),
        blows in prop::collection::vec(blow(), 1..4),
        before in 0..4_u64,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let (name, message) = spec;
        let framing = framing(&format!("{name},damaged=skip"));
        // One frame is damaged. The one after it may count as its rest; the others are intact.
        let mut damaged = encode(&framing, [message(before)]);
        blows.iter().for_each(|blow| blow.strike(&mut damaged));
        let first: Vec<String> = (0..before).map(message).collect();
        let later: Vec<String> = (before + 1..before + 8).map(message).collect();
        let stream = [encode(&framing, &first), damaged, encode(&framing, &later)].concat();
        let (messages, passed) = run(&framing, &[&stream]);
        let whole: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        prop_assert!(whole.starts_with(&first.iter().map(|text| text.as_bytes()).collect::<Vec<_>>()));
        prop_assert!(
            whole.ends_with(&later[1..].iter().map(|text| text.as_bytes()).collect::<Vec<_>>()),
            "{name}: {:?} from {:?}", whole, stream.escape_ascii().to_string(),
        );
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.sort_unstable();
        prop_assert_eq!(run(&framing, &drive::cut(&stream, places)), (messages.clone(), passed), "{}", name);
        let bytewise: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(run(&framing, &bytewise), (messages, passed), "{}", name);
    }

    #[test]
    fn garbage_is_no_error_and_no_byte_of_it_is_lost_count_of(
        spec in prop::sample::select(SPECS.to_vec()),
        garbage in prop::collection::vec(bytes(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let framing = framing(&format!("{},max=64,damaged=skip", spec.0));
        let stream = garbage.concat();
        let at = cut.index(stream.len() + 1);
        prop_assert_eq!(run(&framing, &[&stream]), run(&framing, &[&stream[..at], &stream[at..]]), "{}", spec.0);
    }
}

#[test]
fn what_was_passed_over_is_told() {
    let mut decoder = framing("slip,damaged=skip").decoder();
    decoder.feed(b"one\xc0two\xdb!two\xc0three\xc0");
    let mut messages = Vec::new();
    while let Some(message) = decoder.next_bytes().unwrap() {
        messages.push(message);
    }
    assert_eq!(messages, [&b"one"[..], b"three"]);
    let damage = decoder.take_damage(false).unwrap();
    assert_eq!((damage.bytes, damage.places, damage.at), (9, 1, 4));
    assert_eq!(damage.preview, b"two\xdb!two\xc0");
    assert_eq!(damage.what, "ESC is followed by \"!\", which escapes nothing");
    assert_eq!(decoder.take_damage(true), None);
    // Until a frame is found, the damage is reported only on request.
    decoder.feed(b"\xdb?");
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!(decoder.take_damage(false), None);
    decoder.feed(&[b'x'; 1000]);
    assert_eq!(decoder.next(), Ok(None));
    let damage = decoder.take_damage(true).unwrap();
    assert_eq!((damage.bytes, damage.preview.len()), (1002, limits::MAX_DAMAGE_SHOWN));
}

#[test]
fn frames_that_were_swallowed_come_out_when_the_stream_ends() {
    for (spec, stream) in [
        ("headers", &b"Content-Length: 999\r\n\r\n{}Content-Length: 2\r\n\r\n[]"[..]),
        ("fix-message", b"8=FIX.4.4\x019=900\x0135=0\x0110=000\x018=FIX.4.4\x019=5\x0135=0\x0110=163\x01"),
        ("dnp3-frame", b"\x05\x64\xff\xc0\x01\x00\x00\x04\xe9\x21\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x21"),
        ("mllp", b"\x0bone\x0btwo\x1c"),
    ] {
        let (messages, passed) = run(&framing(&format!("{spec},damaged=skip")), &[stream]);
        assert!(passed > 0, "{spec}");
        assert_eq!(messages.len(), usize::from(spec != "mllp"), "{spec}");
    }
}

/// Frames whose checksums other programs made: one bit of any byte is changed, and the frames around it arrive.
#[test]
fn a_frame_whose_checksum_is_wrong_is_damaged() {
    let dnp3 = b"\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x21".to_vec();
    let fix = b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01".to_vec();
    for (spec, frame) in [("dnp3-frame", dnp3), ("fix-message", fix)] {
        let strict = framing(spec);
        let framing = framing(&format!("{spec},damaged=skip"));
        for at in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 0x04;
            let stream = [&frame[..], &damaged, &frame, &frame].concat();
            let (messages, passed) = run(&framing, &[&stream]);
            let whole = messages.iter().filter(|message| **message == frame).count();
            assert_eq!((messages.len(), whole), (3, 3), "{spec}, byte {at}: {messages:?}");
            assert_eq!(passed, frame.len() as u64, "{spec}, byte {at}");
        }
        // Without damaged=skip, the checksums are left to the user.
        let mut wrong = frame.clone();
        let last = wrong.len() - 2;
        wrong[last] ^= 1;
        let told = drive::decode(&strict, [&wrong[..]], Way::Borrowed);
        assert_eq!((told.messages, told.error), (vec![wrong], None), "{spec}");
    }
    let mut decoder = framing("fix-message,damaged=skip").decoder();
    decoder.feed(b"8=FIX.4.4\x019=5\x0135=1\x0110=163\x01");
    assert_eq!(decoder.next(), Ok(None));
    let told = decoder.take_damage(false).unwrap();
    assert_eq!(told.what, "the checksum is 163, and 164 is right");
}

#[test]
fn presets_take_it_and_the_default_stays_strict() {
    let stream = b"\x0bone\x1c\r?\x0btwo\x1c\r";
    let (messages, passed) = run(&framing("mllp,damaged=skip"), &[stream]);
    assert_eq!((messages, passed), (vec![b"one".to_vec(), b"two".to_vec()], 1));
    for spec in ["mllp", "mllp,damaged=close"] {
        let told = drive::decode(&framing(spec), [&stream[..]], Way::Borrowed);
        assert_eq!((told.messages.len(), told.error.is_some()), (1, true), "{spec}");
    }
    for spec in ["lsp,damaged=skip", "hl7,damaged=skip", "fixed:4/line,damaged=skip", "nmea,damaged=skip"] {
        framing(spec);
    }
}

#[test]
fn framings_without_a_mark_refuse_it_with_the_reason() {
    for (spec, what) in [
        (
            "u32be,damaged=skip",
            "`u32be` cannot pass over damage: nothing in its frames tells where the next one begins",
        ),
        ("raw,damaged=skip", "`raw` cannot pass over damage"),
        ("fixed:8,damaged=skip", "`fixed` cannot pass over damage"),
        ("http,damaged=skip", "`http-message` cannot pass over damage"),
        ("line,damaged=skip,times=2/line", "damaged=skip is for the last phase"),
        ("line,damaged=maybe", "damaged=maybe: close or skip"),
    ] {
        let error = Framing::parse(spec).unwrap_err();
        assert!(error.to_string().starts_with(what), "{spec}: {error}");
    }
}

/// The inputs that cost most if each place that is found leads to another look at the same bytes.
#[test]
#[allow(clippy::disallowed_methods)] // What it costs is what is tested.
fn time_is_linear_in_whatever_is_damaged() {
    const SIZE: usize = 2 << 20;
    for (spec, piece) in [
        ("between:02:03,max=1M", &b"\x02"[..]),
        ("mllp,max=1M", b"\x0b"),
        ("json,max=1M", b"[\n"),
        ("json,max=1M", b"[1,\n"),
        ("json,max=1M", b"1,\n"),
        ("json,max=1M", b"{\"a\":\n"),
        ("json-seq,max=1M", b"\x1e["),
        ("headers,max=1M", b"Content-Length: 9\r\n"),
        ("headers,max=1M", b"Content-Length: 999999\r\n\r\n"),
        ("headers,max=1M", b"Content-Length: 1\r\nx\r\n"),
        ("fix-message,max=1M", b"8=FIX.4.4\x019=999999\x01"),
        ("fix-message,max=1M", b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01"),
        ("dnp3-frame,max=1M", b"\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x20"),
        ("gdb-packet,max=1M", b"$"),
        ("gdb-packet,max=1M", b"$#00"),
        ("dle,max=1M", b"\x10\x02"),
        ("slip,max=1M", b"\xdb"),
        ("cobs,max=1M", b"\xff\x01"),
        ("hdlc,max=1M", b"\x7d\x5e\x7e"),
        ("dnp3-frame,max=1M", b"\x05\x64\xff"),
        ("modbus-rtu-frame:server", b"\x03\x03\xff"),
        ("modbus-rtu-frame:client", b"\x10"),
        ("jt808-frame,max=1M", b"\x7d"),
        ("delim:61616162,max=1M", b"a"),
        ("line,max=10", b"x"),
    ] {
        let framing = framing(&format!("{spec},damaged=skip"));
        let stream: Vec<u8> = piece.iter().copied().cycle().take(SIZE).collect();
        let begun = Instant::now();
        for segment in [SIZE, 64 << 10] {
            let segments: Vec<&[u8]> = stream.chunks(segment).collect();
            run(&framing, &segments);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{spec}: {:?} {piece:?}", begun.elapsed());
    }
}
