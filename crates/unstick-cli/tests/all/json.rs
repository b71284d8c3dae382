//! Tests `--json`: every event and every command, wrong lines, many peers.
//!
//! Not here: whether the document agrees (`docs`).

use serde_json::{Value, json};

use crate::rig::{Peer, Process, Vacancy, listener, unstick};

/// A listener with `--json`, and its port. It skips the first event.
fn listen(arguments: &[&str]) -> (Process, u16) {
    let mut process = unstick(&[&["listen", "127.0.0.1:0", "--json"], arguments].concat());
    let event = event(&mut process);
    let port = event["address"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
    (process, port.expect("the event has the address"))
}

/// The next event, without the parts that differ from run to run.
fn event(process: &mut Process) -> Value {
    let line = process.line();
    let mut event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let object = event.as_object_mut().expect("an event is an object");
    let time = object.remove("time").expect("an event has its time");
    let time = time.as_str().expect("a time is text");
    assert!(time.len() == "2026-11-22T10:43:41.798Z".len() && time.ends_with('Z'), "{time}");
    object.remove("from");
    object.remove("local");
    event
}

#[track_caller]
fn expect(process: &mut Process, expected: Value) {
    assert_eq!(event(process), expected);
}

fn tell(process: &mut Process, command: Value) {
    process.feed(format!("{command}\n"));
}

fn join(process: &mut Process, port: u16, number: u64) -> Peer {
    let peer = Peer::connect(port);
    expect(process, json!({ "event": "open", "peer": number }));
    peer
}

#[test]
fn a_conversation_of_a_listener() {
    let mut process = unstick(&["listen", "127.0.0.1:0", "--json"]);
    let first: Value = serde_json::from_str(&process.line()).unwrap();
    let address = first["address"].as_str().unwrap();
    assert_eq!((&first["event"], &first["version"]), (&"listening".into(), &1.into()));
    assert_eq!(first["addresses"], json!([address]));
    process.error_line_with(&format!("listening on {address}"));
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();

    let mut peer = Peer::connect(port);
    let local = peer.stream().local_addr().unwrap().to_string();
    let open: Value = serde_json::from_str(&process.line()).unwrap();
    assert_eq!((&open["event"], &open["peer"], &open["from"]), (&"open".into(), &1.into(), &local.clone().into()));
    assert_eq!(open["local"], format!("127.0.0.1:{port}"));
    assert_eq!(open.get("version"), None, "said once");

    peer.says("grüße\n");
    let message: Value = serde_json::from_str(&process.line()).unwrap();
    assert_eq!((&message["peer"], &message["from"], &message["text"]), (&1.into(), &local.into(), &"grüße".into()));
    tell(&mut process, json!({ "to": 1, "text": "zurück" }));
    peer.hears("zurück\n");
    tell(&mut process, json!({ "close": 1 }));
    peer.hears_the_end();
    drop(peer);
    expect(&mut process, json!({ "event": "close", "peer": 1, "reason": "closed" }));
    tell(&mut process, json!({ "quit": true }));
    assert_eq!((process.code(), &*process.rest(), &*process.errors()), (0, "", ""));
}

#[test]
fn a_conversation_of_a_client() {
    let (listener, address) = listener();
    let mut process = unstick(&["connect", &address, "--json"]);
    let mut peer = Peer::accept(&listener);
    expect(&mut process, json!({ "event": "open", "peer": 1, "version": 1 }));
    tell(&mut process, json!({ "text": "hi" }));
    peer.hears("hi\n");
    peer.says("ho\n");
    expect(&mut process, json!({ "event": "message", "peer": 1, "text": "ho" }));
    process.end_input();
    peer.hears_the_end();
    drop(peer);
    expect(&mut process, json!({ "event": "close", "peer": 1, "reason": "ended" }));
    assert_eq!((process.code(), &*process.rest(), &*process.errors()), (0, "", ""));
}

#[test]
fn to_whom() {
    let (mut process, port) = listen(&[]);
    let mut peers: Vec<Peer> = (1..=3).map(|number| join(&mut process, port, number)).collect();
    tell(&mut process, json!({ "text": "nobody has spoken: all" }));
    tell(&mut process, json!({ "to": "all", "text": "all" }));
    peers[1].says("me\n");
    expect(&mut process, json!({ "event": "message", "peer": 2, "text": "me" }));
    tell(&mut process, json!({ "text": "who spoke last" }));
    tell(&mut process, json!({ "to": 3, "base64": "/w==" }));
    for (at, peer) in peers.iter_mut().enumerate() {
        peer.hears("nobody has spoken: all\nall\n");
        match at {
            1 => peer.hears("who spoke last\n"),
            2 => peer.hears(b"\xff\n"),
            _ => {}
        }
    }
    process.end_input();
    peers.iter_mut().for_each(Peer::hears_the_end);
}

#[test]
fn any_message_comes_and_goes() {
    let messages: [(&[u8], Value); 5] = [
        (b"", json!({ "text": "" })),
        (b"two\nlines \"and\" \\ \0 \x1b[31m \x7f", json!({ "text": "two\nlines \"and\" \\ \0 \u{1b}[31m \u{7f}" })),
        ("\u{202e}\u{feff}😀".as_bytes(), json!({ "text": "\u{202e}\u{feff}😀" })),
        (b"\xff\xfe", json!({ "base64": "//4=" })),
        (b"nearly \xc3", json!({ "base64": "bmVhcmx5IMM=" })),
    ];
    let (mut process, port) = listen(&["-f", "u8"]);
    let mut peer = join(&mut process, port, 1);
    for (message, content) in messages {
        let frame = [&[message.len() as u8], message].concat();
        peer.says(&frame);
        let mut event = event(&mut process);
        let object = event.as_object_mut().unwrap();
        assert_eq!((object.remove("event"), object.remove("peer")), (Some("message".into()), Some(1.into())));
        assert_eq!(event, content);
        tell(&mut process, content);
        peer.hears(&frame);
    }
}

#[test]
fn a_line_that_makes_no_sense_is_an_error_and_the_run_goes_on() {
    let (mut process, port) = listen(&["-f", "null"]);
    let mut peer = join(&mut process, port, 1);
    for (line, error) in [
        ("hello", "standard input: not JSON: expected value at line 1 column 1"),
        ("{\"text\":\"hi\"", "standard input: not JSON: EOF while parsing an object at line 1 column 12"),
        ("[]", "standard input: not an object"),
        ("{}", "standard input: neither `text`, `base64`, `close` nor `quit`"),
        ("{\"to\":1}", "standard input: neither `text`, `base64`, `close` nor `quit`"),
        ("{\"txt\":\"hi\"}", "standard input: unknown key `txt`"),
        ("{\"text\":\"hi\",\"base64\":\"/w==\"}", "standard input: `text` and `base64` exclude each other"),
        ("{\"text\":1}", "standard input: `text` and `base64` are strings"),
        (
            "{\"base64\":\"/w\"}",
            "standard input: base64: the number of characters is not a multiple of 4: is the padding missing?",
        ),
        (
            "{\"to\":\"you\",\"text\":\"hi\"}",
            "standard input: `to` takes a peer's number, a list of numbers or \"all\"",
        ),
        ("{\"to\":-1,\"text\":\"hi\"}", "standard input: `to` takes a peer's number, a list of numbers or \"all\""),
        ("{\"close\":\"all\"}", "standard input: `close` takes a peer's number"),
        ("{\"close\":1,\"text\":\"bye\"}", "standard input: `close` takes `code` and `reason`, and no other key"),
        ("{\"quit\":1}", "standard input: `quit` takes the value true, and no other key"),
    ] {
        process.feed(format!("{line}\n"));
        let event = event(&mut process);
        assert_eq!((&event["event"], &event["error"]), (&"error".into(), &error.into()), "{line}");
        let known = ["{\"to\":1}", "{\"close\":1,\"text\":\"bye\"}"].contains(&line);
        let named = if known { json!(1) } else { json!(null) };
        assert_eq!(event["peer"], named, "{line}");
        assert!(event["hint"].as_str().is_some_and(|hint| hint.contains("{\"close\":2}")), "{event}");
    }
    let hint = "a number is a peer's from its coming until it leaves";
    for line in ["{\"to\":9,\"text\":\"hi\"}", "{\"close\":9}"] {
        process.feed(format!("{line}\n"));
        let gone = json!({ "event": "error", "peer": 9, "error": "there is no such peer", "hint": hint });
        assert_eq!(event(&mut process), gone, "{line}");
    }
    process.feed("{\"to\":1,\"text\":\"a\\u0000b\"}\n");
    let refused = event(&mut process);
    assert_eq!(refused["peer"], 1);
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("u32be")), "{refused}");
    assert_eq!(
        refused["error"],
        "the message contains its own delimiter (a zero byte) at byte 1, and would arrive in pieces"
    );
    process.feed("  \n\n{\"to\":1,\"text\":\"still here\"}\n");
    peer.hears("still here\0");
}

