//! The tests for every framing, one line each: the same messages however the bytes are cut, encoding that fails or
//! decodes to the same message, limits in both directions, and a clear error for a stream that ends inside a frame.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use unstick_wire::{EncodeError, FRAMINGS, Framing, FramingInfo};

use crate::drive::{Told, WAYS, Way, bytewise, cut, decode, encode, framing, whole};
use crate::fit::{self, Fit, key};

/// A line of the suite: the framing's name in the table, and the messages that it carries.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    fit: Fit,
}

macro_rules! suite {
    ($($room:ident: $name:literal carries $fit:ident;)*) => {
        /// All lines.
        pub(crate) const ROWS: &[Row] = &[$(Row { name: $name, fit: fit::$fit }),*];

        $(mod $room {
            use super::Row;
            const ROW: Row = Row { name: $name, fit: crate::fit::$fit };

            #[test]
            fn any_cut_of_a_short_stream_gives_the_same_messages() {
                super::every_cut(&ROW);
            }
            #[test]
            fn random_cuts_of_a_long_stream_give_the_same_messages() {
                super::random_cuts(&ROW);
            }
            #[test]
            fn any_bytes_mean_the_same_however_they_are_cut() {
                super::any_bytes(&ROW);
            }
            #[test]
            fn encoding_fails_or_comes_back() {
                super::round_trip(&ROW);
            }
            #[test]
            fn max_holds_on_both_sides() {
                super::max_on_both_sides(&ROW);
            }
            #[test]
            fn an_endless_frame_is_refused_in_time() {
                super::endless(&ROW);
            }
            #[test]
            fn discarding_keeps_the_next_message() {
                super::discarding(&ROW);
            }
            #[test]
            fn an_end_inside_a_frame_is_told() {
                super::ends_inside(&ROW);
            }
        })*
    };
}

suite! {
    raw: "raw" carries anything;
    gap: "gap" carries anything;
    line: "line" carries line;
    crlf: "crlf" carries undelimited;
    delim: "delim" carries undelimited;
    null: "null" carries undelimited;
    between: "between" carries undelimited;
    mllp: "mllp" carries undelimited;
    integers: "[ui]{8..64}{be,le,ne}" carries short;
    python_struct: "struct" carries short;
    length: "length" carries general;
    varint: "varint" carries varint;
    ber: "ber" carries ber;
    ascii: "ascii" carries ascii;
    escape: "escape" carries anything;
    msgpack: "msgpack" carries anything;
    hex: "hex" carries hex;
    decimal: "decimal" carries short;
    netstring: "netstring" carries anything;
    octet_count: "octet-count" carries not_empty;
    headers: "headers" carries headers;
    http: "http-message" carries http;
    sip: "sip-message" carries http;
    rtsp: "rtsp-message" carries http;
    event_stream: "event-stream" carries event;
    slip: "slip" carries not_empty;
    cobs: "cobs" carries anything;
    hdlc: "hdlc" carries not_empty;
    dle: "dle" carries anything;
    fixed: "fixed" carries fixed;
    json: "json" carries json;
    json_seq: "json-seq" carries json;
    resp: "resp" carries resp;
    command: "command" carries command;
    stomp: "stomp-frame" carries stomp;
    fix: "fix-message" carries fix;
    websocket: "websocket-frame" carries websocket;
    zmtp: "zmtp-frame" carries zmtp;
    coap: "coap-frame" carries coap;
    dnp3: "dnp3-frame" carries dnp3;
    modbus_rtu: "modbus-rtu-frame" carries modbus_rtu;
    jt808: "jt808-frame" carries anything;
    x11: "x11-message" carries x11;
    gdb: "gdb-packet" carries gdb;
    nsq: "nsq-command" carries nsq;
    tns: "tns-packet" carries tns;
    turn: "turn-message" carries turn;
    adb: "adb-reply" carries adb;
    messagepack: "messagepack-value" carries messagepack;
    cbor: "cbor-item" carries cbor;
    capnproto: "capnproto-message" carries capnproto;
    arrow: "arrow-message" carries arrow;
    rtmp: "rtmp-chunk" carries rtmp;
}

