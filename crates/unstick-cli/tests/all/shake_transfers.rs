//! Tests our own `send` and `receive` with `shake`: cuts in its bytes do not change the transfer protocol.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use unstick::service::transfer::Ticket;
use unstick::wire::transfer::{Entry, Hello, Kind, Message, Side, VERSION};

use crate::rig::temporary;
use crate::shake_spares::spares;
use crate::transfers::{content, start, ticket};

/// The messages to send, in frames, after the hello that a ticket allows.
fn script(ticket: &str, side: Side, messages: Vec<Message>) -> String {
    let digits = ticket.strip_prefix("ust1_").unwrap();
    let secret = BASE64URL_NOPAD.decode(digits.as_bytes()).unwrap()[32..48].try_into().unwrap();
    let hello = Message::Hello(Hello { version: VERSION, side, secret, stall: 600_000 });
    let mut script = Vec::new();
    for message in [vec![hello], messages].concat() {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        script.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        script.extend_from_slice(&bytes);
    }
    script.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Shakes the side that waits: one conversation after the other, because the latest one with the ticket replaces the others.
fn shake(ticket: &str, script: &str) {
    let parsed: Ticket = ticket.parse().unwrap();
    let port = parsed.addresses[0].rsplit(':').next().unwrap();
    let (address, pin) = (format!("tls://127.0.0.1:{port}"), parsed.fingerprint.to_string());
    spares(&["--to", &address, "--pin", &pin, "--jobs", "1", "--depth", "64", "--send-hex", script]);
}

#[test]
fn a_sender_answers_the_same_however_its_receiver_is_cut() {
    let (source, home) = (temporary(), temporary());
    let path = source.path().join("file");
    fs::write(&path, content(3000)).unwrap();
    let mut sender = start(home.path(), &["send", path.to_str().unwrap(), "--stall", "10m"]);
    let ticket = ticket(&mut sender);
    shake(&ticket, &script(&ticket, Side::Receiver, vec![Message::Want { file: 0, from: 0, tree: Vec::new() }]));
    assert!(!sender.has_ended(), "it waits for the file to be there");
}

#[test]
fn a_receiver_answers_the_same_however_its_sender_is_cut() {
    let (inbox, home) = (temporary(), temporary());
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap(), "--stall", "10m"]);
    let ticket = ticket(&mut receiver);
    let file = |name: &'static str| Entry {
        kind: Kind::File,
        mode: 0o644,
        modified: (0, 0),
        size: 10,
        stored: 10,
        inode: 0,
        path: Bytes::from_static(name.as_bytes()),
        target: Bytes::new(),
    };
    let list = vec![
        Message::Entries(vec![file("a"), file("b/c")]),
        Message::Entries(vec![file("d")]),
        Message::Listed { entries: 3, size: 30 },
    ];
    shake(&ticket, &script(&ticket, Side::Sender, list));
    assert!(!receiver.has_ended(), "it waits for the files");
}
