//! Encrypted transfers between two ends of the library, and with peers whose messages the tests write.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use unstick::endpoint::TlsOptions;
use unstick::service::transfer::{self, Inbox, Invitation, Observer, Outgoing, Overwrite, Ticket, Transfer};
use unstick::wire::Framing;
use unstick::wire::transfer::{Entry, Hello, Kind, Message, Side, VERSION};
use unstick::{Address, Link, Options, limits};

pub(crate) const STALL: Duration = Duration::from_secs(20);

pub(crate) fn unheard() -> Observer {
    Arc::new(|_| {})
}

pub(crate) async fn invitation() -> Invitation {
    Invitation::open(&"127.0.0.1:0".parse().unwrap(), None, &Options::new()).await.unwrap()
}

pub(crate) fn receiving(path: &Path) -> Transfer {
    Transfer::Receive(Arc::new(Inbox::open(path, Overwrite::Never).unwrap()))
}

pub(crate) fn sending(path: &Path) -> Transfer {
    Transfer::Send(Arc::new(Outgoing::list(&[path.to_owned()]).unwrap()))
}

/// Connects to the side that made the ticket, and sends nothing.
pub(crate) async fn stranger(ticket: &Ticket) -> Link {
    let mut options = Options::new();
    options.tls = TlsOptions::default().pin(ticket.fingerprint);
    let address: Address = format!("tls://{}", ticket.addresses[0]).parse().unwrap();
    unstick::connect(&address, Some(&Framing::parse("u32be").unwrap().into()), &options).await.unwrap()
}

