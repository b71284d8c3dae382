//! Tests `-f auto` on bridges: the bytes pass at once, the messages are shown once their framing is known, and no byte is left out.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use serde_json::Value;

use crate::rig::{Nginx, Peer, Process, Redis, listener, port_at_end, random_bytes, unstick};

/// A bridge to this port that dumps what it guesses, once: with one client.
fn bridge(to: u16, more: &[&str]) -> (Process, u16) {
    let to = format!("127.0.0.1:{to}");
    let mut process = unstick(&[&["listen", "127.0.0.1:0", "--to", &to, "-f", "auto", "--dump"], more].concat());
    let line = process.error_line_with("listening on ");
    let port = port_at_end(line.split(" for ").next().unwrap()).unwrap();
    (process, port)
}

/// The events that follow, without those that only say who connects.
fn shown(process: &mut Process) -> Vec<Value> {
    let text = process.rest();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| ["segment", "message", "framing", "error"].contains(&event["event"].as_str().unwrap()))
        .collect()
}

/// What was shown of a side, put together.
fn bytes_of(events: &[Value], way: &str) -> u64 {
    let of = events.iter().filter(|event| event["direction"] == way);
    of.map(|event| event["bytes"].as_u64().unwrap()).sum()
}

/// A server that answers nothing, and a client of the bridge to it.
fn quiet(more: &[&str]) -> (Process, Peer, Peer) {
    let (server, address) = listener();
    let (process, port) = bridge(port_at_end(&address).unwrap(), &[&["--json", "--once"], more].concat());
    let client = Peer::connect(port);
    (process, client, Peer::accept(&server))
}

