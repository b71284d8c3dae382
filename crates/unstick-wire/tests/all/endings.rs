//! The end of the stream, the decoder's buffer, and the memory that an idle decoder keeps.

use bytes::BufMut;

use crate::drive::{Told, framing, plain, whole};

#[test]
fn nothing_is_no_message_and_no_error() {
    for entry in unstick_wire::FRAMINGS {
        for spec in entry.examples {
            assert_eq!(whole(&framing(spec), b""), Told { messages: vec![], discarded: 0, error: None }, "{spec}");
        }
    }
}

#[test]
fn three_bytes_into_a_frame_of_nine() {
    let mut decoder = framing("u32be").decoder();
    decoder.feed(b"\0\0\0\x05hel");
    decoder.finish();
    let error = decoder.next().unwrap_err();
    assert!(error.is_incomplete());
    assert_eq!(plain(&error), "the stream ended 7 bytes into a 9-byte frame");

    let mut decoder = framing("u32be").decoder();
    decoder.feed(b"\0\0\0");
    decoder.finish();
    assert_eq!(plain(&decoder.next().unwrap_err()), "the stream ended inside a frame, after 3 bytes of it");
}

#[test]
fn a_stream_that_breaks_off_makes_no_message_of_a_rest() {
    for (spec, rest, told) in [
        ("line", &b"hel"[..], "the stream ended inside a frame, after 3 bytes of it"),
        ("gap:1s", b"hel", "the stream ended inside a frame, after 3 bytes of it"),
        ("u32be", b"\0\0\0\x05hel", "the stream ended 7 bytes into a 9-byte frame"),
        ("u32be", b"\0\0\0\x04hel", "the stream ended 7 bytes into an 8-byte frame"),
        ("u8", b"\x0aone", "the stream ended 4 bytes into an 11-byte frame"),
        ("u8", b"\x6done", "the stream ended 4 bytes into a 110-byte frame"),
        ("u8,max=2,oversize=discard", b"\x09123", "the stream ended 4 bytes into a 10-byte frame"),
    ] {
        let mut decoder = framing(spec).decoder();
        decoder.feed(rest);
        assert_eq!(decoder.next(), Ok(None), "{spec}");
        let error = decoder.finish_truncated().unwrap_err();
        assert_eq!((plain(&error).as_str(), error.is_incomplete()), (told, true), "{spec}");
        assert_eq!(decoder.finish_truncated(), Err(error.clone()), "{spec}");
        assert_eq!(decoder.next(), Err(error), "{spec}");
    }
    let mut decoder = framing("line").decoder();
    decoder.feed(b"hello\n");
    assert_eq!(decoder.next(), Ok(Some(&b"hello"[..])));
    assert_eq!(decoder.finish_truncated(), Ok(()), "between two frames nothing is missing");
    assert_eq!(decoder.next(), Ok(None));
}

#[test]
fn an_end_inside_a_message_that_is_passed_over_is_told() {
    let mut decoder = framing("u8,max=2,oversize=discard").decoder();
    decoder.feed(b"\x01a\x09123");
    assert_eq!(decoder.next(), Ok(Some(&b"a"[..])));
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!((decoder.pending(), decoder.discarded()), (&b""[..], 0));
    decoder.finish();
    let error = decoder.next().unwrap_err();
    assert_eq!((plain(&error).as_str(), error.offset()), ("the stream ended 4 bytes into a 10-byte frame", 2));
}

#[test]
fn the_rest_of_a_long_last_line_is_passed_over_too() {
    let told = whole(&framing("line,max=2,oversize=discard"), b"ok\ntoo long and no end");
    assert_eq!(told, Told { messages: vec![b"ok".to_vec()], discarded: 1, error: None });
}

#[test]
fn messages_can_be_taken_after_the_end() {
    let mut decoder = framing("line").decoder();
    decoder.feed(b"a\nb");
    decoder.finish();
    assert_eq!(decoder.next(), Ok(Some(&b"a"[..])));
    assert_eq!(decoder.next(), Ok(Some(&b"b"[..])));
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!(decoder.next_bytes(), Ok(None));
}

#[test]
fn bytes_can_be_read_straight_into_the_buffer() {
    let mut decoder = framing("line").decoder();
    decoder.read_buf(1024).put_slice(b"a\nb");
    assert_eq!(decoder.next_bytes().unwrap().unwrap(), "a");
    assert_eq!(decoder.pending(), b"b");
    let space = decoder.read_buf(10);
    assert!(space.capacity() - space.len() >= 10);
    space.put_slice(b"c\n");
    assert_eq!(decoder.next(), Ok(Some(&b"bc"[..])));
}

#[test]
fn a_buffer_that_nobody_holds_is_used_again() {
    let mut decoder = framing("line").decoder();
    decoder.read_buf(4096).put_slice(b"one\nrest");
    let first = decoder.pending().as_ptr();
    drop(decoder.next_bytes());
    decoder.read_buf(1000).put_slice(b"\n");
    assert!(decoder.next_bytes().unwrap().unwrap().as_ptr() <= first.wrapping_add(8));
    let held = {
        decoder.read_buf(1000).put_slice(b"held\nrest");
        decoder.next_bytes().unwrap().unwrap()
    };
    decoder.feed(b"\n");
    assert_eq!(decoder.next(), Ok(Some(&b"rest"[..])));
    assert_eq!(held, "held");
}

#[test]
fn memory_is_given_back_only_between_frames() {
    let mut decoder = framing("line").decoder();
    decoder.feed(b"a\nb");
    assert_eq!(decoder.next(), Ok(Some(&b"a"[..])));
    decoder.shrink();
    assert_eq!(decoder.pending(), b"b");
    decoder.feed(b"\n");
    assert_eq!(decoder.next_bytes().unwrap().unwrap(), "b");
    decoder.shrink();
    assert_eq!(decoder.read_buf(0).capacity(), 0);
    decoder.feed(b"no\nend");
    assert_eq!(decoder.next(), Ok(Some(&b"no"[..])));
    decoder.finish();
    assert_eq!(decoder.next(), Ok(Some(&b"end"[..])));
}
