//! Tests `replay`: a recording as a server and as a client.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{Peer, Process, Redis, port_at_end, program, python_code, temporary, unstick, unstick_listen};

/// A recording of connections, in lines: `>request` and `<answer`.
fn recording(connections: &[&[&str]]) -> String {
    let mut text = "{\"event\":\"recording\",\"version\":1,\"framing\":\"line\"}\n".to_owned();
    let mut time = 0;
    for (peer, messages) in (1..).zip(connections) {
        let mut put = |line: String| {
            time += 1;
            let stamp = format!("\"peer\":{peer},\"time\":\"2026-11-28T01:00:00.{time:03}Z\"");
            text.push_str(&line.replacen("\"peer\":0", &stamp, 1));
            text.push('\n');
        };
        put("{\"event\":\"open\",\"peer\":0,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}"
            .to_owned());
        for message in *messages {
            let (side, text) = message.split_at(1);
            let way = if side == ">" { "c2s" } else { "s2c" };
            put(format!("{{\"event\":\"segment\",\"peer\":0,\"direction\":\"{way}\",\"text\":\"{text}\\n\"}}"));
        }
        put("{\"event\":\"close\",\"peer\":0}".to_owned());
    }
    text
}

/// Writes a recording into a file of this folder.
fn file(folder: &Path, connections: &[&[&str]]) -> String {
    let path = folder.join("session.jsonl");
    fs::write(&path, recording(connections)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `replay --listen` on a port of its own, and that port.
fn served(path: &str, more: &[&str]) -> (Process, u16) {
    let mut process = unstick(&[&["replay", path, "--listen", "127.0.0.1:0"], more].concat());
    let line = process.error_line_with("listening on ");
    let port = port_at_end(&line).unwrap();
    (process, port)
}

/// What `replay --to` prints, its errors and its exit status.
fn asked(path: &str, port: u16, more: &[&str]) -> (String, String, i32) {
    let to = format!("127.0.0.1:{port}");
    let mut process = Process::start(program().args(["replay", path, "--to", &to]).args(more));
    (process.rest(), process.errors(), process.code())
}

/// What redis-cli prints for these commands.
fn redis_cli(port: u16) -> String {
    let port = port.to_string();
    let run = |words: &[&str]| {
        let out = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
        String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap()
    };
    [&["SET", "a", "1"][..], &["GET", "a"], &["INCR", "a"], &["GET", "nothing"], &["LPOP", "a"]].map(run).concat()
}

#[test]
fn redis_and_its_client_see_no_difference() {
    let redis = Redis::start();
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let path = path.to_str().unwrap();
    let to = format!("127.0.0.1:{}", redis.port);
    let mut bridge = unstick(&["listen", "127.0.0.1:0", "--to", &to, "-f", "redis", "--record", path]);
    let line = bridge.error_line_with("listening on ");
    let real = redis_cli(port_at_end(line.split(" for ").next().unwrap()).unwrap());
    assert!(real.contains("OK\n1\n2\n\nWRONGTYPE"), "{real}");
    bridge.signal(Signal::TERM);
    bridge.code();

    let (mut server, port) = served(path, &[]);
    assert_eq!(redis_cli(port), real);
    assert_eq!(redis_cli(port), real, "a second time, from the beginning");
    server.signal(Signal::TERM);
    assert_eq!((server.errors(), server.code()), (String::new(), 143));

    let (text, errors, code) = asked(path, redis.port, &[]);
    assert_eq!((&*text, &*errors, code), ("SAME: 5 answers in 5 connections\n", "", 0));
    Command::new("redis-cli").args(["-p", &redis.port.to_string(), "SET", "nothing", "something"]).output().unwrap();
    let (text, errors, code) = asked(path, redis.port, &[]);
    assert_eq!((&*text, code), ("DIFFERENT: 1 of 5 connections\n", 6));
    assert!(errors.contains("peer 4: message 2 (s2c) of connection 4 differs from the recording\n"), "{errors}");
    assert!(errors.contains("  recorded  $-1") && errors.contains("  received  $9"), "{errors}");
}

#[test]
fn a_request_that_was_not_recorded_is_shown_and_reset_or_closed() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">hello", "<hi", ">how are you", "<fine"]]);
    let (mut server, port) = served(&path, &["--once"]);
    let mut client = Peer::connect(port);
    client.says("hello\n");
    client.hears("hi\n");
    client.says("how is it\n");
    client.is_dropped();
    assert_eq!(server.code(), 6);
    let errors = server.errors();
    let shown = "peer 1: message 3 (c2s) of connection 1 differs from the recording\n  recorded  how are you\n  received  how is it\n                ^ byte 4\n";
    assert!(errors.ends_with(shown), "{errors}");
    let (mut server, port) = served(&path, &["--once", "--on-mismatch", "close"]);
    let mut client = Peer::connect(port);
    client.says("hey\n");
    assert_eq!(client.hears_all(), b"");
    assert_eq!(server.code(), 6);
    // One that ends early differs, too.
    let mut server = unstick(&["replay", &path, "--listen", "127.0.0.1:0", "--once", "--json"]);
    let listening: Value = serde_json::from_str(&server.line()).unwrap();
    let port = port_at_end(listening["address"].as_str().unwrap()).unwrap();
    let mut client = Peer::connect(port);
    client.says("hello\n");
    client.hears("hi\n");
    client.half_closes();
    assert_eq!(server.code(), 6);
    let events: Vec<Value> = server.rest().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let difference = events.iter().find(|event| event["event"] == "difference").unwrap();
    assert_eq!((&difference["message"], &difference["recorded"]), (&3.into(), &"how are you".into()));
    assert_eq!(difference["received"], Value::Null);
}

