//! Hostile peers beside good ones: the good ones' p99 stays under 100 ms, nobody is dropped, memory stays under 64 MiB.
//!
//! To add a member, write a test that calls `trial(&["--echo", ...]).meets(|arena| ...)`. The closure is the hostile peer, on a
//! thread of its own: it connects with `arena.connect()` (the rig cuts such a connection at the end, so that a write does not
//! block for ever), calls `arena.begins()` once the attack is on, and loops while `arena.goes_on()`. Ten good peers then make
//! 200 round trips each. `with_good_peers` takes other good peers than those that send lines over TCP; `meets_and` looks at
//! the program afterwards. An address with `://` as the first argument replaces `127.0.0.1:0`. Not here: the rig
//! (`rig/hostile.rs`).

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use unstick::limits;

use crate::rig::{Arena, trial, unstick_listen};

/// Sends bytes that it repeats until the trial is over, and reads nothing. Where the program takes no more, it waits.
fn floods(mut stream: TcpStream, bytes: &[u8], goes_on: impl Fn() -> bool) {
    while goes_on() && stream.write_all(bytes).is_ok() {}
}

#[test]
fn a_flood_of_lines_under_echo() {
    trial(&["--echo"]).meets(|arena| floods_and_reads(arena, b"x\n"));
}

#[test]
fn a_flood_of_lines_through_a_bridge_of_messages() {
    let (_server, to) = unstick_listen(&["127.0.0.1:0", "--echo", "-f", "u32be"]);
    let to = format!("127.0.0.1:{to}");
    trial(&["-f", "line", "--to", &to, "--to-frame", "u32be"]).meets(|arena| floods_and_reads(arena, b"x\n"));
}

#[test]
fn a_flood_of_websocket_messages_under_echo() {
    trial(&["ws://127.0.0.1:0", "--echo"]).with_good_peers(says_websocket_messages).meets(|arena| {
        let mut stream = arena.connect();
        opens_a_websocket(&mut stream);
        floods_a_stream(arena, stream, &websocket_message("x"));
    });
}

/// Floods and reads what comes back, so that the flood does not end.
fn floods_and_reads(arena: &Arena, message: &[u8]) {
    floods_a_stream(arena, arena.connect(), message);
}

fn floods_a_stream(arena: &Arena, stream: TcpStream, message: &[u8]) {
    // Each write is many turns of the program.
    let burst = message.repeat((128 << 10) / message.len());
    assert!(burst.len() > limits::TURN_BYTES && burst.len() / message.len() > limits::TURN_MESSAGES);
    let mut answers = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut heard = vec![0; 1 << 20];
            let mut first = true;
            while answers.read(&mut heard).is_ok_and(|count| count > 0) {
                if std::mem::take(&mut first) {
                    arena.begins();
                }
            }
        });
        floods(stream, &burst, || arena.goes_on());
    });
}

/// A good peer that says a message over WebSocket and wants it back.
pub(crate) fn says_websocket_messages(port: u16) -> Box<dyn FnMut(usize) + Send> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    opens_a_websocket(&mut stream);
    Box::new(move |_| {
        stream.write_all(&websocket_message("good")).unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x81\x04good");
    })
}

/// A WebSocket's opening, answered.
pub(crate) fn opens_a_websocket(stream: &mut TcpStream) {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", answer.escape_ascii());
}

/// A short text message as a client sends it: masked, with zeros.
pub(crate) fn websocket_message(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[test]
fn a_flood_of_lines_whose_echoes_are_not_read() {
    trial(&["--echo"]).meets(|arena| {
        let stream = arena.connect();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        // Until the program takes no more: it has to wait for this peer then, and for no other.
        floods(stream, "x\n".repeat(64 << 10).as_bytes(), || arena.goes_on());
    });
}

#[test]
fn clients_that_connect_and_close_in_a_loop() {
    trial(&["--echo"]).meets(|arena| {
        arena.begins();
        while arena.goes_on() {
            drop(TcpStream::connect(("127.0.0.1", arena.port)));
        }
    });
}

#[test]
fn peers_that_half_close_and_do_not_read() {
    trial(&["--echo"]).meets(|arena| {
        for _ in 0..50 {
            let mut stream = arena.connect();
            stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            while stream.write_all(&b"y\n".repeat(32 << 10)).is_ok() {}
            stream.shutdown(Shutdown::Write).unwrap();
        }
    });
}
