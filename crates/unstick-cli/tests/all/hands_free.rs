//! Tests runs without a user: greetings for new peers, automatic answers, and how many peers are served at once.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use rustix::process::Signal;

use crate::rig::{Gate, Peer, Process, ask, connect, is_gone, listen, port_at_end, temporary, unstick, unstick_listen};

// ---- --send ----

#[test]
fn what_is_sent_goes_in_the_order_in_which_it_was_typed() {
    let directory = temporary();
    let file = directory.path().join("file");
    fs::write(&file, "from\ta file").unwrap();
    let file = file.to_str().unwrap();
    let sends = ["--send-hex", "00 ff", "--send", "one", "--send-file", file, "--send", "-two", "--send-hex", "0a"];
    let frames = b"\x02\0\xff\x03one\x0bfrom\ta file\x04-two\x01\n";
    let hears = |mut peer: Peer| assert_eq!(peer.hears_all(), frames);
    let unanswered = "unstick: no answer came within 3s of the end of input\n  hint: --half-close never waits longer; now does not wait\n";
    connect(&[&["-f", "u8"], &sends[..]].concat()).meets(hears).is(0, "", unanswered);
    listen(&[&["-f", "u8", "--once"], &sends[..]].concat()).meets(hears).is(0, "", "");
}

#[test]
fn every_peer_is_sent_the_same_and_nothing_of_standard_input() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--send", "welcome", "--send", "bye"]);
    listener.feed("not read\n");
    listener.end_input();
    for _ in 0..3 {
        assert_eq!(Peer::connect(port).hears_all(), b"welcome\nbye\n");
    }
    listener.signal(Signal::TERM);
    assert_eq!(listener.code(), 143, "it would have served on");
}

#[test]
fn two_ends_that_greet_each_other_at_length_do_not_wait_for_each_other() {
    let directory = temporary();
    let file = directory.path().join("file");
    fs::write(&file, vec![b'x'; 12 << 20]).unwrap();
    let file = file.to_str().unwrap();
    let greeting = ["-f", "u32be", "--io", "raw", "--send-file", file, "--send-file", file];
    let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0", "--once"], &greeting[..]].concat());
    let mut client = unstick(&[&["connect", &format!("127.0.0.1:{port}")], &greeting[..]].concat());
    for end in [&mut client, &mut listener] {
        assert_eq!((end.rest().len(), end.code(), &*end.errors()), (24 << 20, 0, ""));
    }
}

// ---- answers ----

#[test]
fn every_answer_answers_every_message() {
    for (answer, replies) in [
        (&["--echo"][..], "a\nb\n\n"),
        (&["--reply", "x"], "x\nx\nx\n"),
        (&["--reply", ""], "\n\n\n"),
        (&["--each", "tr a-z A-Z"], "A\nB\n"),
        (&["--each", "echo \"got $(cat)\""], "got a\ngot b\ngot \n"),
        (&["--each", "true"], ""),
    ] {
        let asks = |mut peer: Peer| {
            peer.says("a\nb\n\n");
            peer.half_closes();
            assert_eq!(String::from_utf8_lossy(&peer.hears_all()), replies, "{answer:?}");
        };
        connect(&[&["--io", "line"], answer].concat()).meets(asks).is(0, "a\nb\n\n", "");
        listen(&[&["--once"], answer].concat()).meets(asks).is(0, "a\nb\n\n", "");
    }
}

#[test]
fn what_is_sent_comes_before_what_answers() {
    let asks = |mut peer: Peer| {
        peer.says("question\n");
        peer.half_closes();
        assert_eq!(peer.hears_all(), b"one\ntwo\nquestion\n");
    };
    listen(&["--once", "--send", "one", "--send", "two", "--echo"]).meets(asks).is(0, "question\n", "");
}

#[test]
fn a_command_is_told_who_asks() {
    let (_listener, port) =
        unstick_listen(&["127.0.0.1:0", "--each", "cat >/dev/null; echo $UNSTICK_PEER $UNSTICK_FROM"]);
    for number in 1..=2 {
        let mut peer = Peer::connect(port);
        let from = peer.stream().local_addr().unwrap();
        peer.says("who am I?\n");
        peer.hears(format!("{number} {from}\n"));
    }
}

#[test]
fn a_command_that_fails_is_said_and_its_message_has_no_reply() {
    let script = "read word; test $word = good && echo fine";
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--each", script]);
    let mut peer = Peer::connect(port);
    peer.says("bad\ngood\n");
    peer.hears("fine\n");
    assert_eq!(
        listener.error_line_with("failed"),
        format!("unstick: peer 1: `{script}` failed (exit status: 1): its message has no reply")
    );
}