impl Row {
    fn entry(&self) -> &'static FramingInfo {
        FRAMINGS.iter().find(|entry| entry.name == self.name).expect("the suite names framings of the table")
    }

    /// Bytes before a frame that belong to no frame, such as a flag between two frames.
    fn opening(&self) -> usize {
        usize::from(matches!(self.name, "hdlc" | "jt808-frame"))
    }

    /// The messages that `spec` carries, made from any bytes: as many of the bytes as its max allows.
    fn message(&self, spec: &str, bytes: &[u8]) -> Vec<u8> {
        let max = max_of(spec);
        (0..=bytes.len())
            .rev()
            .map(|length| (self.fit)(spec, &bytes[..length]))
            .find(|message| message.len() <= max)
            .expect("the shortest message fits")
    }

    /// A message of exactly this many bytes, if there is one.
    fn sized(&self, spec: &str, size: usize) -> Option<Vec<u8>> {
        (0..=size).rev().map(|length| (self.fit)(spec, &vec![7; length])).find(|message| message.len() == size)
    }

    /// Each spec, with each message changed so that the spec can carry it.
    fn for_each(&self, cases: u32, property: impl Fn(&Framing, &str, Vec<Vec<u8>>, Cuts) -> Result<(), TestCaseError>) {
        for spec in self.entry().examples {
            let framing = framing(spec);
            check(cases, spec, &(vec(message_bytes(40), 0..6), any_cuts()), |(bytes, cuts)| {
                let messages = bytes.iter().map(|bytes| self.message(spec, bytes)).collect();
                property(&framing, spec, messages, cuts)
            });
        }
    }
}

/// Runs a property. The panic's text has the failures, the smallest first.
fn check<S: Strategy>(cases: u32, spec: &str, strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    if let Err(error) = TestRunner::new(config).run(strategy, property) {
        panic!("{spec}: {error}");
    }
}

fn max_of(spec: &str) -> usize {
    let max = key(spec, "max").unwrap_or("16M");
    unstick_wire::quantity::parse_size(max).unwrap() as usize
}

/// A spec without its own max and oversize.
fn bare(spec: &str) -> String {
    spec.split(',')
        .filter(|word| !word.starts_with("max=") && !word.starts_with("oversize="))
        .collect::<Vec<_>>()
        .join(",")
}

/// Bytes that have a meaning in some framing, and any others.
fn byte() -> impl Strategy<Value = u8> {
    let telling = b"\0\x01\x02\x03\n\r\n\x0b\x1c ,:;_\"\\{}[]0159aab$-.\xc0\xdb\xdc\xdd\x80\x81\xfe\xff";
    prop_oneof![3 => proptest::sample::select(&telling[..]), 1 => any::<u8>()]
}

fn message_bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(byte(), 0..most)
}

/// Where to cut, as fractions of the stream's length, which is not known yet.
type Cuts = Vec<proptest::sample::Index>;

fn any_cuts() -> impl Strategy<Value = Cuts> {
    vec(any::<proptest::sample::Index>(), 0..12)
}

fn cut_at<'a>(stream: &'a [u8], cuts: &Cuts) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.sort_unstable();
    cut(stream, places)
}

/// Checks for the same messages, then the same error; without boundaries, for the same bytes.
fn agree(framing: &Framing, one: &Told, other: &Told) -> Result<(), TestCaseError> {
    if framing.keeps_boundaries() {
        prop_assert_eq!(one, other);
    } else {
        prop_assert_eq!(one.joined(), other.joined());
        prop_assert_eq!(&one.error, &other.error);
    }
    Ok(())
}

/// All 2^(n-1) ways to cut a short stream, and all single cuts and pairs of cuts of a longer one.
fn every_cut(row: &Row) {
    row.for_each(4, |framing, _, messages, _| {
        let stream = encode(framing, messages);
        let told = whole(framing, &stream);
        let start = &stream[..stream.len().min(10)];
        let told_start = whole(framing, start);
        for mask in 0..1u32 << start.len().saturating_sub(1) {
            let places = (1..start.len()).filter(|place| mask >> (place - 1) & 1 == 1);
            agree(framing, &decode(framing, cut(start, places), WAYS[mask as usize % WAYS.len()]), &told_start)?;
        }
        let step = stream.len() / 24 + 1;
        for (i, first) in (0..=stream.len()).step_by(step).enumerate() {
            agree(framing, &decode(framing, cut(&stream, [first]), WAYS[i % WAYS.len()]), &told)?;
            for second in (first..=stream.len()).step_by(step) {
                agree(framing, &decode(framing, cut(&stream, [first, second]), WAYS[second % WAYS.len()]), &told)?;
            }
        }
        agree(framing, &bytewise(framing, &stream), &told)
    });
}

fn random_cuts(row: &Row) {
    for spec in row.entry().examples {
        let framing = framing(spec);
        check(6, spec, &(vec(message_bytes(300), 0..40), any_cuts()), |(bytes, cuts)| {
            let messages: Vec<_> = bytes.iter().map(|bytes| row.message(spec, bytes)).collect();
            let stream = encode(&framing, &messages);
            let told = whole(&framing, &stream);
            prop_assert_eq!(told.joined(), messages.concat());
            prop_assert_eq!(&told.error, &None);
            for way in WAYS {
                agree(&framing, &decode(&framing, cut_at(&stream, &cuts), way), &told)?;
            }
            agree(&framing, &bytewise(&framing, &stream), &told)
        });
    }
}

