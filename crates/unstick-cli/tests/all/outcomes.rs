//! One message never ends a listener: a wrong message, or an answer that cannot be sent, affects only that peer. Each
//! test has a hostile peer beside good ones.
//!
//! Not here: every framing with a live echo (the library's tests in `answers`).

use std::net::UdpSocket;

use rustix::process::Signal;

use crate::rig::{Peer, Process, unstick, unstick_listen};

const GOOD: usize = 3;

/// A listener, what each good peer sends and receives, and what the hostile one sends.
struct Case {
    arguments: &'static [&'static str],
    good: (&'static [u8], &'static [u8]),
    bad: &'static [u8],
    /// The error about the hostile peer; empty if its message is accepted.
    said: &'static str,
}

const CASES: &[Case] = &[
    // Standard output can show every message.
    Case {
        arguments: &["-f", "u32be", "--each", "tr a-z A-Z"],
        good: (b"\0\0\0\x02hi", b"\0\0\0\x02HI"),
        bad: b"\0\0\0\x04a\nb\n",
        said: "",
    },
    Case { arguments: &["-f", "u8", "--echo"], good: (b"\x02hi", b"\x02hi"), bad: b"\x03a\nb", said: "" },
    Case { arguments: &["-f", "null", "--echo"], good: (b"hi\0", b"hi\0"), bad: b"a\nb\0", said: "" },
    Case { arguments: &["-f", "crlf", "--echo"], good: (b"hi\r\n", b"hi\r\n"), bad: b"a\nb\r\n", said: "" },
    Case { arguments: &["-f", "smtp", "--echo"], good: (b"hi\r\n", b"hi\r\n"), bad: b"a\nb\r\n", said: "" },
    // A format that the user chose is never changed.
    Case {
        arguments: &["-f", "u8", "--io", "line", "--echo"],
        good: (b"\x02hi", b"\x02hi"),
        bad: b"\x03a\nb",
        said: "a message does not fit standard output as --io line",
    },
    Case {
        arguments: &["-f", "u8", "--io", "null", "--echo"],
        good: (b"\x02hi", b"\x02hi"),
        bad: b"\x03a\0b",
        said: "a message does not fit standard output as --io null",
    },
    Case {
        arguments: &["-f", "u16be", "--io", "u8,max=9", "--echo"],
        good: (b"\0\x02hi", b"\0\x02hi"),
        bad: b"\0\x0a0123456789",
        said: "a message does not fit standard output as --io u8,max=9",
    },
    // Answers that their framing cannot carry.
    Case {
        arguments: &["-f", "line", "--echo"],
        good: (b"hi\n", b"hi\n"),
        bad: b"a\r\r\n",
        said: "the answer cannot be sent",
    },
    Case {
        arguments: &["-f", "line", "--each", "tr x '\\n'"],
        good: (b"hi\n", b"hi\n"),
        bad: b"axb\n",
        said: "the answer cannot be sent",
    },
    Case {
        arguments: &["-f", "line", "--json", "--each", "tr x '\\n'"],
        good: (b"hi\n", b"hi\n"),
        bad: b"axb\n",
        said: "",
    },
    Case {
        arguments: &["--frame-in", "u8", "--frame-out", "line", "--echo"],
        good: (b"\x02hi", b"hi\n"),
        bad: b"\x03a\nb",
        said: "the answer cannot be sent",
    },
    Case {
        arguments: &[
            "--frame-in",
            "u16be",
            "--frame-out",
            "u8",
            "--each",
            "case $(cat) in x) head -c 256 /dev/zero;; *) echo ok;; esac",
        ],
        good: (b"\0\x02hi", b"\x02ok"),
        bad: b"\0\x01x",
        said: "the answer cannot be sent",
    },
    Case {
        arguments: &["-f", "http", "--echo"],
        good: (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"),
        bad: b"HTTP/1.1 200 OK\r\n\r\nup to the end",
        said: "the answer cannot be sent",
    },
];

#[test]
fn a_message_that_cannot_be_written_ends_its_own_conversation_and_no_other() {
    for case in CASES {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0"], case.arguments].concat());
        let mut good: Vec<Peer> = (0..GOOD).map(|_| Peer::connect(port)).collect();
        let asked = |good: &mut Vec<Peer>| {
            for peer in good {
                peer.says(case.good.0);
                peer.hears(case.good.1);
            }
        };
        asked(&mut good);
        let mut bad = Peer::connect(port);
        bad.says(case.bad);
        if case.said.is_empty() {
            asked(&mut good);
        } else {
            // Its end is part of its attack. Its conversation ends with that or with the error, whichever comes first.
            let _ = bad.stream().shutdown(std::net::Shutdown::Write);
            bad.is_dropped();
            let said = listener.error_line_with(case.said);
            assert!(said.starts_with(&format!("unstick: peer {}: ", GOOD + 1)), "{said}");
            asked(&mut good);
        }
        let mut later = vec![Peer::connect(port)];
        asked(&mut later);
        listener.signal(Signal::TERM);
        assert_eq!(listener.code(), 143, "{:?}", case.arguments);
    }
}

/// With a single peer, the run ends with its conversation, and the exit status says why.
#[test]
fn with_one_peer_the_status_says_that_something_was_refused() {
    for case in CASES.iter().filter(|case| !case.said.is_empty()) {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0", "--once"], case.arguments].concat());
        let mut bad = Peer::connect(port);
        bad.says(case.bad);
        let _ = bad.stream().shutdown(std::net::Shutdown::Write);
        bad.is_dropped();
        assert!(listener.errors().contains(case.said), "{:?}", case.arguments);
        assert_eq!(listener.code(), 1, "{:?}", case.arguments);
    }
}

#[test]
fn what_was_answered_before_a_refused_answer_still_arrives() {
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "--echo"]);
    let mut peer = Peer::connect(port);
    peer.says("one\ntwo\na\r\r\nunheard\n");
    assert_eq!(peer.hears_all(), b"one\ntwo\n");
}

