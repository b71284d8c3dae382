//! A WebSocket client's request, and the close of either side: how scripts, commands and bridges learn of them.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use crate::rig::{Process, port_at_end, unstick, unstick_listen};

/// A hand-written client that asks for this.
fn client(port: u16, target: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", answer.escape_ascii());
    stream
}

/// A frame as a client sends it, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// The next frame of a server: its first byte and its payload.
fn next(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

fn json_listener(more: &[&str]) -> (Process, u16) {
    let mut listener = unstick(&[&["listen", "ws://127.0.0.1:0", "--json"], more].concat());
    let port = port_at_end(listener.line().split('"').find(|word| word.starts_with("ws://")).unwrap()).unwrap();
    (listener, port)
}

#[test]
fn an_open_event_has_what_was_asked_for() {
    let (mut listener, port) = json_listener(&["--subprotocol", "chat"]);
    let headers = "X-Token: abc\r\nCookie: a=1\r\ncookie: b=2\r\nSec-WebSocket-Protocol: chat, other\r\n";
    let _client = client(port, "/room/7?user=ann&x=%20", headers);
    let open = listener.line();
    for part in [
        r#""path":"/room/7""#,
        r#""query":"user=ann&x=%20""#,
        r#""subprotocol":"chat""#,
        r#""headers":{"cookie":"a=1, b=2","host":"localhost","x-token":"abc"}"#,
    ] {
        assert!(open.contains(part), "{part} is not in {open}");
    }
}

#[test]
fn a_close_event_has_the_code_as_it_came() {
    let (mut listener, port) = json_listener(&[]);
    for (sent, event) in [
        (close(1001, "lunch"), r#""close_reason":"lunch","code":1001,"reason":"ended""#),
        (close(1014, "bad"), r#""close_reason":"bad","code":1014,"error":"#),
        (close(4321, ""), r#""close_reason":"","code":4321,"error":"#),
        (frame(0x88, b""), r#""close_reason":"","code":null,"reason":"ended""#),
    ] {
        let mut client = client(port, "/", "");
        assert!(listener.line().contains(r#""event":"open""#));
        client.write_all(&sent).unwrap();
        let said = listener.line();
        assert!(said.contains(event), "{event} is not in {said}");
    }
}

#[test]
fn a_script_closes_with_a_code_and_a_reason() {
    let (mut listener, port) = json_listener(&[]);
    let mut client = client(port, "/", "");
    listener.line();
    for wrong in [
        r#"{"close":1,"code":1005}"#,
        r#"{"close":1,"code":"x"}"#,
        r#"{"close":1,"reason":"x"}"#,
        r#"{"close":1,"code":4000,"text":"x"}"#,
    ] {
        listener.feed(format!("{wrong}\n"));
        let said = listener.line();
        assert!(said.contains(r#""event":"error""#), "{wrong}: {said}");
    }
    listener.feed("{\"close\":1,\"code\":4000,\"reason\":\"bye\"}\n");
    assert_eq!(next(&mut client), (0x88, b"\x0f\xa0bye".to_vec()));
}

#[test]
fn an_option_says_how_to_close() {
    let options =
        ["ws://127.0.0.1:0", "--reply", "x", "--count", "1", "--close-code", "4001", "--close-reason", "enough"];
    let (_listener, port) = unstick_listen(&options);
    let mut client = client(port, "/", "");
    client.write_all(&frame(0x81, b"one")).unwrap();
    assert_eq!(next(&mut client), (0x81, b"x".to_vec()));
    assert_eq!(next(&mut client), (0x88, b"\x0f\xa1enough".to_vec()));
    let mut wrong = unstick(&["listen", "ws://127.0.0.1:0", "--close-code", "1006"]);
    assert_eq!(wrong.code(), 2);
    assert!(wrong.errors().contains("a WebSocket cannot be closed with the code 1006"));
}

/// However the program ends, it sends a Close: the peer does not see a cut.
#[test]
fn signals_send_a_close() {
    for signal in [Signal::INT, Signal::TERM] {
        let (listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--echo"]);
        let mut client = client(port, "/", "");
        client.write_all(&frame(0x81, b"one")).unwrap();
        assert_eq!(next(&mut client).1, b"one");
        listener.signal(signal);
        let (first, code) = next(&mut client);
        assert!(
            first == 0x88 && [b"\x03\xe8", b"\x03\xe9"].contains(&code[..2].try_into().unwrap()),
            "{signal:?} {code:?}"
        );
    }
}

#[test]
fn a_command_finds_the_request_in_its_environment() {
    let command = "echo $UNSTICK_PATH $UNSTICK_QUERY $UNSTICK_SUBPROTOCOL $UNSTICK_HEADER_X_TOKEN";
    let to = format!("exec:{command}");
    let (_listener, port) =
        unstick_listen(&["ws://127.0.0.1:0", "--to", &to, "--to-frame", "line", "--subprotocol", "p"]);
    let mut client = client(port, "/a?b=c", "X-Token: t;$(x)\r\nSec-WebSocket-Protocol: p\r\n");
    assert_eq!(next(&mut client), (0x81, b"/a b=c p t;$(x)".to_vec()));
    let (_listener, port) = unstick_listen(&["ws://127.0.0.1:0", "--each", command, "--subprotocol", "p"]);
    let mut client = self::client(port, "/a?b=c", "X-Token: t;$(x)\r\nSec-WebSocket-Protocol: p\r\n");
    for _ in 0..2 {
        client.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).unwrap();
        assert_eq!(next(&mut client), (0x81, b"/a b=c p t;$(x)".to_vec()));
    }
}

#[test]
fn a_bridge_asks_its_target_for_the_same() {
    let (mut server, to) = json_listener(&["--subprotocol", "two"]);
    let to = format!("ws://127.0.0.1:{to}");
    let protocols = ["--subprotocol", "one", "--subprotocol", "two"];
    let bridge = [&["ws://127.0.0.1:0", "--to", &to, "--pass-header", "X-Token"][..], &protocols].concat();
    let (_bridge, port) = unstick_listen(&bridge);
    let mut near = client(port, "/deep/path?q=1", "X-Token: t\r\nX-Other: o\r\nSec-WebSocket-Protocol: two\r\n");
    let open = server.line();
    for part in [r#""path":"/deep/path""#, r#""query":"q=1""#, r#""subprotocol":"two""#, r#""x-token":"t""#] {
        assert!(open.contains(part), "{part} is not in {open}");
    }
    assert!(!open.contains("x-other"), "{open}");
    near.write_all(&close(4005, "from the client")).unwrap();
    let closed = server.line();
    assert!(closed.contains(r#""close_reason":"from the client","code":4005"#), "{closed}");
    // The other way round.
    let mut near = client(port, "/", "Sec-WebSocket-Protocol: two\r\n");
    server.line();
    server.feed("{\"close\":2,\"code\":1001,\"reason\":\"from the server\"}\n");
    assert_eq!(next(&mut near), (0x88, b"\x03\xe9from the server".to_vec()));
}
