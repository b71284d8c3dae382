//! Tests the end of input: when the sending side is shut down (`--half-close`), and runs without input (`--no-stdin`,
//! an empty standard input).
//!
//! Not here: times to the millisecond, on a paused clock (the library's tests in `half_closes`).

use std::io::{ErrorKind, Read};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::rig::{Peer, Process, ask, connect, listen, listener, unstick, unstick_listen};

/// How long a slow server takes for its answer: longer than an immediate half-close takes to arrive, shorter than
/// `HALF_CLOSE_PATIENCE`.
const THINKING: Duration = Duration::from_millis(1200);

/// Whether the program has shut down its sending side before this time has passed.
fn ends_within(peer: &Peer, time: Duration) -> bool {
    peer.stream().set_read_timeout(Some(time)).expect("a socket takes a time limit");
    let read = peer.stream().read(&mut [0]);
    peer.stream().set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a time limit");
    match read {
        Ok(0) => true,
        Ok(_) => panic!("it says more"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

/// Behaves like a server that takes an end of file for a client that has gone, as nginx in front of a slow upstream does.
fn drops_its_answer_at_an_end<'a>(question: &'a [u8], answer: &'a [u8]) -> impl FnOnce(Peer) + 'a {
    move |mut peer: Peer| {
        peer.hears(question);
        if ends_within(&peer, THINKING) {
            return;
        }
        peer.says(answer);
        // The server would go on, so the program has to end the run.
        peer.hears_the_end();
    }
}

#[test]
fn a_slow_answer_is_waited_for_before_the_half_close() {
    for arguments in [&[][..], &["-f", "line"], &["-f", "crlf", "--io", "line"]] {
        let crlf = arguments.contains(&"crlf");
        let (question, answer): (&[u8], &[u8]) = if crlf { (b"hi\r\n", b"ho\r\n") } else { (b"hi\n", b"ho\n") };
        let server = drops_its_answer_at_an_end(question, answer);
        connect(arguments).input("hi\n").meets(server).is(0, "ho\n", "");
    }
    // A greeting counts as a question too, and a slow answer reaches the count.
    connect(&["--send", "hi"]).meets(drops_its_answer_at_an_end(b"hi\n", b"ho\n")).is(0, "ho\n", "");
    let modbus = (&b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x01"[..], &b"\0\x01\0\0\0\x05\x01\x03\x02\0\x07"[..]);
    let slow = |mut peer: Peer| {
        peer.hears(modbus.0);
        assert!(!ends_within(&peer, THINKING));
        peer.says(modbus.1);
        peer
    };
    let end = connect(&["-f", "modbus", "--count", "1"]).input("00 01 00 00 00 06 01 03 00 00 00 01\n").meets(slow);
    assert_eq!((end.code, &*end.out), (0, "0001000000050103020007\n"), "{}", end.err);
    // A listener can wait for an answer as well, with this option.
    for arguments in [&["--half-close", "answered", "-f", "line"][..], &["--half-close", "answered"]] {
        listen(arguments).input("hi\n").meets(drops_its_answer_at_an_end(b"hi\n", b"ho\n")).is(0, "ho\n", "");
    }
}

#[test]
fn a_slow_answer_on_a_websocket_is_waited_for() {
    let (mut server, port) = unstick_listen(&["ws://127.0.0.1:0", "--each", "sleep 1.5; tr a-z A-Z"]);
    let mut client = unstick(&["connect", &format!("ws://127.0.0.1:{port}")]);
    client.feed("hi\n");
    client.end_input();
    assert_eq!((&*client.rest(), client.code()), ("HI\n", 0));
    server.signal(Signal::TERM);
    server.code();
}

/// `HALF_CLOSE_PATIENCE`: `connect` waits no longer than this for a server that answers only after the end of file.
#[test]
fn a_server_that_answers_after_the_end_of_file_gets_one() {
    let sorts = |mut peer: Peer| {
        let begun = Instant::now();
        let heard = peer.hears_all();
        assert!(begun.elapsed() < unstick_limit() + Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(heard, b"b\na\n");
        peer.says("a\nb\n");
    };
    for arguments in [&[][..], &["-f", "line"], &["--send", "b", "--send", "a"]] {
        connect(arguments).input("b\na\n").meets(sorts).is(0, "a\nb\n", "");
    }
}

fn unstick_limit() -> Duration {
    unstick::limits::HALF_CLOSE_PATIENCE
}

/// `ANSWER_PAUSE`: after an answer, `connect` need not wait any longer.
#[test]
fn after_an_answer_the_half_close_comes_soon() {
    let answers = |mut peer: Peer| {
        peer.hears("hi\n");
        peer.says("ho\n");
        let begun = Instant::now();
        peer.hears_the_end();
        assert!(begun.elapsed() < unstick_limit() - Duration::from_millis(500), "{:?}", begun.elapsed());
    };
    for arguments in [&[][..], &["-f", "line"], &["--send", "hi"]] {
        connect(arguments).input("hi\n").meets(answers).is(0, "ho\n", "");
    }
}

#[test]
fn now_is_at_once_and_never_is_never() {
    for arguments in [&[][..], &["-f", "line"], &["--send", "hi"]] {
        let now = |mut peer: Peer| {
            peer.hears("hi\n");
            assert!(ends_within(&peer, Duration::from_secs(2)), "{arguments:?}");
            peer.says("ho\n");
        };
        connect(&[arguments, &["--half-close", "now"]].concat()).input("hi\n").meets(now).is(0, "ho\n", "");
        let never = |mut peer: Peer| {
            peer.hears("hi\n");
            peer.says("ho\n");
            assert!(!ends_within(&peer, unstick_limit() + Duration::from_millis(500)), "{arguments:?}");
            peer.says("at last\n");
        };
        let end = connect(&[arguments, &["--half-close", "never"]].concat()).input("hi\n").meets(never);
        end.is(0, "ho\nat last\n", "");
    }
}

/// A client takes a listener's end of file for the end of its input.
#[test]
fn a_listener_half_closes_at_once() {
    for arguments in [&[][..], &["-f", "line"], &["--send", "hi"]] {
        let hears = |mut peer: Peer| {
            peer.hears("hi\n");
            assert!(ends_within(&peer, Duration::from_secs(2)), "{arguments:?}");
            peer.says("ho\n");
        };
        listen(&[arguments, &["--once"]].concat()).input("hi\n").meets(hears).is(0, "ho\n", "");
    }
}

#[test]
fn an_empty_input_of_connect_half_closes_at_once() {
    for arguments in [&[][..], &["-f", "line"]] {
        let tells = |mut peer: Peer| {
            assert!(ends_within(&peer, Duration::from_secs(2)), "{arguments:?}");
            peer.says("hi\n");
        };
        connect(arguments).input("").meets(tells).is(0, "hi\n", "");
    }
}

/// Data that a slow peer has not read yet does not count as sent, whatever the time.
#[test]
fn what_is_slow_to_be_read_is_not_unanswered() {
    let input: Vec<u8> = (0..64 << 10).map(|number| format!("{number:0127}\n")).collect::<String>().into_bytes();
    for arguments in [&[][..], &["-f", "line"]] {
        let (listener, address) = listener();
        let mut process = unstick(&[&["connect", &*address], arguments].concat());
        let mut stdin = process.take_input();
        let fed = {
            let input = input.clone();
            thread::spawn(move || std::io::Write::write_all(&mut stdin, &input).unwrap())
        };
        let mut peer = Peer::accept(&listener);
        // The peer reads nothing for longer than the program waits for an answer.
        assert!(unstick_limit() < Duration::from_millis(3500));
        thread::park_timeout(Duration::from_millis(3500));
        peer.hears(&input);
        assert!(!ends_within(&peer, Duration::from_millis(500)), "{arguments:?}");
        peer.says("thanks\n");
        peer.hears_the_end();
        drop(peer);
        fed.join().unwrap();
        assert_eq!((&*process.rest(), process.code()), ("thanks\n", 0), "{arguments:?}");
    }
}

/// As under systemd and cron: `listen 8080 </dev/null`.
#[test]
fn a_listener_without_input_serves_on() {
    for arguments in [&["-f", "line"][..], &["-f", "u8"], &["--json"], &["--count", "3"]] {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0"], arguments].concat());
        listener.end_input();
        for _ in 0..2 {
            let mut peer = Peer::connect(port);
            peer.says(if arguments.contains(&"u8") { "\x03hi!" } else { "hi!\n" });
            expect_message(&mut listener, "hi!");
            assert!(!ends_within(&peer, Duration::from_millis(200)), "{arguments:?}");
            drop(peer);
        }
        // No peer is connected, but another may connect.
        listener.signal(Signal::TERM);
        assert_eq!(listener.code(), 143, "{arguments:?}");
    }
    // nc's pipe serves one conversation, until the peer ends it.
    for arguments in [&[][..], &["-f", "line", "--once"]] {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0"], arguments].concat());
        listener.end_input();
        let mut peer = Peer::connect(port);
        peer.says("one\n");
        assert_eq!(listener.line(), "one");
        assert!(!ends_within(&peer, Duration::from_millis(200)), "{arguments:?}");
        peer.says("two\n");
        drop(peer);
        assert_eq!((&*listener.rest(), listener.code()), ("two\n", 0), "{arguments:?}");
    }
}

fn expect_message(listener: &mut Process, message: &str) {
    while !listener.line().contains(message) {}
}

#[test]
fn no_stdin_only_receives() {
    for arguments in [&[][..], &["-f", "line"], &["--json"]] {
        let (listener, address) = listener();
        let mut process = unstick(&[&["connect", &*address, "--no-stdin"], arguments].concat());
        process.feed("not sent\n");
        process.end_input();
        let mut peer = Peer::accept(&listener);
        assert!(!ends_within(&peer, Duration::from_millis(500)), "{arguments:?}");
        peer.says("hi!\n");
        expect_message(&mut process, "hi!");
        drop(peer);
        assert_eq!(process.code(), 0, "{arguments:?}");
    }
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--no-stdin", "-f", "line"]);
    listener.feed("not sent\n");
    listener.end_input();
    for _ in 0..2 {
        let mut peer = Peer::connect(port);
        peer.says("hi!\n");
        assert_eq!(listener.line(), "hi!");
        peer.half_closes();
        peer.hears_the_end();
    }
}

#[test]
fn a_question_may_end_with_an_end_of_file() {
    let after_the_end = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"hi\n");
        peer.says("ho\n");
    };
    ask(&["hi", "--half-close", "now"]).meets(after_the_end).is(0, "ho\n", "");
    ask(&["hi", "--half-close", "answered"]).meets(after_the_end).is(0, "ho\n", "");
}

#[test]
fn a_process_sees_the_end_of_its_input_at_once() {
    let begun = Instant::now();
    for arguments in [&[][..], &["-f", "line"]] {
        let mut process = unstick(&[&["connect", "exec:sort"], arguments].concat());
        process.feed("b\na\n");
        process.end_input();
        assert_eq!((&*process.rest(), process.code()), ("a\nb\n", 0));
    }
    assert!(begun.elapsed() < 2 * unstick_limit(), "{:?}", begun.elapsed());
}

/// A peer that has half-closed may still read. One that has gone answers with a reset.
#[test]
fn what_a_peer_that_has_gone_is_sent_is_not_taken_for_sent() {
    for arguments in [&[][..], &["-f", "line"], &["-f", "line", "--json"]] {
        let refuses = || {
            let (server, address) = listener();
            let mut process = unstick(&[&["connect", &address, "--linger", "1h"], arguments].concat());
            let mut far = Peer::accept(&server);
            far.says("bye\n");
            far.half_closes();
            while !process.line().contains("bye") {}
            drop(far);
            process.feed(if arguments.contains(&"--json") { "{\"text\":\"two\"}\n" } else { "two\n" });
            if arguments.is_empty() {
                process.end_input();
            }
            (process.code(), process.errors())
        };
        let (code, errors) = refuses();
        assert!(code == 1 && (arguments.contains(&"--json") || errors.contains("reset")), "{arguments:?}: {errors}");
    }
}

#[test]
fn an_answer_that_does_not_come_in_time_is_reported() {
    let silent = |mut peer: Peer| {
        peer.hears("hi\n");
        peer.hears_the_end();
    };
    let notice = "no answer came within 3s of the end of input";
    for arguments in [&[][..], &["-f", "line"]] {
        let end = connect(arguments).input("hi\n").meets(silent);
        assert!(end.code == 0 && end.err.contains(notice), "{arguments:?}: {} {}", end.code, end.err);
        let end = connect(&[arguments, &["-q"]].concat()).input("hi\n").meets(silent);
        assert_eq!((end.code, end.err.as_str()), (0, ""), "{arguments:?}");
    }
    for now in ["now", "never"] {
        let closes = |mut peer: Peer| peer.hears("hi\n");
        connect(&["-f", "line", "--half-close", now]).input("hi\n").meets(closes).is(0, "", "");
    }
}
