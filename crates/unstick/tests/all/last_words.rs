//! A server that answers and closes while its client still sends, as HTTP servers do: its answer arrives whole.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use unstick::service::bridge::Config;

use crate::bridges::{Bridge, server};
use crate::suite::{message, run};

/// An answer that the bridge's system takes at once, so that none of it stays with the server when that closes.
const ANSWER: usize = 60_000;

/// A client with little room, so that most of an answer waits in the bridge's own socket.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Answers, ends, reads some of the input, and closes. Closing with unread bytes sends a reset.
async fn answer_and_go(mut far: TcpStream, answer: &[u8], ends_before: bool) {
    far.write_all(answer).await.unwrap();
    if ends_before {
        far.shutdown().await.unwrap();
    }
    let mut half = vec![0; 100_000];
    far.read_exact(&mut half).await.unwrap();
}

fn last_words(ends_before: bool, reads_late: bool) {
    run(async move {
        let (server, at) = server().await;
        let bridge = Bridge::raw("127.0.0.1:0", &at).await;
        let mut client = narrow(bridge.address.trim_start_matches("tcp://").parse().unwrap()).await;
        let far = server.accept().await.unwrap().0;
        let answer = message(1, ANSWER);
        let (mut reading, mut writing) = client.split();
        let speaking = async { while writing.write_all(&[7; 10_000]).await.is_ok() {} };
        let going = answer_and_go(far, &answer, ends_before);
        let mut heard = vec![0; ANSWER];
        if reads_late {
            // Nobody reads until the server has gone.
            tokio::select! { () = going => {}, () = speaking => {} }
            reading.read_exact(&mut heard).await.unwrap();
        } else {
            let hearing = async { reading.read_exact(&mut heard).await.unwrap() };
            let ((), (), _) = tokio::join!(going, speaking, hearing);
        }
        assert!(heard == answer);
    });
}

#[test]
fn the_last_words_of_who_goes_first_are_not_lost() {
    last_words(true, false);
}

#[test]
fn they_wait_for_a_client_that_reads_late() {
    last_words(true, true);
}

#[test]
fn they_come_before_the_reset_of_a_server_that_has_not_ended() {
    last_words(false, false);
    last_words(false, true);
}

/// Between different framings, messages pass, not bytes.
#[test]
fn those_of_messages_arrive_too() {
    run(async {
        let (server, at) = server().await;
        let bridge = Bridge::new("127.0.0.1:0", "u32be", &at, "line", Config::default()).await;
        let mut client = narrow(bridge.address.trim_start_matches("tcp://").parse().unwrap()).await;
        let mut far = server.accept().await.unwrap().0;
        let answer = [b'x'; ANSWER];
        let (mut reading, mut writing) = client.split();
        let speaking = async { while writing.write_all(&[0, 0, 0, 1, 7].repeat(1000)).await.is_ok() {} };
        let going = async {
            far.write_all(&[&answer[..], b"\n"].concat()).await.unwrap();
            far.read_exact(&mut [0; 10_000]).await.unwrap();
            // Because of the unread bytes, this sends a reset.
            drop(far);
        };
        // Nobody reads until the server has gone.
        tokio::select! { () = going => {}, () = speaking => {} }
        let mut heard = vec![0; 4 + ANSWER];
        reading.read_exact(&mut heard).await.unwrap();
        assert!(heard[..4] == (ANSWER as u32).to_be_bytes() && heard[4..] == answer);
    });
}
