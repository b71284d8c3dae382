//! Binding an address, and connecting to it.

use unstick::{Address, Link, connect, listen};

use super::{client, framing, is_anonymous, listening, options, pair, polls};

macro_rules! listener {
    ($address:literal) => {
        tests!(listener, $address:
            nobody_there_is_unreachable
            each_is_called_what_the_other_calls_itself
            an_address_in_use_is_unreachable
            an_address_is_free_again_when_its_listener_has_gone
            links_outlive_their_listener
            accepting_can_be_cancelled
            many_peers_at_once
        );
    };
}

/// Connects, and sends something if the listener otherwise does not know the peer.
async fn knock(listener: &unstick::Listener) -> Link {
    let link = client(listener, "u32be").await;
    link.send(b"knock").await.unwrap();
    link
}

pub(crate) async fn nobody_there_is_unreachable(address: &str) {
    let listener = listening(address, "u32be", &options()).await;
    let nowhere = listener.addresses()[0].parse().unwrap();
    drop(listener);
    becomes_free(&nowhere).await;
    // With datagrams, it shows only after something was sent.
    let tried = async {
        let mut link = connect(&nowhere, Some(&framing("u32be")), &options()).await?;
        link.send(b"anybody?").await?;
        link.recv().await
    };
    let error = tried.await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

pub(crate) async fn each_is_called_what_the_other_calls_itself(address: &str) {
    let pair = pair(address, "u32be").await;
    assert_eq!(pair.near.addrs().remote, pair.far.addrs().local);
    assert_eq!(pair.near.addrs().local, pair.far.addrs().remote);
    assert!(!pair.near.addrs().remote.is_empty());
}

pub(crate) async fn an_address_in_use_is_unreachable(address: &str) {
    let listener = listening(address, "u32be", &options()).await;
    let taken = listener.addresses()[0].parse().unwrap();
    let Err(error) = listen(&taken, Some(&framing("u32be")), &options()).await else {
        panic!("two listen on {taken}");
    };
    assert!(error.is_unreachable(), "{error}");
}

pub(crate) async fn an_address_is_free_again_when_its_listener_has_gone(address: &str) {
    let mut listener = listening(address, "u32be", &options()).await;
    let again = listener.addresses()[0].parse().unwrap();
    let link = knock(&listener).await;
    drop(listener.accept().await.unwrap());
    drop((link, listener));
    becomes_free(&again).await;
}

/// Waits until an address is free to listen on, and leaves it free. The task that reads a datagram socket closes it once it
/// knows that nobody listens any more.
async fn becomes_free(address: &Address) {
    while let Err(error) = listen(address, Some(&framing("u32be")), &options()).await.map(drop) {
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::AddrInUse), "{error}");
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
}

pub(crate) async fn links_outlive_their_listener(address: &str) {
    let mut listener = listening(address, "u32be", &options()).await;
    let mut near = knock(&listener).await;
    let mut far = listener.accept().await.unwrap();
    drop(listener);
    assert_eq!(far.recv().await.unwrap().unwrap(), &b"knock"[..]);
    for _ in 0..10 {
        far.send(b"still here").await.unwrap();
        assert_eq!(near.recv().await.unwrap().unwrap(), &b"still here"[..]);
        near.send(b"me too").await.unwrap();
        assert_eq!(far.recv().await.unwrap().unwrap(), &b"me too"[..]);
    }
}

pub(crate) async fn accepting_can_be_cancelled(address: &str) {
    let mut listener = listening(address, "u32be", &options()).await;
    let mut peers = Vec::new();
    for turn in 0..200 {
        if turn % 4 == 0 {
            peers.push(knock(&listener).await);
        }
        tokio::select! {
            accepted = listener.accept() => {
                let mut far = accepted.unwrap();
                assert_eq!(far.recv().await.unwrap().unwrap(), &b"knock"[..]);
                peers.retain(|near| near.addrs().local != far.addrs().remote || is_anonymous(address));
                if is_anonymous(address) {
                    peers.pop();
                }
            }
            () = polls(turn % 3) => {}
        }
    }
    while !peers.is_empty() {
        let far = listener.accept().await.unwrap();
        let known = peers.iter().position(|near| near.addrs().local == far.addrs().remote);
        peers.remove(known.expect("a peer was accepted twice"));
    }
}

pub(crate) async fn many_peers_at_once(address: &str) {
    const PEERS: u64 = 100;
    let mut listener = listening(address, "u32be", &options()).await;
    let at = listener.addresses()[0].parse().unwrap();
    let serve = async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..PEERS {
            let (sender, mut receiver) = listener.accept().await.unwrap().split();
            tasks.spawn(async move {
                for _ in 0..20 {
                    let message = receiver.recv().await.unwrap().expect("the peer ended early");
                    sender.send(&message).await.unwrap();
                }
                sender.finish().await.unwrap();
                (sender, receiver)
            });
        }
        tasks.join_all().await
    };
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..PEERS {
        let link = connect(&at, Some(&framing("u32be")), &options()).await.unwrap();
        clients.spawn(async move {
            let (sender, mut receiver) = link.split();
            for turn in 0..20 {
                let text = format!("peer {number} for the {turn}th time");
                sender.send(text.as_bytes()).await.unwrap();
                super::expect(&mut receiver, text.as_bytes()).await;
            }
        });
    }
    tokio::join!(serve, clients.join_all());
}