#[test]
fn many_clients_get_the_connections_that_they_ask_for() {
    let folder = temporary();
    let path =
        file(folder.path(), &[&["<welcome", ">one", "<1"], &["<welcome", ">two", "<2"], &["<other", ">three", "<3"]]);
    let (_server, port) = served(&path, &[]);
    let mut clients: Vec<Peer> = (0..6).map(|_| Peer::connect(port)).collect();
    // The greetings are those of the recorded order.
    for (client, greeting) in clients.iter_mut().zip(["welcome\n", "welcome\n", "other\n"].iter().cycle()) {
        client.hears(greeting);
    }
    for (client, (request, answer)) in
        clients.iter_mut().zip([("two", "2"), ("one", "1"), ("three", "3")].iter().cycle())
    {
        client.says(format!("{request}\n"));
        client.hears(format!("{answer}\n"));
    }
}

#[test]
fn masked_bytes_are_not_compared_on_either_side() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">id 17", "<id 17 is there"]]);
    let (mut server, port) = served(&path, &["--once", "--mask", "3..5"]);
    let mut client = Peer::connect(port);
    client.says("id 99\n");
    client.hears("id 17 is there\n");
    client.half_closes();
    assert_eq!((client.hears_all().len(), server.code()), (0, 0));
    for (reply, mask, code) in [
        ("id 42 is there", &["--mask", "3..5"][..], 0),
        ("id 42 is there", &[], 6),
        ("id 42 iz there", &["--mask", "3..5"], 6),
        ("id 42 iz there", &["--mask", "3..5", "--mask", "7..8"], 0),
    ] {
        let (_server, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--reply", reply]);
        let said = asked(&path, port, mask);
        assert_eq!(said.2, code, "{reply} {mask:?} {said:?}");
    }
}

