//! `decode` and `encode`: the messages in a file, shown in each form, and made into a file.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;

use serde_json::Value;
use unstick::wire::{Framing, Preset, Role};

use crate::rig::{Process, temporary, unstick};

/// The program with these arguments and this standard input.
fn fed(arguments: &[&str], input: &[u8]) -> Process {
    let mut process = unstick(arguments);
    process.feed(input);
    process.end_input();
    process
}

/// Its output, its errors and its exit status.
fn run(arguments: &[&str], input: &[u8]) -> (String, String, i32) {
    let mut process = fed(arguments, input);
    (process.rest(), process.errors(), process.code())
}

const TWO: &[u8] = b"\0\0\0\x05hello\0\0\0\x03a\0b";

#[test]
fn every_message_is_shown_with_its_place() {
    let text = "@0 5 bytes: hello\n@9 3 bytes\n    0000  61 00 62                                          a.b\n";
    assert_eq!(run(&["decode", "-f", "u32be"], TWO), (text.to_owned(), String::new(), 0));
    let (wire, _, _) = run(&["decode", "-f", "u32be", "--wire"], TWO);
    assert!(wire.starts_with("@0 9 bytes: header 4, payload 5\n    0000  00 00 00 05 68"), "{wire}");
    let (hex, _, _) = run(&["decode", "-f", "u32be", "-x", "-n", "1"], TWO);
    assert!(hex.starts_with("@0 5 bytes\n    0000  68 65 6c 6c 6f "), "{hex}");
}

#[test]
fn a_file_is_read_like_standard_input() {
    let folder = temporary();
    let path = folder.path().join("bytes.bin");
    fs::write(&path, TWO).unwrap();
    let path = path.to_str().unwrap();
    let (text, errors, code) = run(&["decode", "-f", "u32be", "--io", "escaped", path], b"");
    assert_eq!((&*text, &*errors, code), ("hello\na\\x00b\n", "", 0));
    assert_eq!(run(&["decode", "-f", "u32be", "--io", "escaped", "-"], TWO).0, text);
    let (_, errors, code) = run(&["decode", "-f", "u32be", "/nowhere/x"], b"");
    assert_eq!((&*errors, code), ("unstick: /nowhere/x: no such file or directory\n", 2));
    let (_, errors, code) = run(&["decode", "-f", "u32be", folder.path().to_str().unwrap()], b"");
    assert!(errors.contains(": is a directory") && code == 1, "{errors} {code}");
}

