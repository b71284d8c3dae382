//! Between every pair of transports, a bridge forwards exactly the sent bytes: all of them if the sender ends in order,
//! the first part of them if it resets. `./soak bytes` does the same for ten minutes.

use tokio::sync::mpsc;
use unstick::service::bridge::{Clients, Config, Faults, Target, bridge};
use unstick::{Link, Listener, Receiver, Sender, connect, listen};

use crate::bridges::Diary;
use crate::suite::{framing, message, options, run};

/// Conversations of each pair.
const TALKS: u64 = 6;

/// A bridge between two transports: the address for clients, and the listener behind it.
async fn bridged(client: &str, server: &str, spec: &str) -> (String, Listener) {
    let server = listen(&server.parse().unwrap(), Some(&framing(spec)), &options()).await.unwrap();
    let clients = listen(&client.parse().unwrap(), Some(&framing(spec)), &options()).await.unwrap();
    let target = Target {
        address: server.addresses()[0].parse().unwrap(),
        options: options(),
        client: Some(framing(spec)),
        server: Some(framing(spec)),
        faults: Faults::default(),
    };
    let (notes, mut diary) = mpsc::unbounded_channel();
    tokio::spawn(bridge(Clients::Many(clients), target, Diary(notes), Config::default()));
    let address = diary.recv().await.unwrap();
    // It goes on as long as somebody reads.
    tokio::spawn(async move { while diary.recv().await.is_some() {} });
    (address, server)
}

async fn says(sender: Sender, whole: &[u8], seed: u64, resets: bool, heard: &tokio::sync::Notify) {
    let said = if resets { whole.len() / 2 } else { whole.len() };
    let mut rest = &whole[..said];
    while !rest.is_empty() {
        let piece = 1 + (seed as usize * 7919 + rest.len() * 31) % 30_000;
        let (now, later) = rest.split_at(piece.min(rest.len()));
        if sender.send(now).await.is_err() {
            return;
        }
        rest = later;
    }
    if resets {
        return sender.abort();
    }
    // Over a WebSocket, the end of one side ends both.
    heard.notified().await;
    let _ = sender.finish().await;
}

/// The received bytes, and whether the connection ended in order.
async fn hears(mut receiver: Receiver, whole: usize, all: &tokio::sync::Notify) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    let in_order = loop {
        if heard.len() == whole {
            all.notify_one();
        }
        match receiver.recv().await {
            Ok(Some(message)) => heard.extend_from_slice(&message),
            ended => break ended.is_ok(),
        }
    };
    all.notify_one();
    (heard, in_order)
}

async fn talk(near: Link, far: Link, seed: u64, pair: &str) {
    let (up, down) =
        (message(seed, (seed as usize % 5) * 50_021 + 1), message(!seed, (seed as usize % 3) * 90_001 + 1));
    let ((near_says, near_hears), (far_says, far_hears)) = (near.split(), far.split());
    let (near_heard, far_heard) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let client_resets = seed.is_multiple_of(3);
    let ((), (), (up_heard, up_ended), (down_heard, down_ended)) = tokio::join!(
        says(near_says, &up, seed, client_resets, &near_heard),
        says(far_says, &down, seed + 1, false, &far_heard),
        // A peer that resets never ends in order.
        hears(far_hears, if client_resets { usize::MAX } else { up.len() }, &far_heard),
        hears(near_hears, down.len(), &near_heard),
    );
    assert!(up.starts_with(&up_heard) && down.starts_with(&down_heard), "{pair}: other bytes than were sent");
    if client_resets {
        // A Unix socket can neither send a reset nor receive one.
        assert!(!up_ended || pair.contains("unix"), "{pair}: a reset looks like an end");
    } else {
        assert_eq!((up_heard.len(), up_ended), (up.len(), true), "{pair}, to the server, talk {seed}");
        assert_eq!((down_heard.len(), down_ended), (down.len(), true), "{pair}, to the client, talk {seed}");
    }
}

#[test]
fn what_passes_between_any_two_transports_is_exact() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: String| format!("unix:{}", folder.path().join(name).display());
        let mut number = 0;
        let mut bound = |transport: &str| {
            number += 1;
            if transport == "unix" { at(number.to_string()) } else { format!("{transport}://127.0.0.1:0") }
        };
        let transports = ["tcp", "unix", "tls", "ws"];
        for client in transports {
            for server in transports {
                let spec = if client == "ws" || server == "ws" { "u32be" } else { "raw" };
                let pair = format!("{client} to {server}");
                let (address, mut behind) = bridged(&bound(client), &bound(server), spec).await;
                let address = address.parse().unwrap();
                let mut talks = Vec::new();
                for seed in 0..TALKS {
                    let (specs, asked) = (framing(spec), options());
                    let opening = connect(&address, Some(&specs), &asked);
                    let (near, far) = tokio::join!(opening, behind.accept());
                    talks.push(talk(near.unwrap(), far.unwrap(), seed, &pair));
                }
                for talk in talks {
                    talk.await;
                }
            }
        }
    });
}