#[test]
fn a_pattern_leaves_out_what_has_no_fixed_length() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">at 9 o'clock", "<it is 9 now"]]);
    let (mut server, port) = served(&path, &["--once", "--mask", "[0-9]+", "--mask", "o'?clock"]);
    let mut client = Peer::connect(port);
    client.says("at 1234 oclock\n");
    client.hears("it is 9 now\n");
    client.half_closes();
    assert_eq!((client.hears_all().len(), server.code()), (0, 0));
    for (reply, code) in [("it is 17 now", 0), ("it is 17 then", 6), ("it is now", 6)] {
        let (_server, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--reply", reply]);
        let (_, errors, said) = asked(&path, port, &["--mask", "[0-9]+"]);
        assert_eq!(said, code, "{reply} {errors}");
        if reply == "it is 17 then" {
            let shown = "  recorded  it is 9 now\n  received  it is 17 then";
            assert!(errors.contains(shown), "{errors}");
        }
    }
    let mut refused = unstick(&["replay", &path, "--to", "127.0.0.1:1", "--mask", "a(b"]);
    assert!(refused.errors().contains("not a regular expression: unclosed group"));
    assert_eq!(refused.code(), 2);
    // Each is an expression, and both together are none.
    let twice = &["--mask", "(?P<a>x)", "--mask", "(?P<a>y)"];
    let mut refused = unstick(&[&["replay", &*path, "--to", "127.0.0.1:1"], &twice[..]].concat());
    assert!(refused.errors().contains("these patterns cannot be used together"));
    assert_eq!(refused.code(), 2);
}

#[test]
fn ids_are_copied_from_requests_to_their_answers() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">q 01 one", ">q 02 two", "<02: second", "<01: first", "<99: more"]]);
    let (mut server, port) = served(&path, &["--once", "--copy", "2:2:0"]);
    let mut client = Peer::connect(port);
    client.says("q 77 one\nq 88 two\n");
    client.hears("88: second\n77: first\n99: more\n");
    client.half_closes();
    assert_eq!((client.hears_all().len(), server.code()), (0, 0));
    let (mut server, port) = served(&path, &["--once", "--copy", "2:2:0"]);
    let mut client = Peer::connect(port);
    client.says("q 77 won\n");
    client.is_dropped();
    assert_eq!(server.code(), 6);
    assert!(server.errors().contains("^ byte 5"), "the id is not the difference");
    let mut refused = unstick(&["replay", &path, "--listen", "127.0.0.1:0", "--copy", "4"]);
    assert_eq!((refused.errors().is_empty(), refused.code()), (false, 2));
}

/// Gives each connection another session, and answers only those requests that repeat it.
const SESSIONS: &str = "
import socket
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
for session in range(70, 99):
    peer, _ = listener.accept()
    lines = peer.makefile('rwb')
    for line in lines:
        words = line.split()
        known = words[0] == b'login' or words[1] == b'%d' % session
        lines.write((b'%d %s' % (session, words[0]) if known else b'no session') + b'\\n')
        lines.flush()
    lines.close()
    peer.close()
";

#[test]
fn ids_that_the_server_gives_out_are_copied_into_later_requests() {
    let folder = temporary();
    let asks = [">login", "<10 login", ">read 10", "<10 read", ">quit 10", "<10 quit"];
    let path = file(folder.path(), &[&asks, &asks]);
    let mut server = python_code(SESSIONS, &[]);
    let port = port_at_end(&server.line()).unwrap();
    let (text, errors, code) = asked(&path, port, &["--copy", "5:2:0"]);
    assert_eq!((&*text, &*errors, code), ("SAME: 6 answers in 2 connections\n", "", 0));
    let (_, errors, code) = asked(&path, port, &["--mask", "0..2"]);
    assert_eq!(code, 6, "without it the server does not know the session");
    assert!(errors.contains("message 4 (s2c) of connection 1 differs"), "{errors}");
}

