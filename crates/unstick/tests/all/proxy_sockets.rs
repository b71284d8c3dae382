//! Proxies that the tests play: bytes right after their answers belong to the target, and hostile proxies are given up.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use unstick::endpoint::Proxy;
use unstick::{Link, Options, connect, limits};

use crate::suite::framing;

/// Connects through a proxy that sends each of these after it has received something. Returns the result, and what it received.
async fn through(kind: &str, says: &[&[u8]]) -> (unstick::Result<Link>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::default();
    options.connect_timeout = Duration::from_millis(500);
    options.proxy = Some(format!("{kind}{}", listener.local_addr().unwrap()).parse().unwrap());
    let address = "tcp://far.test:4242".parse().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for saying in says {
            let mut piece = vec![0; 4096];
            let length = stream.read(&mut piece).await.unwrap();
            heard.push(piece[..length].escape_ascii().to_string());
            // In two writes, because nothing may depend on the cut.
            let (first, second) = saying.split_at(saying.len() / 2);
            stream.write_all(first).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
            // The client may have given up by now.
            let _ = stream.write_all(second).await;
        }
        (heard, stream)
    };
    let framing = framing("line");
    let (link, (heard, stream)) = tokio::join!(connect(&address, Some(&framing), &options), serve);
    drop(stream);
    (link, heard)
}

#[tokio::test]
async fn a_target_that_speaks_first_is_heard_from_its_first_byte() {
    let socks: [&[u8]; 2] = [b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00220 hello\n"];
    let (link, heard) = through("socks5://", &socks).await;
    assert_eq!(link.unwrap().recv().await.unwrap().unwrap(), &b"220 hello"[..]);
    assert_eq!(heard, ["\\x05\\x01\\x00", "\\x05\\x01\\x00\\x03\\x08far.test\\x10\\x92"]);
    let http: [&[u8]; 1] = [b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n220 hello\n"];
    let (link, heard) = through("http://me:it@", &http).await;
    assert_eq!(link.unwrap().recv().await.unwrap().unwrap(), &b"220 hello"[..]);
    let asked = "CONNECT far.test:4242 HTTP/1.1\\r\\nHost: far.test:4242\\r\\n";
    assert_eq!(heard, [format!("{asked}Proxy-Authorization: Basic bWU6aXQ=\\r\\n\\r\\n")]);
}

#[tokio::test]
async fn a_proxy_that_is_no_help_is_told_as_that() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(2 * limits::MAX_OPENING));
    for (kind, says, told) in [
        ("socks5://", &[&b"\x05\xff"[..]][..], "wants another login than it is given"),
        ("socks5://", &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not speak SOCKS5"),
        ("socks5://", &[b"\x05\x00", b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"], "cannot reach the target"),
        ("http://", &[b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"], "wants a login"),
        ("http://", &[b"SSH-2.0-OpenSSH_9.2\r\n"], "does not speak HTTP: it answered \"SSH-2.0-"),
        ("http://", &[endless.as_bytes()], "its HTTP head is longer than 16 KiB"),
        ("http://", &[b""], "timed out after 500ms"),
        ("socks5://", &[b"\x05\x00", b"\x05\x00\x00\x03\xff"], "timed out after 500ms"),
    ] {
        let (link, _) = through(kind, says).await;
        let error = link.unwrap_err();
        assert!(error.is_unreachable() || error.is_timeout(), "{error}");
        assert!(error.to_string().contains(told), "{told}: {error}");
    }
}

/// The time limit is for connecting as a whole: bytes that arrive one at a time do not start it again.
#[tokio::test]
async fn a_proxy_whose_answer_trickles_is_given_up_in_time() {
    const LIMIT: Duration = Duration::from_millis(500);
    for kind in ["socks5://", "http://"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options::default();
        options.connect_timeout = LIMIT;
        options.proxy = Some(format!("{kind}{}", listener.local_addr().unwrap()).parse().unwrap());
        let trickles = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let beginning: &[u8] =
                if kind == "http://" { b"HTTP/1.1 200 OK\r\nX: " } else { b"\x05\x00\x05\x00\x00\x03\xff" };
            let mut pace = tokio::time::interval(LIMIT / 25);
            let mut sent = 0;
            for byte in beginning.iter().chain(std::iter::repeat(&b'y')) {
                pace.tick().await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return sent;
                }
                sent += 1;
            }
            sent
        };
        let (address, framing) = ("tcp://far.test:4242".parse().unwrap(), framing("line"));
        let (link, sent) = tokio::join!(connect(&address, Some(&framing), &options), trickles);
        let error = link.unwrap_err();
        assert!(error.to_string().contains("timed out after 500ms"), "{error}");
        assert!(sent > 10, "it went on, and {sent} bytes arrived");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let mut options = Options::default();
    // The port is bound, but nobody listens on it.
    let holder = tokio::net::TcpSocket::new_v4().unwrap();
    holder.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = holder.local_addr().unwrap();
    options.proxy = Some(format!("socks5://{at}").parse().unwrap());
    let error = connect(&"tls://far.test:1".parse().unwrap(), Some(&framing("line")), &options).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to the proxy socks5://{at}: connection refused"));
}

#[test]
fn proxies_are_written_as_urls_and_their_passwords_never_shown() {
    for (text, shown) in [
        ("socks5://a.test:1", "socks5://a.test:1"),
        ("socks5h://a.test:1/", "socks5://a.test:1"),
        ("http://me:secret@[::1]:3", "http://[::1]:3"),
        ("http://me:p%40ss%3a@a.test:3", "http://a.test:3"),
    ] {
        let proxy: Proxy = text.parse().unwrap();
        assert_eq!(proxy.to_string(), shown);
        assert!(!format!("{proxy:?}").contains("secret"));
    }
    let long = format!("http://{}@a.test:1", "u".repeat(256));
    for wrong in [
        "a.test:1",
        "https://a.test:1",
        "socks4://a.test:1",
        "socks5://a.test",
        "socks5://:1",
        "socks5://a.test:0",
        "http://me:secret%0d%0a@a.test:1",
        "http://me:secret%zz@a.test:1",
        "http://:secret@a.test:1",
        &long,
    ] {
        let error = wrong.parse::<Proxy>().unwrap_err();
        assert!(error.is_usage(), "{wrong}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
