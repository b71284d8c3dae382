//! Tests how a run ends, and with which exit status: every command, every kind of end, over TCP.
//!
//! Not here: datagrams (`udp`), and wrong arguments (`wrong_use`).

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::rig::{Gate, Peer, Process, Vacancy, ask, connect, listen, listener, port_at_end, unstick, unstick_listen};

const RESET: &str = "unstick: receiving: connection reset by peer\n";

/// A frame of `u32be` that announces five bytes, and has fewer.
const CUT_SHORT: &str = "\0\0\0\x05ab";

/// A short wait for something that does not happen.
const BRIEF: &str = "50ms";

/// A wait that is so long that the test would fail.
const LONG: &str = "5m";

// ---- connect ----

#[test]
fn the_peers_end_is_the_end() {
    connect(&["-f", "line"]).input("").meets(|mut peer| peer.says("hello\n")).is(0, "hello\n", "");
}

#[test]
fn the_peers_end_is_the_end_once_the_input_is_quiet() {
    connect(&["-f", "line", "--linger", BRIEF]).meets(|mut peer| peer.says("hello\n")).is(0, "hello\n", "");
}

#[test]
fn input_that_ends_is_passed_on_and_the_peer_waited_for() {
    let answers = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"a\nb\n");
        peer.says("both\n");
    };
    connect(&["-f", "line"]).input("a\nb\n").meets(answers).is(0, "both\n", "");
    connect(&[]).input("a\nb\n").meets(answers).is(0, "both\n", "");
}

#[test]
fn without_waiting_the_inputs_end_is_the_end() {
    let stays = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"a\n");
        peer
    };
    connect(&["-f", "line", "--no-wait"]).input("a\n").meets(stays).is(0, "", "");
    connect(&["--no-wait"]).input("a\n").meets(stays).is(0, "", "");
    connect(&["--send", "a", "--no-wait"]).meets(stays).is(0, "", "");
}

#[test]
fn a_count_that_is_reached() {
    let says_more = |mut peer: Peer| {
        peer.says("1\n2\n3\n");
        peer
    };
    connect(&["--count", "2"]).meets(says_more).is(0, "1\n2\n", "");
    listen(&["--count", "2"]).meets(says_more).is(0, "1\n2\n", "");
}

#[test]
fn a_count_that_is_not_reached() {
    let short = "unstick: ended after 1 of 2 messages (--count)\n";
    connect(&["--count", "2"]).input("").meets(|mut peer| peer.says("1\n")).is(6, "1\n", short);
    listen(&["--count", "2", "--once"]).input("").meets(|mut peer| peer.says("1\n")).is(6, "1\n", short);
}

#[test]
fn the_last_message_of_a_count_is_answered() {
    for answer in [&["--echo"][..], &["--reply", "b"], &["--each", "cat"]] {
        let replied = |mut peer: Peer| {
            peer.says("b\n");
            assert_eq!(peer.hears_all(), b"b\n");
        };
        connect(&[answer, &["--count", "1"]].concat()).meets(replied).is(0, "b\n", "");
        listen(&[answer, &["--count", "1"]].concat()).meets(replied).is(0, "b\n", "");
    }
}

#[test]
fn a_last_word_received() {
    let says = |mut peer: Peer| {
        peer.says("hi\nBye\n");
        peer
    };
    connect(&["--until", "bye"]).meets(says).is(0, "hi\nBye\n", "");
    listen(&["--until", "bye", "--once"]).meets(says).is(0, "hi\nBye\n", "");
}

#[test]
fn a_last_word_sent() {
    let hears = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"hi\nBYE\n");
        peer
    };
    connect(&["--until", "bye"]).input("hi\nBYE\nnot this\n").meets(hears).is(0, "", "");
    connect(&["--until", "bye", "--send", "hi", "--send", "BYE"]).meets(hears).is(0, "", "");
}