#[test]
fn a_peer_that_has_left_is_told_from_one_that_never_came() {
    let (mut process, port) = listen(&[]);
    drop(join(&mut process, port, 1));
    expect(&mut process, json!({ "event": "close", "peer": 1, "reason": "ended" }));
    tell(&mut process, json!({ "to": 1, "text": "too late" }));
    let event = event(&mut process);
    assert_eq!((&event["peer"], &event["error"]), (&1.into(), &"it has left".into()));
}

#[test]
fn a_run_that_does_not_begin_says_so_as_an_event_and_on_standard_error() {
    let vacancy = Vacancy::new();
    let nobody = &*vacancy.address;
    for (arguments, code, error) in [(vec!["connect", nobody], 3, "refused"), (vec!["listen", nobody], 3, "in use")] {
        let mut process = unstick(&[arguments, vec!["--json"]].concat());
        let event: Value = serde_json::from_str(&process.line()).unwrap();
        assert_eq!((&event["event"], &event["peer"], &event["version"]), (&"error".into(), &json!(null), &1.into()));
        assert!(event["error"].as_str().is_some_and(|said| said.contains(error)), "{event}");
        assert_eq!((process.code(), &*process.rest()), (code, ""));
        assert!(process.errors().contains(error));
    }
}

#[test]
fn nobody_to_send_to_all() {
    let (mut process, port) = listen(&[]);
    tell(&mut process, json!({ "to": "all", "text": "anybody?" }));
    let error = json!({ "event": "error", "error": "no peer is connected", "hint": null, "peer": null });
    expect(&mut process, error);
    tell(&mut process, json!({ "text": "whoever comes" }));
    join(&mut process, port, 1).hears("whoever comes\n");
}

