//! WebSocket: handshakes written by the tests, including hostile ones; which frames are allowed; and how it closes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use unstick::endpoint::MessageKind;
use unstick::{Advice, Error, Link, Listener, Options, connect, limits, listen};

use crate::suite::options;

/// The key of RFC 6455, section 1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn request(more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

async fn listening(address: &str, options: &Options) -> Listener {
    listen(&address.parse().unwrap(), None, options).await.unwrap()
}

async fn raw(listener: &Listener) -> TcpStream {
    let at = listener.addresses()[0].split('/').nth(2).unwrap().to_owned();
    TcpStream::connect(at).await.unwrap()
}

/// A hand-written client, after its handshake.
async fn client(listener: &mut Listener) -> (TcpStream, Link) {
    let mut client = raw(listener).await;
    client.write_all(request("").as_bytes()).await.unwrap();
    let link = listener.accept().await.unwrap();
    head(&mut client).await;
    (client, link)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The listener's reaction to a request: the first line of its answer, and its error.
async fn refused(listener: &mut Listener, request: &[u8]) -> (String, Error) {
    let mut client = raw(listener).await;
    client.write_all(request).await.unwrap();
    let error = listener.accept().await.unwrap_err();
    let mut answer = String::new();
    // The listener may close it with a part of the request unread, which sends a reset.
    let _ = client.read_to_string(&mut answer).await;
    (answer.lines().next().unwrap_or_default().to_owned(), error)
}

/// A frame from a client, masked with zeros.
fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match content.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(content);
    frame
}

// ---- the handshake, listening ----

#[tokio::test]
async fn a_client_is_let_in_as_the_standard_says() {
    let mut listener = listening("ws://127.0.0.1:0", &options()).await;
    let mut client = raw(&listener).await;
    client.write_all(request("").as_bytes()).await.unwrap();
    // Bytes right after the request are not lost.
    client.write_all(&frame(0x81, b"at once")).await.unwrap();
    let mut link = listener.accept().await.unwrap();
    let answer = head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains(&format!("\r\nSec-WebSocket-Accept: {ACCEPT}\r\n")), "{answer}");
    assert_eq!(link.recv().await.unwrap().unwrap(), &b"at once"[..]);
}

#[tokio::test]
async fn what_is_no_handshake_is_answered_and_told() {
    let mut listener = listening("ws://127.0.0.1:0/chat", &options()).await;
    let good = request("");
    let without =
        |line: &str| good.lines().filter(|l| !l.starts_with(line)).fold(String::new(), |all, l| all + l + "\r\n");
    for (request, status, told) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "426 Upgrade Required", "asked for a page"),
        (without("Connection"), "426 Upgrade Required", "asked for a page"),
        (good.replace("GET", "POST"), "405 Method Not Allowed", "in another way than GET and HTTP/1.1"),
        (good.replace("HTTP/1.1", "HTTP/1.0"), "405 Method Not Allowed", "in another way than GET and HTTP/1.1"),
        (good.replace(": 13", ": 8"), "426 Upgrade Required", "speaks another version of WebSocket than 13"),
        (without("Sec-WebSocket-Key"), "400 Bad Request", "sent no Sec-WebSocket-Key of 16 bytes"),
        (good.replace(KEY, "c2hvcnQ="), "400 Bad Request", "sent no Sec-WebSocket-Key of 16 bytes"),
        (without("Host"), "400 Bad Request", "sent no Host, or more than one"),
        (
            good.replace("Host: localhost", "Host: localhost\r\nHost: b"),
            "400 Bad Request",
            "sent no Host, or more than one",
        ),
        (good.replace("/chat", "/other?x"), "404 Not Found", "asked for /other, and /chat is served"),
        (
            good.replace("Host: localhost", "Host: evil.test:80"),
            "421 Misdirected Request",
            "asked for the host evil.test:80",
        ),
        (
            good.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(80))),
            "431 Request",
            "more than 64 header lines",
        ),
        ("hello, is this plain?\n\r\n\r\n".to_owned(), "400 Bad Request", "does not speak HTTP"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01".to_owned(), "400 Bad Request", "speaks TLS"),
        (String::from("nonsense\r\n\r\n"), "400 Bad Request", "does not speak HTTP"),
    ] {
        let (answer, error) = refused(&mut listener, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        assert!(error.is_handshake() && error.to_string().contains(told), "{request}: {error}");
    }
    let (mut client, mut link) = client(&mut listener).await;
    client.write_all(&frame(0x81, b"still served")).await.unwrap();
    assert_eq!(link.recv().await.unwrap().unwrap(), &b"still served"[..]);
}