#[test]
fn volatile_bytes_are_learnt_from_a_second_recording() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">hello id=1701", "<welcome 1701", "<bye"]]);
    let other = |messages: &[&str]| {
        let path = folder.path().join("other.jsonl");
        fs::write(&path, recording(&[messages])).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let second = other(&[">hello id=1709", "<welcome 1709", "<bye"]);
    let mut server = unstick(&["replay", &path, "--listen", "127.0.0.1:0", "--once", "--mask-from", &second]);
    let learnt = server.error_line_with("volatile");
    assert!(learnt.ends_with("other.jsonl: 8 bytes of 2 messages are volatile, and are not compared"), "{learnt}");
    let port = port_at_end(&server.error_line_with("listening on ")).unwrap();
    let mut client = Peer::connect(port);
    client.says("hello id=4242\n");
    client.hears("welcome 1701\nbye\n");
    client.half_closes();
    assert_eq!((client.hears_all().len(), server.code()), (0, 0));
    // Nothing else may differ.
    let refused = |second: &str, more: &[&str]| {
        let mut run = unstick(&[&["replay", &*path, "--to", "127.0.0.1:1", "--mask-from", second], more].concat());
        let errors = run.errors();
        (run.code(), errors)
    };
    for (messages, why) in [
        (&[">hello id=1709", "<welcome 1709"][..], "the server of connection 1 sent 2 messages, and 1"),
        (&[">hello id=1709", "<welcome 17090", "<bye"], "message 2 of connection 1 has another length"),
    ] {
        let (code, errors) = refused(&other(messages), &[]);
        assert!(errors.contains("other.jsonl is not a recording of the same conversation: "), "{errors}");
        assert!(errors.contains(why), "{errors}");
        assert_eq!(code, 2);
    }
    // A pattern takes what has no fixed length: then the run goes on to its connection.
    let longer = other(&[">hello id=1709", "<welcome 17090", "<bye"]);
    let (code, errors) = refused(&longer, &["--mask", "[0-9]+"]);
    assert!(errors.contains("connection refused"), "{errors}");
    assert_eq!(code, 3);
    let lost =
        recording(&[&[">a"]]) + "{\"event\":\"lost\",\"peer\":1,\"direction\":\"c2s\",\"bytes\":1,\"events\":1}\n";
    fs::write(&longer, lost).unwrap();
    let (code, errors) = refused(&longer, &[]);
    assert!(errors.contains("connection 1 cannot be compared: 1 byte of it was not recorded"), "{errors}");
    assert_eq!(code, 2);
}

#[test]
fn directions_with_framings_of_their_own_are_replayed() {
    let folder = temporary();
    let two = "\"framing_c2s\":\"line\",\"framing_s2c\":\"delim:3b\"";
    let text = recording(&[&[">hello", ">more", "<one;two;"]]).replace("\"framing\":\"line\"", two);
    let path = folder.path().join("session.jsonl");
    fs::write(&path, text.replace("two;\\n", "two;")).unwrap();
    let path = path.to_str().unwrap();
    let (mut server, port) = served(path, &["--once"]);
    let (text, errors, code) = asked(path, port, &[]);
    assert_eq!((&*text, &*errors, code), ("SAME: 2 answers in 1 connection\n", "", 0));
    assert_eq!(server.code(), 0);
}

#[test]
fn missing_and_further_answers_are_differences() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">hello", "<hello", "<and more"]]);
    let (_server, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
    let (_, errors, code) = asked(&path, port, &["--deadline", "300ms"]);
    assert!(errors.contains("message 3 (s2c) of connection 1 has not come\n  recorded  and more"), "{errors}");
    assert_eq!(code, 6);
    let path = file(folder.path(), &[&[">hello", ">world", "<hello"]]);
    let (text, errors, code) = asked(&path, port, &["--json"]);
    assert_eq!((&*errors, code), ("", 6));
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["difference", "close", "verdict"]);
    assert_eq!((&events[0]["recorded"], &events[0]["received"]), (&Value::Null, &"world".into()));
    assert_eq!((&events[0]["version"], &events[2]["verdict"]), (&1.into(), &"different".into()));
    let path = file(folder.path(), &[&[">hello"]]);
    let (_server, port) = unstick_listen(&["127.0.0.1:0", "-f", "line"]);
    let (text, _, code) = asked(&path, port, &[]);
    assert_eq!((&*text, code), ("INCONCLUSIVE: the recording has no answers to compare\n", 7));
}

