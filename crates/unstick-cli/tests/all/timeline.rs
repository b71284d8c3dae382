//! Tests the timeline, `decode --html`, in a real Chromium: hostile payloads, keys, narrow screens, many messages.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::rig::{Process, node_packages, program, temporary};

/// A recording of one connection, whose messages have a length of two bytes. Each segment is one of these.
fn recorded(folder: &Path, segments: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> PathBuf {
    let path = folder.join("session.jsonl");
    let mut text = "{\"event\":\"recording\",\"version\":1,\"framing\":\"u16be\"}\n".to_owned();
    text +=
        r#"{"event":"open","peer":1,"from":"</script><i>client</i>","to":"server","protocol":"tcp","carries":"bytes"}"#;
    for (at, (way, bytes)) in segments.into_iter().enumerate() {
        let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
        let base64 = data_encoding::BASE64.encode(&bytes);
        let time = format!("2026-11-28T01:00:{seconds:02}.{micros:06}Z");
        let line = format!(r#"{{"event":"segment","peer":1,"direction":"{way}","time":"{time}","base64":"{base64}"}}"#);
        write!(text, "\n{line}").unwrap();
    }
    fs::write(&path, text + "\n").unwrap();
    path
}

fn framed(message: &str) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message.as_bytes()].concat()
}

/// Makes a page of a recording. Returns its path and its text.
fn page_of(recording: &Path) -> (PathBuf, String) {
    let page = recording.with_extension("html");
    let mut process = Process::start(program().arg("decode").arg(recording).arg("--html").arg(&page));
    assert_eq!((process.code(), process.errors()), (0, String::new()));
    let text = fs::read_to_string(&page).unwrap();
    (page, text)
}

/// What a person would see of a page in Chromium, who looks for this text. `timeline/drive.js` is the person.
fn seen(page: &Path, search: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/timeline/drive.js");
    let mut node = Command::new("node");
    node.arg(script).arg(page).arg(page.parent().unwrap());
    node.env("NODE_PATH", node_packages()).env("SEARCH", search);
    let mut process = Process::start(&mut node);
    let text = process.rest();
    assert_eq!((process.errors(), process.code()), (String::new(), 0));
    serde_json::from_str(&text).unwrap()
}

/// The data in a page.
fn data_of(page: &str) -> Value {
    let data = page.split("application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(data).unwrap()
}

const SCRIPT: &str = "<script>alert(1)</script>";
const CLOSING: &str = "</script><script>alert(2)</script><!-- <b>bold</b>";

#[test]
fn hostile_messages_are_text_and_the_page_is_usable_by_keys_and_on_a_narrow_screen() {
    let folder = temporary();
    let three = [framed("one"), framed("two"), framed("three")].concat();
    let long = framed("a message that comes in three segments");
    let recording = recorded(
        folder.path(),
        [
            ("c2s", three),
            ("s2c", long[..7].to_vec()),
            ("s2c", long[7..20].to_vec()),
            ("s2c", long[20..].to_vec()),
            ("c2s", framed(SCRIPT)),
            ("s2c", framed(CLOSING)),
            ("c2s", framed("\u{1b}[31mred \u{202e}evil\u{202c} \u{200b}zero")),
            ("s2c", vec![0, 3, 0xff, 0xfe, b'x']),
        ],
    );
    let (page, text) = page_of(&recording);
    assert!(text.len() < 300 << 10, "{}", text.len());
    let seen = seen(&page, "THREE");
    let strings = |key: &str| seen[key].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((strings("errors"), &seen["dialogs"]), (vec![], &0.into()));
    assert_eq!(strings("requests"), [format!("file://{}", page.display())]);
    let hidden = "\\x1b[31mred \\u{202e}evil\\u{202c} \\u{200b}zero";
    let message = "a message that comes in three segments";
    assert_eq!(strings("rows"), ["one", "two", "three", message, SCRIPT, CLOSING, hidden, "\u{fffd}\u{fffd}x"]);
    assert_eq!(seen["bold"], 0, "no element of a peer is in the document");
    assert_eq!(seen["title"], "session.jsonl - unstick");
    let summary = seen["summary"].as_str().unwrap();
    assert!(summary.starts_with("1 connection, 8 messages in 8 segments, from 2026-11-28T01:00:00"), "{summary}");
    let detail = seen["detail"].as_str().unwrap();
    assert!(detail.contains("connection 1: </script><i>client</i> to server, u16be"), "{detail}");
    assert!(detail.contains("Its segment also carried 2 other messages, whole or in part."), "{detail}");
    assert_eq!((&seen["after_arrows"], &seen["after_end"]), (&"3".into(), &"8".into()));
    assert_eq!((&seen["filtered"], &seen["unfiltered"]), (&"2 of 8 messages".into(), &"8 of 8 messages".into()));
    assert_eq!(seen["of_server"], "3 of 8 messages");
    assert_eq!((&seen["axes_differ"], &seen["themes_differ"]), (&true.into(), &true.into()));
    // The last box of the server's lane.
    assert_eq!(seen["hovered"], "Message 8: 3 bytes, server to client");
    let outlined = ["outlined_before", "outlined", "outlined_after"].map(|when| seen[when].to_string());
    assert_eq!(outlined, ["[false,false]", "[true,true]", "[false,false]"], "its segment and itself");
    for width in [390, 320] {
        assert!(seen[format!("wide_at_{width}")].as_u64().unwrap() <= width, "{seen}");
        assert!(width == 320 || folder.path().join(format!("{width}.png")).metadata().unwrap().len() > 10_000);
    }
}

#[test]
fn a_page_of_a_hundred_thousand_messages_is_opened_and_searched() {
    let folder = temporary();
    let segments = (0..50_000_u32).map(|at| {
        let way = if at % 2 == 0 { "c2s" } else { "s2c" };
        (way, [framed(&format!("message {at}")), framed("and another")].concat())
    });
    let (page, _) = page_of(&recorded(folder.path(), segments));
    let seen = seen(&page, "message 4999");
    assert_eq!(seen["errors"], Value::Array(vec![]));
    assert_eq!((&seen["filtered"], &seen["after_end"]), (&"11 of 100,000 messages".into(), &"100,000".into()));
    assert!(seen["in_document"].as_u64().unwrap() < 100, "only the rows that can be seen are in the document");
    // On an idle machine 1 s and 0.2 s; here others may work as well.
    let took = |key: &str| seen[key].as_u64().unwrap();
    assert!(took("opened") < 15_000 && took("filter_took") < 5_000, "{seen}");
}

#[test]
fn the_policy_names_the_script_and_the_style_that_are_there() {
    let folder = temporary();
    let (_, text) = page_of(&recorded(folder.path(), [("c2s", framed("hello"))]));
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let inside =
            text.split(&format!("<{element}>")).nth(1).unwrap().split(&format!("</{element}>")).next().unwrap();
        let file = folder.path().join(element);
        fs::write(&file, inside).unwrap();
        let digest = Command::new("openssl").args(["dgst", "-sha256", "-binary"]).arg(&file).output().unwrap().stdout;
        let policy = format!("{directive} 'sha256-{}'", data_encoding::BASE64.encode(&digest));
        assert!(text.contains(&policy), "timeline.rs has to name {policy}");
    }
    assert!(text.contains("default-src 'none';"));
}

