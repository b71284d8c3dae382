//! Links and their framings, over streams inside this process and with a paused clock.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use unstick::{Error, Framings, Link, Options, connect, limits, listen};

use crate::suite::{client, framing, listening, message};

/// Two ends that frame differently: what `near` sends as `from`, `far` takes for `to`.
async fn unlike(from: &str, to: &str, options: &Options) -> (Link, Link) {
    let mut listener = listening("mem:framed", to, options).await;
    let near = client(&listener, from).await;
    (near, listener.accept().await.unwrap())
}

fn within(time: Duration) -> Options {
    let mut options = Options::default();
    options.frame_timeout = Some(time);
    options
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_does_not_end_in_time_is_an_error() {
    let (near, mut far) = unlike("raw", "u32be", &within(Duration::from_secs(5))).await;
    near.send(b"\0\0\0\x02ok").await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"ok"[..]);
    // Silence between frames is nobody's fault.
    sleep(Duration::from_secs(3600)).await;
    near.send(b"\0\0\0\x02").await.unwrap();
    let begun = Instant::now();
    // A byte from time to time does not help.
    let trickle = async {
        sleep(Duration::from_secs(3)).await;
        near.send(b"o").await.unwrap();
        sleep(Duration::from_secs(3600)).await;
    };
    let error = tokio::select! { got = far.recv() => got.unwrap_err(), () = trickle => panic!("no deadline") };
    assert!(error.is_timeout() && !error.is_framing(), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_ends_in_time_is_none_the_worse() {
    let (near, mut far) = unlike("raw", "u32be", &within(Duration::from_secs(5))).await;
    for _ in 0..10 {
        let slow = async {
            for byte in b"\0\0\0\x02ok" {
                near.send(&[*byte]).await.unwrap();
                sleep(Duration::from_millis(900)).await;
            }
        };
        let (got, ()) = tokio::join!(far.recv(), slow);
        assert_eq!(got.unwrap().unwrap(), &b"ok"[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_ends_a_message() {
    let (near, mut far) = unlike("raw", "gap:100ms", &Options::default()).await;
    let speak = async {
        for (text, pause) in [("ab", 50), ("cd", 200), ("ef", 101), ("gh", 99), ("ij", 0)] {
            near.send(text.as_bytes()).await.unwrap();
            sleep(Duration::from_millis(pause)).await;
        }
        drop(near);
    };
    let listen = async {
        let mut got = Vec::new();
        while let Some(message) = far.recv().await.unwrap() {
            got.push(String::from_utf8(message.to_vec()).unwrap());
        }
        got
    };
    let ((), got) = tokio::join!(speak, listen);
    assert_eq!(got, ["abcd", "ef", "ghij"]);
}

/// In real time, because timers then fire a little late. The peer sends nothing more, and stays.
#[tokio::test]
async fn a_gap_ends_a_message_when_nothing_follows() {
    let (near, mut far) = unlike("raw", "gap:10ms", &Options::default()).await;
    near.send(b"all").await.unwrap();
    let got = tokio::time::timeout(Duration::from_secs(10), far.recv()).await;
    assert_eq!(got.expect("it is not held back").unwrap().unwrap(), &b"all"[..]);
}

#[tokio::test]
async fn an_end_inside_a_frame_is_an_error() {
    let (near, mut far) = unlike("raw", "u32be", &Options::default()).await;
    near.send(b"\0\0\0\x05whole\0\0\0\x09hal").await.unwrap();
    drop(near);
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"whole"[..]);
    let error = far.recv().await.unwrap_err();
    assert!(error.is_framing() && !error.is_timeout(), "{error}");
    assert!(far.recv().await.unwrap_err().is_framing(), "the error lasts");
}

#[tokio::test]
async fn what_is_too_long_is_an_error_or_passed_over_as_the_framing_says() {
    let (near, mut far) = unlike("u32be", "u32be,max=10", &Options::default()).await;
    near.send(&[b'x'; 11]).await.unwrap();
    assert!(far.recv().await.unwrap_err().is_framing());

    let (near, far) = unlike("u32be", "u32be,max=10,oversize=discard", &Options::default()).await;
    let (_, mut far) = far.split();
    let speak = async {
        near.send(b"short").await.unwrap();
        near.send(&vec![b'x'; 300_000]).await.unwrap();
        near.send(b"short too").await.unwrap();
    };
    let listen = async {
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"short"[..]);
        assert_eq!(far.dropped(), 0);
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"short too"[..]);
        assert_eq!(far.dropped(), 1);
    };
    tokio::join!(speak, listen);
}

#[tokio::test]
async fn what_the_framing_cannot_carry_is_refused_and_the_link_goes_on() {
    let (near, mut far) = unlike("line", "line", &Options::default()).await;
    for refused in [near.send(b"two\nlines").await, near.send(&vec![b'x'; 17 << 20]).await] {
        let error = refused.unwrap_err();
        assert!(error.is_message_rejected(), "{error}");
    }
    near.send(b"one line").await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"one line"[..]);
}

#[tokio::test]
async fn the_two_directions_may_differ() {
    let mut listener = listening("mem:framed", "line", &Options::default()).await;
    let address = listener.addresses()[0].parse().unwrap();
    let framings = Framings { inbound: framing("line").inbound, outbound: framing("crlf").outbound };
    let mut near = connect(&address, Some(&framings), &Options::default()).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    near.send(b"with CR and LF").await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"with CR and LF"[..]);
    far.send(b"with LF").await.unwrap();
    assert_eq!(near.recv().await.unwrap().unwrap(), &b"with LF"[..]);
}

#[tokio::test]
async fn a_stream_needs_a_framing_that_can_be_sent_and_a_datagram_needs_none() {
    let options = Options::default();
    let error = async |address: &str, spec: Option<&str>| -> Error {
        let framings = spec.map(framing);
        connect(&address.parse().unwrap(), framings.as_ref(), &options).await.unwrap_err()
    };
    let listener = listening("mem:framed", "line", &options).await;
    assert!(error(&listener.addresses()[0], None).await.is_usage());
    assert!(error(&listener.addresses()[0], Some("length:off=4,width=4,header=strip")).await.is_usage());
    assert!(listen(&"mem:framed-unframed".parse().unwrap(), None, &options).await.is_err_and(|e| e.is_usage()));
    connect(&"udp://127.0.0.1:9".parse().unwrap(), None, &options).await.unwrap();
}

#[tokio::test]
async fn nobody_connects_to_standard_input() {
    let error = listen(&"-".parse().unwrap(), Some(&framing("line")), &Options::default()).await;
    assert!(error.is_err_and(|error| error.is_usage()));
}

#[tokio::test]
async fn what_is_pending_can_be_looked_at() {
    let (near, far) = unlike("raw", "line", &Options::default()).await;
    let (_, mut far) = far.split();
    near.send(b"no newline ").await.unwrap();
    assert!(far.readable().await.unwrap());
    assert_eq!(far.try_recv_ref().unwrap(), None);
    assert_eq!(far.pending(), b"no newline ");
    near.send(b"until now\n").await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"no newline until now"[..]);
    assert_eq!(far.pending(), b"");
}

