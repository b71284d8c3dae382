//! Tests `shake --recording`: a recorded conversation at every boundary.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::rig::{Postgres, Redis, port_at_end, python_code, python_itself, temporary, unstick};

/// A recording of a connection, in lines: `>request` and `<answer`.
fn recording(messages: &[&str]) -> String {
    let mut text = String::from(
        "{\"event\":\"recording\",\"version\":1,\"framing\":\"line\"}\n\
         {\"event\":\"open\",\"peer\":1,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}\n",
    );
    for message in messages {
        let (side, message) = message.split_at(1);
        let way = if side == ">" { "c2s" } else { "s2c" };
        text += &format!("{{\"event\":\"segment\",\"peer\":1,\"direction\":\"{way}\",\"text\":\"{message}\\n\"}}\n");
    }
    text
}

#[test]
fn redis_answers_a_recorded_conversation_the_same_at_every_cut() {
    let redis = Redis::start();
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let path = path.to_str().unwrap();
    let to = format!("127.0.0.1:{}", redis.port);
    let mut bridge = unstick(&["listen", "127.0.0.1:0", "--to", &to, "-f", "redis", "--record", path]);
    let line = bridge.error_line_with("listening on ");
    let port = port_at_end(line.split(" for ").next().unwrap()).unwrap();
    let mut client = Command::new("redis-cli");
    client.args(["-p", &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut client = client.spawn().unwrap();
    client.stdin.take().unwrap().write_all(b"SET a 1\nGET a\nGET nothing\n").unwrap();
    assert!(client.wait().unwrap().success());
    bridge.signal(Signal::TERM);
    bridge.code();
    let mut shake = unstick(&["shake", "--recording", path, "--to", &to]);
    let report = shake.rest();
    assert!(report.starts_with("SAME EVERYWHERE\n"), "{report} {}", shake.errors());
    assert_eq!(shake.code(), 0);
}

#[test]
fn postgresql_is_not_accused_of_what_is_volatile() {
    let postgres = Postgres::start();
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let path = path.to_str().unwrap();
    let to = format!("127.0.0.1:{}", postgres.port);
    let mut bridge = unstick(&["listen", "127.0.0.1:0", "--to", &to, "-f", "postgres", "--record", path]);
    let line = bridge.error_line_with("listening on ");
    let port = port_at_end(line.split(" for ").next().unwrap()).unwrap().to_string();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-At", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", "SELECT 6 * 7", "-c", "SELECT 1"]);
    assert_eq!(psql.output().unwrap().stdout, b"42\n1\n");
    bridge.signal(Signal::TERM);
    bridge.code();
    let mut shake = unstick(&["shake", "--recording", path, "--to", &to, "--depth", "24"]);
    let report = shake.rest();
    assert!(report.starts_with("SAME EVERYWHERE\n"), "{report} {}", shake.errors());
}

/// Greets, and answers each line once it is there. A line that comes before the answer to the one before it, and the second part
/// of a line that is cut if `argv[1]` is `hasty`, get other answers.
const SERVER: &str = "
import select, socket, sys
listener = socket.create_server(('127.0.0.1', 0), backlog=64)
print(listener.getsockname()[1], flush=True)
while True:
    peer, _ = listener.accept()
    peer.sendall(b'welcome\\n')
    try:
        while True:
            line = peer.recv(100)
            while line and sys.argv[1] != 'hasty' and not line.endswith(b'\\n'):
                line += peer.recv(100)
            if not line:
                break
            early = line.count(b'\\n') > 1 or select.select([peer], [], [], 0.01)[0]
            peer.sendall(b'early\\n' if early and peer.recv(1, socket.MSG_PEEK) else b'got ' + line.strip() + b'\\n')
    except OSError:
        pass
    peer.close()
";

#[test]
fn each_recorded_message_waits_for_the_answers_before_it() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    fs::write(&path, recording(&["<welcome", ">one", "<got one", ">two", "<got two", ">three", "<got three"])).unwrap();
    let path = path.to_str().unwrap();
    for (how, verdict, code) in [("sound", "SAME EVERYWHERE\n", 0), ("hasty", "BROKEN: ", 6)] {
        let mut server = python_code(SERVER, &[how]);
        let port = port_at_end(&server.line()).unwrap();
        let to = format!("127.0.0.1:{port}");
        let mut shake = unstick(&["shake", "--recording", path, "--to", &to, "--json", "--depth", "6"]);
        let report: serde_json::Value = serde_json::from_str(&shake.rest()).unwrap();
        let sent = "one\ntwo\nthree\n";
        assert_eq!(shake.code(), code, "{verdict} {report:#} {}", shake.errors());
        if code == 6 {
            let baseline = &report["findings"][0]["baseline"]["connections"][0];
            assert_eq!(baseline["c2s"]["sent"], sent);
            assert_eq!(baseline["s2c"]["sent"], "welcome\ngot one\ngot two\ngot three\n", "none was early");
        }
    }
}