#[test]
fn a_last_word_that_does_not_come() {
    let says = |mut peer: Peer| peer.says("1\n");
    let none = "and none was `bye` (--until)\n";
    connect(&["--until", "bye"]).input("").meets(says).is(6, "1\n", &format!("unstick: ended after 1 message, {none}"));
    connect(&["--until", "bye", "--count", "2"]).input("").meets(says).is(
        6,
        "1\n",
        &format!("unstick: ended after 1 of 2 messages (--count), {none}"),
    );
}

#[test]
fn a_silence() {
    let idle = "unstick: nothing passed for 50ms (--idle)\n";
    connect(&["-f", "line", "--idle", BRIEF]).meets(|peer| peer).is(4, "", idle);
    connect(&["--idle", BRIEF]).meets(|peer| peer).is(4, "", idle);
    listen(&["-f", "line", "--idle", BRIEF]).meets(|peer| peer).is(4, "", idle);
    listen(&["--idle", BRIEF]).meets(|peer| peer).is(4, "", idle);
}

#[test]
fn a_silence_is_counted_from_what_passed_last() {
    for arguments in [&["-f", "line", "--idle", "300ms"][..], &["--idle", "300ms"]] {
        let begun = Instant::now();
        let end = connect(arguments).runs(|process, mut peer| {
            for _ in 0..3 {
                std::thread::park_timeout(Duration::from_millis(150));
                peer.says("x\n");
                assert_eq!(process.line(), "x");
            }
            peer
        });
        assert_eq!(end.code, 4, "{end:?}");
        assert!(begun.elapsed() >= Duration::from_millis(3 * 150 + 300 - 10), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_deadline() {
    let late = "unstick: not finished after 50ms (--deadline)\n";
    connect(&["-f", "line", "--deadline", BRIEF]).meets(|peer| peer).is(4, "", late);
    connect(&["--deadline", BRIEF]).meets(|peer| peer).is(4, "", late);
    listen(&["-f", "line", "--deadline", BRIEF]).meets(|peer| peer).is(4, "", late);
    for nobody in [&["--deadline", BRIEF][..], &["--deadline", BRIEF, "-f", "line"]] {
        let mut process = unstick(&[&["listen", "127.0.0.1:0"], nobody].concat());
        assert_eq!(process.code(), 4, "nobody comes");
        assert!(process.errors().ends_with(late));
    }
}

#[test]
fn a_deadline_holds_while_connecting() {
    let (_full, address) = full_backlog();
    let late = "unstick: not finished after 50ms (--deadline)\n";
    for arguments in [&["--deadline", BRIEF][..], &["--deadline", BRIEF, "-f", "line"]] {
        fails(&[&["connect", &address], arguments].concat(), 4, late);
    }
    fails(&["ask", &address, "hi", "--deadline", BRIEF], 4, "unstick: no reply within 50ms\n");
}

#[test]
fn a_deadline_holds_though_nobody_reads_the_output() {
    for arguments in [&["-f", "line"][..], &[], &["--json"]] {
        let (listener, address) = listener();
        let (_unread, output) = std::io::pipe().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_unstick"));
        command.args([&["connect", &*address, "--deadline", "500ms"], arguments].concat());
        let mut process = Process::start_into(&mut command, Stdio::from(output));
        let peer = Peer::accept(&listener);
        // Writes more than all buffers hold, until the connection ends.
        while std::io::Write::write(&mut peer.stream(), &[b'\n'; 4096]).is_ok() {}
        assert_eq!((process.code(), &*process.errors()), (4, "unstick: not finished after 500ms (--deadline)\n"));
    }
}

#[test]
fn a_connection_that_nobody_accepts() {
    let (_full, address) = full_backlog();
    let late = format!("unstick: connecting to tcp://{address} timed out after 50ms\n");
    for arguments in [&["--connect-timeout", BRIEF][..], &["--connect-timeout", BRIEF, "-f", "line"]] {
        fails(&[&["connect", &address], arguments].concat(), 4, &late);
    }
    fails(&["ask", &address, "hi", "--connect-timeout", BRIEF], 4, &late);
}

#[test]
fn a_reset() {
    let resets = |process: &mut Process, mut peer: Peer| {
        peer.says("x\n");
        assert_eq!(process.line(), "x");
        peer.resets();
    };
    for arguments in [&["-f", "line", "--once"][..], &["--once"]] {
        connect(&arguments[..arguments.len() - 1]).runs(resets).is(1, "", RESET);
        listen(arguments).runs(resets).is(1, "", RESET);
    }
}

#[test]
fn what_a_peer_says_before_it_resets_is_not_lost() {
    // The peer does not read, and closes. This end notices when it sends.
    for arguments in [&["-f", "line"][..], &[]] {
        let (listener, address) = listener();
        let mut client = unstick(&[&["connect", &address], arguments].concat());
        let mut peer = Peer::accept(&listener);
        client.feed("a question\n");
        // The question has arrived, and stays unread.
        peer.stream().peek(&mut [0]).unwrap();
        peer.says("503 too many questions\n");
        drop(peer);
        assert_eq!(client.line(), "503 too many questions");
        assert_eq!((client.code(), &*client.errors()), (1, RESET), "{arguments:?}");
    }
}

#[test]
fn standard_input_that_cannot_be_read_is_no_fault_of_the_peer() {
    for (arguments, input, err) in [
        (&["-f", "line"][..], "/", "is a directory"),
        (&[], "/", "is a directory"),
        (&["--json"], "/", "is a directory"),
        (&["-f", "line", "--io", "raw"], "/", "is a directory"),
    ] {
        let (listener, address) = listener();
        let script = format!("exec \"$0\" connect {address} {} < {input}", arguments.join(" "));
        let mut process = Process::start(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_unstick")]));
        let _peer = Peer::accept(&listener);
        assert_eq!((process.code(), process.errors()), (1, format!("unstick: standard input: {err}\n")));
    }
    let cut_short = "unstick: standard input: the stream ended 6 bytes into a 9-byte frame\n";
    connect(&["-f", "line", "--io", "u32be"]).input(CUT_SHORT).meets(|peer| peer).is(1, "", cut_short);
}

#[test]
fn a_broken_framing() {
    let broken = "unstick: length 1195725856 is over the limit of 16 MiB; its bytes are the text \"GET \": is the peer \
                  speaking HTTP?\n  18 bytes of an unfinished message had arrived: \"GET / HTTP/1.1\\r\\n\\r\\n\"\n  \
                  hint: these bytes fit -f http, as a client sends it\n";
    let speaks_http = |mut peer: Peer| {
        peer.says("GET / HTTP/1.1\r\n\r\n");
        peer
    };
    connect(&["-f", "u32be"]).meets(speaks_http).is(5, "", broken);
    listen(&["-f", "u32be", "--once"]).meets(speaks_http).is(5, "", broken);
}

#[test]
fn an_end_inside_a_frame() {
    let inside = "unstick: the stream ended 6 bytes into a 9-byte frame\n  6 bytes of an unfinished message had arrived: \"\\x00\\x00\\x00\\x05ab\"\n";
    connect(&["-f", "u32be"]).meets(|mut peer| peer.says(CUT_SHORT)).is(5, "", inside);
    listen(&["-f", "u32be", "--once"]).meets(|mut peer| peer.says(CUT_SHORT)).is(5, "", inside);
}

#[test]
fn a_frame_that_takes_too_long() {
    let late = "unstick: a frame did not end within 50ms: 6 bytes of it arrived\n  6 bytes of an unfinished message had arrived: \"\\x00\\x00\\x00\\x05ab\"\n";
    let stops = |mut peer: Peer| {
        peer.says(CUT_SHORT);
        peer
    };
    connect(&["-f", "u32be", "--frame-timeout", BRIEF]).meets(stops).is(4, "", late);
    listen(&["-f", "u32be", "--frame-timeout", BRIEF, "--once"]).meets(stops).is(4, "", late);
}

#[test]
fn nobody_listens() {
    let vacancy = Vacancy::new();
    let Vacancy { address, .. } = &vacancy;
    let refused = format!(
        "unstick: cannot connect to tcp://{address}: connection refused\n  hint: nothing listens there; --retry 10s keeps trying\n"
    );
    fails(&["connect", address], 3, &refused);
    fails(&["connect", address, "-f", "line"], 3, &refused);
    fails(&["ask", address, "hi"], 3, &refused);
}

#[test]
fn trying_again_finds_who_comes_late() {
    let vacancy = Vacancy::new();
    let mut client = unstick(&["connect", &vacancy.address, "--retry", LONG, "-v", "-f", "line", "--count", "1"]);
    client.error_line_with("trying again");
    Peer::accept(&vacancy.listens(1)).says("at last\n");
    assert_eq!((client.rest(), client.code()), ("at last\n".into(), 0));
}

// ---- listen ----

#[test]
fn a_listener_goes_on_after_a_bad_peer_and_says_whose_fault_it_was() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "u32be", "--count", "2"]);
    for bad in 1..=2 {
        let mut peer = Peer::connect(port);
        peer.says([0xff; 4]);
        peer.is_dropped();
        let said = listener.error_line_with("is over the limit");
        assert!(said.starts_with(&format!("unstick: peer {bad}: ")), "{said}");
    }
    let mut rude = Peer::connect(port);
    rude.says("\0\0\0\x02yo");
    assert_eq!(listener.line(), "yo");
    rude.resets();
    assert_eq!(listener.error_line_with("reset"), "unstick: peer 3: receiving: connection reset by peer");
    let mut good = Peer::connect(port);
    good.says("\0\0\0\x02hi");
    assert_eq!((listener.code(), &*listener.rest(), &*listener.errors()), (0, "hi\n", ""));
}

#[test]
fn a_listener_ends_with_its_last_peer_once_the_input_has_ended() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--half-close", "now"]);
    let mut peers = [(); 3].map(|()| Peer::connect(port));
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.says(format!("{number}\n"));
        assert_eq!(listener.line(), number.to_string());
    }
    listener.end_input();
    for mut peer in peers {
        peer.hears_the_end();
        peer.says("last words\n");
        assert_eq!(listener.line(), "last words");
    }
    assert_eq!((listener.code(), &*listener.errors()), (0, ""));
}