#[test]
fn why_peers_go() {
    let (mut process, port) = listen(&["-f", "u8", "--until", "q", "--frame-timeout", "50ms", "--linger", "0s"]);
    let mut number = 0;
    let mut closes = |ends: &dyn Fn(&mut Process, Peer) -> Option<Peer>| {
        number += 1;
        let peer = join(&mut process, port, number);
        let kept = ends(&mut process, peer);
        let mut event = event(&mut process);
        drop(kept);
        assert_eq!((&event["event"], &event["peer"]), (&"close".into(), &number.into()));
        (event["reason"].take(), event["error"].take())
    };
    let message = |process: &mut Process, mut peer: Peer, text: &str| {
        peer.says([&[text.len() as u8], text.as_bytes()].concat());
        assert_eq!(event(process)["text"], text);
        peer
    };
    assert_eq!(closes(&|_, _| None), ("ended".into(), Value::Null));
    assert_eq!(closes(&|process, peer| Some(message(process, peer, "Q"))), ("until".into(), Value::Null));
    let stops = |mut peer: Peer| {
        peer.says("\x05ab");
        peer
    };
    let inside = "the stream ended 3 bytes into a 6-byte frame";
    let goes_inside = |_: &mut Process, peer: Peer| {
        stops(peer);
        None
    };
    assert_eq!(closes(&goes_inside), ("framing".into(), inside.into()));
    let late = "a frame did not end within 50ms: 3 bytes of it arrived";
    assert_eq!(closes(&|_, peer| Some(stops(peer))), ("timeout".into(), late.into()));
    let reset = "receiving: connection reset by peer";
    let resets = |process: &mut Process, peer: Peer| {
        message(process, peer, "x").resets();
        None
    };
    assert_eq!(closes(&resets), ("reset".into(), reset.into()));
}

