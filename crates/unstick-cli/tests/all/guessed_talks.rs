//! Tests `-f auto` where unstick takes part: the framing is guessed from what the peer sends, and nothing of that is lost.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use crate::rig::{Peer, connect, listen, random_bytes, unstick, unstick_listen};

/// A message behind its length, as `u32be`.
fn frame(message: &str) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message.as_bytes()].concat()
}

/// Messages of different lengths.
fn messages(count: usize) -> Vec<&'static str> {
    (0..count).map(|number| &"abcdefghijklmnopqrstuvwxyz"[..3 + number * 7 % 23]).collect()
}

/// Sends a segment, and waits until the program has read it: the next one is then another segment for it too.
fn says_alone(peer: &mut Peer, bytes: &[u8]) {
    peer.says(bytes);
    let [ours, theirs] = [peer.stream().local_addr(), peer.stream().peer_addr()].map(|end| end.unwrap().port());
    // Of each socket: its own end, the other end, its state, and the bytes that wait to be sent and to be read.
    let ends = (format!(":{theirs:04X}"), format!(":{ours:04X}"));
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut lines = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        let socket = lines.find(|words| words[1].ends_with(&ends.0) && words[2].ends_with(&ends.1)).unwrap();
        if socket[4].ends_with(":00000000") {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_client_that_speaks_first_is_guessed_and_answered_in_its_framing() {
    let said = messages(12);
    let asks = |mut peer: Peer| {
        said.iter().for_each(|message| says_alone(&mut peer, &frame(message)));
        said.iter().for_each(|_| peer.hears(frame("yes")));
        peer.half_closes();
        peer.hears_the_end();
    };
    let end = listen(&["--once", "-f", "auto", "--reply", "yes"]).meets(asks);
    assert_eq!((end.code, &end.out), (0, &(said.join("\n") + "\n")), "{}", end.err);
    assert!(end.err.starts_with("unstick: guessed u32be: 8 frames; 8 of 8 segments end where"), "{}", end.err);
    assert_eq!(end.err.lines().count(), 1, "{}", end.err);
}

#[test]
fn a_server_that_speaks_first_is_guessed_and_what_is_sent_goes_out_in_its_framing() {
    let end = connect(&["-f", "auto", "--json"]).runs(|process, mut peer| {
        peer.says("220 mail.test ESMTP Postfix\r\n");
        process.expect("220 mail.test");
        process.feed("{\"text\":\"EHLO me\"}\n");
        peer.hears("EHLO me\r\n");
        peer.says("250 mail.test\r\n");
        peer.half_closes();
        process.end_input();
        peer.hears_the_end();
    });
    assert_eq!(end.code, 0, "{}", end.err);
    assert!(end.out.contains("\"text\":\"250 mail.test\""), "{}", end.out);
    assert!(end.err.starts_with("unstick: guessed smtp: 1 frame; "), "{}", end.err);
}

#[test]
fn what_one_client_has_shown_holds_for_the_next() {
    let (mut process, port) = unstick_listen(&["127.0.0.1:0", "-f", "auto", "--json", "--count", "2"]);
    let mut first = Peer::connect(port);
    first.says("*1\r\n$4\r\nPING\r\n");
    process.expect("PING");
    let mut second = Peer::connect(port);
    // Half a message would be no evidence, and needs none any more.
    second.says("*1\r\n$4\r\nQU");
    second.says("IT\r\n");
    process.expect("QUIT");
    assert_eq!(process.code(), 0);
    assert_eq!(process.errors().lines().filter(|line| line.contains("guessed")).count(), 1);
}

#[test]
fn what_is_never_certain_is_shown_as_it_comes() {
    let bytes = random_bytes(7, 200_000);
    let end = connect(&["-f", "auto", "--io", "raw"]).runs(|_, mut peer| {
        peer.says(&bytes);
        peer.half_closes();
        peer.hears_the_end();
    });
    assert!(end.code == 0 && end.err.contains("cannot tell the framing from "), "{}: {}", end.code, end.err);
    // A peer that waits for an answer is shown before its end.
    let end = connect(&["-f", "auto"]).runs(|process, mut peer| {
        peer.says("hello");
        process.expect("hello");
        peer.says("again");
        process.expect("again");
    });
    let said = "unstick: cannot tell the framing from 5 bytes: what this peer sends is shown as it is read; -f SPEC names the framing\n";
    assert_eq!((end.code, end.err.as_str()), (0, said));
}

#[test]
fn nothing_can_be_sent_before_the_framing_is_known() {
    let end = connect(&["-f", "auto"]).input("hello\n").meets(|mut peer| peer.is_dropped());
    end.is(1, "", "unstick: the framing is not known yet\n  hint: it is chosen from what the peer sends; name the framing to send first\n");
    for (more, what) in [
        (
            &["connect", "127.0.0.1:9", "-f", "auto", "--send", "hi"][..],
            "cannot be sent in auto: the framing is not known yet",
        ),
        (&["connect", "udp://127.0.0.1:9", "-f", "auto"], "is not a stream: it takes no framing"),
        (
            &["connect", "127.0.0.1:9", "-f", "auto", "--frame-in", "line"],
            "-f auto cannot be used with another framing",
        ),
        (&["ask", "127.0.0.1:9", "-f", "auto", "hello"], "-f auto guesses the framing from what the peer sends"),
    ] {
        let mut process = unstick(more);
        let (errors, code) = (process.errors(), process.code());
        assert!(errors.contains(what) && code == 2, "{more:?}: {errors}");
    }
}