/// The listener stops reading a request that does not end within `MAX_OPENING` bytes.
#[tokio::test]
async fn an_endless_request_is_given_up() {
    let mut listener = listening("ws://127.0.0.1:0", &options()).await;
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(limits::MAX_OPENING));
    let (_, error) = refused(&mut listener, endless.as_bytes()).await;
    assert!(error.to_string().contains("its HTTP head is longer than 16 KiB"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_has_a_deadline() {
    let mut listener = listening("ws://127.0.0.1:0", &options()).await;
    let mut slow = raw(&listener).await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    let error = listener.accept().await.unwrap_err();
    assert!(error.to_string().contains("has not finished its handshake after 10s"), "{error}");
}

#[tokio::test]
async fn pages_come_in_from_where_they_may() {
    let origin = |origin: &str| request(&format!("Origin: {origin}\r\n"));
    let mut closed = listening("ws://127.0.0.1:0", &options()).await;
    let (answer, error) = refused(&mut closed, origin("https://evil.test").as_bytes()).await;
    assert_eq!(answer, "HTTP/1.1 403 Forbidden");
    assert!(error.to_string().contains("comes from a page of https://evil.test, which is not allowed"), "{error}");
    assert_eq!(error.advice(), Some(&Advice::AllowOrigin("https://evil.test".to_owned())));
    let mut some = options();
    some.ws.origins = vec!["https://good.test".to_owned(), "http://localhost:3".to_owned()];
    let mut any = options();
    any.ws.origins = vec!["any".to_owned()];
    for (options, from, enters) in [
        (&some, "https://good.test", true),
        (&some, "HTTPS://GOOD.TEST", true),
        (&some, "http://localhost:3", true),
        (&some, "https://good.test.evil.test", false),
        (&some, "null", false),
        (&some, "https://good.test\r\nOrigin: https://evil.test", false),
        (&any, "https://evil.test", true),
    ] {
        let mut listener = listening("ws://127.0.0.1:0", options).await;
        let mut client = raw(&listener).await;
        client.write_all(origin(from).as_bytes()).await.unwrap();
        assert_eq!(listener.accept().await.is_ok(), enters, "{from}");
    }
}

/// A page that the same host serves needs no option. A page of another name that points to this machine's address does.
#[tokio::test]
async fn pages_of_the_listener_itself_come_in() {
    for (address, host, origin, enters) in [
        ("ws://127.0.0.1:0", "localhost:8", "http://localhost:8", true),
        ("ws://127.0.0.1:0", "LOCALHOST:8", "HTTP://localhost:8", true),
        ("ws://127.0.0.1:0", "127.0.0.1:8", "https://127.0.0.1:8", true),
        ("ws://127.0.0.1:0", "[::1]:8", "http://[::1]:8", true),
        ("ws://127.0.0.1:0", "localhost", "http://localhost", true),
        ("ws://127.0.0.1:0", "127.9.9.9:80", "http://127.9.9.9", true),
        ("ws://127.0.0.1:0", "127.9.9.9", "https://127.9.9.9:443", true),
        ("ws://127.0.0.1:0", "localhost:8", "http://localhost:9", false),
        ("ws://127.0.0.1:0", "localhost:8", "http://localhost", false),
        ("ws://127.0.0.1:0", "localhost:8", "http://127.0.0.1:8", false),
        ("ws://127.0.0.1:0", "localhost:8", "ftp://localhost:8", false),
        ("ws://127.0.0.1:0", "localhost:8", "null", false),
        ("ws://127.0.0.1:0", "localhost:8", "http://localhost:8\r\nOrigin: http://localhost:8", false),
        ("ws://0.0.0.0:0", "192.0.2.7:8", "http://192.0.2.7:8", true),
        ("ws://0.0.0.0:0", "evil.test:8", "http://evil.test:8", false),
    ] {
        let mut listener = listening(address, &options()).await;
        let at = listener.addresses()[0].replace("ws://0.0.0.0", "127.0.0.1").replace("ws://", "");
        let mut client = TcpStream::connect(at).await.unwrap();
        let request = request(&format!("Origin: {origin}\r\n")).replace("Host: localhost", &format!("Host: {host}"));
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(listener.accept().await.is_ok(), enters, "{host} {origin}");
    }
}

#[tokio::test]
async fn a_listener_on_loopback_answers_to_its_own_names() {
    for (host, enters) in [
        ("localhost", true),
        ("LOCALHOST:8080", true),
        ("127.0.0.1:1", true),
        ("127.9.9.9", true),
        ("[::1]:9", true),
        ("evil.test", false),
        ("localhost.evil.test", false),
        ("10.0.0.1", false),
        ("", false),
    ] {
        let mut listener = listening("ws://127.0.0.1:0", &options()).await;
        let mut client = raw(&listener).await;
        let request = request("").replace("Host: localhost", &format!("Host: {host}"));
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(listener.accept().await.is_ok(), enters, "{host}");
    }
    let mut open = listening("ws://0.0.0.0:0", &options()).await;
    let port = open.addresses()[0].rsplit_once(':').unwrap().1.to_owned();
    let mut client = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    client.write_all(request("").replace("Host: localhost", "Host: chat.example").as_bytes()).await.unwrap();
    open.accept().await.unwrap();
}

#[tokio::test]
async fn the_subprotocol_is_one_of_both() {
    let mut server = options();
    server.ws.protocols = vec!["chat.v2".to_owned(), "chat.v1".to_owned()];
    let listener = listening("ws://127.0.0.1:0", &server).await;
    for (offered, chosen) in [
        ("Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n", Some("chat.v2")),
        ("Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: chat.v1\r\n", Some("chat.v1")),
        ("Sec-WebSocket-Protocol: CHAT.V1\r\n", None),
        ("", None),
    ] {
        let mut client = raw(&listener).await;
        client.write_all(request(offered).as_bytes()).await.unwrap();
        let answer = head(&mut client).await;
        let line = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(line, chosen, "{answer}");
    }
}

// ---- the handshake, connecting ----

/// The result of connecting if the server answers this, and the request that the server got.
async fn answered(answer: &str, options: &Options, path: &str) -> (unstick::Result<Link>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://127.0.0.1:{}{path}", listener.local_addr().unwrap().port());
    let address = address.parse().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = head(&mut stream).await;
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        stream.write_all(answer.replace("ACCEPT", &accept).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        (request, stream)
    };
    let (link, (request, _stream)) = tokio::join!(connect(&address, None, options), serve);
    (link, request)
}

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n";

#[tokio::test]
async fn a_request_has_what_was_asked_for() {
    let mut client = options();
    client.ws.protocols = vec!["chat".to_owned(), "superchat".to_owned()];
    client.ws.add_header("Authorization: Bearer 1234").unwrap();
    client.ws.add_header("host:example.test").unwrap();
    let (link, request) =
        answered(&format!("{SWITCH}Sec-WebSocket-Protocol: superchat\r\n\r\n"), &client, "/a?b=c").await;
    link.unwrap();
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    for line in ["Sec-WebSocket-Protocol: chat, superchat", "Authorization: Bearer 1234", "host: example.test"] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} is not in {request}");
    }
    assert_eq!(request.to_lowercase().matches("\r\nhost:").count(), 1, "{request}");
    let (_, request) = answered(&format!("{SWITCH}\r\n"), &options(), "").await;
    assert!(request.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    let (_, request) = answered(&format!("{SWITCH}\r\n"), &options(), "?q").await;
    assert!(request.starts_with("GET /?q HTTP/1.1\r\n"), "{request}");
}

#[test]
fn header_lines_are_header_lines() {
    let mut options = Options::default();
    for wrong in ["no colon", ": x", "a b: c", "A: b\r\nC: d", "A: b\0", "Upgrade: h2c", "sec-websocket-key: x", "ä: b"]
    {
        assert!(options.ws.add_header(wrong).unwrap_err().is_usage(), "{wrong}");
    }
    let refused = options.ws.add_header("Sec-WebSocket-Protocol: x").unwrap_err();
    assert_eq!(refused.advice(), Some(&Advice::OfferSubprotocol));
    assert!(options.ws.headers.is_empty());
}

#[tokio::test]
async fn what_a_server_answers_instead_is_told() {
    let wrong_accept = SWITCH.replace("ACCEPT", ACCEPT);
    for (answer, told, hint) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n".to_owned(), "answered 404 Not Found", "is there a WebSocket at this path?"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>".to_owned(), "answered 200 OK", "is there a WebSocket at this path?"),
        (
            "HTTP/1.1 302 Found\r\nLocation: wss://x/\r\n\r\n".to_owned(),
            "answered 302 Found",
            "the server redirects to wss://x/",
        ),
        ("HTTP/1.1 401 Unauthorized\r\n\r\n".to_owned(), "answered 401", "it may want a login"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), "does not speak HTTP", "tcp:// speaks without WebSocket"),
        ("\x15\x03\x03\0\x02\x02\x32".to_owned(), "speaks TLS, and not WebSocket without it", "wss:// speaks TLS"),
        (String::new(), "ended without an answer", ""),
        (format!("{wrong_accept}\r\n"), "a Sec-WebSocket-Accept that is not for this connection", "a cache or proxy"),
        (format!("{}\r\n", SWITCH.replace("Upgrade: WebSocket", "Upgrade: h2c")), "but not to WebSocket", ""),
        (
            format!("{SWITCH}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            "the extension `permessage-deflate`",
            "",
        ),
        (
            format!("{SWITCH}Sec-WebSocket-Protocol: unasked\r\n\r\n"),
            "the subprotocol `unasked`, which was not offered",
            "",
        ),
        (format!("{SWITCH}X: {}\r\n\r\n", "y".repeat(limits::MAX_OPENING)), "longer than 16 KiB", ""),
        (format!("HTTP/1.1 500 \x1b[31m{}\r\n\r\n", "z".repeat(100)), "", ""),
    ] {
        let (link, _) = answered(&answer, &options(), "").await;
        let error = link.unwrap_err();
        assert!(error.is_unreachable() && error.is_handshake(), "{answer}: {error}");
        assert!(error.to_string().contains(told), "{answer}: {error}");
        assert!(error.hint().unwrap_or_default().starts_with(hint), "{answer}: {:?}", error.hint());
        assert!(!error.to_string().contains('\x1b'), "{error}");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut client = options();
    client.connect_timeout = Duration::from_millis(200);
    let error = connect(&address, None, &client).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

// ---- frames ----

#[tokio::test]
async fn fragments_are_one_message_and_what_is_between_them_is_answered() {
    let mut listener = listening("ws://127.0.0.1:0", &options()).await;
    let (mut client, mut link) = client(&mut listener).await;
    let frames = [frame(0x01, "gr\u{fc}".as_bytes()), frame(0x89, b"there?"), frame(0x00, b""), frame(0x80, b"n")];
    // Byte by byte, because nothing may depend on the cuts.
    for byte in frames.concat() {
        client.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(link.recv().await.unwrap().unwrap(), "gr\u{fc}n".as_bytes());
    let mut pong = [0; 8];
    client.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8a\x06there?");
}

#[tokio::test]
async fn what_is_utf8_goes_as_text_and_all_else_as_binary() {
    use MessageKind::{Binary, ByContent, Text};
    for (kind, sent, first) in [
        (ByContent, &b"text"[..], 0x81),
        (ByContent, b"\xff\xfe", 0x82),
        (ByContent, b"", 0x81),
        (Binary, b"text", 0x82),
        (Text, b"text", 0x81),
        (Text, b"", 0x81),
    ] {
        let mut server = options();
        server.ws.kind = kind;
        let mut listener = listening("ws://127.0.0.1:0", &server).await;
        let (mut client, link) = client(&mut listener).await;
        link.send(sent).await.unwrap();
        let mut got = vec![0; 2 + sent.len()];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got, [&[first, sent.len() as u8], sent].concat());
    }
}

#[tokio::test]
async fn what_is_no_text_is_refused_where_only_text_is_sent_and_nothing_is_lost() {
    let mut server = options();
    server.ws.kind = MessageKind::Text;
    let mut listener = listening("ws://127.0.0.1:0", &server).await;
    let (mut client, link) = client(&mut listener).await;
    link.send(b"before").await.unwrap();
    let error = link.send(b"\xff\xfe").await.unwrap_err();
    assert!(error.is_message_rejected(), "the link goes on: {error}");
    assert_eq!(error.to_string(), "the message is not UTF-8, which text has to be");
    let (sender, _receiver) = link.split();
    assert!(sender.try_send(b"\xff").unwrap_err().is_message_rejected());
    assert!(sender.force_send(b"\xff").unwrap_err().is_message_rejected());
    assert!(sender.send_binary(b"\xff").await.unwrap_err().is_message_rejected());
    sender.send_binary(b"behind").await.unwrap();
    let mut got = [0; 16];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"\x81\x06before\x81\x06behind");
}

