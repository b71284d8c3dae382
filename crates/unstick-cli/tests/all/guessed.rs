//! Tests `decode` of a pipe that does not name its framing: it is guessed while it is read, and no byte is lost.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use serde_json::Value;
use unstick::wire::Role::{Client, Server};

use crate::captures::{Said, add, add_from, capture, decoded, json, named};
use crate::rig::{random_bytes, unstick};

/// Messages of different lengths behind their lengths, as `u32be`.
fn framed(count: usize) -> Vec<Vec<u8>> {
    let letter = |number, at| b'a' + ((number * 5 + at * 7) % 26) as u8;
    let message = |number| (0..3 + number * 7 % 50).map(|at| letter(number, at)).collect::<Vec<u8>>();
    (0..count).map(message).map(|message| [&(message.len() as u32).to_be_bytes()[..], &message].concat()).collect()
}

/// How many bytes these events show.
fn count_of(events: &[Value], event: &str) -> u64 {
    named(events, event).iter().map(|event| event["bytes"].as_u64().unwrap()).sum()
}

#[test]
fn a_framing_without_a_name_is_guessed_and_decoded_from_the_start() {
    let frames = framed(12);
    let said: Vec<Said<'_>> = frames.iter().map(|frame| (Client, &frame[..])).collect();
    let mut file = capture(7000, &said);
    // One message of another connection alone would tell nothing.
    add_from(&mut file, 50_001, 7000, &[(Client, &frames[3])]);
    let events = json(&[], &file);
    assert_eq!((&events[0]["framing"], &events[0]["guessed"]), (&"u32be".into(), &true.into()), "{events:?}");
    assert_eq!((named(&events, "message").len(), named(&events, "segment").len()), (13, 0), "{events:?}");
    assert_eq!(named(&events, "message")[0]["time"], "2026-11-27T12:00:01.000000Z");
    let opened: Vec<_> = named(&events, "open").iter().map(|open| open["framing"].clone()).collect();
    assert_eq!(opened, ["u32be", "u32be"], "the server has shown it before");
    let (text, errors, code) = decoded(&[], &file);
    assert!(text.starts_with("12:00:00.000 1 tcp 10.0.0.1:50000 to 10.0.0.2:7000 in u32be, guessed\n"), "{text}");
    assert!(errors.starts_with("unstick: 10.0.0.2:7000: guessed u32be: 8 frames; 8 of 8 segments end"), "{errors}");
    assert_eq!((errors.lines().count(), code), (1, 0), "once for each server: {errors}");
}

#[test]
fn a_protocol_on_a_port_of_another_is_found() {
    let ping: &[u8] = b"*1\r\n$4\r\nPING\r\n";
    let file = capture(80, &[(Client, ping), (Server, b"+PONG\r\n"), (Client, ping), (Server, b"+PONG\r\n")]);
    let events = json(&[], &file);
    assert_eq!((&events[0]["framing"], named(&events, "message").len()), (&"redis".into(), 4), "{events:?}");
}

#[test]
fn what_is_never_certain_is_shown_in_segments_and_not_kept() {
    let bytes = random_bytes(88_172_645_463_325_252, 300 << 10);
    // However it was cut, also a byte at a time.
    for (part, seed, length) in [(1000, 0, bytes.len()), (1, 0, 5000), (3, 0, 9000), (1, 1, 5000), (1, 2, 5000)] {
        let bytes = if seed == 0 { bytes[..length].to_vec() } else { random_bytes(seed, length) };
        let said: Vec<Said<'_>> = bytes.chunks(part).map(|part| (Client, part)).collect();
        let events = json(&[], &capture(7000, &said));
        assert_eq!((named(&events, "segment").len(), named(&events, "message").len()), (said.len(), 0), "{part}");
        assert_eq!((count_of(&events, "segment"), &events[0]["framing"]), (length as u64, &Value::Null));
        assert_eq!(named(&events, "close")[0]["undecoded"], 0);
    }
    // As much as a guess looks at, and no more, is kept: the rest is shown while the capture goes on.
    let said: Vec<Said<'_>> = bytes.chunks(1000).map(|part| (Client, part)).collect();
    let mut process = unstick(&["decode", "--json"]);
    let file = capture(7000, &said);
    let mut input = process.take_input();
    std::io::Write::write_all(&mut input, &file).unwrap();
    assert!(process.line().contains("\"open\""));
    for _ in 0..200 {
        assert!(process.line().contains("\"segment\""));
    }
    drop(input);
    assert_eq!(process.code(), 0);
}

#[test]
fn a_byte_at_a_time_nothing_is_lost() {
    let stream: Vec<u8> = framed(12).concat();
    let said: Vec<Said<'_>> = stream.chunks(1).map(|part| (Client, part)).collect();
    let events = json(&[], &capture(7000, &said));
    let close = named(&events, "close")[0];
    let shown = named(&events, "message").len() + named(&events, "segment").len();
    assert_eq!((close["c2s"].as_u64(), close["undecoded"].as_u64()), (Some(shown as u64), Some(0)), "{events:?}");
    assert!(shown == 12 || count_of(&events, "segment") == stream.len() as u64, "{events:?}");
}

/// As `MAX_SERVERS` of the program: the connections to one more are shown in segments.
#[test]
fn the_number_of_servers_that_are_guessed_at_is_limited() {
    const MAX_SERVERS: usize = 1024;
    let request: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut file = capture(30_000, &[(Client, request)]);
    for port in 1..=MAX_SERVERS as u16 {
        add(&mut file, 30_000 + port, &[(Client, if usize::from(port) < MAX_SERVERS { b"?" } else { request })]);
    }
    let events = json(&[], &file);
    assert_eq!((named(&events, "message").len(), named(&events, "segment").len()), (1, MAX_SERVERS));
    assert_eq!(json(&["--port", "31024"], &file)[0]["framing"], "http");
}

/// Over `MAX_UNFINISHED` of the program, 64 MiB: what waits is then shown, and what follows, too.
#[test]
fn what_waits_in_many_connections_is_shown_before_it_is_too_much() {
    const MAX_UNFINISHED: usize = 64 << 20;
    let part = random_bytes(88_172_645_463_325_252, 60_000);
    let count = MAX_UNFINISHED / (2 * part.len()) + 10;
    let mut file = capture(7000, &[]);
    for number in 0..count {
        add_from(&mut file, 1000 + number as u16, 20_000 + number as u16, &[(Client, &part), (Client, &part)]);
    }
    add_from(&mut file, 1000, 7001, &[(Client, b"?")]);
    let (text, errors, code) = decoded(&["--io", "hex"], &file);
    assert_eq!((text.len(), &*errors, code), (count * 2 * (2 * part.len() + 1) + 3, "", 0));
}
