//! Datagrams: each is one message, whatever it contains; and when a run over a transport without an end ends.
//!
//! Not here: Python scripts and netcats at the other end (`python`, `netcats`).

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::rig::{Process, temporary, unstick, unstick_listen};

/// How long anything may take before a test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// A peer that the test controls, and its address.
struct Peer {
    socket: UdpSocket,
    address: String,
}

impl Peer {
    fn new() -> Peer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has a free port");
        socket.set_read_timeout(Some(LIMIT)).expect("a socket takes a time limit");
        let address = format!("udp://{}", socket.local_addr().expect("a bound socket has an address"));
        Peer { socket, address }
    }

    /// A peer that talks to this port.
    fn of(port: u16) -> Peer {
        let peer = Peer::new();
        peer.socket.connect(("127.0.0.1", port)).expect("an address can be connected to");
        peer
    }

    /// A peer that is connected to itself: nobody listens at this address, and nobody else can.
    fn deafen(&self) -> String {
        let own = self.socket.local_addr().expect("a bound socket has an address");
        self.socket.connect(own).expect("a socket can be connected to itself");
        self.address.clone()
    }

    /// Expects this datagram next, and sends to its sender from now on.
    #[track_caller]
    fn hears(&self, bytes: impl AsRef<[u8]>) {
        let mut heard = vec![0; 70_000];
        let (count, from) = self.socket.recv_from(&mut heard).expect("it comes");
        assert_eq!(heard[..count].escape_ascii().to_string(), bytes.as_ref().escape_ascii().to_string());
        self.socket.connect(from).expect("an address can be connected to");
    }

    fn says(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert_eq!(self.socket.send(bytes).expect("a datagram goes out"), bytes.len());
    }
}

fn listen(arguments: &[&str]) -> (Process, u16) {
    unstick_listen(&[&["udp://127.0.0.1:0"], arguments].concat())
}

#[test]
fn each_line_is_a_datagram_and_each_datagram_a_line() {
    let peer = Peer::new();
    let mut client = unstick(&["connect", &peer.address, "--count", "2"]);
    client.feed("one\n\nthree\n");
    for message in ["one", "", "three"] {
        peer.hears(message);
    }
    peer.says("");
    peer.says("back");
    assert_eq!((client.code(), &*client.rest()), (0, "\nback\n"));
}

#[test]
fn a_question_and_its_answer() {
    let peer = Peer::new();
    let mut client = unstick(&["ask", &peer.address, "what?"]);
    peer.hears("what?");
    peer.says("two\nlines\n");
    assert_eq!((client.rest(), client.code()), ("two\nlines\n\n".into(), 0));
}

#[test]
fn an_empty_question_and_an_empty_answer() {
    let peer = Peer::new();
    let mut client = unstick(&["ask", &peer.address, ""]);
    peer.hears("");
    peer.says("");
    assert_eq!((client.rest(), client.code()), ("\n".into(), 0));
}

#[test]
fn the_largest_datagram_comes_and_goes() {
    let largest = vec![b'x'; 65_507];
    let (mut listener, port) = listen(&["--echo", "--count", "1"]);
    let peer = Peer::of(port);
    peer.says(&largest);
    peer.hears(&largest);
    assert_eq!((listener.code(), listener.rest().len()), (0, largest.len() + 1));
}

#[test]
fn datagrams_too_large_for_any_network() {
    let peer = Peer::new();
    let directory = temporary();
    let file = directory.path().join("large");
    std::fs::write(&file, vec![b'x'; 65_508]).unwrap();
    // The error comes before anything is opened.
    let said = format!(
        "unstick: `{}` ... cannot be sent to {}: a message of 65508 bytes is too long for a datagram\n  hint: a UDP \
         datagram carries at most 65507 bytes\n",
        "x".repeat(40),
        peer.address
    );
    for verb in ["connect", "ask", "listen"] {
        let address = if verb == "listen" { "udp://127.0.0.1:0" } else { &*peer.address };
        let mut process = unstick(&[verb, address, "--send-file", file.to_str().unwrap()]);
        let said = said.replace(&peer.address, address);
        assert_eq!((process.code(), process.errors()), (2, said));
    }
}

#[test]
fn every_peer_has_its_own_answers() {
    let (mut listener, port) = listen(&["--each", "echo \"$(cat) is from peer $UNSTICK_PEER\""]);
    let peers: Vec<Peer> = (0..20).map(|_| Peer::of(port)).collect();
    for (at, peer) in peers.iter().enumerate() {
        peer.says(format!("datagram {at}"));
        assert_eq!(listener.line(), format!("datagram {at}"));
    }
    for (at, peer) in peers.iter().enumerate() {
        peer.hears(format!("datagram {at} is from peer {}", at + 1));
    }
}

#[test]
fn a_listeners_lines_go_to_who_spoke_last() {
    let (mut listener, port) = listen(&[]);
    listener.feed("for the first\n");
    let (one, two) = (Peer::of(port), Peer::of(port));
    one.says("one");
    one.hears("for the first");
    assert_eq!(listener.line(), "one");
    two.says("two");
    assert_eq!(listener.line(), "two");
    listener.feed("hello two\n");
    two.hears("hello two");
}

// ---- the end ----