#[test]
fn pauses_are_kept_at_the_speed_that_is_asked_for() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let text = recording(&[&[">a", "<b"]]).replace("00:00.003Z", "00:02.002Z");
    assert!(text.contains("00:02.002Z"));
    fs::write(&path, text).unwrap();
    for (speed, least, most) in [("2x", 1.0, 10.0), ("max", 0.0, 0.9)] {
        let (_server, port) = served(path.to_str().unwrap(), &["--speed", speed]);
        let mut client = Peer::connect(port);
        let begun = std::time::Instant::now();
        client.says("a\n");
        client.hears("b\n");
        let took = begun.elapsed().as_secs_f64();
        assert!((least..most).contains(&took), "{speed}: {took}");
    }
}

#[test]
fn each_side_is_replayed_in_its_own_framing() {
    let folder = temporary();
    let path = file(folder.path(), &[]);
    let two = "\"framing_c2s\":\"line\",\"framing_s2c\":\"delim:3b\"";
    let text = recording(&[&[">a", "<b;c;", ">d"]]).replace("\"framing\":\"line\"", two).replace("b;c;\\n", "b;c;");
    fs::write(&path, text).unwrap();
    let (mut server, port) = served(&path, &["--once"]);
    let mut client = Peer::connect(port);
    client.says("a\n");
    client.hears("b;c;");
    client.says("d\n");
    client.half_closes();
    assert_eq!((server.code(), server.errors()), (0, String::new()));
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let folder = temporary();
    let path = file(folder.path(), &[]);
    let run = |path: &str, more: &[&str]| {
        let mut process = unstick(&[&["replay", path], more].concat());
        (process.errors(), process.code())
    };
    let to = &["--to", "127.0.0.1:1"][..];
    let (errors, code) = run(&path, to);
    assert!(errors.contains("no connection in it can be replayed"), "{errors}");
    assert_eq!(code, 2);
    let none = recording(&[&[">a"]]).replace("\"line\"", "null");
    fs::write(&path, none).unwrap();
    let (errors, code) = run(&path, to);
    assert!(errors.contains("connection 1 is left out: no framing is named\n"), "{errors}");
    assert!(errors.contains("hint: -f names the framing"), "{errors}");
    assert_eq!(code, 2);
    let lost = recording(&[&[">a"], &[">b"]])
        + "{\"event\":\"lost\",\"peer\":2,\"direction\":\"c2s\",\"bytes\":7,\"events\":1}\n";
    fs::write(&path, lost).unwrap();
    let (errors, code) = run(&path, to);
    assert!(errors.contains("connection 2 is left out: 7 bytes of it were not recorded"), "{errors}");
    assert_eq!(code, 3);
    let two = "\"framing_c2s\":\"line\",\"framing_s2c\":\"crlf\"";
    fs::write(&path, recording(&[&[">a"]]).replace("\"framing\":\"line\"", two)).unwrap();
    let (errors, code) = run(&path, to);
    assert!(errors.contains("connection refused"), "it can be replayed: {errors}");
    assert_eq!(code, 3);
    fs::write(&path, recording(&[&[">a"]])).unwrap();
    let (errors, code) = run(&path, &["--to", "127.0.0.1:1", "--retry", "100ms"]);
    assert!(errors.contains("connection refused"), "{errors}");
    assert_eq!(code, 3);
    assert_eq!(run(&path, &[]).1, 2, "neither --listen nor --to");
    assert_eq!(run(&path, &["--to", "1", "--listen", "2"]).1, 2);
    // As `MAX_REPLAYED` of the program: with what each of these empty messages costs, they are over 128 MiB.
    let segment =
        format!("{{\"event\":\"segment\",\"peer\":0,\"direction\":\"c2s\",\"text\":\"{}\"}}", "\\n".repeat(2_000_000));
    let many = recording(&[&[">a"]]) + &segment.replace("\"peer\":0", "\"peer\":1") + "\n";
    fs::write(&path, many).unwrap();
    let (errors, code) = run(&path, to);
    assert!(errors.contains("over 128 MiB of messages"), "{errors}");
    assert_eq!(code, 1);
}