#[test]
fn a_listener_whose_input_is_over_waits_for_a_first_peer() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "line"]);
    listener.feed("for whoever comes first\n");
    listener.end_input();
    let mut peer = Peer::connect(port);
    assert_eq!(peer.hears_all(), b"for whoever comes first\n");
    drop(peer);
    assert_eq!((listener.code(), &*listener.errors()), (0, ""));
}

#[test]
fn a_count_is_over_all_peers() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--count", "3"]);
    let mut stays = Peer::connect(port);
    stays.says("1\n");
    assert_eq!(listener.line(), "1");
    Peer::connect(port).says("2\n");
    assert_eq!(listener.line(), "2");
    stays.says("3\n");
    assert_eq!((listener.rest(), listener.code()), ("3\n".into(), 0));
}

#[test]
fn no_message_is_taken_beyond_a_count_that_is_being_answered() {
    let gate = Gate::new();
    let (mut listener, port) =
        unstick_listen(&["127.0.0.1:0", "--count", "1", "--each", &format!("read _ < {}; cat", gate.path())]);
    let (mut asks, mut other) = (Peer::connect(port), Peer::connect(port));
    asks.says("mine\n");
    assert_eq!(listener.line(), "mine");
    other.says("not mine\n");
    gate.open();
    asks.hears("mine\n");
    assert_eq!((listener.code(), &*listener.rest()), (0, ""));
}