#[tokio::test]
async fn the_kind_of_a_message_is_told_before_it_is_taken_and_can_be_passed_on() {
    let mut listener = listening("ws://127.0.0.1:0", &options()).await;
    let (mut client, link) = client(&mut listener).await;
    let (sender, mut receiver) = link.split();
    assert_eq!(receiver.next_is_binary(), None);
    client.write_all(&[frame(0x81, b"text"), frame(0x82, b"too"), frame(0x82, b"\xff")].concat()).await.unwrap();
    for (binary, message, first) in [(false, &b"text"[..], 0x81), (true, b"too", 0x82), (true, b"\xff", 0x82)] {
        assert!(receiver.readable().await.unwrap());
        assert_eq!(receiver.next_is_binary(), Some(binary));
        let taken = receiver.try_recv().unwrap().unwrap();
        assert_eq!(taken, message);
        if binary {
            sender.send_binary(&taken).await.unwrap()
        } else {
            sender.send(&taken).await.unwrap()
        }
        let mut got = vec![0; 2 + message.len()];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got, [&[first, message.len() as u8], message].concat());
    }
}

/// Each breaks the standard. Next to it are the code that the peer gets, and the error here.
#[tokio::test]
async fn frames_that_break_the_standard_are_told_to_both() {
    let largest = limits::LARGEST_WS_MESSAGE;
    let announced = [&[0x82, 0xff][..], &(largest as u64 + 1).to_be_bytes(), &[0; 4]].concat();
    let huge = [&[0x82, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    for (bytes, code, told) in [
        (frame(0x83, b""), 1002, "the peer broke WebSocket"),
        (frame(0xc1, b"x"), 1002, "the peer broke WebSocket"),
        (frame(0x80, b"no message begun"), 1002, "the peer broke WebSocket"),
        ([frame(0x01, b"a"), frame(0x01, b"b")].concat(), 1002, "the peer broke WebSocket"),
        (frame(0x09, b"a ping in parts"), 1002, "the peer broke WebSocket"),
        (frame(0x89, &[0; 126]), 1002, "the peer broke WebSocket"),
        (b"\x81\x01x".to_vec(), 1002, "the peer broke WebSocket"),
        (frame(0x81, b"\xff"), 1007, "a text message is not UTF-8"),
        (announced, 1009, "over the limit of 16777216"),
        (huge, 1009, "over the limit of 16777216"),
    ] {
        let mut listener = listening("ws://127.0.0.1:0", &options()).await;
        let (mut client, mut link) = client(&mut listener).await;
        client.write_all(&[frame(0x82, b"before"), bytes.clone()].concat()).await.unwrap();
        assert_eq!(link.recv().await.unwrap().unwrap(), &b"before"[..]);
        let error = link.recv().await.unwrap_err();
        assert!(error.is_framing() && error.to_string().contains(told), "{bytes:02x?}: {error}");
        assert_eq!(link.recv().await.unwrap(), None, "an error is reported once");
        drop(link);
        let mut close = [0; 4];
        client.read_exact(&mut close).await.unwrap();
        assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, code), "{bytes:02x?}");
    }
}

