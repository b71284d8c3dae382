//! Tests `decode` with captures that the tests make: the choice of the framing, where TLS begins, and the time from
//! which on messages are shown.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use serde_json::Value;
use unstick::wire::Role::{self, Client, Server};

use crate::rig::{Process, program};

/// Seconds of 2026-11-27T12:00:00Z, when the captures here begin.
const NOON: u32 = 1_795_780_800;

/// What a side has sent, in one segment.
pub(crate) type Said<'a> = (Role, &'a [u8]);

/// A capture of one connection to this port of the server: the client's SYN, then a segment each second.
pub(crate) fn capture(port: u16, said: &[Said<'_>]) -> Vec<u8> {
    let mut file = [&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..], &[0; 8], &[0, 0, 4, 0, 101, 0, 0, 0]].concat();
    add(&mut file, port, said);
    file
}

/// Adds a connection to a capture.
pub(crate) fn add(file: &mut Vec<u8>, port: u16, said: &[Said<'_>]) {
    add_from(file, 50_000, port, said);
}

/// Adds a connection from this port of the client.
pub(crate) fn add_from(file: &mut Vec<u8>, client: u16, port: u16, said: &[Said<'_>]) {
    let mut next = [1_u32, 1];
    let mut packet = |second: usize, from: Role, flags: u8, sequence: u32, payload: &[u8]| {
        let (ports, hosts) = match from {
            Client => ([client, port], [[10, 0, 0, 1], [10, 0, 0, 2]]),
            Server => ([port, client], [[10, 0, 0, 2], [10, 0, 0, 1]]),
        };
        let length = 40 + payload.len() as u16;
        for field in [NOON + second as u32, 0, length.into(), length.into()] {
            file.extend(field.to_le_bytes());
        }
        file.extend([&[0x45, 0][..], &length.to_be_bytes(), &[0, 0, 0, 0, 64, 6, 0, 0], &hosts.concat()].concat());
        file.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        file.extend([&sequence.to_be_bytes()[..], &[0; 4], &[0x50, flags, 0, 0, 0, 0, 0, 0], payload].concat());
    };
    packet(0, Client, 2, 0, b"");
    for (second, (from, payload)) in said.iter().enumerate() {
        let sequence = &mut next[*from as usize];
        packet(second + 1, *from, 16, *sequence, payload);
        *sequence += payload.len() as u32;
    }
}

/// What is printed of a capture, the errors, and the exit status.
pub(crate) fn decoded(arguments: &[&str], file: &[u8]) -> (String, String, i32) {
    let mut process = Process::start(program().env("TZ", "UTC").arg("decode").args(arguments));
    process.feed(file);
    process.end_input();
    (process.rest(), process.errors(), process.code())
}

pub(crate) fn json(arguments: &[&str], file: &[u8]) -> Vec<Value> {
    let (text, _, _) = decoded(&[&["--json"], arguments].concat(), file);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events of this name.
pub(crate) fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// The first record of a TLS client: a `ClientHello` of 64 bytes.
fn hello() -> Vec<u8> {
    let mut record = vec![0x16, 3, 1, 0, 64, 1, 0, 0, 60, 3, 3];
    record.resize(5 + 64, 7);
    record
}

#[test]
fn the_preset_of_the_port_is_taken_if_it_fits() {
    let redis = capture(6379, &[(Client, PING), (Server, b"+PONG\r\n")]);
    let (text, errors, code) = decoded(&[], &redis);
    assert!(text.starts_with("12:00:00.000 1 tcp 10.0.0.1:50000 to 10.0.0.2:6379 in redis\n"), "{text}");
    assert_eq!((text.matches("bytes").count(), &*errors, code), (2, "", 0), "{text}");
    // Something else on that port: its segments are shown, and nobody is blamed.
    let other = capture(6379, &[(Server, b"hello from something else\n"), (Client, b"\x01\x02")]);
    let events = json(&[], &other);
    assert_eq!((&events[0]["event"], &events[0]["framing"]), (&"open".into(), &Value::Null));
    let segments = named(&events, "segment");
    assert_eq!((segments.len(), &segments[0]["text"]), (2, &"hello from something else\n".into()), "{events:?}");
    assert_eq!((named(&events, "error").len(), decoded(&[], &other).2), (0, 0));
    // Who names the framing wants to know.
    let (_, errors, code) = decoded(&["-f", "redis"], &other);
    assert!(code == 5 && errors.contains("peer 1 s2c @0: "), "{errors}");
}

#[test]
fn a_preset_that_has_fitted_is_kept_and_what_breaks_it_is_an_error() {
    let file = capture(6379, &[(Client, PING), (Server, b"@oops\r\n"), (Server, b"and more")]);
    let events = json(&[], &file);
    assert_eq!((named(&events, "framing").len(), named(&events, "error").len()), (0, 1), "{events:?}");
    let close = named(&events, "close");
    assert_eq!((&close[0]["reason"], &close[0]["undecoded"]), (&"framing".into(), &8.into()));
    let (text, _, code) = decoded(&[], &file);
    assert!(text.ends_with("; 8 bytes not decoded\n") && code == 5, "{text}");
}

/// The framing and the messages of the only connection of a capture, each with its second.
fn found(file: &[u8]) -> (Value, Vec<String>) {
    let events = json(&[], file);
    let shown = events.iter().filter(|event| ["message", "segment"].contains(&event["event"].as_str().unwrap()));
    let line =
        |event: &Value| format!("{} {} {}", event["event"], &event["time"].as_str().unwrap()[17..19], event["bytes"]);
    (events[0]["framing"].clone(), shown.map(line).collect())
}

#[test]
fn of_the_presets_of_a_port_the_one_whose_messages_end_where_segments_do_fits() {
    let request = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    let response = b"HTTP/1.1 204 No Content\r\n\r\n";
    for cut in [0, 1, 24, 30, 40] {
        let (one, two) = request.split_at(cut);
        let parts = [(Client, one), (Client, two), (Server, response)];
        let file = capture(80, if cut == 0 { &parts[1..] } else { &parts });
        let seconds = if cut == 0 { [1, 2] } else { [2, 3] };
        let messages = [format!("\"message\" 0{} 43", seconds[0]), format!("\"message\" 0{} 27", seconds[1])];
        assert_eq!(found(&file), ("http".into(), messages.into()), "{cut}");
    }
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for cut in [0, 18, 24] {
        let (one, two) = preface.split_at(cut);
        let said: &[Said<'_>] = &[(Client, one), (Client, two)];
        assert_eq!(found(&capture(80, &said[usize::from(cut == 0)..])).0, "http2", "{cut}");
    }
    assert_eq!(found(&capture(80, &[(Client, b"GET / HTTP/1.1\r\n\r\n"), (Server, response)])).0, "http");
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n";
    let frames =
        [(Client, &upgrade[..]), (Server, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), (Server, b"\x81\x02hi")];
    let messages = ["\"message\" 01 34", "\"message\" 02 32", "\"message\" 03 4"].map(str::to_owned);
    assert_eq!(found(&capture(80, &frames)), ("websocket".into(), messages.into()));
    // An end and a gap end the trial; so does the end of the capture.
    let unfinished = capture(80, &[(Client, b"GET / HTTP"), (Client, b"/1.1\r\n")]);
    assert_eq!(found(&unfinished), (Value::Null, vec!["\"segment\" 01 10".into(), "\"segment\" 02 6".into()]));
}

#[test]
fn what_a_trial_keeps_is_bounded() {
    // Requests that would fit in the end: one of 2 MiB, and one in very many segments.
    let (large, small) = (vec![b'x'; 60_000], vec![b'x'; 8]);
    for (part, count) in [(&large, (2 << 20) / 60_000), (&small, 3000)] {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", part.len() * count);
        let mut said: Vec<Said<'_>> = vec![(Client, head.as_bytes())];
        said.extend(vec![(Client, &part[..]); count]);
        let (framing, segments) = found(&capture(80, &said));
        assert_eq!((framing, segments.len()), (Value::Null, said.len()));
    }
    let head = b"POST / HTTP/1.1\r\nContent-Length: 600000\r\n\r\n";
    let said: Vec<Said<'_>> = [vec![(Client, &head[..])], vec![(Client, &large[..]); 10]].concat();
    assert_eq!(found(&capture(80, &said)).0, "http");
}

#[test]
fn messages_that_end_by_chance_are_no_evidence() {
    // As u32be, each segment holds a whole message and the beginning of another.
    let mut said: Vec<Said<'_>> = vec![(Client, b"\0\0\0\x02ab\0\0"); 1];
    said.extend([(Client, &b"\0\x02ab\0\0"[..]); 9]);
    said.push((Client, b"\0\x02ab"));
    let chance = found(&capture(6650, &said));
    assert_eq!((chance.0, chance.1.len()), (Value::Null, 11));
    // A few are: a large write is cut anywhere.
    said.drain(1..8);
    assert_eq!(
        found(&capture(6650, &said)),
        ("pulsar".into(), ["01", "02", "03", "04"].map(|at| format!("\"message\" {at} 2")).into())
    );
}

#[test]
fn where_tls_begins_its_records_follow() {
    let hello = hello();
    let answer = [&[0x16, 3, 3, 0, 2][..], b"ab"].concat();
    let file = capture(
        7000,
        &[
            (Client, b"STARTTLS\n"),
            (Server, b"ready\nof"),
            (Client, &hello),
            (Server, &answer),
            (Client, &[0x15, 3, 3, 0, 1, 9]),
        ],
    );
    let events = json(&["-f", "line"], &file);
    let tls = named(&events, "framing");
    assert_eq!((tls.len(), &tls[0]["framing"]), (1, &"tls".into()));
    assert_eq!((&tls[0]["direction"], &tls[0]["offset"]), (&"c2s".into(), &9.into()));
    let messages: Vec<_> =
        named(&events, "message").iter().map(|one| (one["offset"].clone(), one["direction"].clone())).collect();
    let expected = [(0, "c2s"), (0, "s2c"), (9, "c2s"), (8, "s2c"), (78, "c2s")];
    assert_eq!(messages, expected.map(|(offset, direction)| (offset.into(), direction.into())), "{events:?}");
    let (text, errors, code) = decoded(&["-f", "line"], &file);
    assert!(text.contains("12:00:03.000 1 c2s @9: TLS begins; from here on messages in tls\n"), "{text}");
    assert!(errors.contains("peer 1 s2c @6: 2 bytes of an unfinished message") && code == 0, "{errors}");
    // What only looks like it is not taken for it.
    let mut wrong = hello.clone();
    wrong[8] = 9;
    for other in [&wrong[..], &hello[..9]] {
        let file = capture(7000, &[(Client, other)]);
        assert!(named(&json(&["-f", "line"], &file), "framing").is_empty());
    }
    // Who asks for the bytes as they are gets them.
    assert!(named(&json(&["-f", "raw"], &file), "framing").is_empty());
    // Port 80 is that of HTTP.
    let other = capture(80, &[(Client, &hello), (Server, &answer)]);
    assert_eq!(named(&json(&[], &other), "framing")[0]["offset"], 0);
    let once = capture(443, &[(Client, &hello)]);
    assert!(named(&json(&[], &once), "framing").is_empty(), "the port has said so");
}

#[test]
fn from_a_time_on() {
    let said: [Said<'_>; 4] = [(Client, b"one\n"), (Client, b"tw"), (Client, b"o\nthree\n"), (Server, b"four\n")];
    let mut file = capture(7000, &said);
    add(&mut file, 7001, &[(Client, b"early\n")]);
    for time in ["2026-11-27T12:00:03Z", "2026-11-27T13:00:03+01:00", "2026-11-27 12:00:02.5", "12:00:03"] {
        let (text, errors, code) = decoded(&["-f", "line", "--from", time], &file);
        let lines = [
            "12:00:00.000 1 tcp 10.0.0.1:50000 to 10.0.0.2:7000 in line\n",
            "12:00:03.000 1 c2s 3 bytes: two\n12:00:03.000 1 c2s 5 bytes: three\n",
            "12:00:04.000 1 s2c 4 bytes: four\n- 1 open: 2 messages to the server, 1 message back\n",
        ];
        assert_eq!((&*text, &*errors, code), (&*lines.concat(), "", 0), "{time}");
    }
    assert_eq!(decoded(&["-f", "line", "--from", "12:00:05"], &file), Default::default());
    assert_eq!(decoded(&["-f", "line", "--from", "2026-11-27", "--io", "line", "-n", "1"], &file).0, "one\n");
    let (_, errors, code) = decoded(&["--from", "noon"], &file);
    assert!(code == 2 && errors.contains("a time such as 12:00:05"), "{errors}");
    let (_, errors, code) = decoded(&["--port", "x"], &file);
    assert!(code == 2 && errors.contains("a number from 0 to 65535"), "{errors}");
    let (_, errors, code) = decoded(&["-f", "line", "--from", "12:00"], b"one\n");
    assert!(code == 2 && errors.contains("--from is for captures"), "{errors}");
}