/// `FIRST_READ` and `LARGEST_READ`: with `raw`, each message is a read.
#[tokio::test]
async fn reads_grow_while_they_are_filled_up_to_a_limit() {
    let mut listener = listening("tcp://127.0.0.1:0", "raw", &Options::default()).await;
    let near = client(&listener, "raw").await;
    let mut far = listener.accept().await.unwrap();
    let sent = message(1, 16 << 20);
    let speak = async {
        near.send(&sent).await.unwrap();
        drop(near);
    };
    let listen = async {
        let (mut got, mut largest) = (Vec::new(), 0);
        while let Some(read) = far.recv().await.unwrap() {
            if got.is_empty() {
                assert!(read.len() <= limits::FIRST_READ, "the first read took {}", read.len());
            }
            largest = largest.max(read.len());
            got.extend_from_slice(&read);
        }
        assert!(got == sent);
        largest
    };
    let ((), largest) = tokio::join!(speak, listen);
    assert!(largest > limits::FIRST_READ && largest <= limits::LARGEST_READ, "the largest read took {largest}");
}

/// `mem`'s own limit: connections that wait to be accepted.
#[tokio::test]
async fn a_listener_inside_this_process_has_a_backlog_too() {
    let mut listener = listening("mem:framed", "line", &Options::default()).await;
    let address = listener.addresses()[0].parse().unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match connect(&address, Some(&framing("line")), &Options::default()).await {
            Ok(link) => waiting.push(link),
            Err(error) => break error,
        }
        assert!(waiting.len() <= 1000, "a thousand wait to be accepted");
    };
    assert!(refused.is_unreachable(), "{refused}");
    listener.accept().await.unwrap();
    connect(&address, Some(&framing("line")), &Options::default()).await.unwrap();
}
