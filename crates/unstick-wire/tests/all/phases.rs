//! Streams whose framing changes: each phase except the last covers a given number of frames.

use unstick_wire::Role;

use crate::drive::{Told, WAYS, bytewise, cut, decode, encode, framing, whole};

/// Checks that any two cuts of the stream give these messages.
#[track_caller]
fn carries(spec: &str, messages: &[&[u8]]) {
    let framing = framing(spec);
    let stream = encode(&framing, messages);
    let told = Told { messages: messages.iter().map(|m| m.to_vec()).collect(), discarded: 0, error: None };
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let way = WAYS[(first + second) % WAYS.len()];
            assert_eq!(
                decode(&framing, cut(&stream, [first, second]), way),
                told,
                "{spec} cut at {first} and {second}"
            );
        }
    }
    assert_eq!(bytewise(&framing, &stream), told, "{spec}");
}

#[test]
fn each_holds_for_its_frames() {
    carries("fixed:3/u32be", &[b"abc", b"", b"hello"]);
    carries("u16be,times=2/line", &[b"a\nb", b"", b"line", b"", b"line"]);
    carries("fixed:2/line/ascii:4/slip,times=3/cobs", &[b"ab", b"hi", b"x\n", b"\xc0", b"\xdb", b"q", b"\0", b""]);
    carries("line,times=3/u8", &[b"only", b"two"]);
    carries("struct:>H/json", &[b"{", b"{}", b"[1]"]);
    carries("headers/netstring/between:02:03/delim:2d2d", &[b"{}", b"a,", b"\x02", b"end"]);
}

/// The goldens show the longer handshakes; these are the conversations without them.
#[test]
fn handshakes_of_presets_may_be_shorter() {
    let open = b"\0\0\0\x11\x02\0\0\0\0\x53\x10\xc0\x04\x01\xa1\x01c";
    carries("amqp1", &[b"AMQP\0\x01\0\0", open, b"\0\0\0\x08\x02\0\0\0"]);
    let versions = b"\x60\x60\xb0\x17\0\0\x04\x05\0\x02\x04\x04\0\0\x01\x04\0\0\0\x03";
    carries("bolt", &[versions, b"\xb1\x01\xa0", &[7; 300]]);
    let told = |messages: &[&[u8]]| Told {
        messages: messages.iter().map(|message| message.to_vec()).collect(),
        discarded: 0,
        error: None,
    };
    let server = framing("bolt").sent_by(Role::Server);
    for stream in [&b"\0\0\x04\x05\0\x03\xb1\x70\xa0\0\0"[..], b"\0\0\0\0"] {
        let messages = [&stream[..4], b"\xb1\x70\xa0"];
        assert_eq!(bytewise(&server, stream), told(&messages[..stream.len().div_ceil(7)]));
    }
}

#[test]
fn what_follows_the_first_message_may_be_unframed() {
    let framing = framing("struct:>i/raw");
    let stream = encode(&framing, [&b"hello"[..], b"and so", b"on\0"]);
    assert_eq!(stream, b"\0\0\0\x05helloand soon\0");
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let told = decode(&framing, cut(&stream, [first, second]), WAYS[(first + second) % WAYS.len()]);
            assert_eq!((&told.messages[0][..], &told.messages[1..].concat()[..]), (&b"hello"[..], &stream[9..]));
            assert_eq!(told.error, None);
        }
    }
}

#[test]
fn each_has_its_own_max() {
    let framing = framing("line,max=3/u8,max=5/raw");
    let told = whole(&framing, b"abc\n\x05helloworld");
    assert_eq!(told.messages, [&b"abc"[..], b"hello", b"world"]);
    assert!(whole(&framing, b"abcd\n").error.is_some());
    assert!(whole(&framing, b"abc\n\x06").error.is_some());
    let mut encoder = framing.encoder().unwrap();
    let mut out = Vec::new();
    assert!(encoder.encode(b"abcd", &mut out).is_err(), "and a refused message is no frame of its phase");
    encoder.encode(b"abc", &mut out).unwrap();
    assert!(encoder.encode(b"123456", &mut out).is_err());
    encoder.encode(b"12345", &mut out).unwrap();
    encoder.encode(b"6", &mut out).unwrap();
    assert_eq!(out, b"abc\n\x05123456");
}

#[test]
fn a_message_passed_over_counts() {
    let framing = framing("line,max=3,oversize=discard/u8");
    let told = whole(&framing, b"too long\n\x02ab");
    assert_eq!(told, Told { messages: vec![b"ab".to_vec()], discarded: 1, error: None });
}

#[test]
fn an_offset_counts_from_the_first_phase() {
    let told = whole(&framing("line/netstring"), b"hello\n3:abc,x");
    assert_eq!(told.error.unwrap().1, 12);
}

/// The messages of a stream, decoded whole and byte by byte.
#[track_caller]
fn reads(spec: &str, stream: &[u8], messages: &[&[u8]]) {
    let framing = framing(spec);
    let told = Told { messages: messages.iter().map(|m| m.to_vec()).collect(), discarded: 0, error: None };
    assert_eq!(whole(&framing, stream), told, "{spec}");
    assert_eq!(bytewise(&framing, stream), told, "{spec}");
}

#[test]
fn a_phase_may_be_for_frames_that_begin_so() {
    let spec = "fixed:1,if=53+4e,times=2/u8";
    for messages in [&[&b"N"[..], b"hello"][..], &[b"S", b"N", b"SS"], &[b"", b"N"], &[b"hello"]] {
        carries(spec, messages);
    }
    reads(spec, b"NS\x01x", &[b"N", b"S", b"x"]);
    let told = whole(&self::framing("fixed:2,if=4142/u8"), b"A\0\0");
    assert_eq!(told.error.unwrap().0, "the stream ended 3 bytes into a 66-byte frame", "AB was still to come");
}

#[test]
fn a_phase_may_end_with_a_message_that_begins_so() {
    carries("line,until=5353482d/u8,until=1:15/line", &[b"banner", b"SSH-2.0-x", b"ab", b"\x15", b"x\x15", b"end"]);
    carries("slip,until=00/u8", &[b"\xc0", b"\0\xc0", b"\0"]);
    carries("line,until=78,times=2/u8", &[b"a", b"b", b"c"]);
}

#[test]
fn a_message_that_is_refused_changes_no_phase() {
    let framing = framing("fixed:1,if=4e/u8,max=3/line");
    let mut encoder = framing.encoder().unwrap();
    let mut out = Vec::new();
    assert!(encoder.encode(b"long", &mut out).is_err(), "it is not N, and too long for the next phase");
    encoder.encode(b"N", &mut out).unwrap();
    assert!(encoder.encode(b"long", &mut out).is_err());
    encoder.encode(b"abc", &mut out).unwrap();
    encoder.encode(b"end", &mut out).unwrap();
    assert_eq!(out, b"N\x03abcend\n");
}