#[test]
fn a_command_takes_and_gives_megabytes() {
    let message = vec![b'x'; 4 << 20];
    let length = (message.len() as u32).to_be_bytes();
    for (command, reply) in [("cat", &message[..]), ("echo done", b"done"), ("wc -c | tr -d ' \\n'", b"4194304")] {
        let asks = |mut peer: Peer| {
            peer.says([&length[..], &message].concat());
            peer.hears([&(reply.len() as u32).to_be_bytes()[..], reply].concat());
            peer.half_closes();
            peer.hears_the_end();
        };
        let end = listen(&["--once", "-f", "u32be", "--io", "raw", "--each", command]).meets(asks);
        assert_eq!((end.code, end.out.len(), &*end.err), (0, message.len(), ""), "{command}");
    }
}

#[test]
fn an_answer_that_the_framing_cannot_carry() {
    // With a single peer, the run ends with its conversation.
    let asks = |mut peer: Peer| {
        peer.says("hi\0");
        peer.is_dropped();
    };
    let cannot = "the message contains its own delimiter (a zero byte) at byte 1, and would arrive in pieces\n  \
                  hint: a framing with a length, such as u32be, carries any bytes, if the peer speaks that too\n";
    let each = ["-f", "null", "--each", "printf 'a\\0b'"];
    let said = format!("unstick: the answer cannot be sent: {cannot}");
    listen(&[&each[..], &["--once"]].concat()).meets(asks).is(1, "hi\n", &said);
    connect(&each).meets(asks).is(1, "hi\n", &said);
}

#[test]
fn many_peers_at_once_are_each_answered() {
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "--each", "cat"]);
    let mut peers: Vec<Peer> = (0..50).map(|_| Peer::connect(port)).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.says(format!("{number}\nagain {number}\n"));
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.hears(format!("{number}\nagain {number}\n"));
    }
}

#[test]
fn a_slow_answer_holds_up_nobody_else() {
    let gate = Gate::new();
    let gate_path = gate.path();
    let script = format!("read word; if test $word = wait; then read _ < {gate_path}; fi; echo $word");
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--each", &script]);
    let (mut slow, mut quick) = (Peer::connect(port), Peer::connect(port));
    slow.says("wait\n");
    assert_eq!(listener.line(), "wait");
    quick.says("go\n");
    quick.hears("go\n");
    gate.open();
    slow.hears("wait\n");
}

#[test]
fn the_end_of_a_run_ends_its_commands() {
    let gate = Gate::new();
    let script = format!("cat < {} & echo command $! >&2; wait", gate.path());
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--each", &script]);
    let mut peer = Peer::connect(port);
    peer.says("x\n");
    let line = listener.error_line_with("command ");
    listener.signal(Signal::INT);
    assert_eq!(listener.code(), 130);
    // It waits for the gate, for ever if nobody ends it.
    is_gone(line.rsplit(' ').next().unwrap_or_default());
}

// ---- how many at once ----

#[test]
fn later_clients_wait_in_the_backlog_until_the_first_has_gone() {
    for option in [&["--one-at-a-time"][..], &["--max-peers", "1"]] {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0", "--echo"], option].concat());
        let mut first = Peer::connect(port);
        first.says("first\n");
        first.hears("first\n");
        let mut second = Peer::connect(port);
        let mut third = Peer::connect(port);
        second.says("second\n");
        third.says("third\n");
        assert_eq!(listener.line(), "first");
        first.says("first again\n");
        first.hears("first again\n");
        assert_eq!(listener.line(), "first again", "the second message was not read");
        drop(first);
        second.hears("second\n");
        assert_eq!(listener.line(), "second");
        drop(second);
        third.hears("third\n");
        assert_eq!(listener.line(), "third");
    }
}

#[test]
fn as_many_peers_as_are_allowed_and_no_more() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--echo", "--max-peers", "2"]);
    let mut peers = [(); 3].map(|()| Peer::connect(port));
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.says(format!("{number}\n"));
    }
    let [mut one, mut two, mut three] = peers;
    one.hears("0\n");
    two.hears("1\n");
    let mut heard = [listener.line(), listener.line()];
    heard.sort();
    assert_eq!(heard, ["0", "1"]);
    drop(one);
    three.hears("2\n");
    two.says("still here\n");
    two.hears("still here\n");
}

