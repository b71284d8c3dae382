//! Messages and bytes in a pipe: the default framing, each format of `--io`, large amounts, slow readers.
//!
//! Not here: how a run ends (`ends`), and JSON events (`json`).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;

use crate::rig::{Peer, Process, connect, listen, listener, temporary, unstick, unstick_listen};

// ---- the framing without an option ----

#[test]
fn without_a_message_option_a_pipe_is_bytes() {
    let bytes = b"no end of line, \0\x01\xff";
    let says = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), bytes);
        peer.says("two\nlines, and a rest");
    };
    connect(&[]).input(bytes).meets(says).is(0, "two\nlines, and a rest", "");
    listen(&[]).input(bytes).meets(says).is(0, "two\nlines, and a rest", "");
    connect(&["-f", "raw"]).input(bytes).meets(says).is(0, "two\nlines, and a rest", "");
}

#[test]
fn with_a_message_option_it_is_lines() {
    let says = |mut peer: Peer| {
        peer.says("a\r\nb\nc");
        peer.half_closes();
        peer
    };
    for option in [&["--io", "hex"][..], &["--send", "x", "--io", "hex"], &["--count", "3", "--io", "hex"]] {
        connect(option).input("").meets(says).is(0, "61\n62\n63\n", "");
    }
}

#[test]
fn a_raw_framing_with_a_message_option_shows_each_read() {
    let says = |mut peer: Peer| {
        peer.says("no end");
        peer
    };
    connect(&["-f", "raw", "--count", "1"]).meets(says).is(0, "no end\n", "");
}

#[test]
fn a_framing_for_each_direction() {
    let talks = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"\0\x02hi");
        peer.says("yo\0");
    };
    connect(&["--frame-in", "null", "--frame-out", "u16be"]).input("hi\n").meets(talks).is(0, "yo\n", "");
    // The framing of the address applies to the direction that the options leave open.
    let (listener, address) = listener();
    let address = format!("null+tcp://{address}");
    let mut client = unstick(&["connect", &address, "--frame-out", "u16be"]);
    client.feed("hi\n");
    client.end_input();
    talks(Peer::accept(&listener));
    assert_eq!((client.rest(), client.code()), ("yo\n".into(), 0));
}

// ---- formats ----

#[test]
fn lines_are_messages_verbatim() {
    let talks = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"\x03one\0\x04two\r\x04\xfftab\x04rest");
        peer.says(b"\x01a\0\x02b\r\x02\xff\t");
    };
    for arguments in [&["-f", "u8"][..], &["-f", "u8", "--io", "line"]] {
        let (listener, address) = listener();
        let mut client = unstick(&[&["connect", &address], arguments].concat());
        client.feed(b"one\n\ntwo\r\n\xfftab\nrest");
        client.end_input();
        talks(Peer::accept(&listener));
        assert_eq!(client.rest_bytes().escape_ascii().to_string(), "a\\n\\nb\\r\\n\\xff\\t\\n");
        assert_eq!((client.code(), &*client.errors()), (0, ""));
    }
}

#[test]
fn a_message_that_is_not_one_line_ends_its_conversation_with_a_hint() {
    let says = |mut peer: Peer| {
        peer.says(b"\x02ok\x03a\nb\x05never");
        peer.is_dropped();
    };
    let hint = "unstick: a message does not fit standard output as --io line: the message contains its own delimiter \
                (LF) at byte 1, and would arrive in pieces\n  hint: --io quoted, hex, escaped or json shows any message \
                on one line\n";
    connect(&["-f", "u8", "--io", "line"]).meets(says).is(1, "ok\n", hint);
    listen(&["-f", "u8", "--io", "line", "--once"]).meets(says).is(1, "ok\n", hint);
}