#[test]
fn what_is_pending_and_what_is_lost() {
    let (mut process, port) = listen(&["-f", "line,max=4,oversize=discard"]);
    let mut peer = join(&mut process, port, 1);
    peer.says("far too long\nok\nrest");
    expect(&mut process, json!({ "event": "message", "peer": 1, "text": "ok" }));
    expect(&mut process, json!({ "event": "lost", "peer": 1, "messages": 1, "cut_short": 0 }));
    expect(&mut process, json!({ "event": "pending", "peer": 1, "bytes": 4, "text": "rest" }));
    peer.says("\n");
    expect(&mut process, json!({ "event": "message", "peer": 1, "text": "rest" }));
}

#[test]
fn a_failure_of_the_only_peer_is_an_event_and_a_status_and_said_once() {
    let (listener, address) = listener();
    let mut process = unstick(&["connect", &address, "--json", "-f", "u8"]);
    Peer::accept(&listener).says("\x05ab");
    expect(&mut process, json!({ "event": "open", "peer": 1, "version": 1 }));
    let error = "the stream ended 3 bytes into a 6-byte frame";
    let unfinished = json!({ "bytes": 3, "text": "\u{5}ab" });
    let close = json!({ "event": "close", "peer": 1, "reason": "framing", "error": error, "unfinished": unfinished });
    expect(&mut process, close);
    assert_eq!((process.code(), &*process.rest(), &*process.errors()), (5, "", ""));
}

/// Peers at once.
const MANY: u64 = 200;

#[test]
fn many_peers_each_with_its_own_answers() {
    let (mut process, port) = listen(&[]);
    let mut peers: Vec<Peer> = (1..=MANY).map(|number| join(&mut process, port, number)).collect();
    for round in 0..3 {
        for (at, peer) in peers.iter_mut().enumerate() {
            peer.says(format!("{round} from {at}\n"));
        }
        for _ in &peers {
            let message = event(&mut process);
            let (peer, text) = (&message["peer"], &message["text"]);
            assert_eq!(*text, format!("{round} from {}", peer.as_u64().unwrap() - 1));
            tell(&mut process, json!({ "to": peer, "text": format!("{} back", text.as_str().unwrap()) }));
        }
        for (at, peer) in peers.iter_mut().enumerate() {
            peer.hears(format!("{round} from {at} back\n"));
        }
    }
    tell(&mut process, json!({ "to": "all", "text": "that was all" }));
    process.end_input();
    for mut peer in peers {
        assert_eq!(peer.hears_all(), b"that was all\n");
    }
    let mut closed: Vec<u64> = (0..MANY).map(|_| event(&mut process)["peer"].as_u64().unwrap()).collect();
    closed.sort_unstable();
    assert!(closed.into_iter().eq(1..=MANY));
    assert_eq!((process.code(), &*process.rest()), (0, ""));
}