/// Bytes that nobody encoded, and streams with a few of theirs changed: the same messages, then the same error.
fn any_bytes(row: &Row) {
    row.for_each(64, |framing, _, messages, cuts| {
        let (noise, messages) = messages.split_first().map_or((Vec::new(), &[][..]), |(a, b)| (a.clone(), b));
        let mut stream = encode(framing, messages);
        for (cut, byte) in cuts.iter().skip(1).zip(&noise) {
            if !stream.is_empty() {
                let at = cut.index(stream.len());
                stream[at] = *byte;
            }
        }
        stream.extend_from_slice(&noise);
        let told = whole(framing, &stream);
        for way in WAYS {
            agree(framing, &decode(framing, cut_at(&stream, &cuts), way), &told)?;
        }
        agree(framing, &bytewise(framing, &stream), &told)
    });
}

fn round_trip(row: &Row) {
    row.for_each(48, |framing, _, messages, cuts| {
        let told = decode(framing, cut_at(&encode(framing, &messages), &cuts), Way::Mixed);
        if framing.keeps_boundaries() {
            prop_assert_eq!(told, Told { messages, discarded: 0, error: None });
        } else {
            prop_assert_eq!(told.joined(), messages.concat());
        }
        Ok(())
    });
    // Messages that may not fit are either refused, and leave nothing, or carried.
    for spec in row.entry().examples {
        let framing = framing(spec);
        check(96, spec, &vec(message_bytes(300), 1..4), |messages| {
            let mut encoder = framing.encoder().unwrap();
            let mut stream = b"before".to_vec();
            let mut carried = Vec::new();
            for message in messages {
                let from = stream.len();
                match encoder.encode(&message, &mut stream) {
                    Ok(()) => carried.push(message),
                    Err(error) => {
                        prop_assert_eq!(stream.len(), from, "{} left something", error);
                        prop_assert!(!error.to_string().is_empty());
                    }
                }
            }
            let told = whole(&framing, &stream[6..]);
            prop_assert_eq!(told.joined(), carried.concat());
            prop_assert!(!framing.keeps_boundaries() || told.messages == carried, "{:?} for {:?}", told, carried);
            Ok(())
        });
    }
}

/// The largest message under a limit, and the next larger one.
fn around_a_limit(row: &Row, spec: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut sizes = (1..120).filter_map(|size| row.sized(spec, size)).filter(|message| !message.is_empty());
    Some((sizes.nth(1)?, sizes.next()?))
}

fn max_on_both_sides(row: &Row) {
    for spec in row.entry().examples.iter().map(|spec| bare(spec)) {
        let Some((fits, over)) = around_a_limit(row, &spec) else {
            // All messages have one length, so a limit below it means nothing.
            assert_eq!(row.name, "fixed");
            assert!(
                Framing::parse(&format!("{spec},max={}", row.message(&spec, b"").len() - 1)).is_err()
                    || spec == "fixed:1"
            );
            continue;
        };
        let max = over.len() - 1;
        let limited = framing(&format!("{spec},max={max}"));
        let free = framing(&spec);

        let mut encoder = limited.encoder().unwrap();
        let mut stream = Vec::new();
        encoder.encode(&fits, &mut stream).unwrap_or_else(|error| panic!("{spec}: {error}"));
        let refused = encoder.encode(&over, &mut stream);
        assert_eq!(refused, Err(EncodeError::TooLong { length: over.len(), limit: max }), "{spec}");

        assert_eq!(whole(&limited, &stream).messages, std::slice::from_ref(&fits), "{spec}");
        let stream = encode(&free, [&fits, &over]);
        for segments in [cut(&stream, []), stream.chunks(1).collect()] {
            let told = decode(&limited, segments, Way::Borrowed);
            if row.name == "raw" {
                assert_eq!(told.joined(), stream, "{spec}: reads are cut at the limit, and nothing is lost");
                assert!(told.messages.iter().all(|message| message.len() <= max), "{spec}");
                continue;
            }
            let (text, offset) = told.error.unwrap_or_else(|| panic!("{spec}: {over:?} passed max={max}"));
            assert!(text.contains("over the limit of"), "{spec}: {text}");
            if row.name != "gap" {
                let begun = encode(&free, [&fits]).len() + row.opening();
                assert_eq!((&told.messages[..], offset), (&[fits.clone()][..], begun as u64), "{spec}");
            }
        }
    }
}

