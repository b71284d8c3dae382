//! Injected faults on bridges: they happen at their time, and in the requested number of writes.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use unstick::endpoint::{PeerAddrs, StreamTransport, Transport};
use unstick::service::bridge::{Clients, Config, Faults, Target, bridge};
use unstick::wire::faults::Plan;
use unstick::{Options, connect, listen};

use crate::bridges::Diary;
use crate::suite::{expect, framing, run};

/// Reports each write.
struct Writes(mpsc::UnboundedSender<Vec<u8>>);

impl AsyncWrite for Writes {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let _ = self.0.send(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Pieces that one call writes together would not be cut.
#[test]
fn every_segment_that_is_cut_is_a_write_of_its_own() {
    run(async {
        let address = "mem:cut-server".parse().unwrap();
        let mut server = listen(&address, Some(&framing("raw")), &Options::default()).await.unwrap();
        let (told, mut writes) = mpsc::unbounded_channel();
        let names = PeerAddrs::new("a test", "here");
        let (reader, _open) = tokio::io::duplex(1);
        let client = Clients::One(Transport::Stream(StreamTransport::new(reader, Writes(told), names)));
        let target = Target {
            address,
            options: Options::default(),
            client: Some(framing("raw")),
            server: Some(framing("raw")),
            faults: Faults { plan: Plan::parse(&["s2c:cut=3"]).unwrap(), seed: 0 },
        };
        let (notes, _diary) = mpsc::unbounded_channel();
        tokio::spawn(bridge(client, target, Diary(notes), Config::default()));
        server.accept().await.unwrap().send(b"abcdefgh").await.unwrap();
        for wanted in ["abc", "def", "gh"] {
            assert_eq!(writes.recv().await.unwrap(), wanted.as_bytes());
        }
    });
}

/// A bridge to this process, whose output is delayed by 100 ms.
async fn late(command: &str) -> (unstick::Link, mpsc::UnboundedReceiver<String>) {
    let here = format!("mem:late {command}").parse().unwrap();
    let listener = listen(&here, Some(&framing("u8")), &Options::default()).await.unwrap();
    let target = Target {
        address: format!("exec:{command}").parse().unwrap(),
        options: Options::default(),
        client: Some(framing("u8")),
        server: Some(framing("u8")),
        faults: Faults { plan: Plan::parse(&["s2c:delay=100ms"]).unwrap(), seed: 0 },
    };
    let (notes, mut diary) = mpsc::unbounded_channel();
    tokio::spawn(bridge(Clients::Many(listener), target, Diary(notes), Config::default()));
    let client = connect(&here, Some(&framing("u8")), &Options::default()).await.unwrap();
    while diary.recv().await.unwrap() != "1 opens" {}
    (client, diary)
}

#[test]
fn what_is_on_its_way_arrives_before_what_ended_it() {
    run(async {
        // A process that fails, and one that breaks its framing, each after a whole message.
        for command in [r"printf '\003bye'; exit 3", r"printf '\003bye\005ab'"] {
            let (mut client, mut diary) = late(command).await;
            assert_eq!(client.recv().await.unwrap().unwrap(), &b"bye"[..], "{command}");
            let note = diary.recv().await.unwrap();
            assert!(note.contains("Failed { side: Server"), "{note}");
        }
    });
}

/// Time is paused and advances at once, so nothing here really waits.
#[tokio::test(start_paused = true)]
async fn what_was_ordered_happens_in_its_time() {
    let mut server =
        listen(&"mem:faulted-server".parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap();
    let listener = listen(&"mem:faulted".parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap();
    let target = Target {
        address: "mem:faulted-server".parse().unwrap(),
        options: Options::default(),
        client: Some(framing("line")),
        server: Some(framing("line")),
        faults: Faults { plan: Plan::parse(&["c2s:stall=2s,after=1 delay=100ms"]).unwrap(), seed: 0 },
    };
    let (notes, _diary) = mpsc::unbounded_channel();
    tokio::spawn(bridge(Clients::Many(listener), target, Diary(notes), Config::default()));
    let client = connect(&"mem:faulted".parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap();
    let (far, mut far_hears) = server.accept().await.unwrap().split();
    let (near, mut near_hears) = client.split();
    let begun = tokio::time::Instant::now();
    near.send_all(["one", "two", "three"]).await.unwrap();
    near.finish().await.unwrap();
    expect(&mut far_hears, b"one").await;
    assert_eq!(begun.elapsed().as_millis() / 10, 10);
    expect(&mut far_hears, b"two").await;
    assert_eq!(begun.elapsed().as_millis() / 10, 200);
    expect(&mut far_hears, b"three").await;
    assert_eq!(far_hears.recv().await.unwrap(), None);
    far.send(b"answer").await.unwrap();
    let asked = begun.elapsed();
    expect(&mut near_hears, b"answer").await;
    assert_eq!((begun.elapsed() - asked).as_millis() / 10, 10);
}
