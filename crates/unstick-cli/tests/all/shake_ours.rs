//! Tests `shake` with our own `listen`, `connect` and `ask` in every framing of the table: it accuses none of them.

use unstick::wire::{FRAMINGS, Framing, FramingInfo};

use crate::rig::unstick_listen;
use crate::shake_spares::spares;

#[path = "../../../unstick-wire/tests/all/fit.rs"]
#[allow(dead_code, clippy::unwrap_used)] // It is written for other tests, which need all of it.
mod fit;

/// A message of these bytes that a framing of the table carries.
fn message(name: &str, spec: &str, bytes: &[u8]) -> Vec<u8> {
    let fit: fit::Fit = match name {
        "line" => fit::line,
        "crlf" | "delim" | "null" | "between" | "mllp" => fit::undelimited,
        "[ui]{8..64}{be,le,ne}" | "struct" | "decimal" => fit::short,
        "ascii" => fit::ascii,
        "length" => fit::general,
        "varint" => fit::varint,
        "ber" => fit::ber,
        "hex" => fit::hex,
        "headers" => fit::headers,
        "fixed" => fit::fixed,
        "json" | "json-seq" => fit::json,
        "resp" => fit::resp,
        "command" => fit::command,
        "stomp-frame" => fit::stomp,
        "fix-message" => fit::fix,
        "websocket-frame" => fit::websocket,
        "zmtp-frame" => fit::zmtp,
        "coap-frame" => fit::coap,
        "dnp3-frame" => fit::dnp3,
        "modbus-rtu-frame" => fit::modbus_rtu,
        "x11-message" => fit::x11,
        "http-message" | "sip-message" | "rtsp-message" => fit::http,
        "event-stream" => fit::event,
        "gdb-packet" => fit::gdb,
        "nsq-command" => fit::nsq,
        "tns-packet" => fit::tns,
        "turn-message" => fit::turn,
        "adb-reply" => fit::adb,
        "messagepack-value" => fit::messagepack,
        "cbor-item" => fit::cbor,
        "capnproto-message" => fit::capnproto,
        "arrow-message" => fit::arrow,
        "rtmp-chunk" => fit::rtmp,
        _ => fit::anything,
    };
    fit(spec, bytes)
}

fn framed(framing: &Framing, messages: &[&[u8]]) -> Option<Vec<u8>> {
    let (mut encoder, mut frames) = (framing.encoder().ok()?, Vec::new());
    for message in messages {
        encoder.encode(message, &mut frames).ok()?;
    }
    Some(frames)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A part of the framings of the table, so that no test takes long.
fn share(number: usize) -> impl Iterator<Item = &'static FramingInfo> {
    FRAMINGS.iter().skip(number).step_by(4)
}

/// An echo returns the same bytes, however they arrive.
fn listen_is_spared(entry: &FramingInfo) {
    for spec in entry.examples {
        let (_listen, port) = unstick_listen(&["127.0.0.1:0", "-f", spec, "--echo", "--io", "hex"]);
        let framing = Framing::parse(spec).expect("the table's examples are specs");
        let frames = framed(&framing, &[&message(entry.name, spec, b"ab"), &message(entry.name, spec, b"xyz")])
            .expect("they fit");
        spares(&["--to", &format!("127.0.0.1:{port}"), "--send-hex", &hex(&frames)]);
    }
}

/// A client sends messages to an echo, and prints them.
fn client_is_spared(entry: &FramingInfo, verb: &str, messages: &[&[u8]]) {
    let spec = entry.examples[0];
    let (_listen, port) = unstick_listen(&["127.0.0.1:0", "-f", spec, "--echo", "--io", "hex"]);
    let sent: Vec<String> = messages.iter().map(|bytes| hex(&message(entry.name, spec, bytes))).collect();
    let to = format!("127.0.0.1:{port}");
    let mut arguments = vec!["--to", &to, "--depth", "40"];
    // A framing that keeps no boundaries prints what a read returns, and that depends on the cuts.
    if entry.keeps_boundaries {
        arguments.push("--output");
    }
    arguments.extend(["--", env!("CARGO_BIN_EXE_unstick"), verb, "{address}", "-f", spec, "--io", "hex"]);
    arguments.extend(sent.iter().flat_map(|message| ["--send-hex", message]));
    spares(&arguments);
}

fn connect_is_spared(entry: &FramingInfo) {
    client_is_spared(entry, "connect", &[b"ab", b"xyz"]);
}

fn ask_is_spared(entry: &FramingInfo) {
    client_is_spared(entry, "ask", &[b"ab"]);
}

macro_rules! in_shares {
    ($($room:ident: $spared:ident;)*) => {
        $(mod $room {
            #[test]
            fn first_share() { super::share(0).for_each(super::$spared); }
            #[test]
            fn second_share() { super::share(1).for_each(super::$spared); }
            #[test]
            fn third_share() { super::share(2).for_each(super::$spared); }
            #[test]
            fn last_share() { super::share(3).for_each(super::$spared); }
        })*
    };
}

in_shares! {
    listen: listen_is_spared;
    connect: connect_is_spared;
    ask: ask_is_spared;
}