#[test]
fn a_last_word_ends_one_conversation_and_the_listener_goes_on() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--until", "q"]);
    for name in ["first", "second"] {
        let mut peer = Peer::connect(port);
        peer.says(format!("{name}\nQ\nunheard\n"));
        assert_eq!(listener.line(), name);
        assert_eq!(listener.line(), "Q");
        peer.is_dropped();
    }
    listener.signal(Signal::INT);
    assert_eq!((listener.code(), &*listener.rest()), (130, ""));
}

#[test]
fn one_conversation_and_no_other() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "--once", "--half-close", "now"]);
    listener.end_input();
    let mut peer = Peer::connect(port);
    peer.hears_the_end();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "a second one is refused");
    peer.says("hi\n");
    drop(peer);
    assert_eq!((listener.code(), &*listener.rest()), (0, "hi\n"));
}

// ---- ask ----

#[test]
fn a_reply() {
    let replies = |mut peer: Peer| {
        peer.hears("PING\r\n");
        peer.says("+PONG\r\n");
        peer
    };
    ask(&["PING", "-f", "crlf"]).meets(replies).is(0, "+PONG\n", "");
}

#[test]
fn a_question_leaves_its_side_open_until_the_reply() {
    let end = ask(&["hi"]).meets(|mut peer| {
        peer.hears("hi\n");
        peer.stream().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let waits = std::io::Read::read(&mut peer.stream(), &mut [0]);
        assert_eq!(waits.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        peer.says("ho\n");
        peer
    });
    end.is(0, "ho\n", "");
}

#[test]
fn no_reply() {
    let ended = "unstick: the peer closed without a reply\n";
    ask(&["hi"]).meets(|mut peer| peer.hears("hi\n")).is(6, "", ended);
    ask(&["hi", "--deadline", BRIEF]).meets(|peer| peer).is(4, "", "unstick: no reply within 50ms\n");
}

#[test]
fn a_reply_that_is_none() {
    let hears = |peer: &mut Peer| peer.hears("\0\0\0\x02hi");
    let reset = |mut peer: Peer| {
        hears(&mut peer);
        peer.resets();
    };
    ask(&["hi", "-f", "u32be"]).meets(reset).is(1, "", RESET);
    let cut_short = |mut peer: Peer| {
        hears(&mut peer);
        peer.says(CUT_SHORT);
    };
    let part = "  6 bytes of an unfinished message had arrived: \"\\x00\\x00\\x00\\x05ab\"\n";
    let inside = format!("unstick: the stream ended 6 bytes into a 9-byte frame\n{part}");
    ask(&["hi", "-f", "u32be"]).meets(cut_short).is(5, "", &inside);
    let stops = |mut peer: Peer| {
        hears(&mut peer);
        peer.says(CUT_SHORT);
        peer
    };
    let late = format!("unstick: a frame did not end within 50ms: 6 bytes of it arrived\n{part}");
    ask(&["hi", "-f", "u32be", "--frame-timeout", BRIEF]).meets(stops).is(4, "", &late);
    let late = format!("unstick: no reply within 300ms\n{part}");
    ask(&["hi", "-f", "u32be", "--deadline", "300ms"]).meets(stops).is(4, "", &late);
}

// ---- from outside ----

#[test]
fn signals() {
    let both = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)];
    for (signal, code) in both {
        for arguments in [&[][..], &["-f", "line"], &["--json"], &["--echo"]] {
            // It has connected, so it is ready for signals.
            let stopped = |process: &mut Process, peer: Peer| {
                process.signal(signal);
                peer
            };
            assert_eq!(connect(arguments).runs(stopped).code, code, "connect {arguments:?}");
            assert_eq!(listen(arguments).runs(stopped).code, code, "listen {arguments:?}");
        }
        let asked = ask(&["hi"]).runs(|process, mut peer| {
            peer.hears("hi\n");
            process.signal(signal);
            peer
        });
        assert_eq!(asked.code, code, "ask");
    }
}