#[test]
fn a_report_for_junit_has_a_test_case_for_each_connection() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">hello", "<hello"], &[">a<b", "<a<c"]]);
    let report = folder.path().join("report.xml");
    let report = report.to_str().unwrap();
    let (_server, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
    assert_eq!(asked(&path, port, &["--junit", report]).2, 6);
    let xml = fs::read_to_string(report).unwrap();
    assert!(xml.contains("<testsuite name=\"unstick replay\" tests=\"2\" failures=\"1\" errors=\"0\""), "{xml}");
    assert!(xml.contains("name=\"peer 1: connection 1\"") && xml.contains("name=\"peer 2: connection 2\""), "{xml}");
    assert!(xml.contains("<failure message=\"message 2 (s2c) differs from the recording\">"), "{xml}");
    assert!(xml.contains("  recorded  a&lt;c\n  received  a&lt;b\n"), "{xml}");
    // A server writes it at its end.
    let (mut server, port) = served(&path, &["--once", "--junit", report]);
    let mut client = Peer::connect(port);
    client.says("hello\n");
    client.hears("hello\n");
    client.half_closes();
    assert_eq!(server.code(), 0);
    let xml = fs::read_to_string(report).unwrap();
    assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"0\""), "{xml}");
    // So does a run that cannot connect, and one that compares nothing.
    let mut run = unstick(&["replay", &path, "--to", "127.0.0.1:1", "--junit", report]);
    assert_eq!(run.code(), 3);
    let xml = fs::read_to_string(report).unwrap();
    assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\"") && xml.contains("refused"), "{xml}");
    let path = file(folder.path(), &[&[">hello"]]);
    let (_server, port) = unstick_listen(&["127.0.0.1:0", "-f", "line"]);
    assert_eq!(asked(&path, port, &["--junit", report]).2, 7);
    assert!(
        fs::read_to_string(report).unwrap().contains("<error message=\"inconclusive: the recording has no answers")
    );
}

#[test]
fn faults_change_what_the_replay_sends() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">one", ">two", "<one", "<two"]]);
    let answer = |faults: &[&str]| {
        let mut server = unstick(&[&["replay", &path, "--listen", "127.0.0.1:0", "--once", "--json"], faults].concat());
        let line: Value = serde_json::from_str(&server.line()).unwrap();
        let mut client = Peer::connect(port_at_end(line["address"].as_str().unwrap()).unwrap());
        client.says("one\ntwo\n");
        client.half_closes();
        let heard = client.hears_all();
        server.code();
        let events: Vec<Value> = server.rest().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let faults = events.into_iter().find(|event| event["event"] == "faults");
        (String::from_utf8(heard).unwrap(), faults.unwrap_or_default())
    };
    let (heard, event) = answer(&["--fault", "dup=100%"]);
    assert_eq!(heard, "one\none\ntwo\ntwo\n");
    assert_eq!((&event["direction"], &event["taken"], &event["unit"]), (&"s2c".into(), &2.into(), &"messages".into()));
    assert_eq!(event["done"]["dup"], 2);
    assert_eq!(answer(&["--fault", "loss=100%,after=1"]).0, "one\n");
    assert_eq!(answer(&["--fault", "reorder=100%", "--seed", "1"]).0.len(), 8);
    let (heard, event) = answer(&["--fault", "cut=1"]);
    assert_eq!((&*heard, &event["unit"], &event["taken"]), ("one\ntwo\n", &"bytes".into(), &8.into()));
    // As a client: a lost request has no answer.
    let (_server, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
    let (_, errors, code) = asked(&path, port, &["--fault", "c2s:loss=100%,after=1", "--deadline", "300ms"]);
    assert!(errors.contains("message 4 (s2c) of connection 1 has not come"), "{errors}");
    assert_eq!(code, 6);
    let (text, errors, code) = asked(&path, port, &["--fault", "delay=5ms", "--fault", "corrupt=1:1000,after=100"]);
    assert_eq!((&*text, &*errors, code), ("SAME: 2 answers in 1 connection\n", "", 0));
    for (faults, why) in [
        (&["--fault", "s2c:loss=5%"][..], "only what the replay itself sends"),
        (&["--fault", "loss"], "`loss` has no amount"),
        (&["--fault", "cut=1", "--fault", "loss=5%"], "cut is for bytes"),
        (&["--seed", "1"], "--fault"),
    ] {
        let (_, errors, code) = asked(&path, port, faults);
        assert!(errors.contains(why), "{errors}");
        assert_eq!(code, 2, "{faults:?}");
    }
}