/// A frame that never ends is refused before much more than `max` is kept of it.
fn endless(row: &Row) {
    const MAX: usize = 1000;
    for spec in row.entry().examples.iter().map(|spec| bare(spec)) {
        let Ok(limited) = Framing::parse(&format!("{spec},max={MAX}")) else {
            panic!("{spec} does not take max={MAX}");
        };
        for filling in [b'x', b'7', b'[', b'"', b' ', 0, 0xc0, 0xdb, 0xff, 0x80, 0x3f, 0x7d, 0x7e] {
            for opening in [&b""[..], b"\x02", b"\x0b", b"$$", b"\x1e", b"\"", b"Content-Length: 9\r\nX:"] {
                let mut decoder = limited.decoder();
                decoder.feed(opening);
                for _ in 0..20 * MAX {
                    while let Ok(Some(_)) = decoder.next() {}
                    if decoder.next().is_err() {
                        break;
                    }
                    decoder.feed(&[filling]);
                }
                // SLIP and HDLC may escape every byte, and a header block has a limit of its own.
                let most = if ["headers", "stomp-frame"].contains(&row.name) { 8 << 10 } else { 2 * MAX + 300 };
                let kept = decoder.pending().len();
                assert!(kept <= most, "{spec}: {kept} bytes kept of an endless {filling:02x}");
            }
        }
    }
}

/// If a framing takes `oversize=discard`, the message after one that is too long arrives, however the stream is cut.
fn discarding(row: &Row) {
    for spec in row.entry().examples.iter().map(|spec| bare(spec)) {
        let sizes = around_a_limit(row, &spec);
        let max = sizes.as_ref().map_or(MAX_FIXED, |(_, over)| over.len() - 1);
        let Ok(limited) = Framing::parse(&format!("{spec},max={max},oversize=discard")) else {
            assert!(WHOLE_ONLY.contains(&row.name), "{spec} could pass over a message");
            continue;
        };
        let (fits, over) = sizes.expect("a framing that discards has messages of different lengths");
        let stream = encode(&framing(&spec), [&fits, &over, &over, &fits]);
        let expected = Told { messages: vec![fits.clone(), fits.clone()], discarded: 2, error: None };
        assert_eq!(bytewise(&limited, &stream), expected, "{spec}");
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let told = decode(&limited, cut(&stream, [first, second]), WAYS[(first + second) % WAYS.len()]);
                assert_eq!(told, expected, "{spec}: {stream:?} cut at {first} and {second}");
            }
        }
    }
}

/// Framings that cannot skip a message that is too long.
const WHOLE_ONLY: &[&str] = &[
    "raw",
    "gap",
    "fixed",
    "resp",
    "command",
    "stomp-frame",
    "x11-message",
    "http-message",
    "sip-message",
    "rtsp-message",
    "event-stream",
    "gdb-packet",
    "nsq-command",
    "messagepack-value",
    "cbor-item",
    "arrow-message",
    "rtmp-chunk",
];

/// The longest of the fixed lengths in the table.
const MAX_FIXED: usize = 512;

/// Every place at which a stream can end inside its last frame.
fn ends_inside(row: &Row) {
    for spec in row.entry().examples {
        let framing = framing(spec);
        let message = row.message(spec, b"kello"); // A "k" makes it a JSON object, of which no part is a value.
        let frame = encode(&framing, [&message]);
        let stream = encode(&framing, [&message, &message]);
        let begun = frame.len() + row.opening();
        for end in begun + 1..stream.len() {
            let rest = end - begun;
            for told in [whole(&framing, &stream[..end]), bytewise(&framing, &stream[..end])] {
                if !framing.keeps_boundaries() {
                    assert_eq!((told.joined(), told.error), (stream[..end].to_vec(), None), "{spec}");
                    continue;
                }
                assert_eq!(told.messages[0], message, "{spec}");
                let whole_already = row.name == "json" && rest == message.len();
                if row.name == "line" || whole_already {
                    assert_eq!((told.messages.len(), &told.error), (2, &None), "{spec}: the rest is a message");
                    continue;
                }
                let (text, offset) = told.error.unwrap_or_else(|| panic!("{spec}: {rest} bytes were lost in silence"));
                assert_eq!(offset, begun as u64, "{spec}");
                let rest = if rest == 1 { "1 byte".into() } else { format!("{rest} bytes") };
                let known = ["a", "an"].map(|a| format!("the stream ended {rest} into {a} {}-byte frame", frame.len()));
                let unknown = format!("the stream ended inside a frame, after {rest} of it");
                assert!(known.contains(&text) || text == unknown, "{spec}: {text}");
            }
        }
    }
}
