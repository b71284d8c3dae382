//! Hundreds of clients that never finish their handshake, and good ones beside them.
//!
//! `HANDSHAKE_GRACE` and `HANDSHAKE_REPORTS` are tested with a paused clock in the endpoint's own tests.

use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use unstick::{Link, Listener, connect, limits, listen};

use crate::suite::{framing, options};

/// The ways in which a handshake can begin and not end: with nothing, or with a part of it.
const BEGINNINGS: [&[u8]; 4] = [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00\x01\x00"];

async fn listening(scheme: &str) -> Listener {
    limits::raise_open_files();
    let address = format!("{scheme}://127.0.0.1:0").parse().unwrap();
    listen(&address, Some(&framing("line")), &options()).await.unwrap()
}

/// The next peer, without those whose handshake failed.
async fn accepted(listener: &mut Listener) -> Link {
    loop {
        match listener.accept().await {
            Ok(link) => return link,
            Err(error) => {
                assert!(error.is_handshake(), "a client that has gone is no failure of the listener: {error}")
            }
        }
    }
}

fn at(listener: &Listener) -> String {
    listener.addresses()[0].split('/').nth(2).unwrap().to_owned()
}

/// Lets a good client connect and send a message. Returns how long that took.
async fn served(listener: &mut Listener) -> Duration {
    let begun = Instant::now();
    let address = listener.addresses()[0].parse().unwrap();
    let (framing, options) = (framing("line"), options());
    let client = async {
        let link = connect(&address, Some(&framing), &options).await.unwrap();
        link.send(b"good").await.unwrap();
        link
    };
    let (client, mut link) = tokio::join!(client, accepted(listener));
    assert_eq!(link.recv().await.unwrap().unwrap(), &b"good"[..]);
    drop(client);
    begun.elapsed()
}

/// How long a good client may take on a busy machine. Without the limits here it took 10 s and more.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn good_clients_are_served_while_hundreds_do_not_go_on() {
    for scheme in ["tls", "ws", "wss"] {
        for beginning in BEGINNINGS {
            let mut listener = listening(scheme).await;
            let mut stuck = Vec::new();
            for _ in 0..600 {
                let mut client = TcpStream::connect(at(&listener)).await.unwrap();
                client.write_all(beginning).await.unwrap();
                stuck.push(client);
            }
            for _ in 0..3 {
                let took = served(&mut listener).await;
                assert!(took < SOON, "{scheme}, beside 600 that begin with {beginning:?}: {took:?}");
            }
        }
    }
}

/// More than `MAX_HANDSHAKES` and `MAX_SILENT`: the oldest make room.
#[tokio::test]
async fn good_clients_are_served_when_all_places_are_taken() {
    for (beginning, most) in [(BEGINNINGS[1], limits::MAX_HANDSHAKES), (BEGINNINGS[0], limits::MAX_SILENT)] {
        let mut listener = listening("ws").await;
        let mut stuck = Vec::new();
        for _ in 0..most + 200 {
            let mut client = TcpStream::connect(at(&listener)).await.unwrap();
            client.write_all(beginning).await.unwrap();
            stuck.push(client);
        }
        let took = served(&mut listener).await;
        assert!(took < limits::HANDSHAKE_GRACE + SOON, "{took:?}");
        let took = served(&mut listener).await;
        assert!(took < SOON, "{took:?}");
    }
}

/// Clients that reset their connection before it is accepted, and in the middle of a handshake: nobody waits for
/// `ACCEPT_PAUSE`, and the listener has not failed.
#[tokio::test]
async fn clients_that_reset_their_connection_hold_up_nobody() {
    for scheme in ["tls", "ws", "wss"] {
        let mut listener = listening(scheme).await;
        let begun = Instant::now();
        for round in 0..100 {
            let mut client = TcpStream::connect(at(&listener)).await.unwrap();
            client.write_all(BEGINNINGS[round % BEGINNINGS.len()]).await.unwrap();
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
        }
        let took = served(&mut listener).await;
        assert!(took < SOON, "{scheme}: {took:?}");
        assert!(begun.elapsed() < limits::ACCEPT_PAUSE * 50, "{scheme}: {:?}", begun.elapsed());
    }
}

/// The same two limits hold for clients of a Unix socket.
#[cfg(unix)]
#[tokio::test]
async fn good_clients_of_a_socket_of_this_machine_are_served_beside_hundreds_that_do_not_go_on() {
    use tokio::net::UnixStream;
    limits::raise_open_files();
    for beginning in BEGINNINGS {
        let mut listener = crate::suite::listening("ws+unix:stuck", "line", &options()).await;
        let path = listener.addresses()[0].trim_start_matches("ws+unix:").to_owned();
        let mut stuck = Vec::new();
        for _ in 0..600 {
            let mut client = UnixStream::connect(&path).await.unwrap();
            client.write_all(beginning).await.unwrap();
            stuck.push(client);
        }
        let took = served(&mut listener).await;
        assert!(took < SOON, "beside 600 that begin with {beginning:?}: {took:?}");
    }
}
