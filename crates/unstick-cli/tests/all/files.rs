//! Tests `send` and `receive`: files between two programs and plain Python scripts, and clients that lie, stall or
//! disconnect.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::rig::{Process, port_at_end, python, temporary, unstick};

/// Content in which no two places are equal, so that a swapped or repeated piece shows.
fn content(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).take(length).collect()
}

fn sha256(bytes: &[u8]) -> String {
    // The hash is another program's, because ours is under test.
    let code = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())";
    let mut script = crate::rig::python_code(code, &[]);
    script.feed(bytes);
    script.end_input();
    script.line()
}

/// `unstick receive --plain` on a free port, and that port.
fn receive(inbox: &Path, more: &[&str]) -> (Process, u16) {
    waits(&[&["receive", "--plain", "127.0.0.1:0", inbox.to_str().unwrap()], more].concat())
}

fn waits(arguments: &[&str]) -> (Process, u16) {
    let mut process = unstick(arguments);
    let line = process.error_line_with("listening on ");
    let port = port_at_end(&line).unwrap_or_else(|| panic!("no port in {line:?}"));
    (process, port)
}

fn framed(object: &str) -> Vec<u8> {
    [&u32::try_from(object.len()).unwrap().to_be_bytes(), object.as_bytes()].concat()
}

/// The next object of a connection.
fn object(stream: &mut TcpStream) -> Value {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut object = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut object).unwrap();
    serde_json::from_slice(&object).unwrap()
}

/// Returns the server's answer to these bytes.
fn answer(port: u16, bytes: &[u8]) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(bytes).unwrap();
    object(&mut stream)
}

/// The names in a directory, to check that no half-written file is left.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

// ---- scripts and programs ----

#[test]
fn a_script_uploads_a_file() {
    let (folder, inbox) = (temporary(), temporary());
    let bytes = content(3_000_001);
    let path = folder.path().join("Grüße.bin");
    fs::write(&path, &bytes).unwrap();
    let (mut receiver, port) = receive(inbox.path(), &["--count", "1"]);
    let mut script = python("upload.py", port, &[path.to_str().unwrap()]);
    let hash = sha256(&bytes);
    assert_eq!(script.rest(), format!("{hash} {}\n", path.display()));
    assert_eq!(script.code(), 0);
    assert_eq!(receiver.rest(), format!("{hash}  Grüße.bin\n"));
    assert_eq!(receiver.code(), 0);
    assert_eq!(fs::read(inbox.path().join("Grüße.bin")).unwrap(), bytes);
    assert_eq!(names(inbox.path()), ["Grüße.bin"]);
}

#[test]
fn a_script_downloads_a_file() {
    let folder = temporary();
    let bytes = content(3_000_001);
    let (path, copy) = (folder.path().join("report.bin"), folder.path().join("copy"));
    fs::write(&path, &bytes).unwrap();
    let (mut sender, port) = waits(&["send", path.to_str().unwrap(), "--plain", "127.0.0.1:0", "--count", "1"]);
    let mut wrong = python("download.py", port, &["other.bin", copy.to_str().unwrap()]);
    assert_eq!(wrong.errors(), "no file of this name is offered\n");
    assert_eq!(wrong.code(), 1);
    let mut script = python("download.py", port, &["report.bin", copy.to_str().unwrap()]);
    let hash = sha256(&bytes);
    assert_eq!(script.rest(), format!("{hash} {}\n", copy.display()));
    assert_eq!(sender.rest(), format!("{hash}  report.bin\n"));
    assert_eq!(sender.code(), 0);
    assert_eq!(fs::read(copy).unwrap(), bytes);
}

