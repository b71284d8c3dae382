//! Tests `guess`: the framing of bytes and of captures, and what it says if nothing is certain.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use serde_json::Value;

use crate::rig::{random_bytes, temporary, unstick};

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
        let bytes = random_bytes(seed, 1024);
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

/// The lines of a recording that names this in its first line, of two clients that send messages behind four bytes of length.
fn recorded(named: &str) -> String {
    let mut text = format!("{{\"event\":\"recording\",\"version\":1{named}}}\n");
    for peer in 1..=2 {
        let open = r#""from":"192.0.2.1:4000","to":"192.0.2.2:47002","protocol":"tcp","carries":"bytes"}"#;
        text += &format!("{{\"event\":\"open\",\"peer\":{peer},{open}\n");
        for length in [5, 9, 17, 30, 21, 12] {
            let message = "question and no answer at all ".repeat(2);
            let message = format!("\\u0000\\u0000\\u0000\\u{length:04x}{}", &message[..length]);
            for way in ["c2s", "s2c"] {
                let line = format!(r#"{{"event":"segment","peer":{peer},"direction":"{way}","text":"{message}"}}"#);
                text += &(line + "\n");
            }
        }
    }
    text
}

#[test]
fn a_recording_is_guessed_and_decoded_without_a_word_about_its_framing() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    std::fs::write(&path, recorded("")).unwrap();
    let path = path.to_str().unwrap();
    let (text, errors, code) = run(&["guess", path], b"");
    assert!(text.starts_with("u32be (192.0.2.2:47002; 2 connections, 472 bytes)\n") && code == 0, "{text} {errors}");
    for more in [&[][..], &["-f", "auto"]] {
        let (text, errors, code) = run(&[&["decode", path], more].concat(), b"");
        assert!(text.contains("tcp 192.0.2.1:4000 to 192.0.2.2:47002 in u32be, guessed\n"), "{text}");
        assert!(text.contains(" 2 s2c 12 bytes: question and\n"), "{text}");
        let said = "unstick: 192.0.2.2:47002: guessed u32be: 24 frames; 24 of 24 segments end where a frame ends\n";
        assert_eq!((errors.matches(said).count(), code), (1, 0), "{errors}");
    }
    // A named framing is not guessed.
    let (text, errors, _) = run(&["decode", path, "-f", "u8"], b"");
    assert!(!text.contains("guessed") && !errors.contains("guessed"), "{text} {errors}");
    // What comes through a pipe is guessed while it is read.
    let (text, errors, code) = run(&["decode"], recorded("").as_bytes());
    assert!(text.contains(" to 192.0.2.2:47002 in u32be, guessed\n") && code == 0, "{text}");
    assert!(text.contains(" 2 s2c 12 bytes: question and\n"), "{text}");
    assert_eq!(errors.matches(": guessed u32be: ").count(), 1, "{errors}");
}

#[test]
fn a_recording_with_a_framing_for_each_side_is_decoded_in_both() {
    let named = r#","framing_c2s":"u32be","framing_s2c":"length:width=4""#;
    let (text, errors, code) = run(&["decode", "--json"], recorded(named).as_bytes());
    assert_eq!((&*errors, code), ("", 0));
    assert!(text.contains(r#""framing":"u32be and length:width=4""#), "{text}");
    assert_eq!(text.matches(r#""text":"question and"}"#).count(), 4, "{text}");
}

#[test]
fn the_bytes_of_one_direction_are_decoded_in_the_framing_that_is_certain() {
    let (text, errors, code) = run(&["decode"], REQUEST);
    assert!(errors.starts_with("unstick: standard input: guessed http: ") && code == 0, "{errors}");
    assert!(text.starts_with("@0 38 bytes: GET / HTTP/1.1"), "{text}");
    let (text, errors, code) = run(&["decode", "-f", "auto"], b"\x01\x02\x03\x04\x05");
    assert!(text.is_empty() && code == 2, "{text}");
    assert!(errors.contains("nobody named the framing of these bytes, and it cannot be told from them"), "{errors}");
    // All of the input is decoded, beyond the part that a guess looks at.
    let (text, _, code) = run(&["decode", "--json"], &REQUEST.repeat(8_000));
    assert_eq!((text.matches(r#""event":"message""#).count(), code), (8_000, 0));
}