#[tokio::test]
async fn many_small_fragments_are_bounded_as_one_large_message_is() {
    let mut server = options();
    server.ws.largest = 1000;
    let mut listener = listening("ws://127.0.0.1:0", &server).await;
    let (mut client, mut link) = client(&mut listener).await;
    client.write_all(&frame(0x82, &[7; 1000])).await.unwrap();
    assert_eq!(link.recv().await.unwrap().unwrap().len(), 1000);
    client.write_all(&frame(0x02, &[7; 400])).await.unwrap();
    client.write_all(&[frame(0x00, &[7; 400]), frame(0x00, &[7; 400])].concat()).await.unwrap();
    let error = link.recv().await.unwrap_err();
    assert_eq!(error.advice(), Some(&Advice::AllowLongerMessages));
    let refused = link.send(&[0; 1001]).await.unwrap_err();
    assert!(refused.is_message_rejected(), "{refused}");
}

// ---- how it closes ----

/// The result of a peer's Close: the frame's content, the error.
async fn closed(content: &[u8]) -> (Result<(), String>, String) {
    let told = Arc::new(Mutex::new(String::new()));
    let teller = Arc::clone(&told);
    let mut server = options();
    server.trace = Some(Arc::new(move |what: &str| *teller.lock().unwrap() = what.to_owned()));
    let mut listener = listening("ws://127.0.0.1:0", &server).await;
    let (mut client, mut link) = client(&mut listener).await;
    client.write_all(&[frame(0x81, b"last words"), frame(0x88, content)].concat()).await.unwrap();
    assert_eq!(link.recv().await.unwrap().unwrap(), &b"last words"[..]);
    let end = link.recv().await.map(|end| assert_eq!(end, None)).map_err(|error| error.to_string());
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[0], 0x88, "a Close is answered with a Close");
    let told = told.lock().unwrap().clone();
    (end, told)
}