#[test]
fn two_programs_upload_and_download() {
    let (folder, inbox) = (temporary(), temporary());
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, content(700_000)).unwrap();
    fs::write(&two, b"").unwrap();
    let files = [one.to_str().unwrap(), two.to_str().unwrap()];
    let (mut receiver, port) = receive(inbox.path(), &["--count", "2"]);
    let mut sender = unstick(&["send", files[0], files[1], "--to", &format!("127.0.0.1:{port}"), "--plain"]);
    let lines = format!("{}  one\n{}  two\n", sha256(&content(700_000)), sha256(b""));
    assert_eq!(sender.rest(), lines);
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert_eq!(receiver.rest(), lines);
    let (again, port) = waits(&["send", files[0], files[1], "--plain", "127.0.0.1:0"]);
    let from = format!("127.0.0.1:{port}");
    let fetched = temporary();
    let to = fetched.path().join("new/inbox");
    let fetch = ["receive", "--from", &from, "--plain", "--get", "one", "--get", "two", to.to_str().unwrap()];
    let mut fetcher = unstick(&fetch);
    assert_eq!(fetcher.rest(), lines);
    assert_eq!(fetcher.code(), 0);
    assert_eq!(fs::read(to.join("one")).unwrap(), content(700_000));
    let mut unnamed = unstick(&["receive", to.to_str().unwrap(), "--from", &from, "--plain"]);
    let errors = unnamed.errors();
    assert!(errors.contains("several files are offered"), "it has to be named: {errors}");
    assert_eq!(unnamed.code(), 1);
    again.signal(Signal::TERM);
}

#[test]
fn a_unix_socket_carries_files_as_well() {
    let folder = temporary();
    let (path, socket) = (folder.path().join("file"), folder.path().join("socket"));
    fs::write(&path, content(100_000)).unwrap();
    let socket = format!("unix:{}", socket.display());
    let inbox = folder.path().join("inbox");
    let mut receiver = unstick(&["receive", "--plain", &socket, inbox.to_str().unwrap(), "--count", "1"]);
    let mut sender = unstick(&["send", path.to_str().unwrap(), "--to", &socket, "--plain", "--retry", "10s"]);
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert_eq!(fs::read(inbox.join("file")).unwrap(), content(100_000));
}