#[test]
fn real_servers_are_named_and_shown_in_messages() {
    let redis = Redis::start();
    let (mut process, port) = bridge(redis.port, &["--json", "--once"]);
    let mut client = Peer::connect(port);
    for _ in 0..2 {
        client.says("*1\r\n$4\r\nPI");
        client.says("NG\r\n");
        client.hears("+PONG\r\n");
    }
    drop(client);
    let events = shown(&mut process);
    assert_eq!((&events[0]["event"], &events[0]["framing"]), (&"framing".into(), &"redis".into()), "{events:?}");
    let messages: Vec<_> = events[1..].iter().map(|event| (&event["event"], &event["text"])).collect();
    let [ask, answer] = ["*1\r\n$4\r\nPING", "+PONG"].map(Value::from);
    let event = Value::from("message");
    assert_eq!(messages, [(&event, &ask), (&event, &answer), (&event, &ask), (&event, &answer)], "{events:?}");
    assert!(process.errors().contains("guessed redis: "), "{}", process.errors());

    let nginx = Nginx::start();
    let (mut process, port) = bridge(nginx.port, &["--once"]);
    let mut client = Peer::connect(port);
    client.says("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    client.hears_all();
    drop(client);
    let text = process.rest();
    assert!(text.contains(" c2s 51 bytes: GET / HTTP/1.1") && text.contains(" s2c "), "{text}");
    assert!(process.errors().contains("guessed http: "), "{}", process.errors());
}

#[test]
fn what_one_client_has_shown_holds_for_the_next() {
    let (server, address) = listener();
    let (mut process, port) = bridge(port_at_end(&address).unwrap(), &["--json"]);
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for (said, event, framing) in [(request, "message", true), ("GET / HT", "framing", true)] {
        let mut client = Peer::connect(port);
        let mut at = Peer::accept(&server);
        client.says(said);
        at.hears(said);
        let mut next = || loop {
            let line: Value = serde_json::from_str(&process.line()).unwrap();
            if line["event"] != "open" && line["event"] != "close" && line["event"] != "listening" {
                break line;
            }
        };
        let first = next();
        assert_eq!((first["framing"] == "http", first["guessed"] == true), (framing, true), "{first}");
        if event == "message" {
            assert_eq!(next()["text"], request);
        }
        drop((client, at));
    }
}

#[test]
fn bytes_pass_at_once_while_the_dump_waits() {
    let (mut process, mut client, mut server) = quiet(&[]);
    // A byte at a time: nothing is certain, and everything arrives.
    for byte in b"\x01\x02\x03\x04" {
        client.says([*byte]);
        server.hears([*byte]);
    }
    server.says("\x05");
    client.hears("\x05");
    drop((client, server));
    let events = shown(&mut process);
    assert!(events.iter().all(|event| event["event"] == "segment"), "{events:?}");
    assert_eq!((bytes_of(&events, "c2s"), bytes_of(&events, "s2c")), (4, 1), "{events:?}");
    let errors = process.errors();
    assert!(errors.contains("peer 1: cannot tell the framing from 5 bytes: it is shown in segments"), "{errors}");
}

/// As `MAX_HELD` of the program, which is twice `MAX_GUESS_DIRECTION`.
#[test]
fn what_is_never_certain_is_kept_up_to_a_limit() {
    const MAX_HELD: usize = 128 << 10;
    let random = random_bytes(88_172_645_463_325_252, 2 * MAX_HELD);
    let (mut process, mut client, mut server) = quiet(&[]);
    let mut sent = 0;
    for part in random.chunks(4096) {
        client.says(part);
        server.hears(part);
        sent += part.len();
        if sent > MAX_HELD + 4096 {
            break;
        }
    }
    // The connection is open, and what was kept is shown.
    let mut seen = 0;
    while seen < MAX_HELD as u64 {
        let event: Value = serde_json::from_str(&process.line()).unwrap();
        assert_ne!(event["event"], "message", "{event}");
        seen += if event["event"] == "segment" { event["bytes"].as_u64().unwrap() } else { 0 };
    }
    drop((client, server));
    assert_eq!(seen + bytes_of(&shown(&mut process), "c2s"), sent as u64);
}

/// As `MAX_HELD_TOGETHER` of the program: 16 MiB.
#[test]
fn what_all_connections_keep_is_limited() {
    const MAX_HELD_TOGETHER: usize = 16 << 20;
    let (server, address) = listener();
    let (mut process, port) = bridge(port_at_end(&address).unwrap(), &[]);
    let mut open = Vec::new();
    let mut says = |bytes: &[u8]| {
        let (mut client, mut at) = (Peer::connect(port), Peer::accept(&server));
        for part in bytes.chunks(32 << 10) {
            client.says(part);
            at.hears(part);
        }
        open.push((client, at));
    };
    // As many connections as a guess looks at, and then others.
    (0..32).for_each(|_| says(b"?"));
    let much = vec![0; 120 << 10];
    (0..=MAX_HELD_TOGETHER / much.len()).for_each(|_| says(&much));
    process.error_line_with("cannot tell the framing from ");
}

#[test]
fn what_breaks_the_guess_is_shown_as_it_came() {
    let (mut process, mut client, mut server) = quiet(&[]);
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for said in [request, request, "\0\0\0 no more of that", "nor this"] {
        client.says(said);
        server.hears(said);
    }
    drop((client, server));
    let events = shown(&mut process);
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["framing", "message", "message", "error", "segment", "segment"], "{events:?}");
    assert_eq!(bytes_of(&events, "c2s") as usize, 2 * request.len() + 19 + 8, "{events:?}");
}

#[test]
fn where_it_cannot_be_used_it_is_refused() {
    let to = ["--to", "127.0.0.1:9"];
    for (more, what) in [
        (&["listen", "127.0.0.1:0", "-f", "auto", to[0], to[1]][..], "-f auto guesses what --dump shows"),
        (
            &["listen", "udp://127.0.0.1:0", "-f", "auto", "--dump", to[0], to[1]],
            "is not a stream: it takes no framing",
        ),
        (
            &["listen", "127.0.0.1:0", "-f", "auto", "--dump", "--to-frame", "line", to[0], to[1]],
            "-f auto cannot be used with another framing",
        ),
    ] {
        let mut process = unstick(more);
        let (errors, code) = (process.errors(), process.code());
        assert!(errors.contains(what) && code == 2, "{more:?}: {errors}");
    }
}
