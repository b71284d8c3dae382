//! Tests `--record`, and `decode` of what it has written.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::fs::OFlags;
use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{Peer, Process, Vacancy, port_at_end, program, temporary, unstick, unstick_listen};

/// The lines of a recording that are whole.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What happened, in short: `segment c2s hello`.
fn story(path: &Path) -> Vec<String> {
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let tell = |line: &Value| {
        [word(line, "event"), word(line, "direction"), word(line, "text")]
            .join(" ")
            .replace('\n', "|")
            .trim_end()
            .to_owned()
    };
    lines(path).iter().skip(1).map(tell).collect()
}

/// What `decode` prints of bytes, its errors and its exit status.
fn decoded(arguments: &[&str], file: &[u8]) -> (String, String, i32) {
    let mut process = Process::start(program().env("TZ", "UTC").arg("decode").args(arguments));
    let mut input = process.take_input();
    let bytes = file.to_vec();
    let feeding = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let said = (process.rest(), process.errors(), process.code());
    feeding.join().unwrap();
    said
}

/// Events of `decode --json`, in short: `message 1 c2s hello`.
fn messages(arguments: &[&str], file: &[u8]) -> Vec<String> {
    let (text, _, _) = decoded(&[&["--json"], arguments].concat(), file);
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let messages = events.filter(|event| event["event"] == "message");
    messages.map(|one| format!("{} {} {}", one["peer"], one["direction"].as_str().unwrap(), one["text"])).collect()
}

/// A bridge that records, to a server that echoes lines.
fn recorded_bridge(path: &Path, more: &[&str]) -> (Process, Process, u16) {
    let (server, to) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
    let path = path.to_str().unwrap();
    let to = format!("127.0.0.1:{to}");
    let mut bridge = unstick(&[&["listen", "127.0.0.1:0", "--to", &to, "--record", path], more].concat());
    let line = bridge.error_line_with("listening on ");
    let port = port_at_end(line.split(" for ").next().unwrap()).unwrap();
    (server, bridge, port)
}