#[test]
fn without_a_format_every_message_fits_on_a_line_and_can_be_read_back() {
    let messages: &[(&[u8], &[u8])] = &[
        (b"as \\n it \t is \xc3 \"'", b"as \\n it \t is \xc3 \"'"),
        (b"two\nlines\n", br"$'two\nlines\n'"),
        (b"\n\0'\\\xff", br"$'\n\x00\'\\\xff'"),
        (b"$'quoted'", br"$'$\'quoted\''"),
        (b"$'", br"$'$\''"),
        (b"", b""),
    ];
    let frames: Vec<u8> = messages.iter().flat_map(|(m, _)| [&[m.len() as u8], *m].concat()).collect();
    let (listener, address) = listener();
    let mut reads = unstick(&["connect", &address, "-f", "u8"]);
    let mut peer = Peer::accept(&listener);
    peer.says(&frames);
    drop(peer);
    let written = reads.rest_bytes();
    let expected: Vec<u8> = messages.iter().flat_map(|(_, line)| [line, &b"\n"[..]].concat()).collect();
    assert_eq!(written.escape_ascii().to_string(), expected.escape_ascii().to_string());
    // The same lines are the same messages.
    let mut writes = unstick(&["connect", &address, "-f", "u8"]);
    writes.feed(&written);
    writes.end_input();
    assert_eq!(Peer::accept(&listener).hears_all(), frames);
    // A shell reads them too.
    let shell = Command::new("bash").args(["-c", r"printf %s $'two\nlines\n'"]).output().unwrap();
    assert_eq!(shell.stdout, b"two\nlines\n");
}

#[test]
fn a_message_that_the_framing_cannot_carry_stops_the_run() {
    let hears = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"fine\0");
        peer
    };
    let err = "unstick: the message contains its own delimiter (a zero byte) at byte 1, and would arrive in pieces\n  \
               hint: a framing with a length, such as u32be, carries any bytes, if the peer speaks that too\n";
    connect(&["-f", "null"]).input("fine\nn\0t fine\nunsent\n").meets(hears).is(1, "", err);
    listen(&["-f", "null"]).input("fine\nn\0t fine\nunsent\n").meets(hears).is(1, "", err);
}

type Messages = &'static [&'static [u8]];

/// Everything that a message can hold, in each format: the text in the pipe, and the messages.
const FORMATS: &[(&str, &[u8], Messages)] = &[
    ("hex", b"\n00ff\n680a69\n", &[b"", b"\0\xff", b"h\ni"]),
    ("escaped", b"\n\\x00\\xff\nh\\ni\\\\\n", &[b"", b"\0\xff", b"h\ni\\"]),
    ("json", b"\"\"\n{\"base64\":\"AP8=\"}\n\"h\\ni\"\n", &[b"", b"\0\xff", b"h\ni"]),
    ("u16le", b"\0\0\x02\0\0\xff\x03\0h\ni", &[b"", b"\0\xff", b"h\ni"]),
    ("netstring", b"0:,2:\0\xff,3:h\ni,", &[b"", b"\0\xff", b"h\ni"]),
    ("null", b"\0h\ni\0", &[b"", b"h\ni"]),
];

#[test]
fn every_format_both_ways() {
    for (format, piped, messages) in FORMATS {
        let frames: Vec<u8> = messages.iter().flat_map(|m| [&[m.len() as u8], *m].concat()).collect();
        let (listener, address) = listener();
        let mut client = unstick(&["connect", &address, "-f", "u8", "--io", format]);
        client.feed(piped);
        client.end_input();
        let mut peer = Peer::accept(&listener);
        assert_eq!(peer.hears_all(), frames, "{format}");
        peer.says(&frames);
        drop(peer);
        assert_eq!(client.rest_bytes().escape_ascii().to_string(), piped.escape_ascii().to_string(), "{format}");
        assert_eq!((client.code(), &*client.errors()), (0, ""), "{format}");
    }
}

#[test]
fn a_raw_input_is_one_message_and_raw_output_has_nothing_between() {
    let talks = |mut peer: Peer| {
        assert_eq!(peer.hears_all(), b"\x0ftwo lines,\nall\n");
        peer.says(b"\x01a\x02\nb");
    };
    connect(&["-f", "u8", "--io", "raw"]).input("two lines,\nall\n").meets(talks).is(0, "a\nb", "");
}