#[test]
fn files_are_events_with_a_version() {
    let inbox = temporary();
    let mut receiver = unstick(&["receive", "--plain", "127.0.0.1:0", "--json", inbox.path().to_str().unwrap()]);
    let event = |line: String| -> Value { serde_json::from_str(&line).unwrap() };
    let listening = event(receiver.line());
    assert_eq!((listening["event"].as_str(), listening["version"].as_u64()), (Some("listening"), Some(1)));
    let port = port_at_end(listening["address"].as_str().unwrap()).unwrap();
    answer(port, &[framed(r#"{"name":"a\u001b[2J","size":3}"#), b"abc".to_vec()].concat());
    let (begun, received) = (receiver.line(), receiver.line());
    assert!(!begun.contains('\x1b') && begun.contains("\"event\":\"begun\""), "{begun}");
    let received = event(received);
    assert_eq!(received["event"], "received");
    assert_eq!((received["size"].as_u64(), &received["sha256"]), (Some(3), &json!(sha256(b"abc"))));
    answer(port, &framed(r#"{"name":"../a","size":3}"#));
    assert_eq!(event(receiver.line())["event"], "failed");
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json.md")).unwrap();
    let (_, part) = document.split_once("\n# `unstick send --json` and `unstick receive --json`").expect("a part");
    for word in ["listening", "begun", "received", "sent", "failed", "name", "size", "sha256", "present", "error"] {
        assert!(part.contains(&format!("`{word}`")), "{word} is not described");
    }
}

// ---- refused files ----

#[test]
fn a_header_that_lies_leaves_nothing_behind() {
    let inbox = temporary();
    let (mut receiver, port) = receive(inbox.path(), &[]);
    fs::write(inbox.path().join("taken"), b"mine").unwrap();
    let zeros = "0".repeat(64);
    for (header, why) in [
        ("{\"name\":\"a\"".to_owned(), "not JSON"),
        (json!({ "name": "../a", "size": 3 }).to_string(), "another directory"),
        (json!({ "name": "/tmp/a", "size": 3 }).to_string(), "absolute"),
        (json!({ "name": "a/../../b", "size": 3 }).to_string(), "another directory"),
        (json!({ "name": "a", "size": 3, "sha256": "x" }).to_string(), "64 hexadecimal digits"),
        (json!({ "name": "a", "size": 3, "sha256": zeros }).to_string(), "its SHA-256 is ba7816bf"),
        (json!({ "name": "a", "size": 2 }).to_string(), "more than the 2 bytes"),
        (json!({ "name": "a", "size": 1_u64 << 59 }).to_string(), "do not fit"),
        (json!({ "name": "taken", "size": 3 }).to_string(), "another file of this name"),
        (json!({ "name": "taken/a", "size": 3 }).to_string(), "taken/a"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&[&framed(&header)[..], b"abc"].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = object(&mut stream);
        assert_eq!(answer["ok"], false, "{header}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{header}: {answer}");
        receiver.error_line_with(&answer["error"].as_str().unwrap()[..10]);
    }
    assert_eq!(names(inbox.path()), ["taken"]);
    assert_eq!(fs::read(inbox.path().join("taken")).unwrap(), b"mine");
    assert_eq!(answer(port, &[framed(r#"{"name":"a","size":3}"#), b"abc".to_vec()].concat())["ok"], true);
    assert_eq!(receiver.line(), format!("{}  a", sha256(b"abc")), "the receiver goes on");
}

#[test]
fn a_cut_leaves_nothing_behind() {
    let inbox = temporary();
    let (mut receiver, port) = receive(inbox.path(), &["--stall", "100ms"]);
    for (bytes, why) in [
        (vec![], "without a header"),
        (framed(r#"{"name":"a","size":9}"#), "after 0 of 9 bytes"),
        ([framed(r#"{"name":"a","size":9}"#), b"12345678".to_vec()].concat(), "after 8 of 9 bytes"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&bytes).unwrap();
        drop(stream);
        receiver.error_line_with(why);
    }
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    silent.write_all(&framed(r#"{"name":"a","size":9}"#)).unwrap();
    receiver.error_line_with("timed out after 100ms");
    assert_eq!(names(inbox.path()), [""; 0]);
}

#[test]
fn the_same_content_counts_as_received_and_other_content_stays() {
    let inbox = temporary();
    let (mut receiver, port) = receive(inbox.path(), &[]);
    let upload = |bytes: &[u8]| {
        let header = json!({ "name": "d/a", "size": bytes.len() }).to_string();
        answer(port, &[framed(&header), bytes.to_vec()].concat())
    };
    assert_eq!(upload(b"abc")["ok"], true);
    assert_eq!(upload(b"abc")["ok"], true);
    receiver.error_line_with("d/a was there already");
    for other in [&b"abd"[..], b"abcd"] {
        let refused = upload(other);
        assert_eq!(refused["error"], "d/a: another file of this name is there");
    }
    assert_eq!(fs::read(inbox.path().join("d/a")).unwrap(), b"abc");
    let (_replacing, port) = receive(inbox.path(), &["--overwrite", "always"]);
    let header = json!({ "name": "d/a", "size": 4 }).to_string();
    assert_eq!(answer(port, &[framed(&header), b"abcd".to_vec()].concat())["ok"], true);
    assert_eq!(fs::read(inbox.path().join("d/a")).unwrap(), b"abcd");
    assert_eq!(names(inbox.path()), ["d"]);
}

#[test]
fn a_link_does_not_lead_out_of_the_inbox() {
    let (inbox, outside) = (temporary(), temporary());
    std::os::unix::fs::symlink(outside.path(), inbox.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("new"), inbox.path().join("file")).unwrap();
    let (mut receiver, port) = receive(inbox.path(), &["--overwrite", "always"]);
    let through = answer(port, &[framed(r#"{"name":"link/a","size":3}"#), b"abc".to_vec()].concat());
    assert_eq!(through["ok"], false, "{through}");
    receiver.error_line_with("link/a");
    let over = answer(port, &[framed(r#"{"name":"file","size":3}"#), b"abc".to_vec()].concat());
    assert_eq!(over["ok"], true, "the link is replaced, not followed: {over}");
    assert_eq!(names(outside.path()), [""; 0]);
    assert_eq!(fs::read(inbox.path().join("file")).unwrap(), b"abc");
    let reserved = temporary();
    std::os::unix::fs::symlink(outside.path(), reserved.path().join(".unstick")).unwrap();
    let (_receiver, port) = receive(reserved.path(), &[]);
    let trapped = answer(port, &[framed(r#"{"name":"a","size":3}"#), b"abc".to_vec()].concat());
    assert_eq!(trapped["ok"], false, "{trapped}");
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn a_receiver_that_lies_or_refuses_fails_the_sender() {
    let folder = temporary();
    let path = folder.path().join("file");
    fs::write(&path, b"abc").unwrap();
    for (answer, status, why) in [
        (format!(r#"{{"ok":true,"sha256":"{}"}}"#, "0".repeat(64)), 6, "the receiver has 0000"),
        (r#"{"ok":true}"#.to_owned(), 6, "no hash to prove"),
        (r#"{"ok":false,"error":"no \u001b[2Jroom"}"#.to_owned(), 1, r"no \x1b[2Jroom"),
        ("[]".to_owned(), 5, "not a JSON object"),
    ] {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap().to_string();
        let mut sender = unstick(&["send", path.to_str().unwrap(), "--to", &to, "--plain"]);
        let (mut stream, _) = server.accept().unwrap();
        let header = object(&mut stream);
        assert_eq!((header["name"].as_str(), header["size"].as_u64()), (Some("file"), Some(3)));
        stream.read_exact(&mut [0; 3]).unwrap();
        stream.write_all(&framed(&answer)).unwrap();
        let errors = sender.errors();
        assert!(errors.contains(why), "{answer}: {errors}");
        assert_eq!(sender.code(), status, "{answer}: {errors}");
    }
}

#[test]
fn a_sender_reads_why_it_is_refused_before_it_has_sent_all() {
    let (folder, inbox) = (temporary(), temporary());
    let path = folder.path().join("file");
    fs::write(&path, content(20 << 20)).unwrap();
    fs::write(inbox.path().join("file"), b"mine").unwrap();
    let (_receiver, port) = receive(inbox.path(), &[]);
    let mut sender = unstick(&["send", path.to_str().unwrap(), "--to", &format!("127.0.0.1:{port}"), "--plain"]);
    let errors = sender.errors();
    assert!(errors.contains("the receiver refuses it: file: another file of this name is there"), "{errors}");
    assert_eq!(sender.code(), 1);
}

#[test]
fn a_receiver_that_was_killed_leaves_nothing_for_long() {
    let inbox = temporary();
    let (receiver, port) = receive(inbox.path(), &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&framed(r#"{"name":"a","size":9}"#)).unwrap();
    let parts = inbox.path().join(".unstick");
    while !parts.is_dir() || names(&parts).is_empty() {
        std::thread::yield_now();
    }
    let (_other, _) = receive(inbox.path(), &[]);
    assert_eq!(names(&parts).len(), 1, "a file that another run holds is not removed");
    receiver.signal(Signal::KILL);
    let mut receiver = receiver;
    assert_eq!(receiver.code(), 137);
    let (_next, _) = receive(inbox.path(), &[]);
    assert_eq!(names(inbox.path()), [""; 0]);
}

#[test]
fn many_clients_are_served_and_no_silent_one_holds_them_up() {
    let inbox = temporary();
    let (mut receiver, port) = receive(inbox.path(), &["--count", "20"]);
    let silent: Vec<TcpStream> =
        (1..unstick::limits::PLAIN_CLIENTS).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    for n in 0..20 {
        let header = json!({ "name": format!("f{n}"), "size": 3 }).to_string();
        assert_eq!(answer(port, &[&framed(&header)[..], b"abc"].concat())["ok"], true);
    }
    assert_eq!(receiver.code(), 0);
    assert_eq!(names(inbox.path()).len(), 20);
    drop(silent);
}

#[test]
fn a_header_has_a_limit_and_what_is_passed_over_too() {
    let inbox = temporary();
    let (mut receiver, port) = receive(inbox.path(), &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = unstick::limits::PLAIN_HEADER as u32 + 1;
    stream.write_all(&length.to_be_bytes()).unwrap();
    receiver.error_line_with("over the limit of 64 KiB");
    assert_eq!(stream.read(&mut [0; 9]).unwrap_or(0), 0, "it is not answered");
    // The server reads a refused file up to `PLAIN_DISCARDED`, then answers even if more follows.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let size = unstick::limits::PLAIN_DISCARDED + (1 << 30);
    stream.write_all(&framed(&json!({ "name": "../a", "size": size }).to_string())).unwrap();
    let error = object(&mut stream);
    assert!(error["error"].as_str().unwrap().contains("another directory"), "{error}");
    fs::write(inbox.path().join("taken"), b"mine").unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&framed(&json!({ "name": "taken", "size": size }).to_string())).unwrap();
    let piece = vec![0; 1 << 20];
    for _ in 0..unstick::limits::PLAIN_DISCARDED >> 20 {
        stream.write_all(&piece).unwrap();
    }
    assert_eq!(object(&mut stream)["ok"], false);
}

#[test]
fn a_source_that_changes_while_it_is_sent_is_not_received() {
    let (folder, inbox) = (temporary(), temporary());
    let path = folder.path().join("log");
    fs::write(&path, content(50 << 20)).unwrap();
    let (sender, port) = waits(&["send", path.to_str().unwrap(), "--plain", "127.0.0.1:0"]);
    let mut sender = sender;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&framed(r#"{"get":null}"#)).unwrap();
    let header = object(&mut stream);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    assert!((came.len() as u64) < header["size"].as_u64().unwrap(), "the last bytes are not sent");
    sender.error_line_with("it changed while it was sent");
    assert_eq!(names(inbox.path()), [""; 0]);
}

#[test]
fn a_disk_that_is_full_is_said_and_the_receiver_goes_on() {
    // A limit on the size of a file makes a write fail in its middle, as a full disk does, and needs no special rights.
    let inbox = temporary();
    let line = format!(
        "ulimit -f 64; exec {} receive --plain 127.0.0.1:0 {}",
        env!("CARGO_BIN_EXE_unstick"),
        inbox.path().display()
    );
    let mut command = std::process::Command::new("bash");
    let mut receiver = Process::start(command.args(["-c", &format!("trap '' XFSZ; {line}")]).env("UNSTICK_CONFIG", ""));
    let port = port_at_end(&receiver.error_line_with("listening on ")).unwrap();
    let header = json!({ "name": "large", "size": 1 << 20 }).to_string();
    let refused = answer(port, &[framed(&header), content(1 << 20)].concat());
    assert_eq!((&refused["ok"], &refused["error"]), (&json!(false), &json!("large: file too large")));
    assert_eq!(names(inbox.path()), [""; 0]);
    assert_eq!(answer(port, &[framed(r#"{"name":"a","size":3}"#), b"abc".to_vec()].concat())["ok"], true);
    assert_eq!(names(inbox.path()), ["a"]);
}

// ---- wrong use ----

#[test]
fn what_is_typed_wrongly_is_said() {
    let folder = temporary();
    let file = folder.path().join("a");
    fs::write(&file, b"abc").unwrap();
    let (file, folder) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
    for (arguments, why) in [
        (&["send", file, "--plain"][..], "an address is missing"),
        (&["receive", "--plain"], "an address is missing"),
        (&["send", file, "--to", ":1"], "--plain"),
        (&["send", file, "--plain", ":0", "--to", ":1"], "waits for clients"),
        (&["send", file, "--plain", "udp://:0"], "runs over TCP and unix:"),
        (&["send", file, "--plain", ":0", "--retry", "1s"], "--retry is for connecting"),
        (&["receive", folder, "--from", ":1", "--plain", "--count", "1"], "--count is for waiting"),
        (&["receive", "--from", ":1", "--plain", folder], "put --plain last"),
        (&["receive", folder, "--plain", ":0", "--get", "a"], "--get is for files of a server"),
        (&["send", file, file, "--plain", ":0"], "would both be `a`"),
    ] {
        let mut program = unstick(arguments);
        let errors = program.errors();
        assert!(errors.contains(why), "{arguments:?}: {errors}");
        assert_eq!(program.code(), 2, "{arguments:?}");
    }
    for (path, why) in [("/nonexistent", "no such file or directory"), (folder, "it is not a file")] {
        let mut program = unstick(&["send", path, "--plain", ":0"]);
        assert!(program.errors().contains(why));
        assert_eq!(program.code(), 1);
    }
}
