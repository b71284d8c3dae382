//! Tests `damaged=skip`: bytes that break the framing are skipped and reported, and the conversation goes on.

use crate::rig::{Peer, listener, unstick, unstick_listen};

#[test]
fn damage_is_shown_and_the_intact_messages_come() {
    let (mut listening, port) = unstick_listen(&["127.0.0.1:0", "-f", "mllp,damaged=skip", "--echo"]);
    let mut peer = Peer::connect(port);
    peer.says("\x0bone\x1c\rnoise \x1b[31m\x0btwo\x1c\r");
    peer.hears("\x0bone\x1c\r\x0btwo\x1c\r");
    assert_eq!((listening.line(), listening.line()), ("one".to_owned(), "two".to_owned()));
    let line =
        listening.error_line_with("11 bytes were passed over as damaged: a frame starts with 0b, not with \"n\"");
    assert!(line.contains("peer 1: ") && !line.contains('\x1b'), "{line}");
    // The last place is reported when the peer leaves without another message.
    peer.says("rest");
    drop(peer);
    listening.error_line_with("4 bytes were passed over as damaged");
}

#[test]
fn the_default_stays_strict() {
    let (mut listening, port) = unstick_listen(&["127.0.0.1:0", "-f", "mllp", "--once"]);
    let mut peer = Peer::connect(port);
    peer.says("\x0bone\x1c\rnoise\x0btwo\x1c\r");
    assert_eq!(listening.line(), "one");
    assert_eq!(listening.code(), 5, "{}", listening.errors());
}

#[test]
fn a_bridge_passes_what_is_intact_and_reports_the_rest() {
    for fault in [&[][..], &["--fault", "delay=1ms"]] {
        let (server, address) = listener();
        let bridge = [&["127.0.0.1:0", "--to", &address, "-f", "slip,damaged=skip"], fault].concat();
        let (mut bridge, port) = unstick_listen(&bridge);
        let mut client = Peer::connect(port);
        client.says(b"one\xc0\xdb?\xc0two\xc0");
        Peer::accept(&server).hears(b"one\xc0two\xc0");
        bridge.error_line_with("3 bytes were passed over as damaged: ESC is followed by \"?\", which escapes nothing");
        client.says(b"\xdb?");
        client.half_closes();
        bridge.error_line_with("2 bytes were passed over as damaged: ESC is followed by \"?\", which escapes nothing");
    }
}

#[test]
fn an_answer_behind_noise_is_an_answer() {
    let (server, address) = listener();
    let mut asked = unstick(&["ask", &address, "hello", "-f", "slip,damaged=skip"]);
    let mut peer = Peer::accept(&server);
    peer.hears(b"hello\xc0");
    peer.says(b"\xdb?\xc0hello\xc0");
    assert_eq!((asked.line(), asked.code()), ("hello".to_owned(), 0));
    assert!(asked.errors().contains("3 bytes were passed over as damaged: "), "{}", asked.errors());
}