#[test]
fn a_count_goes_on_over_a_refused_answer() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--echo", "--count", "2"]);
    let mut bad = Peer::connect(port);
    bad.says("a\r\r\n");
    bad.is_dropped();
    let mut good = Peer::connect(port);
    good.says("hi\n");
    good.hears("hi\n");
    assert_eq!((listener.code(), &*listener.rest()), (0, "a\r\nhi\n"));
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--echo", "--count", "1"]);
    Peer::connect(port).says("a\r\r\n");
    assert!(listener.errors().contains("peer 1: the answer cannot be sent"));
    assert_eq!(listener.code(), 0);
}

#[test]
fn under_json_a_refused_answer_is_the_error_of_its_close() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--echo", "--json"]);
    Peer::connect(port).says("a\r\r\n");
    loop {
        let event: serde_json::Value = serde_json::from_str(&listener.line()).unwrap();
        if event["event"] == "close" {
            assert_eq!(event["reason"], "error");
            assert!(event["error"].as_str().unwrap().starts_with("the answer cannot be sent: "), "{event}");
            break;
        }
    }
    let mut good = Peer::connect(port);
    good.says("hi\n");
    good.hears("hi\n");
}

/// The conversation with a peer that neither reads nor leaves is over only after `FLUSH_TIMEOUT` or `FINAL_FLUSH_TIMEOUT`. The
/// reason for refusing it is reported before that.
#[test]
fn why_a_peer_is_refused_is_said_at_once_and_only_once() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--echo", "--json"]);
    let mut peer = Peer::connect(port);
    peer.says("a\r\r\n");
    let mut events = Vec::new();
    while events.last().is_none_or(|event: &serde_json::Value| event["event"] != "close") {
        events.push(serde_json::from_str(&listener.line()).unwrap());
    }
    let [.., error, close] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&error["event"], &error["peer"]), (&"error".into(), &1.into()), "{events:?}");
    assert_eq!(error["error"], close["error"], "{events:?}");
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0", "--echo", "-v"]);
    let mut peer = Peer::connect(port);
    peer.says("a\r\r\n");
    listener.error_line_with("peer 1: the answer cannot be sent");
    drop(peer);
    let line = listener.error_line_with("peer 1");
    assert!(line.contains("peer 1 left"), "{line}");
}

/// Asks over UDP, and returns the answer.
fn asks(port: u16, says: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has a free port");
    socket.connect(("127.0.0.1", port)).expect("a datagram socket connects");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a socket takes a time limit");
    socket.send(says).expect("the loopback takes it");
    let mut heard = vec![0; 65_536];
    let length = socket.recv(&mut heard).expect("an answer comes");
    heard.truncate(length);
    heard
}

