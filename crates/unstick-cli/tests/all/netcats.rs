//! Tests with OpenBSD's netcat, ncat and socat at the other end, as client and as server, over TCP and UDP.

use crate::rig::{Process, ncat_server, netcat, netcat_server, socat_server, unstick, unstick_listen};

// ---- TCP, unstick listens ----

#[test]
fn netcat_connects() {
    listens_for(|port| netcat("nc.openbsd", &["-N", "127.0.0.1", port]));
}

#[test]
fn ncat_connects() {
    listens_for(|port| netcat("ncat", &["127.0.0.1", port]));
}

#[test]
fn socat_connects() {
    listens_for(|port| netcat("socat", &["-", &format!("TCP:127.0.0.1:{port}")]));
}

// ---- TCP, unstick connects ----

#[test]
fn netcat_listens() {
    connects_to(netcat_server(&["-N"]));
}

#[test]
fn ncat_listens() {
    connects_to(ncat_server(&[]));
}

#[test]
fn socat_listens() {
    connects_to(socat_server("TCP-LISTEN", "-"));
}

// ---- UDP, unstick listens ----

#[test]
fn netcat_sends_datagrams() {
    takes_datagrams_of(|port| netcat("nc.openbsd", &["-u", "127.0.0.1", port]));
}

#[test]
fn ncat_sends_datagrams() {
    takes_datagrams_of(|port| netcat("ncat", &["-u", "127.0.0.1", port]));
}

#[test]
fn socat_sends_datagrams() {
    takes_datagrams_of(|port| netcat("socat", &["-", &format!("UDP:127.0.0.1:{port}")]));
}

// ---- UDP, unstick connects ----

#[test]
fn netcat_receives_datagrams() {
    sends_datagrams_to(netcat_server(&["-u"]));
}

#[test]
fn ncat_receives_datagrams() {
    sends_datagrams_to(ncat_server(&["-u"]));
}

#[test]
fn socat_receives_datagrams() {
    sends_datagrams_to(socat_server("UDP-LISTEN", "-"));
}

// ---- much at once ----

/// More than any buffer on the way holds.
const MUCH: usize = 8 * 1024 * 1024;

#[test]
fn a_raw_pipe_through_socat_and_back_loses_nothing() {
    let (_socat, port) = socat_server("TCP-LISTEN", "EXEC:cat");
    let mut client = unstick(&["connect", &format!("127.0.0.1:{port}")]);
    let sent: String = (0..MUCH / 16).map(|number| format!("{number:015}\n")).collect();
    client.feed(&sent);
    client.end_input();
    let received = client.rest();
    assert_eq!(client.code(), 0);
    assert!(received == sent, "{} of {} bytes, or others", received.len(), sent.len());
}

#[test]
fn what_netcat_pipes_in_at_once_arrives_whole() {
    let (mut listener, port) = unstick_listen(&["127.0.0.1:0"]);
    listener.end_input();
    let mut client = netcat("nc.openbsd", &["-N", "127.0.0.1", &port.to_string()]);
    let sent: String = (0..MUCH / 16).map(|number| format!("{number:015}\n")).collect();
    client.feed(&sent);
    client.end_input();
    let received = listener.rest();
    assert!(received == sent, "{} of {} bytes, or others", received.len(), sent.len());
    assert_eq!((listener.code(), client.code()), (0, 0));
}

// ---- the conversations ----

/// Both ways of speaking to a TCP client: nc's pipe, and lines as messages.
fn listens_for(client: impl Fn(&str) -> Process) {
    for framing in [&[][..], &["-f", "line", "--once"]] {
        let (mut listener, port) = unstick_listen(&[&["127.0.0.1:0"], framing].concat());
        talk(&mut listener, &mut client(&port.to_string()));
    }
}

fn connects_to((mut server, port): (Process, u16)) {
    talk(&mut unstick(&["connect", &format!("127.0.0.1:{port}")]), &mut server);
}

/// Checks a line each way. Then both ends are done, and nothing more has arrived.
fn talk(unstick: &mut Process, peer: &mut Process) {
    unstick.feed("to the peer\n");
    assert_eq!(peer.line(), "to the peer");
    peer.feed("from the peer\n");
    assert_eq!(unstick.line(), "from the peer");
    unstick.end_input();
    peer.end_input();
    assert_eq!(unstick.rest(), "");
    assert_eq!(unstick.code(), 0);
    assert_eq!(peer.rest(), "");
}

/// A netcat sends the bytes of one read of its input as one datagram, with the LF. `escaped` shows the LF.
fn takes_datagrams_of(client: impl Fn(&str) -> Process) {
    let (mut listener, port) = unstick_listen(&["udp://127.0.0.1:0", "--io", "escaped", "--count", "2"]);
    let mut client = client(&port.to_string());
    client.feed("a line\n");
    assert_eq!(listener.line(), r"a line\n");
    listener.feed("an answer\\n\n");
    assert_eq!(client.line(), "an answer");
    client.feed("two\nlines\n");
    assert_eq!(listener.line(), r"two\nlines\n");
    assert_eq!(listener.code(), 0);
}

fn sends_datagrams_to((mut server, port): (Process, u16)) {
    let address = format!("udp://127.0.0.1:{port}");
    let mut client = unstick(&["connect", &address, "--io", "escaped", "--count", "1"]);
    client.feed("a question\\n\n");
    assert_eq!(server.line(), "a question");
    server.feed("an answer\n");
    assert_eq!(client.line(), r"an answer\n");
    assert_eq!(client.code(), 0);
}