#[tokio::test]
async fn the_code_of_a_close_is_told() {
    let code = |code: u16, reason: &str| [&code.to_be_bytes(), reason.as_bytes()].concat();
    let (end, told) = closed(&code(1000, "")).await;
    assert!(end.is_ok() && told.ends_with("closed the WebSocket: 1000, normal"), "{end:?} {told}");
    let (end, told) = closed(&code(1001, "lunch")).await;
    assert!(end.is_ok() && told.ends_with("1001, going away (\"lunch\")"), "{end:?} {told}");
    let (end, told) = closed(b"").await;
    assert!(end.is_ok() && told.ends_with("closed the WebSocket: no code"), "{end:?} {told}");
    let (end, _) = closed(&code(1011, "oops")).await;
    assert_eq!(end.unwrap_err(), "the peer closed the WebSocket: 1011, internal error (\"oops\")");
    let (end, _) = closed(&code(4321, "")).await;
    assert_eq!(end.unwrap_err(), "the peer closed the WebSocket: 4321, a code of its own");
}

#[tokio::test]
async fn a_cut_is_no_close() {
    let mut listener = listening("ws://127.0.0.1:0", &options()).await;
    let (mut client, mut link) = client(&mut listener).await;
    client.write_all(&frame(0x81, b"and then")).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(link.recv().await.unwrap().unwrap(), &b"and then"[..]);
    let error = link.recv().await.unwrap_err();
    assert!(error.to_string().contains("the connection was cut"), "{error}");
    assert!(!error.is_framing());
}

