//! Hostile peers beside good ones: the good ones' p99 stays under 100 ms, nobody is dropped, memory stays under 64 MiB.
//!
//! To add a member, write a test that calls `trial(&["--echo", ...]).meets(|arena| ...)`. The closure is the hostile peer, on a
//! thread of its own: it connects with `arena.connect()` (the rig cuts such a connection at the end, so that a write does not
//! block for ever), calls `arena.begins()` once the attack is on, and loops while `arena.goes_on()`. Ten good peers then make
//! 200 round trips each. `with_good_peers` takes other good peers than those that send lines over TCP; `meets_and` looks at
//! the program afterwards. An address with `://` as the first argument replaces `127.0.0.1:0`. Not here: the rig
//! (`rig/hostile.rs`).

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use unstick::limits;

use crate::rig::{Arena, Process, port_at_end, program, trial, unstick, unstick_listen};

/// The limit if each answer is the output of a command. The commands of ten good peers and of the hostile one share the
/// processors, and starting `sh` and `cat` costs some milliseconds. There are eleven of them, on a machine that does other things
/// too.
const COMMANDS_TAKE: Duration = Duration::from_millis(500);

/// Sends the same bytes until the trial is over, and reads nothing. It waits when the program takes no more.
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

/// Each peer runs one command at a time: ten good peers wait for eleven commands, not for those of a flood.
#[test]
fn a_flood_of_lines_that_each_run_a_command() {
    trial(&["--each", "cat"]).answered_within(COMMANDS_TAKE).meets(|arena| floods_and_reads(arena, b"x\n"));
}

/// Sends a flood and reads the answers, so that the flood does not end.
fn floods_and_reads(arena: &Arena, message: &[u8]) {
    floods_a_stream(arena, arena.connect(), message);
}

fn floods_a_stream(arena: &Arena, stream: TcpStream, message: &[u8]) {
    // The program needs many turns for each write.
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

/// A good peer that sends a message over WebSocket and expects it back.
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

/// Opens a WebSocket, and reads the answer.
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
        // Until the program takes no more: it then waits for this peer, and for no other.
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
        let fills = || {
            let mut stream = arena.connect();
            stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            while stream.write_all(&b"y\n".repeat(32 << 10)).is_ok() {}
            stream.shutdown(Shutdown::Write).unwrap();
        };
        // At the same time: one after the other, they would need longer than the attack may take to begin.
        std::thread::scope(|scope| (0..50).for_each(|_| drop(scope.spawn(fills))));
    });
}

/// A listener that a script drives, with ten good peers that read and report each message, and its events.
struct Broadcast {
    process: Process,
    port: u16,
    readers: Vec<std::sync::mpsc::Receiver<usize>>,
}

impl Broadcast {
    fn begin(arguments: &[&str]) -> Broadcast {
        let mut process = unstick(&[&["listen", "127.0.0.1:0", "--json"], arguments].concat());
        let port = port_at_end(process.error_line_with("listening on ").trim()).unwrap();
        let readers = (0..10).map(|_| reads_lines(port)).collect();
        Broadcast { process, port, readers }
    }

    /// Sends a message to all, and waits until the good ones have it.
    fn send(&mut self, text: &str) -> Duration {
        let sent = Instant::now();
        self.process.feed(format!("{{\"to\":\"all\",\"text\":\"{text}\"}}\n"));
        for reader in &self.readers {
            let length = reader.recv_timeout(Duration::from_secs(20)).expect("a good peer gets every message");
            assert_eq!(length, text.len() + 1);
        }
        sent.elapsed()
    }
}

/// A good peer that reports the length of each line.
fn reads_lines(port: u16) -> std::sync::mpsc::Receiver<usize> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (report, reports) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if report.send(std::mem::take(&mut line).len()).is_err() {
                return;
            }
        }
    });
    reports
}

/// The limit for a broadcast: one message in a hundred may be late, and that one no longer than the program waits for a peer that
/// does not read.
fn slow_reader_of_a_broadcast(count: usize) -> (Vec<Duration>, Broadcast) {
    let mut room = Broadcast::begin(&[]);
    let _deaf = TcpStream::connect(("127.0.0.1", room.port)).unwrap();
    room.process.expect("\"open\",\"peer\":11,");
    let text = "x".repeat(64 << 10);
    let mut times: Vec<Duration> = (0..count).map(|_| room.send(&text)).collect();
    room.process.expect("{\"event\":\"slow\",\"peer\":11,");
    let close = room.process.expect("\"reason\":\"slow\"");
    assert!(close.contains("{\"event\":\"close\",\"peer\":11,"), "{close}");
    times.sort_unstable();
    (times, room)
}

#[test]
fn a_peer_that_does_not_read_a_broadcast() {
    let count = 2 * limits::MAX_BACKLOG / (64 << 10);
    let (mut times, mut room) = slow_reader_of_a_broadcast(count);
    if times[count * 99 / 100] > Duration::from_millis(100) {
        // A machine that was busy gets a second measurement.
        (times, room) = slow_reader_of_a_broadcast(count);
    }
    assert!(times[count * 99 / 100] < Duration::from_millis(100), "{:?}", &times[count * 9 / 10..]);
    assert!(room.process.peak_memory() < 64 << 20, "{} MiB", room.process.peak_memory() >> 20);
    room.process.feed("{\"quit\":true}\n");
    assert_eq!(room.process.code(), 0);
    assert!(!room.process.rest().contains("\"close\""), "nobody else was dropped");
}