#[test]
fn a_program_on_pipes_gets_a_recorded_conversation_too() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    fs::write(&path, recording(&[">one", "<one", ">two", "<two"])).unwrap();
    let path = path.to_str().unwrap();
    let mut shake = unstick(&["shake", "--recording", path, "--stdio", "--", "cat"]);
    let report = shake.rest();
    assert!(report.starts_with("SAME EVERYWHERE\n"), "{report}");
    let hasty = "import os; [print(os.read(0, 100), flush=True) for _ in range(2)]";
    let python = python_itself();
    let mut shake = unstick(&["shake", "--recording", path, "--stdio", "--", python.to_str().unwrap(), "-c", hasty]);
    let report = shake.rest();
    assert!(report.starts_with("BROKEN: "), "{report}");
    // The printed command repeats it.
    assert!(report.contains("--recording"), "{report}");
}

#[test]
fn the_first_connection_in_which_both_talk_is_taken_unless_one_is_named() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let connection = |number: &str, messages: &[&str]| {
        let text = recording(messages).replace("\"peer\":1", &format!("\"peer\":{number}"));
        text.split_once('\n').unwrap().1.to_owned()
    };
    let text = recording(&[">alone"]) + &connection("2", &[">two", "<two"]) + &connection("3", &[">three", "<three"]);
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let python = python_itself();
    for (number, sent) in [(&[][..], "two\n"), (&["--connection", "3"], "three\n"), (&["--connection", "1"], "alone\n")]
    {
        let case = ["--case", "c2s:cut@1", "--stdio", "--json"];
        let hasty = ["--", python.to_str().unwrap(), "-c", "import os; print(os.read(0, 100))"];
        let mut shake = unstick(&[&["shake", "--recording", path][..], &case, number, &hasty].concat());
        let report: serde_json::Value = serde_json::from_str(&shake.rest()).unwrap();
        let errors = shake.errors();
        assert_eq!(report["findings"][0]["baseline"]["connections"][0]["c2s"]["sent"], sent, "{errors}");
        assert_eq!(errors.contains("connection 2 of "), number.is_empty(), "{errors}");
    }
}

#[test]
fn what_cannot_be_shaken_is_refused() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let run = |text: &str, more: &[&str]| {
        fs::write(&path, text).unwrap();
        let arguments = ["shake", "--recording", path.to_str().unwrap(), "--to", "127.0.0.1:1"];
        let mut shake = unstick(&[&arguments[..], more].concat());
        (shake.code(), shake.errors())
    };
    let whole = recording(&[">one", "<two"]);
    for (text, more, why) in [
        (&*whole, &["--connection", "2"][..], "connection 2 cannot be replayed"),
        (&whole, &["--send", "x"], "--recording and --send exclude each other"),
        (&whole, &["--", "cat"], "a client command and --recording exclude each other"),
        (&whole.replace("\"line\"", "null"), &[], "names no framing"),
        (&recording(&["<two"]), &[], "no connection in it can be replayed"),
        ("{}\n", &[], "is not a recording"),
    ] {
        let (code, errors) = run(text, more);
        assert!(errors.contains(why), "{why}: {errors}");
        assert_eq!(code, 2, "{why}");
    }
}

#[test]
fn datagrams_and_messages_of_a_websocket_are_refused_with_or_without_a_framing() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let bytes = recording(&[">one", "<two"]);
    for (protocol, carries) in [("udp", "datagrams"), ("ws", "messages")] {
        let messages = bytes.replace("\"segment\"", "\"message\"").replace("\"tcp\"", &format!("\"{protocol}\""));
        let messages = messages.replace("\"bytes\"}", &format!("\"{carries}\"}}"));
        for (text, more) in [
            (messages.clone(), &[][..]),
            (messages.replace("\"line\"", "null"), &[]),
            (messages.replace("\"line\"", "null"), &["-f", "line"]),
        ] {
            fs::write(&path, text).unwrap();
            let arguments = ["shake", "--recording", path.to_str().unwrap(), "--to", "127.0.0.1:1"];
            let mut shake = unstick(&[&arguments[..], more].concat());
            let errors = shake.errors();
            let why = "was recorded as whole messages, and only the bytes of a stream can be cut";
            assert!(errors.contains(why), "{errors}");
            assert!(
                errors.contains("datagrams cannot be cut; for a WebSocket, give each message with --send"),
                "{errors}"
            );
            assert_eq!(shake.code(), 2);
        }
    }
}