#[test]
fn a_bridge_is_recorded_as_it_happens_and_survives_kill_9() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    fs::write(&path, "an older file").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let (_server, mut bridge, port) = recorded_bridge(&path, &["-f", "line"]);
    let mut clients = [Peer::connect(port), Peer::connect(port)];
    for (client, text) in clients.iter_mut().zip(["one\n", "two\n"]) {
        client.says(text);
        client.hears(text);
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    while lines(&path).len() < 7 {
        std::thread::yield_now();
    }
    bridge.signal(Signal::KILL);
    assert_eq!(bridge.code(), 137);
    let mut file = fs::read(&path).unwrap();
    let head: Value = serde_json::from_slice(file.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!((&head["event"], &head["version"], &head["framing"]), (&"recording".into(), &1.into(), &"line".into()));
    assert_eq!((&head["verb"], &head["role"]), (&"bridge".into(), &"server".into()));
    let whole = ["1 c2s \"one\"", "1 s2c \"one\"", "2 c2s \"two\"", "2 s2c \"two\""];
    let mut found = messages(&[], &file);
    found.sort();
    assert_eq!(found, whole);
    assert_eq!(messages(&["--connection", "2", "--s2c"], &file), ["2 s2c \"two\""]);
    // The last line is cut short.
    file.extend(br#"{"event":"segment","peer":1,"dir"#);
    let (text, errors, code) = decoded(&[], &file);
    assert!(errors.contains("the recording ends in the middle of line 8"), "{errors}");
    assert_eq!((text.matches("bytes").count(), code), (4, 0), "{text}");
}

#[test]
fn ends_are_recorded_and_who_reset() {
    let folder = temporary();
    let path = folder.path().join("ends");
    let (_server, mut bridge, port) = recorded_bridge(&path, &["--once"]);
    let mut client = Peer::connect(port);
    client.says("bye\n");
    client.hears("bye\n");
    client.half_closes();
    assert_eq!((client.hears_all().len(), bridge.code()), (0, 0));
    assert_eq!(story(&path), ["open", "segment c2s bye|", "segment s2c bye|", "end c2s", "end s2c", "close"]);
    assert_eq!(lines(&path)[0]["framing"], Value::Null);
    let path = folder.path().join("reset");
    let (_server, mut bridge, port) = recorded_bridge(&path, &["--once"]);
    let mut client = Peer::connect(port);
    client.says("bye\n");
    client.hears("bye\n");
    client.resets();
    assert_eq!(bridge.code(), 1);
    assert_eq!(story(&path), ["open", "segment c2s bye|", "segment s2c bye|", "reset c2s", "close"]);
    let (text, _, _) = decoded(&["-f", "line"], &fs::read(&path).unwrap());
    assert!(text.ends_with("reset: 1 message to the server, 1 message back\n"), "{text}");
}

#[test]
fn both_ends_of_a_conversation_are_recorded_whatever_carries_it() {
    for (scheme, listen, ask, protocol) in [
        ("", &[][..], &[][..], "tcp"),
        ("tls://", &["--self-signed"][..], &["--insecure"][..], "tls"),
        ("udp://", &[][..], &[][..], "udp"),
        ("ws://", &[][..], &[][..], "ws"),
    ] {
        let folder = temporary();
        let [server_file, client_file] = ["server", "client"].map(|name| folder.path().join(name));
        let at = format!("{scheme}127.0.0.1:0");
        let path = server_file.to_str().unwrap();
        let (mut server, port) = unstick_listen(&[&[&*at, "--echo", "--once", "--record", path], listen].concat());
        let at = format!("{scheme}127.0.0.1:{port}");
        let path = client_file.to_str().unwrap();
        let mut client = unstick(&[&["ask", &at, "hello", "--record", path], ask].concat());
        assert_eq!((client.rest(), client.code()), ("hello\n".to_owned(), 0), "{scheme}");
        if scheme == "udp://" {
            server.signal(Signal::TERM);
        }
        server.code();
        for (path, role) in [(&server_file, "server"), (&client_file, "client")] {
            let all = lines(path);
            assert_eq!((&all[0]["role"], &all[1]["protocol"]), (&role.into(), &protocol.into()), "{all:?}");
            assert!(all[1]["to"].as_str().unwrap().ends_with(&port.to_string()), "{all:?}");
            let file = fs::read(path).unwrap();
            assert_eq!(messages(&[], &file), ["1 c2s \"hello\"", "1 s2c \"hello\""], "{scheme} {role}");
        }
    }
}

#[test]
fn the_code_of_a_close_is_recorded() {
    let folder = temporary();
    let path = folder.path().join("session");
    let arguments = ["ws://127.0.0.1:0", "--once", "--record", path.to_str().unwrap(), "--no-stdin"];
    let (mut server, port) = unstick_listen(&arguments);
    let at = format!("ws://127.0.0.1:{port}");
    let mut client = unstick(&["connect", &at, "--send", "x", "--close-code", "4000", "--close-reason", "because"]);
    client.end_input();
    client.code();
    server.code();
    let all = lines(&path);
    let end = all.iter().find(|line| line["event"] == "end" && line["direction"] == "c2s").unwrap();
    assert_eq!((&end["code"], &end["close_reason"]), (&4000.into(), &"because".into()), "{all:?}");
}

#[test]
fn a_full_file_is_followed_by_another_one() {
    let folder = temporary();
    let path = folder.path().join("session");
    let (_server, mut bridge, port) = recorded_bridge(&path, &["-f", "line", "--record-max", "2K", "--once"]);
    let mut client = Peer::connect(port);
    for number in 0..20 {
        let text = format!("message {number:02}\n");
        client.says(&text);
        client.hears(&text);
    }
    client.half_closes();
    assert_eq!((client.hears_all().len(), bridge.code()), (0, 0));
    let older = folder.path().join("session.1");
    for path in [&older, &path] {
        assert!(fs::metadata(path).unwrap().len() < 2400);
        assert_eq!(lines(path)[0]["event"], "recording");
    }
    assert_eq!(lines(&path)[1]["continued"], true);
    let all = [fs::read(&older).unwrap(), fs::read(&path).unwrap()].concat();
    let found = messages(&["--c2s"], &all);
    let last: Vec<String> = (20 - found.len()..20).map(|number| format!("1 c2s \"message {number:02}\"")).collect();
    assert!(found.len() > 10);
    assert_eq!(found, last);
}

/// A named pipe takes nothing while nobody reads it, and fails once its reader has gone.
fn pipe(path: &Path) -> fs::File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Waits until nobody reads a pipe. A process that another test is just starting may still hold it.
fn has_no_reader(path: &Path) {
    let mut writing = fs::OpenOptions::new();
    writing.write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
    while writing.open(path).is_ok() {
        std::thread::yield_now();
    }
}

/// Reads a pipe on a thread, up to the end of a connection. Returns what has come so far, and the thread.
fn reading(mut file: fs::File) -> (Arc<Mutex<Vec<u8>>>, JoinHandle<()>) {
    let found: Arc<Mutex<Vec<u8>>> = Arc::default();
    let shared = Arc::clone(&found);
    let read = move || {
        let mut part = vec![0; 1 << 16];
        while !has(&shared, b"\"event\":\"close\"") {
            let read = file.read(&mut part).unwrap();
            shared.lock().unwrap().extend(&part[..read]);
        }
    };
    (found, std::thread::spawn(read))
}

/// Whether one of the last lines has this text.
fn has(found: &Mutex<Vec<u8>>, text: &[u8]) -> bool {
    let found = found.lock().unwrap();
    found.ends_with(b"\n") && found[found.len().saturating_sub(2000)..].windows(text.len()).any(|part| part == text)
}

#[test]
fn a_file_that_takes_nothing_slows_nothing() {
    let folder = temporary();
    let path = folder.path().join("pipe");
    let file = pipe(&path);
    let (_server, mut bridge, port) = recorded_bridge(&path, &["--once"]);
    let mut client = Peer::connect(port);
    let piece = [&[b'x'; (1 << 20) - 1][..], b"\n"].concat();
    for _ in 0..40 {
        client.says(&piece);
        client.hears(&piece);
    }
    let (found, thread) = reading(file);
    // Once the pipe is read, what passes is recorded again.
    let mut ticks = 0;
    while !has(&found, b"tick") {
        client.says("tick\n");
        client.hears("tick\n");
        ticks += 1;
    }
    client.half_closes();
    client.hears_all();
    assert_eq!(bridge.code(), 0);
    thread.join().unwrap();
    let found = String::from_utf8(std::mem::take(&mut *found.lock().unwrap())).unwrap();
    let (mut recorded, mut lost) = (0, 0);
    for line in found.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let bytes = line["bytes"].as_u64().unwrap_or_default();
        match line["event"].as_str().unwrap() {
            "segment" => recorded += bytes,
            "lost" => lost += bytes,
            _ => {}
        }
    }
    assert!(lost > 0 && recorded > 0, "{lost} {recorded}");
    assert_eq!(lost + recorded, (80 << 20) + ticks * 10);
    let (_, errors, _) = decoded(&["-f", "line", "--c2s"], found.as_bytes());
    assert!(errors.contains("not recorded: they came too fast"), "{errors}");
}

#[test]
fn a_file_that_fails_is_reported_once_and_the_run_goes_on() {
    let folder = temporary();
    let path = folder.path().join("pipe");
    let file = pipe(&path);
    let (_server, mut bridge, port) = recorded_bridge(&path, &["--once"]);
    drop(file);
    has_no_reader(&path);
    let mut client = Peer::connect(port);
    for text in ["one\n", "two\n", "three\n"] {
        client.says(text);
        client.hears(text);
    }
    client.half_closes();
    assert_eq!((client.hears_all().len(), bridge.code()), (0, 0));
    let errors = bridge.errors();
    assert_eq!(errors.matches("the recording ends here, and the run goes on").count(), 1, "{errors}");
}

#[test]
fn a_file_that_cannot_be_made_ends_the_run_before_it_begins() {
    let mut refused = unstick(&["listen", "0", "--record", "/nowhere/session"]);
    assert_eq!(refused.code(), 1);
    assert!(refused.errors().contains("cannot record to /nowhere/session: no such file or directory"));
    let mut refused = unstick(&["listen", "0", "--record", "-"]);
    assert_eq!(refused.code(), 2);
    let mut refused = unstick(&["listen", "0", "--record-max", "1M"]);
    assert_eq!(refused.code(), 2);
}

/// Its client does connect, so connections open and close in this run.
#[test]
fn a_bridge_whose_server_is_down_replaces_no_recording() {
    let folder = temporary();
    let path = folder.path().join("session");
    fs::write(&path, "an older recording").unwrap();
    let vacant = Vacancy::new();
    let at = path.to_str().unwrap();
    let mut bridge = unstick(&["listen", "127.0.0.1:0", "--to", &vacant.address, "--once", "--record", at]);
    let line = bridge.error_line_with("listening on ");
    let _client = Peer::connect(port_at_end(line.split(" for ").next().unwrap()).unwrap());
    assert_eq!(bridge.code(), 3);
    let errors = bridge.errors();
    assert!(errors.contains("no data passed, so the file still holds what it held before"), "{errors}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "an older recording");
}

#[test]
fn what_happened_before_the_first_data_is_recorded_with_it_and_has_a_limit() {
    /// As `MAX_HELD` of the program.
    const MAX_HELD: usize = 1_000;
    let folder = temporary();
    let path = folder.path().join("session");
    fs::write(&path, "an older recording").unwrap();
    let (_server, _bridge, port) = recorded_bridge(&path, &[]);
    let mut client = Peer::connect(port);
    assert_eq!(fs::read_to_string(&path).unwrap(), "an older recording");
    client.says("hello\n");
    client.hears("hello\n");
    while lines(&path).len() < 4 {
        std::thread::yield_now();
    }
    assert_eq!(story(&path), ["open", "segment c2s hello|", "segment s2c hello|"]);
    // Clients that say nothing replace an older file too, once there are many.
    fs::write(&path, "an older recording").unwrap();
    let (_server, mut bridge, port) = recorded_bridge(&path, &[]);
    for _ in 0..MAX_HELD {
        let mut client = Peer::connect(port);
        client.half_closes();
        assert_eq!(client.hears_all().len(), 0);
    }
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.code(), 143);
    assert!(lines(&path).len() > MAX_HELD);
}

const HEAD: &str = "{\"event\":\"recording\",\"version\":1,\"framing\":\"line\"}\n";
const OPEN: &str =
    "{\"event\":\"open\",\"peer\":1,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}\n";

#[test]
fn an_earlier_recording_stays_until_data_passes() {
    let folder = temporary();
    for name in ["a.jsonl", "a.pcapng"] {
        let path = folder.path().join(name);
        let file = path.to_str().unwrap();
        fs::write(&path, "an earlier recording, longer than the one that follows it".repeat(100)).unwrap();
        let before = fs::read(&path).unwrap();
        let vacant = Vacancy::new();
        let mut refused = unstick(&["ask", &vacant.address, "hi", "--record", file]);
        assert_eq!(refused.code(), 3);
        let errors = refused.errors();
        assert!(errors.contains("no data passed, so the file still holds what it held before"), "{errors}");
        assert_eq!(fs::read(&path).unwrap(), before, "nobody was reached");
        let (_echo, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--echo"]);
        assert_eq!(unstick(&["ask", &format!("127.0.0.1:{port}"), "hi", "--record", file]).code(), 0);
        let after = fs::read(&path).unwrap();
        assert!(after.len() < before.len() && !after.ends_with(b"it"), "{name}");
        let (text, errors, code) = decoded(&["--json"], &after);
        assert!(code == 0 && text.contains("\"hi"), "{name}: {text}{errors}");
    }
}

#[test]
fn what_is_malformed_is_named_with_its_line() {
    for (line, what) in [
        ("nonsense", "line 3: it is not JSON (column 2)"),
        ("7", "line 3: it is not an object"),
        ("{}", "line 3: `event` is missing"),
        (r#"{"event":"segment","peer":1,"text":"x"}"#, "line 3: `direction` is neither c2s nor s2c"),
        (r#"{"event":"segment","direction":"c2s","text":"x"}"#, "line 3: `peer` is not a number"),
        (r#"{"event":"segment","peer":1,"direction":"c2s"}"#, "line 3: neither `text` nor `base64`"),
        (r#"{"event":"segment","peer":1,"direction":"c2s","base64":"*"}"#, "line 3: base64: "),
        (r#"{"event":"segment","peer":1,"direction":"c2s","bytes":9,"text":"x"}"#, "line 3: `bytes` says other than 1"),
        (r#"{"event":"close","peer":1,"time":"yesterday"}"#, "line 3: `time` is not a time after 1970"),
        (r#"{"event":"lost","peer":1,"direction":"c2s"}"#, "line 3: `bytes` is not a number"),
    ] {
        let (text, errors, code) = decoded(&[], format!("{HEAD}{OPEN}{line}\n").as_bytes());
        assert!(errors.contains(what), "{line}: {errors}");
        assert_eq!((code, text.lines().count()), (1, 1), "{text}");
    }
    let later = HEAD.replace("\"version\":1", "\"version\":2");
    let (_, errors, code) = decoded(&[], later.as_bytes());
    assert!(errors.contains("is a recording of version 2"), "{errors}");
    assert_eq!(code, 1);
    // A later version of this format may have more, and what was lost without a connection says little.
    let more =
        format!("{HEAD}{OPEN}{{\"event\":\"mood\",\"peer\":1}}\n{{\"event\":\"lost\",\"peer\":null,\"events\":3}}\n");
    let (text, errors, code) = decoded(&[], more.as_bytes());
    assert_eq!((text.lines().count(), &*errors, code), (2, "", 0), "{text}");
}

#[test]
fn long_lines_and_many_connections_have_a_limit() {
    /// As `MAX_LINE` and `MAX_OPEN` of the program.
    const MAX_LINE: usize = 64 << 20;
    const MAX_OPEN: usize = 65_536;
    let long = format!("{HEAD}{}", "x".repeat(MAX_LINE + 1));
    let (_, errors, code) = decoded(&[], long.as_bytes());
    assert!(errors.contains("line 2: it has over 64 MiB"), "{errors}");
    assert_eq!(code, 1);
    let open = |peer| OPEN.replace("\"peer\":1", &format!("\"peer\":{peer}"));
    let many: String = std::iter::once(HEAD.to_owned()).chain((0..=MAX_OPEN).map(open)).collect();
    let (_, errors, code) = decoded(&[], many.as_bytes());
    assert!(errors.contains("over 65536 connections are open at once"), "{errors}");
    assert_eq!(code, 1);
}

/// Else a replay would wait for the server to end, which it did not.
#[test]
fn what_a_signal_ends_has_not_ended_by_itself() {
    let folder = temporary();
    let path = folder.path().join("session.jsonl");
    let (_server, mut bridge, port) = recorded_bridge(&path, &["-f", "line"]);
    let mut client = Peer::connect(port);
    client.says("hello\n");
    client.hears("hello\n");
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.code(), 143);
    assert_eq!(story(&path), ["open", "segment c2s hello|", "segment s2c hello|", "close"]);
}