#[test]
fn to_some_and_to_all_but_some() {
    let (mut process, port) = listen(&[]);
    let mut peers: Vec<Peer> = (1..=3).map(|number| join(&mut process, port, number)).collect();
    tell(&mut process, json!({ "to": [1, 3, 1], "text": "1 and 3" }));
    tell(&mut process, json!({ "except": 2, "text": "all but 2" }));
    tell(&mut process, json!({ "to": "all", "except": [1, 2], "text": "3" }));
    tell(&mut process, json!({ "except": [1, 2, 3], "text": "nobody, and no error" }));
    tell(&mut process, json!({ "to": [2], "text": "2" }));
    peers[0].hears("1 and 3\nall but 2\n");
    peers[1].hears("2\n");
    peers[2].hears("1 and 3\nall but 2\n3\n");
    tell(&mut process, json!({ "to": [1, 7], "text": "one of them is not there" }));
    let error = event(&mut process);
    assert_eq!((&error["event"], &error["peer"]), (&"error".into(), &7.into()));
    process.end_input();
    peers.iter_mut().for_each(Peer::hears_the_end);
}

#[test]
fn errors_repeat_the_id_of_their_command() {
    let (mut process, port) = listen(&["-f", "u8"]);
    for command in [json!({ "to": 9, "text": "x", "id": "a" }), json!({ "close": 9, "id": 7 })] {
        tell(&mut process, command.clone());
        let error = event(&mut process);
        assert_eq!((&error["event"], &error["peer"], &error["id"]), (&"error".into(), &9.into(), &command["id"]));
    }
    let _peer = join(&mut process, port, 1);
    for command in [
        json!({ "to": 1, "text": "x".repeat(300), "id": "too long" }),
        json!({ "to": 1, "txt": "", "id": "unknown key" }),
        json!({ "to": 1, "text": "x", "binary": 1, "id": 1.5 }),
    ] {
        tell(&mut process, command.clone());
        let error = event(&mut process);
        assert_eq!((&error["event"], &error["peer"], &error["id"]), (&"error".into(), &1.into(), &command["id"]));
    }
    tell(&mut process, json!({ "to": 9, "text": "x" }));
    assert_eq!(event(&mut process).get("id"), None, "none was given");
    tell(&mut process, json!({ "quit": true, "id": "end" }));
    assert_eq!(process.code(), 0);
}

#[test]
fn a_close_overtakes_what_the_peer_does_not_read() {
    let (mut process, port) = listen(&[]);
    let _deaf = join(&mut process, port, 1);
    let text = "x".repeat(64 << 10);
    // More than the system and the queue of the only peer hold, and less than the program reads ahead.
    for _ in 0..60 {
        tell(&mut process, json!({ "to": 1, "text": text }));
    }
    tell(&mut process, json!({ "close": 1 }));
    let mut reasons = Vec::new();
    while reasons.is_empty() {
        let event = event(&mut process);
        match event["event"].as_str() {
            Some("close") => reasons.push(event["reason"].clone()),
            Some("error") => assert_eq!(event["error"], "it has left"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reasons, ["closed"]);
    tell(&mut process, json!({ "quit": true }));
    assert_eq!(process.code(), 0);
}

/// A peer that sends nothing is closed, in a conversation and in a bridge of bytes or of messages. The run goes on.
#[test]
fn silent_peers_are_let_go() {
    let (server, to) = listener();
    let bridge = ["--to", &*to, "--to-frame", "u32be"];
    for (more, bridged) in [(&[][..], false), (&bridge[..2], true), (&bridge[..], true)] {
        let mut process =
            unstick(&[&["listen", "127.0.0.1:0", "--json", "--peer-idle", "300ms", "-f", "line"], more].concat());
        let port = crate::rig::port_at_end(event(&mut process)["address"].as_str().unwrap()).unwrap();
        for number in 1..=2 {
            let mut silent = Peer::connect(port);
            let _server = bridged.then(|| Peer::accept(&server));
            assert_eq!(event(&mut process)["event"], "open");
            let close = event(&mut process);
            assert_eq!((&close["event"], &close["peer"]), (&"close".into(), &number.into()), "{close}");
            assert_eq!(close["reason"], "idle", "{more:?}");
            silent.is_dropped();
        }
    }
}