#[tokio::test]
async fn this_end_closes_with_a_code_and_takes_what_still_comes() {
    let mut listener = listening("ws://127.0.0.1:0", &options()).await;
    let (mut client, link) = client(&mut listener).await;
    let (sender, mut receiver) = link.split();
    sender.send(b"goodbye").await.unwrap();
    sender.finish().await.unwrap();
    let mut heard = [0; 13];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"\x81\x07goodbye\x88\x02\x03\xe8");
    client.write_all(&[frame(0x81, b"on its way"), frame(0x88, &1000u16.to_be_bytes())].concat()).await.unwrap();
    assert_eq!(receiver.recv().await.unwrap().unwrap(), &b"on its way"[..]);
    assert_eq!(receiver.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_has_gone() {
    let mut server = options();
    server.ws.ping = Some(Duration::from_secs(30));
    let mut listener = listening("ws://127.0.0.1:0", &server).await;
    let (mut client, mut link) = client(&mut listener).await;
    let begun = tokio::time::Instant::now();
    let listen = async {
        let mut ping = [0; 2];
        client.read_exact(&mut ping).await.unwrap();
        assert_eq!(ping, [0x89, 0]);
        client.write_all(&frame(0x8a, b"")).await.unwrap();
        client.read_exact(&mut ping).await.unwrap();
    };
    let (ended, ()) = tokio::join!(link.recv(), listen);
    let error = ended.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(begun.elapsed() >= Duration::from_secs(90), "{:?}", begun.elapsed());
}
