//! Time is linear in the bytes that have arrived, however small the segments are: no byte of a long message is scanned
//! repeatedly.

use std::time::{Duration, Instant};

use crate::drive::{encode, framing};

const MESSAGE: usize = 2 << 20;
const SEGMENT: usize = 64;

/// How long it takes to decode a stream that arrives in segments of this size.
#[allow(clippy::disallowed_methods)] // What it costs is what is tested.
fn time(spec: &str, stream: &[u8], segment: usize) -> Duration {
    let mut decoder = framing(spec).decoder();
    let mut messages = 0;
    let start = Instant::now();
    for segment in stream.chunks(segment) {
        decoder.feed(segment);
        while decoder.next().unwrap().is_some() {
            messages += 1;
        }
    }
    let taken = start.elapsed();
    assert_eq!(messages, 1, "{spec}");
    taken
}

/// 32,768 segments, each looking at all before it, would take 16,000 times as long as one look at the whole; so the
/// bound can be as wide as a busy machine needs.
#[track_caller]
fn linear(spec: &str, message: &[u8]) {
    let stream = encode(&framing(spec), [message]);
    let once = time(spec, &stream, stream.len());
    let cut = time(spec, &stream, SEGMENT);
    let bound = 50 * once + Duration::from_secs(1);
    assert!(cut < bound, "{spec}: {cut:?} in segments of {SEGMENT}, {once:?} at once");
}

#[test]
fn a_long_message_in_small_segments() {
    let letters = vec![b'a'; MESSAGE];
    for spec in [
        "line",
        "crlf",
        "null",
        "between:02:03",
        "mllp",
        "u32be",
        "struct:>I",
        "length:off=1,width=4,header=strip,head=5100000000",
        "varint",
        "ascii:10",
        "hex:8",
        "decimal:20",
        "netstring",
        "octet-count",
        "headers",
        "slip",
        "cobs",
        "fixed:2M",
    ] {
        linear(spec, &letters);
    }
}

#[test]
fn a_long_message_of_what_is_slowest() {
    linear("delim:61616162", &vec![b'a'; MESSAGE - 1]);
    linear("crlf", &vec![b'\n'; MESSAGE]);
    linear("crlf", &vec![b'\r'; MESSAGE - 1]);
    linear("slip", &vec![0xdb; MESSAGE]);
    linear("cobs", &vec![0; MESSAGE]);
    let head = |size: usize, lines: &str| format!("PUT / HTTP/1.1\r\n{lines}Content-Length: {size}\r\n\r\n");
    linear("http-message", &[head(MESSAGE, "").as_bytes(), &vec![b'\n'; MESSAGE]].concat());
    linear("http-message", head(0, &"a: b\r\n".repeat(10_000)).as_bytes());
    let chunked = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    linear("http-message", [chunked, &"1\r\na\r\n".repeat(MESSAGE / 6), "0\r\n\r\n"].concat().as_bytes());
    linear("http-message", [chunked, "0\r\n", &"a: b\r\n".repeat(MESSAGE / 6), "\r\n"].concat().as_bytes());
    let extended = [&b"1;"[..], &vec![b'a'; MESSAGE], b"\r\na\r\n0\r\n\r\n"].concat();
    linear("http-message", &[chunked.as_bytes(), &extended].concat());
    linear("event-stream", &b"a\r".repeat(MESSAGE / 2)[..MESSAGE - 1]);
    linear("dle", &vec![0x10; MESSAGE]);
    linear("messagepack-value", &[&b"\xdd\x00\x20\x00\x00"[..], &vec![0; MESSAGE]].concat());
    linear("cbor-item", &[vec![0x81; MESSAGE], vec![0]].concat());
    linear("cbor-item", &[vec![0x9f], vec![0; MESSAGE], vec![0xff]].concat());
    linear("gdb-packet", &[b"$".to_vec(), vec![b'}'; MESSAGE]].concat());
    linear("nsq-command", &[b"PUB t\n".to_vec(), vec![b'\n'; MESSAGE]].concat());
    linear("json", &[&b"[\""[..], &vec![b'a'; MESSAGE], b"\"]"].concat());
    linear("json", &[&b"["[..], &b"1,".repeat(MESSAGE / 2), b"1]"].concat());
    linear("json-seq", &[&b"["[..], &b"1,\n".repeat(MESSAGE / 3), b"1]"].concat());
    linear("ber", &[&b"\x30\x84\x00\x20\x00\x00"[..], &vec![b'a'; MESSAGE]].concat());
}