pub(crate) fn bytes(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

pub(crate) fn hello(secret: [u8; 16]) -> Vec<u8> {
    bytes(&Message::Hello(Hello { version: VERSION, side: Side::Sender, secret, stall: 20_000 }))
}

/// Reads the secret from a ticket, as everyone who has the ticket can.
pub(crate) fn secret(ticket: &Ticket) -> [u8; 16] {
    let text = ticket.to_string();
    let digits = text.strip_prefix("ust1_").unwrap().bytes().map(|digit| {
        let place = |first: u8, from: u32| u32::from(digit - first) + from;
        match digit {
            b'A'..=b'Z' => place(b'A', 0),
            b'a'..=b'z' => place(b'a', 26),
            b'0'..=b'9' => place(b'0', 52),
            b'-' => 62,
            _ => 63,
        }
    });
    let bits: Vec<u8> = digits.flat_map(|digit| (0..6).rev().map(move |bit| (digit >> bit & 1) as u8)).collect();
    let bytes: Vec<u8> = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    bytes[32..48].try_into().unwrap()
}

/// The receiver's answer to a list of two one-byte files, and its result if it has ended.
async fn answer_to(inbox: &Path, paths: [&str; 2]) -> (Message, Option<unstick::Result<transfer::Tally>>) {
    let invitation = invitation().await;
    let ticket = invitation.ticket().clone();
    let transfer = receiving(inbox);
    let observer = unheard();
    let run = invitation.run(&transfer, STALL, &observer);
    let attack = async {
        let mut link = stranger(&ticket).await;
        link.send(&hello(secret(&ticket))).await.unwrap();
        let entries = paths.map(|path| {
            let path = Bytes::copy_from_slice(path.as_bytes());
            Entry {
                kind: Kind::File,
                mode: 0o644,
                modified: (0, 0),
                size: 1,
                stored: 1,
                inode: 0,
                path,
                target: Bytes::new(),
            }
        });
        link.send(&bytes(&Message::Entries(entries.into()))).await.unwrap();
        link.send(&bytes(&Message::Listed { entries: 2, size: 2 })).await.unwrap();
        assert!(matches!(Message::decode(link.recv().await.unwrap().unwrap()), Ok(Message::Hello(_))));
        Message::decode(link.recv().await.unwrap().unwrap()).unwrap()
    };
    let mut attack = std::pin::pin!(attack);
    tokio::select! {
        biased;
        outcome = run => (attack.await, Some(outcome)),
        answer = &mut attack => (answer, None),
    }
}

#[tokio::test]
async fn a_hostile_list_is_refused_before_anything_is_written() {
    for path in ["../evil", "/etc/evil", "a/../../evil", ".unstick/x", "a\0b", ""] {
        let inbox = tempfile::tempdir().unwrap();
        let (answer, outcome) = answer_to(inbox.path(), ["fine", path]).await;
        assert!(matches!(answer, Message::Refused { .. }), "{path:?}: {answer:?}");
        assert!(outcome.is_none_or(|outcome| outcome.unwrap_err().is_framing()), "{path:?}");
        assert_eq!(std::fs::read_dir(inbox.path()).unwrap().count(), 0, "{path:?}");
    }
}

#[tokio::test]
async fn names_that_differ_in_capitals_are_refused_where_they_are_one() {
    let inbox = tempfile::tempdir().unwrap();
    let (answer, _) = answer_to(inbox.path(), ["note", "NOTE"]).await;
    assert!(matches!(answer, Message::Want { .. }), "two files here: {answer:?}");
    // Makes the file system look as if it ignored case: the receiver's own directory exists under both names.
    std::fs::create_dir(inbox.path().join(".UNSTICK")).unwrap();
    let (answer, _) = answer_to(inbox.path(), ["note", "NOTE"]).await;
    assert!(matches!(answer, Message::Refused { .. }), "{answer:?}");
}

#[tokio::test]
async fn strangers_wait_and_end_nothing() {
    let (source, inbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(source.path().join("file"), b"content").unwrap();
    let invitation = invitation().await;
    let ticket = invitation.ticket().clone();
    let transfer = receiving(inbox.path());
    let observer = unheard();
    let run = invitation.run(&transfer, STALL, &observer);
    let others = async {
        let begun = Instant::now();
        let mut wrong = stranger(&ticket).await;
        wrong.send(&hello([7; 16])).await.unwrap();
        let answer = Message::decode(wrong.recv().await.unwrap().unwrap()).unwrap();
        assert!(matches!(answer, Message::Refused { .. }), "{answer:?}");
        assert!(begun.elapsed() >= limits::SECRET_PAUSE, "{:?}", begun.elapsed());
        // The silent clients are dropped to make room.
        let mut silent = Vec::new();
        for _ in 0..limits::TRANSFER_GUESTS + 1 {
            silent.push(stranger(&ticket).await);
        }
        let (path, observer) = (source.path().join("file"), unheard());
        transfer::connect(&sending(&path), &ticket, &Options::new(), STALL, &observer).await.unwrap()
    };
    let (received, sent) = tokio::join!(run, others);
    assert_eq!((received.unwrap().resolved, sent.resolved, sent.failed), (1, 1, 0));
    assert_eq!(std::fs::read(inbox.path().join("file")).unwrap(), b"content");
    assert_eq!(std::fs::read_dir(inbox.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn two_senders_do_not_come_to_terms() {
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("file"), b"content").unwrap();
    let path = source.path().join("file");
    let invitation = invitation().await;
    let ticket = invitation.ticket().clone();
    let transfer = sending(&path);
    let observer = unheard();
    let options = Options::new();
    let connect = transfer::connect(&transfer, &ticket, &options, STALL, &observer);
    let error = tokio::select! {
        error = connect => error.unwrap_err(),
        outcome = invitation.run(&transfer, STALL, &observer) => panic!("{outcome:?}"),
    };
    assert!(error.to_string().contains("both sides send"), "{error}");
}

#[tokio::test]
async fn a_ticket_from_a_stranger_starts_no_command() {
    let source = tempfile::tempdir().unwrap();
    let path = source.path().join("file");
    std::fs::write(&path, b"content").unwrap();
    let invitation = invitation().await;
    for address in ["exec:true", "stdio:", "serial:/dev/null", "udp://127.0.0.1:9"] {
        let mut ticket = invitation.ticket().clone();
        ticket.addresses = vec![address.to_owned()];
        let ticket: Ticket = ticket.to_string().parse().unwrap();
        let error = transfer::connect(&sending(&path), &ticket, &Options::new(), STALL, &unheard()).await.unwrap_err();
        assert!(error.is_usage(), "{address}: {error}");
    }
}