#[test]
fn a_datagram_that_does_not_fit_ends_no_listener() {
    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--reply", "pong"]);
    assert_eq!(asks(port, b"hi\n"), b"pong");
    assert_eq!(listener.line(), r"$'hi\n'");
    assert_eq!(asks(port, b"hi"), b"pong");
    assert_eq!(listener.line(), "hi");

    let each = "case $(cat) in x) head -c 65508 /dev/zero;; *) echo ok;; esac";
    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--each", each]);
    let bad = UdpSocket::bind("127.0.0.1:0").unwrap();
    bad.connect(("127.0.0.1", port)).unwrap();
    for _ in 0..2 {
        // The next datagram of the same peer begins a new conversation.
        bad.send(b"x").unwrap();
        listener.error_line_with("the answer cannot be sent: a message of 65508 bytes is too long for a datagram");
        assert_eq!(asks(port, b"hi"), b"ok");
    }

    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--reply", "pong", "--io", "line"]);
    let bad = UdpSocket::bind("127.0.0.1:0").unwrap();
    bad.send_to(b"hi\n", ("127.0.0.1", port)).unwrap();
    listener.error_line_with("peer 1: a message does not fit standard output as --io line");
    assert_eq!(asks(port, b"hi"), b"pong");
}

#[test]
fn a_websocket_message_that_does_not_fit_ends_no_listener() {
    let asks = |port: u16, message: &str| {
        let mut asks = unstick(&["ask", &format!("ws://127.0.0.1:{port}"), message]);
        (asks.rest(), asks.code())
    };
    let (mut listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--text", "--echo"]);
    let mut bad = binary_client(port);
    listener.error_line_with("peer 1: the answer cannot be sent: the message is not UTF-8");
    // The client learns of it from the close, and its run ends like any other whose server has closed.
    bad.code();
    assert_eq!(asks(port, "hi"), ("hi\n".into(), 0));
    let (mut listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--echo"]);
    assert_eq!(asks(port, "a\nb"), ("a\nb\n".into(), 0));
    assert_eq!(listener.line(), r"$'a\nb'");
    assert_eq!(asks(port, "hi"), ("hi\n".into(), 0));
}

/// A client that sends bytes that are not text.
fn binary_client(port: u16) -> Process {
    unstick(&["connect", &format!("ws://127.0.0.1:{port}"), "--send-hex", "fffe", "--io", "hex"])
}

/// A message that every peer will get is checked before anything is opened.
#[test]
fn a_greeting_or_reply_that_cannot_be_sent_is_refused_before_the_start() {
    let long = "x".repeat(65_508);
    let cases: &[&[&str]] = &[
        &["listen", "127.0.0.1:0", "-f", "line", "--send", "a\nb"],
        &["listen", "127.0.0.1:0", "-f", "line", "--reply", "a\nb"],
        &["connect", "127.0.0.1:1", "-f", "line", "--reply", "a\r"],
        &["connect", "127.0.0.1:1", "-f", "u8,max=2", "--send", "ok", "--send", "far too long"],
        &["listen", "udp://127.0.0.1:0", "--reply", &long],
        &["connect", "udp://127.0.0.1:1", "--send", &long],
        &["ask", "udp://127.0.0.1:1", &long],
        &["listen", "ws://127.0.0.1:0", "--text", "--send-hex", "ff"],
        &["listen", "ws://127.0.0.1:0", "--max-message", "4", "--reply", "hello"],
        &["connect", "ws://127.0.0.1:1", "--max-message", "4", "--send", "hello"],
        &["ask", "ws://127.0.0.1:1", "--text", "--send-hex", "ff"],
    ];
    for arguments in cases {
        let mut process = unstick(arguments);
        process.end_input();
        let said = process.errors();
        assert!(said.contains(" cannot be sent "), "{:?}: {said}", &arguments[..2]);
        assert_eq!(process.code(), 2, "{said}");
    }
    // In a framing of phases the reply may belong to a later one.
    let (_listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "fixed:2/line", "--send", "ab", "--reply", "c"]);
    let mut peer = Peer::connect(port);
    peer.hears("ab");
    peer.says("xyhello\n");
    peer.hears("c\n");
}
