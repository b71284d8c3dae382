//! Hostile WebSocket peers beside good ones: nothing that they announce, repeat or leave unfinished harms another peer.
//!
//! Not here: clients that do not complete the handshake (the library's tests in `handshakes`).

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use unstick::limits;

use crate::hostile::{opens_a_websocket, says_websocket_messages, websocket_message};
use crate::rig::{Arena, Process, port_at_end, trial};

const LISTENER: &[&str] = &["ws://127.0.0.1:0", "--echo"];

/// A frame as a client sends it, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn opened(arena: &Arena) -> TcpStream {
    let mut stream = arena.connect();
    opens_a_websocket(&mut stream);
    stream
}

/// The same; `None` if the trial ends meanwhile.
fn reopened(arena: &Arena) -> Option<TcpStream> {
    let mut stream = arena.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n").ok()?;
    stream.write_all(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").ok()?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        answer.push(byte[0]);
    }
    Some(stream)
}

/// Sends the same bytes repeatedly, and reads nothing, until the connection or the trial ends.
fn repeats(arena: &Arena, stream: &mut TcpStream, bytes: &[u8]) {
    let burst = bytes.repeat((64 << 10) / bytes.len());
    while arena.goes_on() && stream.write_all(&burst).is_ok() {}
}

/// The hostile peers attack until the trial is over: after a disconnection they connect again.
#[track_caller]
fn good_peers_are_served_beside(first: &[u8], again: &[u8]) {
    trial(LISTENER).with_good_peers(says_websocket_messages).meets(|arena| {
        let mut begun = false;
        while arena.goes_on() {
            let Some(mut stream) = reopened(arena) else { continue };
            if !std::mem::replace(&mut begun, true) {
                arena.begins();
            }
            let _ = stream.write_all(first);
            repeats(arena, &mut stream, again);
        }
    });
}

/// `FRAMES_AT_ONCE`.
#[test]
fn a_flood_of_pongs_that_nobody_asked_for() {
    good_peers_are_served_beside(b"", &frame(0x8a, b""));
}

#[test]
fn fragments_of_one_byte() {
    good_peers_are_served_beside(&frame(0x02, b"x"), &frame(0x00, b"x"));
}

/// `MAX_EMPTY_FRAMES`.
#[test]
fn a_message_of_empty_frames_that_never_ends() {
    good_peers_are_served_beside(&frame(0x01, b""), &frame(0x00, b""));
}

#[test]
fn closes_that_follow_one_another() {
    good_peers_are_served_beside(b"", &frame(0x88, &1000_u16.to_be_bytes()));
}

#[test]
fn a_flood_of_pings_whose_answers_are_read() {
    trial(LISTENER).with_good_peers(says_websocket_messages).meets(|arena| {
        let mut stream = opened(arena);
        let mut answers = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut heard = vec![0; 64 << 10];
                while answers.read(&mut heard).is_ok_and(|length| length > 0) {}
            });
            arena.begins();
            repeats(arena, &mut stream, &frame(0x89, b"are you there?"));
        });
    });
}

/// `MAX_UNREAD_ANSWERS`: the program does not collect answers that nobody reads. It disconnects the peer, and tells it why.
#[test]
fn pings_whose_answers_nobody_reads() {
    let hostile = |arena: &Arena| {
        let mut streams: Vec<_> = (0..5).map(|_| opened(arena)).collect();
        arena.begins();
        for stream in &mut streams {
            repeats(arena, stream, &frame(0x89, &[b'p'; 125]));
        }
    };
    trial(LISTENER).with_good_peers(says_websocket_messages).meets_and(hostile, |process, _| {
        let said = process.error_line_with("pings");
        assert!(said.contains("the peer sends pings and does not read the answers"), "{said}");
    });
}

/// 500 headers of 14 bytes that announce 16 MiB each, with 1.5 GB of address space: memory is reserved for what arrives.
#[test]
fn announced_messages_cost_nothing_before_they_arrive() {
    let script = "ulimit -v 1500000; exec \"$0\" listen ws://127.0.0.1:0 --echo";
    let mut listener = Process::start(Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_unstick")]));
    let port = port_at_end(&listener.error_line_with("listening on ")).unwrap();
    let announced = [&[0x82, 0xff][..], &(limits::LARGEST_WS_MESSAGE as u64).to_be_bytes(), &[0; 4]].concat();
    let mut streams = Vec::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        opens_a_websocket(&mut stream);
        stream.write_all(&announced).unwrap();
        // A part of the message: so the program has parsed the whole header by the time a later peer is answered.
        stream.write_all(&[7; 100]).unwrap();
        streams.push(stream);
    }
    let mut good = says_websocket_messages(port);
    good(1);
    assert!(listener.memory() < 64 << 20, "{} MiB", listener.memory() >> 20);
    // One of them goes on, and gets its whole message back.
    let mut stream = streams.pop().unwrap();
    let rest = vec![7; limits::LARGEST_WS_MESSAGE - 100];
    let mut answers = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut answer = vec![0; 10 + limits::LARGEST_WS_MESSAGE];
        answers.read_exact(&mut answer).unwrap();
        answer
    });
    stream.write_all(&rest).unwrap();
    let answer = reader.join().unwrap();
    assert!(answer[10..].iter().all(|byte| *byte == 7) && answer[0] & 0x8f == answer[0]);
    stream.write_all(&websocket_message("and more")).unwrap();
}