#[test]
fn events_have_the_keys_of_a_bridge() {
    let (text, errors, code) = run(&["decode", "-f", "u32be", "--json"], TWO);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((events.len(), &*errors, code), (3, "", 0));
    assert!(text.starts_with(r#"{"event":"message","peer":1,"#), "{text}");
    assert_eq!(
        (&events[0]["version"], &events[0]["text"], &events[0]["bytes"]),
        (&1.into(), &"hello".into(), &5.into())
    );
    assert_eq!((&events[1]["offset"], &events[1]["direction"]), (&9.into(), &"c2s".into()));
    assert_eq!((&events[2]["event"], &events[2]["reason"]), (&"close".into(), &"ended".into()));
    assert_eq!((&events[2]["c2s"], &events[2]["unit"]), (&2.into(), &"messages".into()));
    let (server, _, _) = run(&["decode", "-f", "u32be", "--json", "--s2c", "-n", "1"], TWO);
    assert!(server.contains(r#""direction":"s2c""#) && server.lines().count() == 1, "{server}");
}

#[test]
fn a_broken_frame_ends_with_its_place_and_status_5() {
    let broken = [TWO, b"GET / HTTP/1.1\r\n"].concat();
    let (text, errors, code) = run(&["decode", "-f", "u32be", "--io", "hex"], &broken);
    assert_eq!((&*text, code), ("68656c6c6f\n610062\n", 5));
    assert!(errors.starts_with("unstick: @16: length 1195725856 is over the limit of 16 MiB"), "{errors}");
    assert!(errors.contains("is the peer speaking HTTP?"), "{errors}");
    let (_, errors, code) = run(&["decode", "-f", "u32be"], &TWO[..14]);
    assert!(errors.starts_with("unstick: @9: the stream ended 5 bytes into a 7-byte frame\n"), "{errors}");
    assert!(errors.contains("5 bytes of an unfinished message had arrived") && code == 5, "{errors}");
    let (text, _, _) = run(&["decode", "-f", "u32be", "--json"], &TWO[..14]);
    let close: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&close["reason"], &close["offset"], &close["unfinished"]["bytes"]),
        (&"framing".into(), &9.into(), &5.into())
    );
}

#[test]
fn what_is_passed_over_is_reported() {
    let (text, errors, code) =
        run(&["decode", "-f", "line,max=3,oversize=discard", "--io", "line"], b"one\nlonger\ntwo\n");
    assert_eq!(
        (&*text, &*errors, code),
        ("one\ntwo\n", "unstick: 1 message passed over as too long (oversize=discard)\n", 0)
    );
    let (text, errors, code) = run(&["decode", "-f", "slip,damaged=skip", "--io", "line"], b"\xdbx\xc0one\xc0");
    assert_eq!((&*text, code), ("one\n", 0));
    assert!(errors.starts_with("unstick: @0: 3 bytes were passed over as damaged"), "{errors}");
    let (text, _, _) = run(&["decode", "-f", "slip,damaged=skip", "--json"], b"\xdbx\xc0one\xc0");
    assert!(text.contains(r#""event":"damaged""#), "{text}");
}

#[test]
fn a_count_that_is_not_reached_is_status_6() {
    assert_eq!(
        run(&["decode", "-f", "u32be", "--io", "hex", "--count", "1"], TWO),
        ("68656c6c6f\n".into(), "".into(), 0)
    );
    let (_, errors, code) = run(&["decode", "-f", "u32be", "--count", "3"], TWO);
    assert_eq!((&*errors, code), ("unstick: ended after 2 of 3 messages (--count)\n", 6));
}

#[test]
fn messages_are_shown_as_they_come() {
    let mut process = unstick(&["decode", "-f", "line"]);
    process.feed("one\n");
    assert_eq!(process.line(), "@0 3 bytes: one");
    process.feed("two\nhalf");
    assert_eq!(process.line(), "@4 3 bytes: two");
    process.end_input();
    assert_eq!((process.line(), process.code()), ("@8 4 bytes: half".to_owned(), 0));
}

#[test]
fn memory_does_not_follow_the_file() {
    let mut process = unstick(&["decode", "-f", "u32be", "--io", "line"]);
    let frame = [&[0, 1, 0, 0][..], &vec![b'x'; 1 << 16]].concat();
    let mut input = process.take_input();
    let feeder = std::thread::spawn(move || {
        for _ in 0..1000 {
            std::io::Write::write_all(&mut input, &frame).unwrap();
        }
    });
    let mut lines = 0;
    while let Some(line) = process.line_or_end() {
        assert_eq!(line.len(), 1 << 16);
        lines += 1;
        assert!(lines > 1 || process.memory() < 64 << 20);
    }
    feeder.join().unwrap();
    assert_eq!((lines, process.code()), (1000, 0));
}

#[test]
fn what_encode_writes_decode_reads() {
    let lines = b"hello\n\n$'a\\nb'\n";
    for spec in ["u32be", "netstring", "cobs", "null", "struct:i", "varint", "u16le/u32be"] {
        let mut process = fed(&["encode", "-f", spec], lines);
        let frames = process.rest_bytes();
        assert_eq!((process.errors(), process.code()), (String::new(), 0), "{spec}");
        let (text, errors, code) = run(&["decode", "-f", spec, "--io", "quoted"], &frames);
        assert_eq!((text.as_bytes(), &*errors, code), (&lines[..], "", 0), "{spec}");
    }
    let mut process = fed(&["encode", "-f", "u32be", "--io", "raw"], b"all\nof it");
    assert_eq!(process.rest_bytes(), b"\0\0\0\x09all\nof it");
    let mut process = fed(&["encode", "-f", "modbus"], b"000000000000\n");
    assert_eq!((process.code(), process.rest_bytes().is_empty()), (0, false), "{}", process.errors());
}

#[test]
fn sides_of_a_preset_differ() {
    let differs = |preset: &&'static Preset| preset.client != preset.server;
    let preset =
        Preset::all().find(|preset| differs(preset) && preset.name == "redis").or_else(|| Preset::all().find(differs));
    let preset = preset.unwrap();
    for (side, role) in [("--c2s", Role::Client), ("--s2c", Role::Server)] {
        let framing = Framing::parse(preset.name).unwrap().sent_by(role);
        assert_eq!(framing.preset().map(|preset| preset.name), Some(preset.name));
        let (_, errors, code) = run(&["decode", "-f", preset.name, side], b"");
        assert_eq!((&*errors, code), ("", 0), "{side}");
    }
}

#[test]
fn what_cannot_be_encoded_is_named() {
    let mut process = fed(&["encode", "-f", "null"], b"fine\n$'a\\0b'\n");
    assert_eq!((process.code(), process.rest_bytes()), (1, b"fine\0".to_vec()));
    let errors = process.errors();
    assert!(errors.starts_with("unstick: message 2 cannot be encoded in null: "), "{errors}");
    let (_, errors, code) = run(&["encode", "-f", "u32be", "--io", "hex"], b"zz\n");
    assert!(code == 1 && errors.contains("`zz` is not a message in --io hex"), "{errors}");
    for verb in ["decode", "encode"] {
        let (_, errors, code) = run(&[verb], b"");
        assert!(code == 2 && errors.contains("-f names it"), "{verb}: {errors}");
    }
}
