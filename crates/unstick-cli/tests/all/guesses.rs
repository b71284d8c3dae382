//! Tests `guess`: the framing of bytes and of captures, and what it says if nothing is certain.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use serde_json::Value;

use crate::rig::unstick;

/// Its output, its errors and its exit status.
fn run(arguments: &[&str], input: &[u8]) -> (String, String, i32) {
    let mut process = unstick(arguments);
    process.feed(input);
    process.end_input();
    (process.rest(), process.errors(), process.code())
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

#[test]
fn a_protocol_is_named_with_its_evidence_and_the_next_command() {
    let (text, errors, code) = run(&["guess"], REQUEST);
    assert_eq!((&*errors, code), ("", 0), "{text}");
    assert!(text.starts_with("http: HTTP/1.0 and 1.1 (38 bytes)\n"), "{text}");
    assert!(text.contains("\n    the first messages are as HTTP/1.0 and 1.1 (RFC 9112"), "{text}");
    assert!(text.contains("\n    client: 38 bytes\n        0000  47 45 54 20 "), "{text}");
    assert!(text.ends_with("    try: unstick decode - -f http\n"), "{text}");
}

#[test]
fn bytes_may_be_written_in_hexadecimal() {
    let digits: String = REQUEST.iter().map(|byte| format!("{byte:02x} ")).collect();
    let (text, errors, code) = run(&["guess", "--hex", "-"], digits.as_bytes());
    assert!(text.starts_with("http: ") && code == 0, "{text} {errors}");
    let (_, errors, code) = run(&["guess", "--hex"], b"00 zz");
    assert_eq!((&*errors, code), ("unstick: --hex: zz is not hexadecimal\n", 2));
}

#[test]
fn nothing_certain_is_status_7_with_what_it_would_need() {
    let (text, _, code) = run(&["guess"], b"\x01\x02\x03\x04\x05");
    assert!(text.starts_with("cannot tell (5 bytes)\n    the bytes are binary\n    it would need a capture"), "{text}");
    assert_eq!(code, 7);
    let (text, _, code) = run(&["guess"], b"");
    assert!(text.contains("\n    there are no bytes\n") && code == 7, "{text}");
    let (text, _, code) = run(&["guess"], b"\x28\xb5\x2f\xfd\x04\0\0\0\0\x03");
    assert!(text.contains("\n    the bytes begin a file: Zstandard\n") && code == 7, "{text}");
}

/// In random bytes some length is always found, which says nothing.
#[test]
fn nothing_is_suggested_for_random_bytes() {
    for seed in 1..40_u64 {
        let mut state = seed;
        let mut next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let bytes: Vec<u8> = (0..1024).map(&mut next).collect();
        let (text, _, code) = run(&["guess"], &bytes);
        assert!(text.contains("the bytes look random") && !text.contains("try:"), "{seed}: {text}");
        assert_eq!(code, 7);
    }
}

#[test]
fn a_capture_is_answered_server_by_server() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/captures/echo.pcap");
    let (text, errors, code) = run(&["guess", "--json", capture], b"");
    let event: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(event["event"] == "guess" && event["server"].as_str().unwrap().ends_with(":7000"), "{text} {errors}");
    assert_eq!((&event["version"], &event["connections"]), (&1.into(), &1.into()), "{text}");
    // Two messages of one length each are not enough.
    assert_eq!((&event["certain"], code), (&false.into(), 7), "{text}");
    assert!(event["needs"].as_str().unwrap().contains("more messages"), "{text}");
    let (_, errors, code) = run(&["guess", "--port", "9", capture], b"");
    assert!(errors.contains("no TCP connection in which bytes have passed") && code == 7, "{errors}");
    let (_, errors, code) = run(&["guess", "--port", "9"], b"hello");
    assert!(errors.contains("--port is for captures, and standard input is not a pcap") && code == 2, "{errors}");
}

#[test]
fn what_peers_sent_does_not_reach_the_terminal_as_it_came() {
    let (text, _, _) = run(&["guess"], b"\x1b[2J\x1b]0;x\x07 line\nanother line\nand one more\n");
    assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
}
