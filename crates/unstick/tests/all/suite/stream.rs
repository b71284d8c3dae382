//! Streams can end, and make a fast writer wait for a slow reader. Datagrams cannot.

use std::time::Duration;

use super::{Pair, expect, has_room, message, pair};

macro_rules! stream {
    ($address:literal) => {
        tests!(stream, $address:
            the_end_is_seen
            a_half_closed_peer_still_listens
            an_aborted_peer_does_not_send_what_waits
            a_slow_reader_slows_the_writer
        );
    };
}

/// The part of it that a connection with messages has.
macro_rules! connection {
    ($address:literal) => {
        tests!(stream, $address:
            the_end_is_seen
            a_half_closed_peer_still_listens
            a_slow_reader_slows_the_writer
        );
    };
}

/// The part of it that a connection with messages has if both sides end at once.
macro_rules! messages {
    ($address:literal) => {
        tests!(stream, $address:
            the_end_is_seen
            the_end_is_the_end_of_both
            an_aborted_peer_does_not_send_what_waits
            a_slow_reader_slows_the_writer
        );
    };
}

/// The peer gets everything that was sent before, answers the end, and both have ended.
pub(crate) async fn the_end_is_the_end_of_both(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, mut near_receiver), (far, mut far_receiver)) = (near.split(), far.split());
    assert!(!near.has_half_close() && !far.has_half_close());
    far.send(b"crosses the end").await.unwrap();
    far.flush().await.unwrap();
    near.send(b"all I have to say").await.unwrap();
    near.finish().await.unwrap();
    expect(&mut far_receiver, b"all I have to say").await;
    assert_eq!(far_receiver.recv().await.unwrap(), None);
    expect(&mut near_receiver, b"crosses the end").await;
    assert_eq!(near_receiver.recv().await.unwrap(), None);
}

pub(crate) async fn the_end_is_seen(address: &str) {
    let Pair { near, mut far, keeps: _keeps } = pair(address, "u32be").await;
    near.send(b"goodbye").await.unwrap();
    drop(near);
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"goodbye"[..]);
    assert_eq!(far.recv().await.unwrap(), None);
    assert_eq!(far.recv().await.unwrap(), None, "the end lasts");
}

pub(crate) async fn a_half_closed_peer_still_listens(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, mut near_receiver), (far, mut far_receiver)) = (near.split(), far.split());
    near.send(b"all I have to say").await.unwrap();
    near.finish().await.unwrap();
    expect(&mut far_receiver, b"all I have to say").await;
    assert_eq!(far_receiver.recv().await.unwrap(), None);
    for number in 0..100 {
        far.send(&message(number, 1000)).await.unwrap();
        expect(&mut near_receiver, &message(number, 1000)).await;
    }
    far.finish().await.unwrap();
    assert_eq!(near_receiver.recv().await.unwrap(), None);
}

pub(crate) async fn an_aborted_peer_does_not_send_what_waits(address: &str) {
    let Pair { near, mut far, keeps: _keeps } = pair(address, "u32be").await;
    let (near, _near_receiver) = near.split();
    // Far more than fits between the two ends, so that most of it waits.
    let sending = async { while near.send(&[0; 100_000]).await.is_ok() {} };
    let aborting = async {
        far.recv().await.unwrap().unwrap();
        near.abort();
    };
    tokio::join!(sending, aborting);
    assert!(near.finish().await.unwrap_err().is_reset(), "a waiting sender gets an error");
    // The peer sees the end, or its loss, after a bounded rest.
    while let Ok(Some(_)) = far.recv().await {}
}

pub(crate) async fn a_slow_reader_slows_the_writer(address: &str) {
    const LENGTH: usize = 50_000;
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let mut sent = 0;
    // The last of these is not queued: a message is queued whole or not at all.
    while tokio::time::timeout(Duration::from_millis(500), near.send(&message(sent, LENGTH))).await.is_ok() {
        sent += 1;
        assert!(sent as usize * LENGTH < 64 << 20, "64 MiB are on their way to somebody who does not read");
    }
    assert!(!has_room(near.try_send(b"one more")));
    let (finished, ()) = tokio::join!(near.finish(), async {
        for number in 0..sent {
            expect(&mut far, &message(number, LENGTH)).await;
        }
        assert_eq!(far.recv().await.unwrap(), None);
    });
    finished.unwrap();
}