#[test]
fn what_stands_in_no_format_stops_the_run_with_a_hint() {
    for (format, line, hint) in [
        ("hex", "0g", "a message in hexadecimal is written 00ff10 or 00 ff 10"),
        ("escaped", "\\q", r"\n, \r, \t, \0, \xHH and \\ are what a backslash begins"),
        (
            "quoted",
            "$'a",
            r"a line that begins with $' is read as a quoted message, such as $'a\nb'; --io line takes every line as it is",
        ),
        ("json", "{}", "a message in JSON is a string, or {\"base64\":\"...\"}"),
    ] {
        let err = format!("unstick: standard input: `{line}` is not a message in --io {format}\n  hint: {hint}\n");
        let hears = |mut peer: Peer| {
            peer.hears_the_end();
            peer
        };
        let end = connect(&["-f", "u8", "--io", format]).input(&format!("{line}\n")).meets(hears);
        assert_eq!((end.code, end.err.replace("\\\\q", "\\q")), (1, err));
    }
}

// ---- recipients ----

#[test]
fn a_listeners_messages_go_to_who_spoke_last_and_else_to_all() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "line", "-v"]);
    listener.feed("first come\n");
    let mut one = Peer::connect(port);
    one.hears("first come\n");
    let mut two = Peer::connect(port);
    listener.error_line_with("peer 2 joined");
    listener.feed("both of you\n");
    one.hears("both of you\n");
    two.hears("both of you\n");
    for name in ["two", "one", "two"] {
        let peer = if name == "two" { &mut two } else { &mut one };
        peer.says(format!("I am {name}\n"));
        assert_eq!(listener.line(), format!("I am {name}"));
        listener.feed(format!("hello {name}\n"));
        peer.hears(format!("hello {name}\n"));
    }
    drop(two);
    listener.error_line_with("peer 2 left");
    listener.feed("who is left\n");
    one.hears("who is left\n");
    drop(one);
    listener.error_line_with("peer 1 left");
    listener.feed("who comes next\n");
    Peer::connect(port).hears("who comes next\n");
}

#[test]
fn a_raw_listener_serves_one_conversation() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0"]);
    let mut peer = Peer::connect(port);
    peer.says("hello");
    listener.expect("hello");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "a second one is refused");
    listener.feed("and bye");
    listener.end_input();
    assert_eq!(peer.hears_all(), b"and bye");
    drop(peer);
    assert_eq!((listener.code(), &*listener.rest()), (0, ""));
}

#[test]
fn a_frame_without_an_end_is_said_once_and_not_in_a_raw_pipe() {
    let (listener, address) = listener();
    let mut client = unstick(&["connect", &address, "-f", "line"]);
    let mut peer = Peer::accept(&listener);
    for (message, hint) in [
        ("first", "  hint: --frame-in raw shows what arrives as it arrives, and what you type is sent as before\n"),
        ("second", ""),
    ] {
        peer.says(message);
        client.error_line_with(&format!("{} bytes so far, and no end of a message: \"{message}\"", message.len()));
        peer.says("\n");
        assert_eq!(client.line(), message);
        if !hint.is_empty() {
            client.error_line_with(hint.trim_end());
        }
    }
    client.end_input();
    drop(peer);
    assert_eq!((client.code(), &*client.errors()), (0, ""));
}

#[test]
fn what_is_lost_is_said() {
    let says = |mut peer: Peer| {
        peer.says("far too long\nok\nmuch too long\nfar too long\nok\n");
        peer
    };
    let end = connect(&["-f", "line,max=4,oversize=discard", "--count", "2"]).meets(says);
    assert_eq!((end.code, &*end.out), (0, "ok\nok\n"));
    assert_eq!(end.err, "unstick: peer 1: 3 messages passed over as too long (oversize=discard)\n");
}

#[test]
fn the_failure_of_one_of_many_is_said_and_ends_nothing() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "u8"]);
    let mut broken = Peer::connect(port);
    broken.says(b"\x05ab");
    drop(broken);
    let said = listener.error_line_with("peer 1");
    assert_eq!(said, "unstick: peer 1: the stream ended 3 bytes into a 6-byte frame");
    let mut whole = Peer::connect(port);
    whole.says(b"\x02ok");
    assert_eq!(listener.line(), "ok");
}

