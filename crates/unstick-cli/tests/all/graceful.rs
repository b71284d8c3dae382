//! Tests a run that is ended from outside: it still writes all it has received, within a bound (`FLUSH_TIMEOUT`). And a
//! dump that cannot be written ends nothing.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{Peer, Process, Unread, listener, port_at_end, program, unstick, unstick_listen};

/// Enough for a busy machine, and short enough to notice a run that waits for ever.
const SOON: Duration = Duration::from_secs(18);

/// Writes the lines `0`, `1`, `2` ... until nobody takes them. Returns the number of bytes that the socket took.
fn floods(mut to: impl Write + Send + 'static) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let (mut taken, mut number) = (0, 0_u64);
        loop {
            let lines: String = (number..number + 1000).map(|number| format!("{number:019}\n")).collect();
            number += 1000;
            let mut rest = lines.as_bytes();
            while !rest.is_empty() {
                match to.write(rest) {
                    Ok(count) => (taken, rest) = (taken + count as u64, &rest[count..]),
                    Err(_) => return taken,
                }
            }
        }
    })
}

/// Checks that these are whole lines, in order and without a gap, and at least one.
#[track_caller]
fn are_whole_lines(bytes: &[u8]) {
    assert!(bytes.ends_with(b"\n"), "cut: {:?}", bytes[bytes.len().saturating_sub(30)..].escape_ascii().to_string());
    let text = std::str::from_utf8(bytes).unwrap();
    let wrong = text.lines().enumerate().find(|(number, line)| *line != format!("{number:019}"));
    assert_eq!(wrong, None);
}

/// Waits until the other side takes nothing more for now.
fn is_full(stream: &TcpStream) {
    let mut before = 0;
    loop {
        // The bytes in the queue have been accepted, but not read.
        let waits = rustix::io::ioctl_fionread(stream).unwrap();
        if waits > 0 && waits == before {
            return;
        }
        before = waits;
        let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
        let _ = stream.peek(&mut vec![0; waits as usize + 1]);
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn a_peer_that_reads_gets_whole_messages() {
    let (server, address) = listener();
    let mut process = unstick(&["connect", &address, "-f", "line"]);
    let flood = floods(process.take_input());
    let mut peer = Peer::accept(&server);
    is_full(peer.stream());
    process.signal(Signal::TERM);
    are_whole_lines(&peer.hears_all());
    assert_eq!(process.code(), 143);
    flood.join().unwrap();
}

#[test]
fn a_reader_of_standard_output_gets_whole_messages() {
    for format in [&["--io", "line"][..], &["--json"], &["--io", "json"]] {
        let (mut unread, output) = Unread::pipe();
        let mut command = program();
        command.args(["listen", "127.0.0.1:0", "-f", "line"]).args(format);
        let mut process = Process::start_on(&mut command, output, Stdio::piped());
        // It holds the writing end of the pipe, too.
        drop(command);
        let port = port_at_end(&process.error_line_with("listening on ")).unwrap();
        let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let flood = floods(peer);
        unread.fills();
        process.signal(Signal::TERM);
        let rest = unread.rest();
        assert_eq!(process.code(), 143);
        flood.join().unwrap();
        assert!(rest.ends_with('\n'), "{format:?}: {:?}", &rest[rest.len().saturating_sub(60)..]);
        let numbers = rest.lines().filter_map(|line| match serde_json::from_str::<Value>(line) {
            Ok(Value::String(text)) => Some(text),
            Ok(Value::Object(event)) if event["event"] == "message" => Some(event["text"].as_str().unwrap().to_owned()),
            Ok(Value::Object(_)) => None,
            _ => Some(line.to_owned()),
        });
        let numbers: Vec<u64> = numbers.skip(1).map(|line| line.parse().unwrap()).collect();
        let gap = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]);
        assert!(numbers.len() > 10 && gap.is_none(), "{format:?}: {} messages, gap {gap:?}", numbers.len());
    }
}

#[test]
fn a_bridge_passes_on_what_it_has_read_and_ends_in_order() {
    for framing in [&[][..], &["-f", "line"], &["-f", "line", "--fault", "c2s:delay=1ms"]] {
        for dump in [&[][..], &["--json"]] {
            let (server, address) = listener();
            let words = [&["127.0.0.1:0", "--to", &*address], framing, dump].concat();
            let (mut bridge, port) = unstick_listen(&words);
            let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let mut partner = Peer::accept(&server);
            let flood = floods(client.try_clone().unwrap());
            is_full(partner.stream());
            bridge.signal(Signal::TERM);
            let heard = partner.hears_all();
            // With the same framing at both ends, bytes pass as they are.
            let messages = framing.contains(&"--fault");
            if messages {
                are_whole_lines(&heard);
            }
            assert!(!heard.is_empty());
            assert_eq!(bridge.code(), 143, "{words:?}");
            flood.join().unwrap();
            let close =
                bridge.rest().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find_map(|event| {
                    (event["event"] == "close").then(|| (event["reason"].clone(), event["c2s"].as_u64().unwrap()))
                });
            let unit = if messages { 20 } else { 1 };
            assert_eq!(close, (!dump.is_empty()).then(|| ("closed".into(), heard.len() as u64 / unit)), "{words:?}");
        }
    }
}

