//! Tests `decode` and `encode`: decoding the messages in a file, in each format, and encoding messages into a file.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::path::{Path, PathBuf};

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

// ---- captures ----

fn echo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/captures/echo.pcap")
}

/// The file with some of its packets left out.
fn without(left_out: &[usize]) -> Vec<u8> {
    let file = fs::read(echo()).unwrap();
    let (head, mut rest) = file.split_at(24);
    let mut kept = head.to_vec();
    for number in 0.. {
        let Some(length) = rest.get(8..12) else { break };
        let length = 16 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        if !left_out.contains(&number) {
            kept.extend(&rest[..length]);
        }
        rest = &rest[length..];
    }
    kept
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_messages_of_a_capture_have_their_connection_direction_and_time() {
    let path = echo();
    let (text, errors, code) = run(&["decode", path.to_str().unwrap(), "-f", "u32be", "--json"], b"");
    let events = events(&text);
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((names, &*errors, code), (vec!["open", "message", "message", "close"], "", 0));
    let ends = ["from", "to"].map(|key| events[0][key].as_str().and_then(|end| end.rsplit(':').next()).unwrap());
    assert_eq!(ends, ["50488", "7000"]);
    assert_eq!((&events[0]["framing"], &events[0]["whole"]), (&"u32be".into(), &true.into()));
    assert_eq!((&events[1]["direction"], &events[1]["text"]), (&"c2s".into(), &"hello".into()));
    assert_eq!(events[1]["time"], "2026-11-27T12:00:00.004000Z");
    assert_eq!((&events[2]["direction"], &events[2]["offset"]), (&"s2c".into(), &0.into()));
    assert_eq!((&events[3]["reason"], &events[3]["c2s"]), (&"ended".into(), &1.into()));
    let piped = run(&["decode", "-f", "u32be", "--json"], &without(&[]));
    assert_eq!(piped.0, text);
}

#[test]
fn options_choose_connections_and_directions() {
    let path = echo();
    let of =
        |more: &[&str]| run(&[&["decode", path.to_str().unwrap(), "-f", "u32be", "--io", "line"], more].concat(), b"");
    assert_eq!(of(&[]).0, "hello\nHELLO\n");
    assert_eq!(of(&["--s2c"]).0, "HELLO\n");
    assert_eq!(of(&["--port", "7000", "--host", "127.0.0.1", "--connection", "1", "--c2s"]).0, "hello\n");
    for none in [&["--port", "7001"][..], &["--host", "10.0.0.1"], &["--connection", "2"]] {
        let (text, errors, code) = of(none);
        assert_eq!((&*text, code), ("", 0), "{none:?}");
        assert!(errors.contains("no TCP and no UDP packets that these options take"), "{errors}");
    }
    assert_eq!(of(&["--count", "1"]), ("hello\n".into(), String::new(), 0));
    assert_eq!(of(&["--count", "3"]).2, 6);
    let (_, errors, code) = run(&["decode", "-f", "u32be", "--port", "7000"], TWO);
    assert!(code == 2 && errors.contains("standard input is not a pcap or pcapng file"), "{errors}");
    let (text, _, code) = run(&["decode", "-f", "raw", "--bytes", "--io", "hex"], &without(&[])[..8]);
    assert_eq!((&*text, code), ("d4c3b2a102000400\n", 0));
}

#[test]
fn without_a_framing_segments_are_shown() {
    let (text, _, code) = run(&["decode", "--json", "--c2s"], &without(&[]));
    let events = events(&text);
    assert_eq!((events.len(), code), (4, 0), "{text}");
    assert_eq!((&events[1]["event"], &events[1]["bytes"]), (&"segment".into(), &6.into()));
    assert_eq!((&events[3]["unit"], &events[3]["c2s"]), (&"segments".into(), &2.into()));
}

#[test]
fn what_a_capture_lacks_is_a_gap_and_nothing_is_made_up() {
    // Without the second half of the question, and then without the handshake.
    let (text, errors, code) = run(&["decode", "-f", "u32be", "--json"], &without(&[4]));
    let lacking = events(&text);
    let gap = lacking.iter().find(|event| event["event"] == "gap").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(
        (&gap["offset"], &gap["bytes"], &gap["unfinished"], &gap["resumes"]),
        (&6.into(), &3.into(), &6.into(), &false.into())
    );
    assert_eq!((&*errors, code), ("", 0));
    let (_, errors, _) = run(&["decode", "-f", "u32be"], &without(&[4]));
    assert!(errors.contains("peer 1 c2s @6: 3 bytes are not in the capture"), "{errors}");
    let (text, _, code) = run(&["decode", "-f", "u32be"], &without(&[0, 1, 2]));
    assert!(text.contains("in u32be, begun before the capture\n") && code == 0, "{text}");
    assert!(text.contains("c2s 5 bytes: hello\n"), "{text}");
}

#[test]
fn a_capture_that_is_cut_short_or_broken_says_so() {
    let whole = without(&[]);
    let (text, errors, code) = run(&["decode", "-f", "u32be", "--io", "line"], &whole[..whole.len() - 200]);
    assert_eq!((&*text, code), ("hello\n", 0));
    assert!(errors.contains("the capture ends in the middle, at byte "), "{errors}");
    let broken = [&whole[..24], &[0xff; 40]].concat();
    let (_, errors, code) = run(&["decode", "-f", "u32be"], &broken);
    assert!(code == 1 && errors.contains("standard input: the capture is malformed at byte 24"), "{errors}");
    let (_, errors, code) = run(&["decode", "-f", "netstring", "--json"], &whole);
    assert!(code == 5 && errors.contains("peer 1 c2s @0: "), "{errors}");
    let (_, errors, code) = run(&["decode"], b"\x1f\x8bno gzip");
    assert!(code == 1 && errors.contains("hint: --bytes takes"), "{errors}");
}

#[test]
fn what_unfinished_messages_of_all_connections_keep_is_bounded() {
    // 15 MiB of a message of 16 MiB in each connection: of the fifth too much is kept, over 64 MiB.
    let mut file = [&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..], &[0; 8], &[0, 0, 4, 0, 101, 0, 0, 0]].concat();
    let payload = vec![0_u8; 60 << 10];
    for peer in 1..=5_u16 {
        let mut sequence = 1_u32;
        for at in 0..256 {
            let part = if at == 0 { &[1, 0, 0, 0][..] } else { &payload };
            let total = (40 + part.len() as u16).to_be_bytes();
            let ip = [&[0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..]].concat();
            let ports = [(50_000 + peer).to_be_bytes(), 7000_u16.to_be_bytes()].concat();
            let tcp = [&ports[..], &sequence.to_be_bytes(), &[0; 4], &[0x50, 16, 0, 0, 0, 0, 0, 0]].concat();
            let length = (40 + part.len() as u32).to_le_bytes();
            file.extend([&[0; 8][..], &length, &length, &ip, &tcp, part].concat());
            sequence += part.len() as u32;
        }
    }
    let (_, errors, code) = run(&["decode", "-f", "u32be"], &file);
    let lost = "peer 5: decoded no further, because the unfinished messages of all connections are over 64 MiB";
    assert!(errors.contains(lost) && !errors.contains("peer 4: decoded"), "{errors}");
    assert_eq!((code, errors.matches("of an unfinished message").count()), (0, 4), "{errors}");
}

#[test]
fn a_capture_that_is_being_made_is_shown_as_it_comes() {
    let whole = without(&[]);
    let mut process = unstick(&["decode", "-f", "u32be", "--io", "line"]);
    process.feed(&whole[..whole.len() - 56 * 3]);
    assert_eq!(process.line(), "hello");
    assert_eq!(process.line(), "HELLO");
    process.feed(&whole[whole.len() - 56 * 3..]);
    process.end_input();
    assert_eq!((process.rest(), process.code()), (String::new(), 0));
}