// ---- half-closes ----

#[test]
fn a_peer_that_ends_its_side_at_once_still_gets_all_of_the_input() {
    let input: Vec<u8> = lines();
    for verb in ["connect", "listen"] {
        for arguments in [&[][..], &["-f", "line"], &["-f", "line", "--once"]] {
            if verb == "connect" && arguments.contains(&"--once") {
                continue;
            }
            let (mut process, mut peer) = meets(verb, arguments);
            peer.half_closes();
            let heard = thread::spawn(move || peer.hears_all());
            process.feed(&input);
            process.end_input();
            let heard = heard.join().unwrap();
            assert!(heard == input, "{verb} {arguments:?}: {} of {} bytes", heard.len(), input.len());
            assert_eq!((process.code(), &*process.errors()), (0, ""), "{verb} {arguments:?}");
        }
    }
}

#[test]
fn a_peer_that_ends_its_side_and_is_slow_to_read_still_gets_all_of_the_input() {
    let input: Vec<u8> = lines();
    for arguments in [&["--linger", "500ms"][..], &["-f", "line", "--linger", "500ms"]] {
        let (mut process, mut peer) = meets("connect", arguments);
        let feeding = {
            let (input, mut stdin) = (input.clone(), process.take_input());
            thread::spawn(move || stdin.write_all(&input).unwrap())
        };
        peer.hears(&input[..16]);
        peer.half_closes();
        // For far longer than --linger, no data can move.
        thread::park_timeout(std::time::Duration::from_millis(1200));
        let heard = peer.hears_all();
        feeding.join().unwrap();
        assert!(heard == input[16..], "{arguments:?}: {} of {} bytes", heard.len(), input.len());
        assert_eq!((process.code(), &*process.errors()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_greeting_reaches_a_peer_that_ends_its_side_at_once() {
    let directory = temporary();
    let path = directory.path().join("message");
    let message = vec![b'x'; 8 << 20];
    std::fs::write(&path, &message).unwrap();
    let file = path.to_str().unwrap();
    for arguments in [&["--send-file", file][..], &["--send-file", file, "--send-file", file]] {
        let (mut process, mut peer) = meets("connect", &[arguments, &["--linger", "10ms"]].concat());
        peer.half_closes();
        thread::park_timeout(std::time::Duration::from_millis(100));
        let heard = peer.hears_all();
        assert_eq!(heard.len(), (message.len() + 1) * arguments.len() / 2);
        assert_eq!((process.code(), &*process.errors()), (0, ""));
    }
}

// ---- large amounts ----

#[test]
fn megabytes_through_every_format_both_ways() {
    let text = lines();
    let hex: Vec<u8> = text.split_inclusive(|b| *b == b'\n').flat_map(|l| hex_line(&l[..l.len() - 1])).collect();
    let json: Vec<u8> =
        text.split_inclusive(|b| *b == b'\n').flat_map(|l| [b"\"", &l[..l.len() - 1], b"\"\n"].concat()).collect();
    let netstrings: Vec<u8> =
        text.split_inclusive(|b| *b == b'\n').flat_map(|l| [b"127:", &l[..l.len() - 1], b","].concat()).collect();
    for (arguments, input) in [
        (&[][..], &text),
        (&["-f", "line"], &text),
        (&["-f", "u32be"], &text),
        (&["-f", "u32be", "--io", "escaped"], &text),
        (&["-f", "u32be", "--io", "hex"], &hex),
        (&["-f", "u32be", "--io", "json"], &json),
        (&["-f", "u32be", "--io", "netstring"], &netstrings),
        (&["-f", "u32be", "--io", "raw"], &text),
    ] {
        let (mut echo, port) =
            unstick_listen(&["127.0.0.1:0", "--echo", "--io", "raw", "-f", arguments.get(1).unwrap_or(&"line")]);
        let address = format!("127.0.0.1:{port}");
        let mut client = unstick(&[&["connect", &*address], arguments].concat());
        client.feed(input);
        client.end_input();
        let output = client.rest_bytes();
        assert!(output == *input, "{arguments:?}: {} of {} bytes, or others", output.len(), input.len());
        assert_eq!((client.code(), &*client.errors()), (0, ""), "{arguments:?}");
        echo.signal(rustix::process::Signal::TERM);
        echo.code();
    }
}

#[test]
fn one_message_of_megabytes() {
    let message = vec![b'm'; 12 << 20];
    let (_echo, port) = unstick_listen(&["127.0.0.1:0", "--reply", "thanks", "-f", "u32be", "--io", "raw"]);
    let mut client = unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", "u32be", "--io", "raw"]);
    client.feed(&message);
    client.end_input();
    assert_eq!((&*client.rest(), client.code()), ("thanks", 0));
}

/// Bytes that a program may hold while nobody reads its output: far less than it receives.
const PATIENT: usize = 48 << 20;

#[test]
fn a_slow_reader_of_the_output_slows_the_peer_and_memory_stays_bounded() {
    for arguments in [&["-f", "line"][..], &[], &["--json"], &["-f", "line", "--io", "hex"]] {
        let (listener, address) = listener();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_unstick"));
        command.arg("connect").arg(&address).args(arguments);
        let mut process = Process::start_into(&mut command, Stdio::from(writer));
        drop(command);
        process.end_input();
        let peer = Peer::accept(&listener);
        peer.stream().set_nonblocking(true).unwrap();
        let sent = fill(&peer);
        let held = process.memory();
        assert!(sent < PATIENT && held < PATIENT, "{arguments:?}: {sent} bytes taken, {held} held");
        drop(peer);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert!(rest.len() >= sent, "{arguments:?}: {} of {sent} bytes", rest.len());
        assert_eq!((process.code(), &*process.errors()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_peer_that_is_slow_to_read_slows_the_input() {
    for arguments in [&["-f", "line"][..], &[]] {
        let (mut process, peer) = meets("connect", arguments);
        let mut stdin = process.take_input();
        let fed = thread::spawn(move || {
            let line = [b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<u8>>();
            // Ends when the program does.
            (0..PATIENT / 512).map_while(|_| stdin.write_all(&line).ok()).count() * line.len()
        });
        let mut last = 0;
        // Once every buffer is full, nothing moves.
        loop {
            thread::park_timeout(std::time::Duration::from_millis(200));
            let held = process.memory();
            if held == last {
                break;
            }
            last = held;
        }
        assert!(last < PATIENT, "{arguments:?}: {last} bytes held");
        process.signal(rustix::process::Signal::TERM);
        assert_eq!(process.code(), 143);
        let fed = fed.join().unwrap();
        assert!(fed < PATIENT, "{arguments:?}: {fed} bytes taken");
        drop(peer);
    }
}

// ---- what the rooms above need ----

/// Four megabytes, in lines of 128 bytes.
fn lines() -> Vec<u8> {
    (0..4 << 13).map(|number| format!("{number:0127}\n")).collect::<String>().into_bytes()
}

fn hex_line(line: &[u8]) -> Vec<u8> {
    line.iter().map(|byte| format!("{byte:02x}")).chain(["\n".into()]).collect::<String>().into_bytes()
}

/// The program with this verb and a peer at its other end.
fn meets(verb: &str, arguments: &[&str]) -> (Process, Peer) {
    if verb == "listen" {
        let (process, port) = unstick_listen(&[&["127.0.0.1:0"], arguments].concat());
        return (process, Peer::connect(port));
    }
    let (listener, address) = listener();
    let process = unstick(&[&[verb, &address], arguments].concat());
    (process, Peer::accept(&listener))
}

/// Sends lines until the program has taken no more for long enough. Returns the number of bytes.
fn fill(peer: &Peer) -> usize {
    let line = [b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<u8>>();
    let (mut sent, mut refused, mut at) = (0, 0, 0);
    while refused < 10 {
        match peer.stream().write(&line[at..]) {
            Ok(count) => {
                (sent, refused, at) = (sent + count, 0, (at + count) % line.len());
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                refused += 1;
                thread::park_timeout(std::time::Duration::from_millis(50));
            }
        }
    }
    sent
}