#[test]
fn a_client_whose_input_has_ended_lingers_after_the_last_arrival() {
    let peer = Peer::new();
    let mut client = unstick(&["connect", &peer.address, "--linger", "300ms"]);
    client.feed("question\n");
    client.end_input();
    peer.hears("question");
    // It waits for the first datagram as long as necessary.
    std::thread::park_timeout(Duration::from_millis(600));
    peer.says("first");
    assert_eq!(client.line(), "first");
    for late in ["second", "third"] {
        std::thread::park_timeout(Duration::from_millis(150));
        peer.says(late);
        assert_eq!(client.line(), late);
    }
    let begun = Instant::now();
    assert_eq!((client.code(), &*client.errors()), (0, ""));
    assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
}

#[test]
fn input_that_ends_late_gets_its_answer_too() {
    let peer = Peer::new();
    let mut client = unstick(&["connect", &peer.address, "--linger", "300ms"]);
    client.feed("one\n");
    peer.hears("one");
    peer.says("1");
    assert_eq!(client.line(), "1");
    std::thread::park_timeout(Duration::from_millis(600));
    client.feed("two\n");
    client.end_input();
    peer.hears("two");
    peer.says("2");
    assert_eq!((client.line(), client.code()), ("2".into(), 0));
}

#[test]
fn a_count_is_waited_for_beyond_any_linger() {
    let peer = Peer::new();
    let mut client = unstick(&["connect", &peer.address, "--send", "q", "--count", "2", "--linger", "10ms"]);
    peer.hears("q");
    peer.says("1");
    assert_eq!(client.line(), "1");
    std::thread::park_timeout(Duration::from_millis(200));
    peer.says("2");
    assert_eq!((client.rest(), client.code()), ("2\n".into(), 0));
}

#[test]
fn a_last_word_ends_a_client_and_of_a_listener_one_conversation() {
    let peer = Peer::new();
    let mut client = unstick(&["connect", &peer.address, "--until", "bye"]);
    client.feed("hi\n");
    peer.hears("hi");
    peer.says("BYE");
    assert_eq!((client.rest(), client.code()), ("BYE\n".into(), 0));

    let (mut listener, port) = listen(&["--until", "bye"]);
    for number in 0..2 {
        let peer = Peer::of(port);
        peer.says(format!("{number}"));
        assert_eq!(listener.line(), format!("{number}"));
        peer.says("bye");
        assert_eq!(listener.line(), "bye");
    }
    let (mut once, port) = listen(&["--until", "bye", "--once"]);
    Peer::of(port).says("Bye");
    assert_eq!((once.rest(), once.code()), ("Bye\n".into(), 0));
}

#[test]
fn without_waiting_the_inputs_end_is_the_end() {
    let peer = Peer::new();
    let mut client = unstick(&["connect", &peer.address, "--no-wait"]);
    client.feed("one\ntwo\n");
    client.end_input();
    assert_eq!((client.code(), &*client.errors()), (0, ""));
    peer.hears("one");
    peer.hears("two");
}

#[test]
fn a_listener_whose_input_has_ended_ends_when_all_have_been_quiet() {
    let (mut listener, port) = listen(&["--linger", "200ms", "--half-close", "now"]);
    listener.end_input();
    let (one, two) = (Peer::of(port), Peer::of(port));
    one.says("one");
    two.says("two");
    let mut lines = [listener.line(), listener.line()];
    lines.sort();
    assert_eq!(lines, ["one", "two"]);
    assert_eq!((listener.code(), &*listener.errors()), (0, ""));
}

#[test]
fn silence_and_deadlines() {
    let peer = Peer::new();
    for (arguments, err) in [
        (["--idle", "50ms"], "unstick: nothing passed for 50ms (--idle)\n"),
        (["--deadline", "50ms"], "unstick: not finished after 50ms (--deadline)\n"),
    ] {
        let mut client = unstick(&[&["connect", &*peer.address], &arguments[..]].concat());
        assert_eq!((client.code(), &*client.errors()), (4, err));
        let (mut listener, _) = listen(&arguments);
        assert_eq!((listener.code(), &*listener.errors()), (4, err));
    }
    let mut client = unstick(&["ask", &peer.address, "hi", "--deadline", "50ms"]);
    assert_eq!((client.code(), &*client.errors()), (4, "unstick: no reply within 50ms\n"));
}

#[test]
fn nobody_listens() {
    let deaf = Peer::new();
    let address = deaf.deafen();
    let refused = format!("unstick: nothing listens on {address}: connection refused\n");
    for arguments in [&["ask", &*address, "hi"][..], &["connect", &address, "--send", "hi"]] {
        let mut client = unstick(arguments);
        assert_eq!((client.code(), client.errors()), (3, refused.clone()), "{arguments:?}");
    }
    let mut client = unstick(&["connect", &address]);
    client.feed("anybody?\n");
    assert_eq!((client.code(), client.errors()), (3, refused));
}

#[test]
fn a_script_that_sees_its_errors_goes_on_when_nobody_listens_yet() {
    let deaf = Peer::new();
    let address = deaf.deafen();
    let mut client = unstick(&["connect", &address, "--json"]);
    let open: serde_json::Value = serde_json::from_str(&client.line()).unwrap();
    let local = open["local"].as_str().unwrap();
    client.feed("{\"text\":\"anybody?\"}\n");
    let refused = loop {
        let line = client.line();
        if line.contains("\"error\"") {
            break line;
        }
    };
    assert!(refused.contains(&format!("nothing listens on {address}: connection refused")), "{refused}");
    deaf.socket.connect(local).unwrap();
    client.feed("{\"text\":\"and now?\"}\n");
    deaf.hears("and now?");
}