/// `ACCEPT_PAUSE` and `ACCEPT_ERROR_INTERVAL`: the listener tries again until it can accept, and reports the error once.
#[test]
fn a_listener_that_runs_out_of_open_files_says_so_and_serves_on() {
    let script = "ulimit -n 24; exec \"$0\" listen 127.0.0.1:0 --echo";
    let mut listener = Process::start(Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_unstick")]));
    let port = port_at_end(&listener.error_line_with("listening on ")).unwrap();
    let peers: Vec<Peer> = (0..40).map(|_| Peer::connect(port)).collect();
    let said = listener.error_line_with("cannot be accepted");
    assert_eq!(said, "unstick: a connection cannot be accepted: too many open files");
    let hint = listener.error_line_with("hint");
    assert_eq!(hint, "  hint: this process has reached its limit of 24 open files; `ulimit -n` raises it");
    for (number, mut peer) in peers.into_iter().enumerate() {
        peer.says(format!("{number}\n"));
        peer.hears(format!("{number}\n"));
    }
    listener.signal(Signal::TERM);
    assert_eq!((listener.code(), &*listener.errors()), (143, ""));
}

#[test]
fn with_once_a_second_client_is_refused() {
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "--echo", "--once"]);
    let mut first = Peer::connect(port);
    first.says("x\n");
    first.hears("x\n");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

// ---- connect - ----

#[test]
fn standard_input_and_output_can_be_the_connection() {
    for (arguments, input, output) in [
        (&["--echo"][..], "a\nb\n", "a\nb\n"),
        (&["--reply", "x", "-f", "u8"], "\x01a\0", "\x01x\x01x"),
        (&["--each", "tr a-z A-Z", "-f", "null"], "a\0b\0", "A\0B\0"),
        (&["--send", "hi", "--send", "ho"], "not shown\n", "hi\nho\n"),
    ] {
        let mut process = unstick(&[&["connect", "-"], arguments].concat());
        process.feed(input);
        process.end_input();
        assert_eq!((&*process.rest(), process.code(), &*process.errors()), (output, 0, ""), "{arguments:?}");
    }
}

// ---- ask ----

#[test]
fn a_question_has_many_shapes() {
    let directory = temporary();
    let file = directory.path().join("question");
    fs::write(&file, "a\nb").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, input, frame) in [
        (&["hi"][..], "", "\x02hi"),
        (&[""], "", "\0"),
        (&["-x"], "", "\x02-x"),
        (&["--send-hex", "0a 00"], "", "\x02\n\0"),
        (&["--send-file", file], "", "\x03a\nb"),
        (&["-"], "typed\n", "\x05typed"),
        (&["-"], "two\nlines\n\n", "\x0atwo\nlines\n"),
        (&["-", "--io", "raw"], "raw\n", "\x04raw\n"),
        (&["-", "--io", "hex"], "6869\n", "\x02hi"),
        (&["-", "--io", "escaped"], "a\\nb\n", "\x03a\nb"),
    ] {
        let replies = |mut peer: Peer| {
            peer.hears(frame);
            peer.says("\x02ok");
            peer
        };
        let end = ask(&[arguments, &["-f", "u8"]].concat()).input(input).meets(replies);
        assert_eq!((end.code, &*end.err), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_reply_is_printed_whole_whatever_is_in_it() {
    for (format, printed) in [
        (&[][..], "two\nlines\n\n"),
        (&["--io", "raw"], "two\nlines\n"),
        (&["--io", "escaped"], "two\\nlines\\n\n"),
        (&["--io", "hex"], "74776f0a6c696e65730a\n"),
        (&["--io", "json"], "\"two\\nlines\\n\"\n"),
        (&["--io", "u8"], "\x0atwo\nlines\n"),
    ] {
        let replies = |mut peer: Peer| {
            peer.says("\x0atwo\nlines\n");
            peer
        };
        ask(&[&["hi", "-f", "u8"], format].concat()).meets(replies).is(0, printed, "");
    }
    let replies = |mut peer: Peer| {
        peer.says("\x03a\nb");
        peer
    };
    let end = ask(&["hi", "-f", "u8", "--io", "line"]).meets(replies);
    assert_eq!((end.code, &*end.out), (1, ""), "the user asked for a line, and this is not one");
    assert!(end.err.contains("does not fit standard output as --io line"), "{}", end.err);
}

#[test]
fn a_raw_question_takes_what_comes_first() {
    let replies = |mut peer: Peer| {
        peer.hears("GET / HTTP/1.0\r\n\r\n");
        peer.says("HTTP/1.0 200 OK\r\n\r\n");
        peer
    };
    ask(&["--send-hex", "474554202f20485454502f312e300d0a0d0a", "-f", "raw"]).meets(replies).is(
        0,
        "HTTP/1.0 200 OK\r\n\r\n\n",
        "",
    );
}