/// `MAX_UNSENT`: a reader that makes progress gets everything, though the script sends more than the queue holds.
#[test]
fn a_slow_reader_of_a_broadcast_gets_everything() {
    let mut room = Broadcast::begin(&["--max-queue", "256K"]);
    let mut slow = TcpStream::connect(("127.0.0.1", room.port)).unwrap();
    room.process.expect("\"open\",\"peer\":11,");
    let text = "x".repeat(64 << 10);
    let reader = std::thread::spawn(move || {
        let (mut total, mut chunk) = (0, vec![0; 64 << 10]);
        // Waits for the time limit of a socket on which nothing arrives.
        let pause = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        pause.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while total < 100 * ((64 << 10) + 1) {
            let _ = pause.recv(&mut [0]);
            total += slow.read(&mut chunk).unwrap();
        }
    });
    for _ in 0..100 {
        room.send(&text);
    }
    room.process.expect("{\"event\":\"slow\",\"peer\":11,");
    reader.join().expect("the slow reader gets everything");
}

/// Events that nobody reads: clients that come and go wait in the kernel, and memory does not grow.
#[test]
fn clients_come_and_go_while_nobody_reads_the_events() {
    let (events, output) = std::io::pipe().unwrap();
    let mut command = program();
    let mut process = Process::start_into(command.args(["listen", "127.0.0.1:0", "--json"]), output.into());
    drop(command);
    let port = port_at_end(process.error_line_with("listening on ").trim()).unwrap();
    for _ in 0..5000 {
        // Once the kernel's backlog is full, a client would have to wait: these do not.
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            break;
        }
    }
    assert!(process.peak_memory() < 64 << 20, "{} MiB", process.peak_memory() >> 20);
    // Once somebody reads, the program serves all of them, and reports that each has joined and left.
    let mut lines = BufReader::new(events).lines();
    let mut count = |word: &str, wanted: usize| {
        let found = lines.by_ref().map(Result::unwrap).filter(|line| line.contains(word)).take(wanted).count();
        assert_eq!(found, wanted);
    };
    count("\"close\"", 1000);
    process.signal(rustix::process::Signal::TERM);
}

/// A frame that does not end causes an event, which shows its beginning.
#[test]
fn frames_of_15_mib_that_do_not_end() {
    let mut process = unstick(&["listen", "127.0.0.1:0", "--json", "-f", "u32be"]);
    let port = port_at_end(process.error_line_with("listening on ").trim()).unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.write_all(&(16u32 << 20).to_be_bytes()).unwrap();
    for _ in 0..15 {
        peer.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let event = process.expect("{\"event\":\"pending\"") + &process.line();
    assert!(event.len() < 16 << 10, "{}", event.len());
    assert!(event.contains("\"bytes\":15728644") && event.contains("\"shown\":256"), "{event}");
    assert!(process.peak_memory() < 64 << 20, "{} MiB", process.peak_memory() >> 20);
}

/// `MAX_PENDING`, `PENDING_FREE`: long frames of many peers that do not end.
#[test]
fn peers_whose_frames_do_not_end_and_are_long_together() {
    const { assert!(limits::PENDING_FREE < 1 << 20 && limits::MAX_PENDING < 20 * (15 << 20)) }
    trial(&["-f", "u32be", "--echo"]).with_good_peers(says_frames).meets(|arena| {
        for _ in 0..20 {
            let mut stream = arena.connect();
            // A closed connection takes no more.
            let header = stream.write_all(&(16u32 << 20).to_be_bytes());
            let _ = header.and_then(|()| (0..10).try_for_each(|_| stream.write_all(&[0; 1 << 20])));
        }
    });
}

/// A good peer that sends a frame of `u32be` and expects it back.
fn says_frames(port: u16) -> Box<dyn FnMut(usize) + Send> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Box::new(move |_| {
        stream.write_all(b"\0\0\0\x04good").unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).expect("a good peer is answered, and not dropped");
        assert_eq!(&answer, b"\0\0\0\x04good");
    })
}

/// The same with many peers. Each goes on sending until it is closed, so their frames, 39 MiB in all, cross the limit repeatedly.
#[test]
fn hundreds_of_peers_whose_frames_do_not_end() {
    const PEERS: usize = 400;
    const EACH: usize = 100 << 10;
    const { assert!(EACH > limits::PENDING_FREE && PEERS * EACH > limits::MAX_PENDING * 3 / 2) }
    limits::raise_open_files();
    trial(&["-f", "u32be", "--echo"]).with_good_peers(says_frames).meets_and(
        |arena| {
            let mut peers: Vec<TcpStream> = (0..PEERS).map(|_| arena.connect()).collect();
            for peer in &mut peers {
                // A closed connection takes no more.
                let _ = peer.write_all(&(16u32 << 20).to_be_bytes());
            }
            for piece in 0..10 {
                for peer in &mut peers {
                    let _ = peer.write_all(&[0; EACH / 10]);
                }
                if piece == 0 {
                    arena.begins();
                }
            }
        },
        |process, _| drop(process.error_line_with("--max-pending")),
    );
}