#[test]
fn what_a_page_has_no_room_for_is_counted_in_it() {
    let folder = temporary();
    let long = framed(&"x".repeat(9_000));
    let (_, text) = page_of(&recorded(folder.path(), [("c2s", long)]));
    assert!(text.contains("\"messages\":[[1,0,0,0,9002,2,9000,0,4096]]"), "4 KiB of a frame are kept");
    let segments = (0..700_u32).map(|_| ("c2s", framed("m").repeat(300)));
    let (_, text) = page_of(&recorded(folder.path(), segments));
    assert!(text.contains("10000 messages left out, because a page has at most 200000 of them"));
}

#[test]
fn the_scenes_of_lab_become_a_page() {
    let folder = temporary();
    let page = folder.path().join("lab.html");
    let mut lab = Process::start(program().args(["lab", "slow-reader", "split", "--html"]).arg(&page));
    assert_eq!((lab.rest(), lab.errors(), lab.code()), (String::new(), String::new(), 0));
    let data = data_of(&fs::read_to_string(&page).unwrap());
    let of = |key: &str, connection: u64| {
        let rows = data[key].as_array().unwrap().iter();
        rows.filter(|row| row[0] == connection).count()
    };
    assert_eq!(data["connections"][0]["client"].as_str().unwrap().split(':').next(), Some("slow-reader"));
    assert!(of("messages", 1) > of("segments", 1) && of("segments", 1) > 0, "two sends, one read: {data}");
    let split = (1..=data["connections"].as_array().unwrap().len() as u64)
        .find(|one| of("messages", *one) < of("segments", *one));
    assert!(split.is_some(), "one send, three reads: {data}");
}

#[test]
fn the_findings_of_shake_become_a_page() {
    let folder = temporary();
    let page = folder.path().join("shake.html");
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/shake_finds/recv_four_server.py");
    let start = format!("python3 -S {} {{port}}", server.display());
    let sent = ["-f", "u32be", "--send", "hello", "--case", "c2s:cut@2"];
    let to = ["shake", "--to", "127.0.0.1:0", "--start", &start, "--html"];
    let mut shake = Process::start(program().args(to).arg(&page).args(sent));
    let text = shake.rest();
    assert_eq!(shake.code(), 6, "{text} {}", shake.errors());
    let data = data_of(&fs::read_to_string(&page).unwrap());
    assert_eq!(data["title"], "unstick shake: broken");
    let names = [&data["connections"][0]["client"], &data["connections"][1]["client"]];
    assert_eq!(names, ["finding 1, as expected", "finding 1, c2s:cut@2"], "{data}");
    let rows = |key: &str, connection: u64| {
        let rows = data[key].as_array().unwrap().iter().filter(|row| row[0] == connection && row[1] == 0);
        rows.map(|row| (row[3].as_u64().unwrap(), row[4].as_u64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!((rows("messages", 1), rows("segments", 1)), (vec![(0, 9)], vec![(0, 9)]));
    assert_eq!((rows("messages", 2), rows("segments", 2)), (vec![(0, 9)], vec![(0, 2), (2, 7)]));
    let marks = data["marks"].to_string();
    assert!(marks.contains("cut@2: what is before it is read first") && marks.contains("\"no answer"), "{marks}");
}
