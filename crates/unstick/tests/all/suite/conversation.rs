//! Messages between two ends, of streams and datagrams alike.

use tokio::sync::Semaphore;
use unstick::Sender;

use super::{Pair, carry, expect, is_stream, message, pair, polls};

macro_rules! conversation {
    ($address:literal) => {
        tests!(conversation, $address:
            one_message_each_way
            many_in_order
            every_size_is_whole
            what_was_sent_arrives_though_its_sender_is_dropped
            a_clone_outlives_its_sender
            the_messages_of_clones_do_not_mix
            many_at_once_are_the_same_messages
            what_has_been_flushed_has_been_sent
            after_the_end_nothing_is_sent
            receiving_can_be_cancelled
            arriving_can_be_cancelled
        );
    };
}

pub(crate) async fn one_message_each_way(address: &str) {
    let Pair { near, mut far, keeps: _keeps } = pair(address, "u32be").await;
    let (near_sender, mut near_receiver) = near.split();
    near_sender.send(b"question").await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"question"[..]);
    far.send(b"answer").await.unwrap();
    expect(&mut near_receiver, b"answer").await;
}

pub(crate) async fn many_in_order(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _), (_, mut far)) = (near.split(), far.split());
    // As many at once as a kernel keeps for a socket with a slow reader.
    for group in 0..200 {
        for number in group * 50..(group + 1) * 50 {
            near.send(&message(number, number as usize % 300)).await.unwrap();
        }
        for number in group * 50..(group + 1) * 50 {
            expect(&mut far, &message(number, number as usize % 300)).await;
        }
    }
}

pub(crate) async fn every_size_is_whole(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let larger: &[usize] = if is_stream(address) { &[65_508, 1 << 20, 3 << 20] } else { &[] };
    let ((near, mut near_receiver), (far, mut far_receiver)) = (near.split(), far.split());
    for &size in [0, 1, 64, 1500, 8191, 8192, 8193, 65_507].iter().chain(larger) {
        carry(&near, &mut far_receiver, &message(1, size)).await;
        carry(&far, &mut near_receiver, &message(2, size)).await;
    }
}

pub(crate) async fn what_was_sent_arrives_though_its_sender_is_dropped(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let (_, mut far) = far.split();
    for number in 0..50 {
        near.send(&message(number, 500)).await.unwrap();
    }
    drop(near);
    for number in 0..50 {
        expect(&mut far, &message(number, 500)).await;
    }
}

pub(crate) async fn a_clone_outlives_its_sender(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let clone = near.clone();
    near.send(b"the first").await.unwrap();
    drop(near);
    expect(&mut far, b"the first").await;
    clone.send(b"the clone").await.unwrap();
    expect(&mut far, b"the clone").await;
}

pub(crate) async fn the_messages_of_clones_do_not_mix(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let speak = async |sender: Sender, first: u64| {
        for number in first..first + 100 {
            sender.send(&message(number, 100)).await.unwrap();
            // Each gives the others their turn.
            polls(1).await;
        }
    };
    let listen = async {
        let mut seen = Vec::new();
        while seen.len() < 300 {
            let got = far.recv().await.unwrap().unwrap();
            seen.push((0..300).find(|number| message(*number, 100) == got).expect("a mixed message"));
        }
        seen
    };
    let ((), (), (), seen) =
        tokio::join!(speak(near.clone(), 0), speak(near.clone(), 100), speak(near.clone(), 200), listen);
    for first in [0, 100, 200] {
        let of_one: Vec<_> = seen.iter().copied().filter(|n| (first..first + 100).contains(n)).collect();
        assert_eq!(of_one, (first..first + 100).collect::<Vec<_>>(), "one sender's messages arrived out of order");
    }
}

pub(crate) async fn many_at_once_are_the_same_messages(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let messages: Vec<_> = (0..50).map(|number| message(number, 300)).collect();
    let (sent, ()) = tokio::join!(near.send_all(&messages), async {
        for message in &messages {
            expect(&mut far, message).await;
        }
    });
    sent.unwrap();
}

pub(crate) async fn what_has_been_flushed_has_been_sent(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    for number in 0..20 {
        near.send(&message(number, 100)).await.unwrap();
        near.flush().await.unwrap();
        near.flush().await.unwrap();
        expect(&mut far, &message(number, 100)).await;
    }
}

pub(crate) async fn after_the_end_nothing_is_sent(address: &str) {
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let clone = near.clone();
    near.send(b"the last").await.unwrap();
    near.finish().await.unwrap();
    near.finish().await.unwrap();
    for sender in [&near, &clone] {
        assert!(sender.send(b"too late").await.unwrap_err().is_closed());
        assert!(sender.try_send(b"too late").unwrap_err().is_closed());
        assert!(sender.send_all([b"too late"]).await.unwrap_err().is_closed());
    }
    near.flush().await.unwrap();
    expect(&mut far, b"the last").await;
}

/// Sends messages of many sizes, few of them in flight at once, to a receiver that gives up and tries again repeatedly.
async fn with_a_stuttering_reader(address: &str, mut receive: impl AsyncFnMut(&mut unstick::Receiver) -> Vec<Vec<u8>>) {
    const COUNT: u64 = 500;
    let Pair { near, far, keeps: _keeps } = pair(address, "u32be").await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let length = |number: u64| (number * 7919 % 20_000) as usize;
    let window = Semaphore::new(5);
    let speak = async {
        for number in 0..COUNT {
            window.acquire().await.unwrap().forget();
            near.send(&message(number, length(number))).await.unwrap();
        }
    };
    let listen = async {
        let mut number = 0;
        while number < COUNT {
            for got in receive(&mut far).await {
                assert!(got == message(number, length(number)), "message {number} is not what was sent");
                number += 1;
                window.add_permits(1);
            }
        }
    };
    tokio::join!(speak, listen);
}

pub(crate) async fn receiving_can_be_cancelled(address: &str) {
    let mut turn = 0;
    with_a_stuttering_reader(address, async |far| {
        turn += 1;
        tokio::select! {
            got = far.recv() => vec![got.unwrap().expect("the peer ended early").to_vec()],
            () = polls(turn % 3) => Vec::new(),
        }
    })
    .await;
}

pub(crate) async fn arriving_can_be_cancelled(address: &str) {
    let mut turn = 0;
    with_a_stuttering_reader(address, async |far| {
        turn += 1;
        let mut taken = Vec::new();
        tokio::select! {
            more = far.readable() => {
                assert!(more.unwrap(), "the peer ended early");
                while let Some(message) = far.try_recv_ref().unwrap() {
                    taken.push(message.to_vec());
                }
            }
            () = polls(turn % 3) => {}
        }
        taken
    })
    .await;
}