#[test]
fn signals_that_are_switched_off_end_nothing() {
    let script = "trap '' INT HUP; exec \"$0\" listen 127.0.0.1:0 --echo"; // as nohup does
    let mut listener = Process::start(Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_unstick")]));
    let port = port_at_end(&listener.error_line_with("listening on ")).unwrap();
    let mut peer = Peer::connect(port);
    for signal in [Signal::INT, Signal::HUP] {
        listener.signal(signal);
        peer.says("still there?\n");
        peer.hears("still there?\n");
    }
    listener.signal(Signal::TERM);
    assert_eq!(listener.code(), 143);
}

#[test]
fn a_question_from_standard_input_can_be_interrupted_before_it_is_whole() {
    let (_listener, address) = listener();
    let mut process = unstick(&["ask", &address, "-"]);
    process.feed("half a quest");
    process.signal(Signal::INT);
    assert_eq!(process.code(), 130);
}

#[test]
fn nobody_reads_standard_output() {
    for arguments in ["-f line", "", "--json", "--io hex"] {
        let (listener, address) = listener();
        let script = format!("{{ \"$0\" connect {} {arguments}; echo status $? >&2; }} | head -c 4", address);
        let mut shell = Process::start(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_unstick")]));
        let peer = Peer::accept(&listener);
        // It notices with its next write.
        while std::io::Write::write(&mut peer.stream(), b"0123\n").is_ok() {}
        assert_eq!(shell.errors(), "status 0\n", "{arguments}");
    }
}

#[test]
fn a_closed_standard_output_is_nowhere() {
    let (listener, address) = listener();
    let script = format!("\"$0\" connect {} -f line >&-", address);
    let mut shell = Process::start(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_unstick")]));
    shell.end_input();
    Peer::accept(&listener).says("into the void\n");
    assert_eq!((shell.code(), &*shell.errors()), (0, ""));
}

#[test]
fn a_full_disk_is_an_error_and_said_once() {
    for arguments in [&["-f", "line"][..], &[], &["--json"]] {
        let (listener, address) = listener();
        let mut command = Command::new(env!("CARGO_BIN_EXE_unstick"));
        command.args([&["connect", &*address], arguments].concat());
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut process = Process::start_into(&mut command, Stdio::from(full));
        process.end_input();
        Peer::accept(&listener).says("no room\n");
        assert_eq!(process.code(), 1);
        assert_eq!(process.errors(), "unstick: standard output: no space left on device\n", "{arguments:?}");
    }
}

// ---- what the rooms above need ----

/// Checks that the program ends at once, with this status and this text.
#[track_caller]
fn fails(arguments: &[&str], code: i32, err: &str) {
    let mut process = unstick(arguments);
    assert_eq!((process.code(), &*process.errors()), (code, err));
    assert_eq!(process.rest(), "");
}

/// A listener that accepts nobody and whose backlog is full, and its address.
fn full_backlog() -> (impl Sized, String) {
    let vacancy = Vacancy::new();
    let address = vacancy.address.clone();
    let listener = vacancy.listens(0);
    let first = TcpStream::connect(&address).expect("there is room for one");
    ((listener, first), address)
}

/// `UNANSWERED`: a peer that acknowledges nothing for four times as long counts as gone, and so does one that has no room for that
/// long.
#[test]
fn keepalive_lets_go_of_a_peer_that_takes_nothing() {
    assert_eq!(unstick::limits::UNANSWERED, 3);
    let (listener, address) = listener();
    let mut process =
        unstick(&["connect", &address, "--keepalive", "1s", "-f", "line"]).patient(Duration::from_secs(50));
    let _deaf = Peer::accept(&listener);
    let mut input = process.take_input();
    std::thread::spawn(
        move || while input.write_all(&[b'x'; 1 << 10]).and_then(|()| input.write_all(b"\n")).is_ok() {},
    );
    process.error_line_with("timed out");
    assert_ne!(process.code(), 0);
}