#[test]
fn a_bridge_tells_what_faults_it_did_however_it_ends() {
    let (server, address) = listener();
    let (mut bridge, port) =
        unstick_listen(&["127.0.0.1:0", "--to", &address, "-f", "line", "--json", "--fault", "dup=100%"]);
    let mut ends: Vec<(Peer, Peer)> = (0..20).map(|_| (Peer::connect(port), Peer::accept(&server))).collect();
    for (client, partner) in &mut ends {
        client.says("x\n");
        partner.hears("x\nx\n");
    }
    bridge.signal(Signal::TERM);
    assert_eq!(bridge.code(), 143);
    let events: Vec<Value> = bridge.rest().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |what: &str| events.iter().filter(|event| event["event"] == what).count();
    assert_eq!((count("faults"), count("close")), (40, 20));
    let done: u64 = events.iter().filter_map(|event| event["done"]["dup"].as_u64()).sum();
    assert_eq!(done, 20);
}

#[test]
fn nc_s_pipe_ends_in_order_too() {
    let (server, address) = listener();
    let mut process = unstick(&["connect", &address]);
    let flood = floods(process.take_input());
    let mut peer = Peer::accept(&server);
    is_full(peer.stream());
    process.signal(Signal::TERM);
    // No reset: all accepted bytes arrive.
    assert!(!peer.hears_all().is_empty());
    assert_eq!(process.code(), 143);
    flood.join().unwrap();
}

#[test]
fn who_does_not_read_is_not_waited_for_longer() {
    let (server, address) = listener();
    for arguments in [&["-f", "line"][..], &[]] {
        let mut process = unstick(&[&["connect", &address], arguments].concat());
        let flood = floods(process.take_input());
        let peer = Peer::accept(&server);
        is_full(peer.stream());
        let begun = Instant::now();
        process.signal(Signal::TERM);
        assert_eq!(process.code(), 143);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        flood.join().unwrap();
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (server, address) = listener();
    let mut process = unstick(&["connect", &address, "-f", "line"]);
    let flood = floods(process.take_input());
    let peer = Peer::accept(&server);
    is_full(peer.stream());
    let begun = Instant::now();
    process.signal(Signal::TERM);
    process.signal(Signal::INT);
    assert!([130, 143].contains(&process.code()));
    assert!(begun.elapsed() < unstick::limits::FLUSH_TIMEOUT, "{:?}", begun.elapsed());
    flood.join().unwrap();
}

// ---- a dump ----

#[test]
fn a_dump_that_cannot_be_written_is_said_once_and_the_traffic_goes_on() {
    let passes = |process: &mut Process, address: &std::net::TcpListener| {
        let port = port_at_end(process.error_line_with("listening on ").split(" for ").next().unwrap()).unwrap();
        for _ in 0..3 {
            let mut client = Peer::connect(port);
            let mut partner = Peer::accept(address);
            for _ in 0..100 {
                client.says("x\n");
                partner.hears("x\n");
                partner.says("y\n");
                client.hears("y\n");
            }
        }
        process.signal(Signal::TERM);
        assert_eq!(process.code(), 143);
        process.errors()
    };
    for form in [&["--dump"][..], &["--dump", "--json"], &["--json"], &["--dump", "-f", "line"]] {
        let (server, address) = listener();
        let words = [&["listen", "127.0.0.1:0", "--to", &*address], form].concat();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut process = Process::start_into(program().args(&words), full.into());
        let said = passes(&mut process, &server);
        let what = "forwarding goes on, and nothing more is shown\n";
        assert_eq!(said, format!("unstick: standard output: no space left on device; {what}"), "{form:?}");
        let (unread, output) = Unread::pipe();
        drop(unread);
        let mut process = Process::start_into(program().args(&words), output);
        let said = passes(&mut process, &server);
        assert_eq!(said, format!("unstick: the reader of standard output has closed it; {what}"), "{form:?}");
    }
}

/// Reads the kernel's table: at the listener, the timer of a client's connection is that of keep-alive (2), or there is none (0).
#[test]
fn a_listener_asks_whether_silent_clients_are_there_unless_told_not_to() {
    for (more, timer) in [(&[][..], "02"), (&["--keepalive", "no"], "00"), (&["--keepalive", "5m"], "02")] {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0", "-v", "--json"], more].concat());
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        listener.expect("\"open\"");
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ours = format!(":{port:04X}");
        let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Its address, the other address, and the state 01: established.
        let connection = fields.into_iter().find(|line| line[1].ends_with(&ours) && line[3] == "01").unwrap();
        assert!(connection[5].starts_with(timer), "{more:?}: {connection:?}");
    }
}