#[test]
fn recordings_are_replayed_inside_tls_and_web_sockets() {
    let folder = temporary();
    let path = file(folder.path(), &[&[">hello", "<hi"]]);
    let mut server = unstick(&["replay", &path, "--listen", "tls://127.0.0.1:0", "--self-signed", "--once"]);
    let print = server.error_line_with("for --pin: ");
    let port = port_at_end(&server.error_line_with("listening on ")).unwrap();
    let to = format!("tls://127.0.0.1:{port}");
    let pin = print.rsplit(' ').next().unwrap();
    let mut client = unstick(&["replay", &path, "--to", &to, "--pin", pin]);
    assert_eq!((&*client.rest(), client.code(), server.code()), ("SAME: 1 answer in 1 connection\n", 0, 0));
    // The messages of a WebSocket are replayed as messages, and on a stream in the framing that is named.
    let text = fs::read_to_string(&path).unwrap().replace("\"segment\"", "\"message\"").replace("\\n\"}", "\"}");
    fs::write(&path, text.replace("\"carries\":\"bytes\"", "\"carries\":\"messages\"")).unwrap();
    let mut server = unstick(&["replay", &path, "--listen", "ws://127.0.0.1:0", "--once", "--subprotocol", "x"]);
    let port = port_at_end(&server.error_line_with("listening on ")).unwrap();
    let to = format!("ws://127.0.0.1:{port}");
    let mut client = unstick(&["replay", &path, "--to", &to, "--subprotocol", "x", "--header", "X-Y: z"]);
    assert_eq!((&*client.rest(), client.code(), server.code()), ("SAME: 1 answer in 1 connection\n", 0, 0));
    let (mut server, port) = served(&path, &["--once", "-f", "u16be"]);
    let (text, errors, code) = asked(&path, port, &["-f", "u16be"]);
    assert_eq!((&*text, &*errors, code, server.code()), ("SAME: 1 answer in 1 connection\n", "", 0, 0));
    for (wrong, why) in [
        (&["--listen", "127.0.0.1:0", "--pin", "x"][..], "--pin, --sni and --insecure are for connecting"),
        (&["--listen", "ws://127.0.0.1:0", "--header", "A: b"], "--header is for connecting"),
        (&["--to", "127.0.0.1:1", "--self-signed"], "--self-signed is for a listener"),
        (&["--to", "127.0.0.1:1", "--sni", "x"], "for tls:// and wss://"),
        (&["--to", "127.0.0.1:1", "--binary"], "ws://"),
    ] {
        let mut refused = unstick(&[&["replay", &path], wrong].concat());
        let errors = refused.errors();
        assert!(errors.contains(why), "{errors}");
        assert_eq!(refused.code(), 2, "{wrong:?}");
    }
}
