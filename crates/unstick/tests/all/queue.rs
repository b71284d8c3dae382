//! The queue of a link's sender: how much may wait, and which errors the senders get.

use std::time::Duration;

use unstick::limits::MAX_QUEUE;
use unstick::{Link, Options};

use crate::suite::{Pair, client, expect, has_room, listening, message, pair};

/// The capacity of a pipe inside this process, and one message that is in no queue.
const UNDER_WAY: usize = (64 << 10) + 2 * 1004;

async fn two() -> (Link, Link) {
    let Pair { near, far, .. } = pair("mem:queue", "u32be").await;
    (near, far)
}

/// Lets all tasks run until none has anything left to do.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// `MAX_QUEUE`: at most one message crosses it, and the writer holds the same amount again.
#[tokio::test(start_paused = true)]
async fn it_is_full_when_its_limit_is_reached() {
    let (near, far) = two().await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let mut sent = 0_usize;
    while has_room(near.try_send(&message(sent as u64, 1000))) {
        sent += 1;
    }
    assert!((MAX_QUEUE..MAX_QUEUE + 1004).contains(&(sent * 1004)), "{sent} messages were queued");
    assert!(near.is_full());
    loop {
        settle().await;
        let before = sent;
        while has_room(near.try_send(&message(sent as u64, 1000))) {
            sent += 1;
        }
        if sent == before {
            break;
        }
    }
    assert!(sent * 1004 <= 2 * MAX_QUEUE + UNDER_WAY, "{sent} messages wait for a reader");
    for number in 0..sent {
        expect(&mut far, &message(number as u64, 1000)).await;
    }
    near.writable().await;
    near.try_send(b"room again").unwrap();
    expect(&mut far, b"room again").await;
}

#[tokio::test(start_paused = true)]
async fn one_message_may_be_larger_than_the_queue() {
    let (near, far) = two().await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let large = message(1, 3 * MAX_QUEUE);
    near.try_send(&large).unwrap();
    assert!(!has_room(near.try_send(b"small")));
    let (sent, ()) = tokio::join!(near.send(b"small"), async {
        expect(&mut far, &large).await;
        expect(&mut far, b"small").await;
    });
    sent.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_push_goes_over_the_limit_and_whoever_pushes_waits_for_room() {
    let (near, far) = two().await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let count = 2 * MAX_QUEUE as u64 / 1000;
    for number in 0..count {
        near.force_send(&message(number, 1000)).unwrap();
    }
    assert!(near.is_full());
    let ((), ()) = tokio::join!(near.writable(), async {
        for number in 0..count {
            expect(&mut far, &message(number, 1000)).await;
        }
    });
    assert!(!near.is_full());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_is_told_of_the_end() {
    let (near, _far) = two().await;
    let (near, _near_receiver) = near.split();
    while tokio::time::timeout(Duration::from_secs(1), near.send(&[0; 1000])).await.is_ok() {}
    let (sent, flushed, finished, ()) = tokio::join!(near.send(b"one more"), near.flush(), near.finish(), async {
        settle().await;
        near.abort();
    });
    assert!(sent.is_err());
    assert!(flushed.unwrap_err().is_reset());
    assert!(finished.unwrap_err().is_reset());
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_was_sent_before_it() {
    let (near, far) = two().await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let large = message(1, 100_000);
    near.send(&large).await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(60), near.flush()).await.is_err(),
        "it does not fit into the pipe"
    );
    let (flushed, ()) = tokio::join!(near.flush(), expect(&mut far, &large));
    flushed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_in_vain_is_not_sent() {
    let (near, far) = two().await;
    let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_secs(1), near.send(&message(sent, 1000))).await.is_ok() {
        sent += 1;
    }
    let (finished, ()) = tokio::join!(near.finish(), async {
        for number in 0..sent {
            expect(&mut far, &message(number, 1000)).await;
        }
        assert_eq!(far.recv().await.unwrap(), None);
    });
    finished.unwrap();
}

#[test]
fn threads_without_a_runtime_can_send() {
    crate::suite::run(async {
        let (near, far) = two().await;
        let ((near, _near_receiver), (_, mut far)) = (near.split(), far.split());
        let thread = std::thread::spawn(move || (0..100).all(|number| has_room(near.try_send(&message(number, 100)))));
        for number in 0..100 {
            expect(&mut far, &message(number, 100)).await;
        }
        assert_eq!(far.recv().await.unwrap(), None);
        assert!(thread.join().unwrap());
    });
}

#[test]
fn who_waits_is_told_when_the_writers_runtime_ends() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (writers, own) = (runtime(), runtime());
    let (near, _far, _listener) = writers.block_on(async {
        let mut listener = listening("mem:queue", "u32be", &Options::default()).await;
        let near = client(&listener, "u32be").await;
        let far = listener.accept().await.unwrap();
        (near, far, listener)
    });
    let (near, _receiver) = near.split();
    writers.block_on(near.send(&vec![0; 100_000])).unwrap();
    own.block_on(async {
        let (finished, _) = tokio::join!(near.finish(), tokio::task::spawn_blocking(|| drop(writers)));
        assert!(finished.unwrap_err().is_reset());
    });
}
