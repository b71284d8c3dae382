//! Text from a peer that would control a terminal: it is escaped wherever it can reach one, in text and in JSON.
//!
//! Not here: which characters these are (`visible`, tested with every character).

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use serde_json::Value;

use crate::rig::{Peer, Process, listener, python_itself, temporary, unstick, unstick_listen};

/// An eight-bit control, a character that reverses text, one without width, a tag, a soft hyphen, a variation selector.
const NASTY: &str = "a\u{9b}2J\u{202e}b\u{200b}c\u{e0041}d\u{ad}e\u{e0100}f\u{2028}g";

/// Checks that none of them is left.
#[track_caller]
fn is_safe(text: &str) {
    let left: Vec<String> = text
        .chars()
        .filter(|c| NASTY.chars().any(|nasty| nasty == *c && !c.is_ascii()) || (c.is_control() && *c != '\n'))
        .map(|c| format!("U+{:04X}", u32::from(c)))
        .collect();
    assert!(left.is_empty(), "{left:?} in {text:?}");
}

/// Everything that the program prints after this has happened to it.
fn said(mut process: Process) -> String {
    let text = process.rest() + &process.errors();
    is_safe(&text);
    text
}

#[test]
fn the_report_of_shake_in_all_its_forms() {
    let folder = temporary();
    let file = folder.path().join("report.xml");
    let python = python_itself().to_str().unwrap();
    let hasty = "import os, sys; b = os.read(0, 100); os.write(1, b); os.write(2, b)";
    let shaken = |form: &[&str]| {
        let words = [&["shake", "--stdio", "--send", NASTY], form, &["--", python, "-c", hasty]].concat();
        said(unstick(&words))
    };
    assert!(shaken(&[]).starts_with("BROKEN"));
    let report: Value = serde_json::from_str(shaken(&["--json"]).trim_end()).unwrap();
    let baseline = &report["findings"][0]["baseline"]["connections"][0]["c2s"]["sent"];
    assert_eq!(baseline, NASTY, "it means the same");
    shaken(&["--junit", file.to_str().unwrap()]);
    is_safe(&std::fs::read_to_string(file).unwrap());
}

#[test]
fn messages_and_names_in_json() {
    let folder = temporary();
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--json", "-f", "line", "--once"]);
    let mut peer = Peer::connect(port);
    peer.says(format!("{NASTY}\n"));
    peer.half_closes();
    listener.end_input();
    let lines = said(listener);
    let mut events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let message = events.find(|event| event["event"] == "message");
    assert_eq!(message.unwrap()["text"], NASTY);
    // A path that cannot be bound is the user's own text, but it appears in an event, too.
    let path = folder.path().join(NASTY).join("x");
    said(unstick(&["listen", &format!("unix:{}", path.display()), "--json"]));
    said(unstick(&["connect", &format!("unix:{}", path.display())]));
}

#[test]
fn what_a_web_server_answers_instead_of_a_websocket() {
    for answer in [
        format!("HTTP/1.1 302 Found\r\nLocation: http://x/{NASTY}\r\nContent-Length: 0\r\n\r\n"),
        format!("HTTP/1.1 403 {NASTY}\r\nContent-Length: 0\r\n\r\n"),
        format!("{NASTY}\r\n\r\n"),
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: {NASTY}\r\nSec-WebSocket-Protocol: {NASTY}\r\n\r\n"),
    ] {
        for json in [&[][..], &["--json"]] {
            let (listener, address) = listener();
            let process = unstick(&[&["connect", &format!("ws://{address}")], json].concat());
            let mut peer = Peer::accept(&listener);
            peer.says(&answer);
            drop(peer);
            assert!(!said(process).is_empty());
        }
    }
}

#[test]
fn what_a_proxy_answers() {
    let (listener, address) = listener();
    let process = unstick(&["connect", "tcp://name.test:1", "--proxy", &format!("http://{address}")]);
    let mut peer = Peer::accept(&listener);
    peer.says(format!("HTTP/1.1 403 {NASTY}\r\n\r\n"));
    drop(peer);
    assert!(!said(process).is_empty());
}

#[test]
fn names_of_hosts_and_files() {
    said(unstick(&["connect", &format!("tcp://{NASTY}.test:1")]));
    said(unstick(&["connect", &format!("tls://{NASTY}.test:1"), "--ca", NASTY]));
    said(unstick(&["connect", ":1", "--send-file", NASTY]));
    said(unstick(&["connect", ":1", "-f", NASTY]));
    said(unstick(&["listen", ":0", &format!("--{NASTY}")]));
    said(unstick(&["framings", NASTY]));
    said(unstick(&["framings", &format!("delim:{NASTY}"), "--json"]));
    said(unstick(&["lab", NASTY]));
}

#[test]
fn a_close_with_a_reason() {
    let server = format!(
        "import asyncio, websockets\n\
         async def serve(ws):\n    \
             await ws.close(4000, {NASTY:?}.encode().decode('utf-8'))\n\
         async def main():\n    \
             async with websockets.serve(serve, '127.0.0.1', 0) as server:\n        \
                 print(server.sockets[0].getsockname()[1], flush=True)\n        \
                 await asyncio.Future()\n\
         asyncio.run(main())"
    )
    .replace("\\u{", "\\U{");
    // Python writes these escapes with eight digits.
    let mut code = String::new();
    let mut rest = server.as_str();
    while let Some((before, after)) = rest.split_once("\\U{") {
        let (digits, after) = after.split_once('}').unwrap();
        code += &format!("{before}\\U{digits:0>8}");
        rest = after;
    }
    code += rest;
    let mut server = crate::rig::python_with_packages(&code, &[]);
    let port = crate::rig::port_at_end(&server.line()).unwrap();
    for json in [&[][..], &["--json"], &["-v"]] {
        said(unstick(&[&["connect", &format!("ws://127.0.0.1:{port}")], json].concat()));
    }
}

#[test]
fn messages_in_a_pipe_as_escapes_and_json() {
    for format in ["escaped", "json"] {
        let (listener, address) = listener();
        let mut process = unstick(&["connect", &address, "-f", "line", "--io", format]);
        process.end_input();
        Peer::accept(&listener).says(format!("{NASTY}\n"));
        assert!(said(process).starts_with(['a', '"']));
    }
}
