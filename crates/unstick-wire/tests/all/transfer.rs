//! The transfer protocol: every sentence of `docs/protocols/transfer.md` about messages, and hostile peers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use unstick_wire::transfer::{
    Arrival, Due, Entry, Hello, Kind, Manifest, Message, Naming, Outcome, RESERVED, Reason, Receiver, Request, SUBTREE,
    Sender, Side, Silence, VERSION, Violation, data_head, placed, stays_inside, tree_values,
};
use unstick_wire::{Framing, limits};

pub(crate) const HASH: [u8; 32] = [7; 32];

pub(crate) fn file(path: impl AsRef<[u8]>, size: u64) -> Entry {
    let path = Bytes::copy_from_slice(path.as_ref());
    Entry { kind: Kind::File, mode: 0o644, modified: (1, 2), size, stored: size, inode: 3, path, target: Bytes::new() }
}

pub(crate) fn directory(path: &str) -> Entry {
    Entry { kind: Kind::Directory, inode: 0, ..file(path, 0) }
}

fn link(path: &str, target: &str) -> Entry {
    let target = Bytes::copy_from_slice(target.as_bytes());
    Entry { kind: Kind::Link, target, ..file(path, 0) }
}

pub(crate) fn bytes(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(&mut out);
    out.into()
}

/// A receiver that has received this list.
pub(crate) fn told(entries: &[Entry]) -> Result<Receiver, Violation> {
    let mut receiver = Receiver::new(Naming::Unix);
    let size = entries.iter().map(|entry| entry.size).sum();
    receiver.receive(bytes(&Message::Entries(entries.to_vec())))?;
    let end = Message::Listed { entries: entries.len() as u32, size };
    assert_eq!(receiver.receive(bytes(&end))?, Arrival::Listed);
    Ok(receiver)
}

fn every_message() -> Vec<Message> {
    let text = Bytes::from_static(b"why");
    vec![
        Message::Hello(Hello { version: VERSION, side: Side::Receiver, secret: [9; 16], stall: 20_000 }),
        Message::Entries(vec![
            file("a/b", 5),
            directory("c"),
            Entry { kind: Kind::Stream, ..file("-", 0) },
            link("l", "a/b"),
        ]),
        Message::Listed { entries: 3, size: 5 },
        Message::Want { file: 1, from: 3 * SUBTREE, tree: vec![HASH, [8; 32]] },
        Message::Compare { file: 1 },
        Message::Data { file: 1, offset: 9, bytes: Bytes::from_static(b"content") },
        Message::Subtree { file: 1, index: 2, value: HASH },
        Message::End { file: 1, size: 7, hash: HASH },
        Message::Resolved { file: 1, outcome: Outcome::Present, hash: HASH },
        Message::Failed { file: 1, reason: Reason::Full, text: text.clone() },
        Message::Changed { file: 1, entry: file("a/b", 6) },
        Message::Refused { reason: Reason::Manifest, text },
        Message::Done,
        Message::Alive,
        Message::Hole { file: 1, offset: 9, length: 5 },
    ]
}

#[test]
fn every_message_comes_back_as_it_was() {
    for message in every_message() {
        assert_eq!(Message::decode(bytes(&message)), Ok(message));
    }
}

#[test]
fn the_bytes_of_a_message_are_those_of_the_document() {
    let hello = bytes(&every_message()[0]);
    assert_eq!(hello, [b"\x01unstick transfer\x00\x01\x01".as_slice(), &[9; 16], b"\0\0\x4e\x20"].concat());
    let entry = bytes(&Message::Entries(vec![Entry { stored: 4, ..file("a", 5) }]));
    let fields =
        b"\x02\x00\x01\xa4\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x03\0\x01a";
    assert_eq!(entry, &fields[..]);
    let entry = bytes(&Message::Entries(vec![Entry { inode: 0, ..link("l", "a/b") }]));
    let fields =
        b"\x02\x03\x01\xa4\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01l\0\x03a/b";
    assert_eq!(entry, &fields[..]);
    let data = bytes(&every_message()[5]);
    assert_eq!(data, &b"\x06\0\0\0\x01\0\0\0\0\0\0\0\x09content"[..]);
    assert_eq!(data[..13], data_head(1, 9));
    assert_eq!(placed(&data), Some((1, 9)));
    let hole = bytes(&Message::Hole { file: 1, offset: 9, length: 5 });
    assert_eq!(hole, &b"\x0f\0\0\0\x01\0\0\0\0\0\0\0\x09\0\0\0\x05"[..]);
    assert_eq!(placed(&hole), Some((1, 9)));
    assert_eq!((placed(&data[..12]), placed(&bytes(&every_message()[7]))), (None, None));
    for (message, kind) in every_message().iter().zip(1..) {
        assert_eq!(bytes(message)[0], kind, "{message:?}");
    }
}

#[test]
fn a_message_that_is_cut_or_too_long_is_an_error() {
    for message in every_message() {
        let whole = bytes(&message);
        for end in 0..whole.len() {
            let cut = Message::decode(whole.slice(..end));
            // A shorter text, list or piece may be a valid message too, but a different one.
            assert_ne!(cut, Ok(message.clone()), "cut at {end}");
        }
        let longer = Message::decode([&whole[..], b"\0"].concat().into());
        assert_ne!(longer, Ok(message));
    }
    assert!(Message::decode(Bytes::new()).is_err());
    assert!(Message::decode(Bytes::from_static(b"\x00")).is_err());
    assert!(Message::decode(Bytes::from_static(b"\x10")).is_err());
}

#[test]
fn a_peer_that_speaks_something_else_is_told_apart() {
    let error = Message::decode(Bytes::from_static(b"\x01GET / HTTP/1.1\r\nHost: example.test\r\n")).unwrap_err();
    assert_eq!(error.to_string(), "the peer does not speak the transfer protocol");
}

// ---- the list ----

#[test]
fn a_path_that_leaves_the_directory_is_refused() {
    let deep = vec!["d"; limits::MAX_TRANSFER_DEPTH + 1].join("/");
    for (path, why) in [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("..", "means another directory"),
        ("a/../../b", "means another directory"),
        ("./a", "means another directory"),
        ("a//b", "has an empty component"),
        ("a/", "has an empty component"),
        ("a\0b", "has a zero byte"),
        (&deep, "is over 128 directories deep"),
        (RESERVED, "is where the receiver keeps incomplete files"),
        (".UNSTICK/x", "is where the receiver keeps incomplete files"),
    ] {
        let error = told(&[file("fine", 1), file(path, 1)]).unwrap_err().to_string();
        assert!(error.contains(why), "{path:?}: {error}");
    }
    for path in ["...", "a..b", ".a", "-rf", "a\\b", "con", "a\nb", "\u{202e}b", "a/.unstick"] {
        assert!(told(&[file(path, 1)]).is_ok(), "{path:?}");
    }
    assert!(told(&[file(b"\xff\xfe", 1)]).is_ok());
}

#[test]
fn windows_takes_some_names_for_devices_and_drives() {
    for path in ["con", "a/NUL.txt", "com1", "LPT9.x", "com²", "aux ", "c:evil", "a\\b", "a.", "b ", "what?", "\x01"] {
        assert!(Manifest::of([file(path, 1)], Naming::Windows).is_err(), "{path:?}");
    }
    assert!(Manifest::of([file(b"\xff", 1)], Naming::Windows).is_err());
    for path in ["console", "nullable", "com10", "com", "a.con", ".x"] {
        assert!(Manifest::of([file(path, 1)], Naming::Windows).is_ok(), "{path:?}");
    }
}

#[test]
fn a_path_is_there_once_and_nothing_lies_below_a_file() {
    let twice = told(&[file("a", 1), file("b", 1), file("a", 2)]).unwrap_err().to_string();
    assert_eq!(twice, "the path \"a\" is in the list twice");
    let below = told(&[file("a/b/c", 1), file("a!", 1), file("a", 1)]).unwrap_err().to_string();
    assert_eq!(below, "the path \"a/b/c\" lies below a file");
    assert!(told(&[directory("a"), file("a/b", 1), file("c/d", 1)]).is_ok());
    let folded = told(&[file("Straße/A", 1), file("STRASSE/a", 1)]).unwrap();
    assert!(folded.manifest().check_folded().is_err());
    assert!(told(&[file("a", 1), file("b", 1)]).unwrap().manifest().check_folded().is_ok());
}

#[test]
fn a_list_is_what_its_end_says() {
    let mut receiver = Receiver::new(Naming::Unix);
    receiver.receive(bytes(&Message::Entries(vec![file("a", 5)]))).unwrap();
    for (entries, size) in [(2, 5), (1, 4), (0, 0)] {
        assert!(receiver.receive(bytes(&Message::Listed { entries, size })).is_err());
    }
    assert!(receiver.receive(bytes(&Message::Listed { entries: 1, size: 5 })).is_ok());
    assert!(receiver.receive(bytes(&Message::Entries(vec![file("b", 5)]))).is_err(), "behind its end");
    let mut nothing = Receiver::new(Naming::Unix);
    assert!(nothing.receive(bytes(&Message::Listed { entries: 0, size: 0 })).is_err(), "nothing");
}

#[test]
fn a_list_comes_in_messages_within_the_limit() {
    let entries: Vec<Entry> = (0..9000).map(|n| file(format!("{n:0200}"), n)).collect();
    let sender = Sender::new(Manifest::of(entries.clone(), Naming::Unix).unwrap());
    let mut receiver = Receiver::new(Naming::Unix);
    let (mut from, mut messages) = (0, 0);
    while let Some((message, next)) = sender.list(from) {
        let message = bytes(&message);
        assert!(message.len() <= limits::MAX_TRANSFER_MESSAGE);
        receiver.receive(message).unwrap();
        (from, messages) = (next, messages + 1);
    }
    assert!(messages > 3);
    assert_eq!(receiver.manifest().entries(), entries);
}

// ---- the order of messages ----

/// A receiver of one file of this size, which it has requested from the beginning.
pub(crate) fn coming(size: u64) -> Receiver {
    let mut receiver = told(&[file("a", size)]).unwrap();
    receiver.want(0, 0, Vec::new()).unwrap();
    receiver
}

pub(crate) fn piece(offset: u64, length: usize) -> Message {
    Message::Data { file: 0, offset, bytes: vec![0; length].into() }
}

/// Whether the receiver accepts a message.
pub(crate) fn takes(receiver: &mut Receiver, message: &Message) -> bool {
    receiver.receive(bytes(message)).is_ok()
}

#[test]
fn bytes_come_in_order_and_within_the_file() {
    let mut receiver = coming(10);
    assert!(!takes(&mut receiver, &piece(1, 1)), "not the first");
    assert!(!takes(&mut receiver, &piece(0, 11)), "too many");
    assert!(takes(&mut receiver, &piece(0, 4)));
    assert!(!takes(&mut receiver, &piece(0, 4)), "again");
    assert!(!takes(&mut receiver, &Message::End { file: 0, size: 4, hash: HASH }), "too early");
    assert!(takes(&mut receiver, &piece(4, 6)));
    let end = receiver.receive(bytes(&Message::End { file: 0, size: 10, hash: HASH }));
    assert_eq!(end, Ok(Arrival::Finish { file: 0, size: 10, hash: HASH }));
    assert!(!takes(&mut receiver, &piece(10, 1)), "behind the end");
    assert!(receiver.finish().is_err(), "it is not resolved");
    receiver.resolve(0, Outcome::Received, HASH).unwrap();
    assert!(receiver.resolve(0, Outcome::Received, HASH).is_err(), "twice");
    assert!(receiver.is_complete());
    assert!(!takes(&mut receiver, &Message::Done), "before the receiver has sent it");
    assert_eq!(receiver.finish(), Ok(Message::Done));
    assert_eq!(receiver.receive(bytes(&Message::Done)), Ok(Arrival::Over));
}

#[test]
fn nothing_comes_that_was_not_wanted() {
    let mut receiver = told(&[file("a", 10), directory("b")]).unwrap();
    for message in [piece(0, 1), Message::End { file: 0, size: 10, hash: HASH }, Message::Done] {
        assert!(!takes(&mut receiver, &message), "{message:?}");
    }
    assert!(!takes(&mut receiver, &Message::Data { file: 2, offset: 0, bytes: vec![0].into() }), "unknown");
    assert!(!takes(&mut Receiver::new(Naming::Unix), &piece(0, 1)), "before the list");
    assert!(receiver.want(1, 0, Vec::new()).is_err(), "a directory");
    assert!(receiver.directory(0).is_err(), "a file");
    receiver.directory(1).unwrap();
    receiver.compare(0).unwrap();
    assert!(!takes(&mut receiver, &piece(0, 1)), "the hash alone was wanted");
    assert!(takes(&mut receiver, &Message::End { file: 0, size: 10, hash: HASH }));
    // The contents differ, so the file is requested after all.
    assert!(receiver.want(0, 0, Vec::new()).is_ok());
    assert!(takes(&mut receiver, &piece(0, 10)));
    for message in [Message::Want { file: 0, from: 0, tree: vec![] }, Message::Compare { file: 0 }] {
        assert!(!takes(&mut receiver, &message), "a sender does not send {message:?}");
    }
}

#[test]
fn one_file_comes_behind_the_other() {
    let mut receiver = told(&[file("a", 2), file("b", 1)]).unwrap();
    receiver.want(0, 0, Vec::new()).unwrap();
    receiver.want(1, 0, Vec::new()).unwrap();
    let other = Message::Data { file: 1, offset: 0, bytes: vec![0].into() };
    assert!(takes(&mut receiver, &piece(0, 1)));
    assert!(!takes(&mut receiver, &other), "before the first is over");
    assert!(takes(&mut receiver, &piece(1, 1)));
    assert!(takes(&mut receiver, &Message::End { file: 0, size: 2, hash: HASH }));
    assert!(takes(&mut receiver, &other));
}

#[test]
fn each_whole_subtree_is_proven_before_the_next_begins() {
    let mut receiver = coming(2 * SUBTREE + 1);
    let piece_length = limits::MAX_TRANSFER_PIECE;
    let subtree = |index| Message::Subtree { file: 0, index, value: HASH };
    for offset in (0..SUBTREE).step_by(piece_length) {
        assert!(!takes(&mut receiver, &subtree(0)), "before it is whole");
        assert!(takes(&mut receiver, &piece(offset, piece_length)));
    }
    assert!(!takes(&mut receiver, &piece(SUBTREE, 1)), "before the subtree's value");
    assert!(!takes(&mut receiver, &subtree(1)), "of another subtree");
    let check = receiver.receive(bytes(&subtree(0)));
    assert_eq!(check, Ok(Arrival::Check { file: 0, index: 0, value: HASH }));
    assert!(!takes(&mut receiver, &subtree(0)), "twice");
    assert!(takes(&mut receiver, &piece(SUBTREE, 7)));
    assert!(!takes(&mut receiver, &piece(SUBTREE + 7, piece_length * 9)), "over the subtree's end");
    let mut last = told(&[file("a", SUBTREE)]).unwrap();
    last.want(0, 0, Vec::new()).unwrap();
    for offset in (0..SUBTREE).step_by(piece_length) {
        assert!(takes(&mut last, &piece(offset, piece_length)));
    }
    assert!(!takes(&mut last, &subtree(0)), "the last one is proven by the file's hash");
}

#[test]
fn a_file_goes_on_behind_what_is_there() {
    let mut receiver = told(&[file("a", 3 * SUBTREE)]).unwrap();
    assert!(receiver.want(0, 1, Vec::new()).is_err(), "not at a subtree's end");
    assert!(receiver.want(0, 3 * SUBTREE, vec![HASH; 2]).is_err(), "nothing would come");
    assert!(receiver.want(0, SUBTREE, Vec::new()).is_err(), "without its tree");
    let want = receiver.want(0, 2 * SUBTREE, vec![HASH]).unwrap();
    let mut sender = Sender::new(Manifest::of([file("a", 3 * SUBTREE)], Naming::Unix).unwrap());
    let request = sender.receive(bytes(&want));
    assert_eq!(request, Ok(Request::Send { file: 0, from: 2 * SUBTREE, tree: vec![HASH] }));
    assert!(sender.receive(bytes(&want)).is_err(), "twice");
    assert!(takes(&mut receiver, &piece(2 * SUBTREE, 9)));
    assert_eq!([0, 1, 2, 3, 4, 7].map(tree_values), [0, 1, 1, 2, 1, 3]);
}

#[test]
fn a_changed_source_begins_anew_and_not_for_ever() {
    let mut receiver = coming(10);
    let mut sender = Sender::new(Manifest::of([file("a", 10)], Naming::Unix).unwrap());
    assert!(!takes(&mut receiver, &Message::Changed { file: 0, entry: file("b", 10) }), "another path");
    let mut size = 10;
    for _ in 0..limits::MAX_TRANSFER_RESTARTS {
        let want = Message::Want { file: 0, from: 0, tree: Vec::new() };
        sender.receive(bytes(&want)).unwrap();
        size += 1;
        let changed = sender.changed(0, file("a", size)).unwrap().expect("within the limit");
        assert!(takes(&mut receiver, &piece(0, 1)));
        assert_eq!(receiver.receive(bytes(&changed)), Ok(Arrival::Restart { file: 0 }));
        assert_eq!(receiver.manifest().entries()[0].size, size);
        assert!(!takes(&mut receiver, &changed), "it is not being sent");
        receiver.want(0, 0, Vec::new()).unwrap();
    }
    sender.receive(bytes(&Message::Want { file: 0, from: 0, tree: Vec::new() })).unwrap();
    assert_eq!(sender.changed(0, file("a", 99)), Ok(None));
    assert!(!takes(&mut receiver, &Message::Changed { file: 0, entry: file("a", 99) }));
    assert!(file("a", 1).is_same_source(&Entry { mode: 0o600, ..file("a", 1) }));
    assert!(!file("a", 1).is_same_source(&Entry { inode: 4, ..file("a", 1) }));
}

#[test]
fn a_file_of_an_earlier_connection_is_resolved_without_its_bytes() {
    let mut receiver = told(&[file("a", 10)]).unwrap();
    assert!(receiver.resolve(0, Outcome::Received, HASH).is_err(), "nothing of it has arrived now");
    let resolved = receiver.resolve(0, Outcome::Present, HASH).unwrap();
    assert!(receiver.is_complete());
    let mut sender = Sender::new(Manifest::of([file("a", 10)], Naming::Unix).unwrap());
    let come = Message::Resolved { file: 0, outcome: Outcome::Received, hash: HASH };
    assert!(sender.receive(bytes(&come)).is_err(), "nothing was sent of it");
    let known = Ok(Request::Resolved { file: 0, outcome: Outcome::Present, hash: HASH });
    assert_eq!(sender.receive(bytes(&resolved)), known);
    assert!(sender.receive(bytes(&resolved)).is_err(), "twice");
    assert_eq!(sender.receive(bytes(&Message::Done)), Ok(Request::Over));
}

#[test]
fn what_failed_at_one_side_is_passed_over_at_the_other() {
    let mut receiver = coming(10);
    let failed = receiver.fail(0, Reason::Full, &"x".repeat(5000)).unwrap();
    assert!(takes(&mut receiver, &piece(0, 5)) && takes(&mut receiver, &piece(5, 5)), "still on its way");
    assert_eq!(receiver.receive(bytes(&Message::End { file: 0, size: 10, hash: HASH })), Ok(Arrival::Nothing));
    let mut sender = Sender::new(Manifest::of([file("a", 10)], Naming::Unix).unwrap());
    sender.receive(bytes(&Message::Want { file: 0, from: 0, tree: Vec::new() })).unwrap();
    assert!(sender.receive(bytes(&Message::Done)).is_err(), "a file is not resolved");
    let Ok(Request::Failed { file: 0, reason: Reason::Full, text }) = sender.receive(bytes(&failed)) else { panic!() };
    assert_eq!(text.len(), limits::MAX_TRANSFER_REASON);
    assert_eq!(sender.is_over(0), Ok(true));
    assert!(sender.end(0, 10, HASH).is_err());
    assert_eq!(sender.receive(bytes(&Message::Done)), Ok(Request::Over));
}

#[test]
fn a_stream_ends_where_its_end_says() {
    let stream = Entry { kind: Kind::Stream, ..file("-", 0) };
    let mut receiver = told(&[stream]).unwrap();
    receiver.want(0, 0, Vec::new()).unwrap();
    assert!(takes(&mut receiver, &piece(0, 9)));
    assert!(!takes(&mut receiver, &Message::End { file: 0, size: 10, hash: HASH }));
    assert!(takes(&mut receiver, &Message::End { file: 0, size: 9, hash: HASH }));
    assert_eq!(receiver.manifest().get(0).unwrap().size, 9, "it is known now");
}

#[test]
fn no_chaining_value_comes_of_the_last_subtree_of_a_stream() {
    let stream = Entry { kind: Kind::Stream, ..file("-", 0) };
    let mut receiver = told(&[stream]).unwrap();
    receiver.want(0, 0, Vec::new()).unwrap();
    let piece = |n| Message::Data { file: 0, offset: n * SUBTREE / 8, bytes: vec![0; SUBTREE as usize / 8].into() };
    assert!((0..8).all(|n| takes(&mut receiver, &piece(n))));
    assert!(takes(&mut receiver, &Message::Subtree { file: 0, index: 0, value: HASH }));
    assert!(!takes(&mut receiver, &Message::End { file: 0, size: SUBTREE, hash: HASH }));
    assert!(takes(&mut receiver, &piece(8)));
    assert!(takes(&mut receiver, &Message::End { file: 0, size: SUBTREE / 8 * 9, hash: HASH }));
}

#[test]
fn a_link_is_taken_without_a_word_and_nothing_lies_below_it() {
    let mut receiver = told(&[link("a", "../b"), file("c", 0)]).unwrap();
    assert!(receiver.want(0, 0, Vec::new()).is_err() && receiver.compare(0).is_err());
    assert_eq!(receiver.directory(0), Ok(()));
    let below = told(&[link("a", "/tmp"), file("a/b", 1)]).unwrap_err().to_string();
    assert_eq!(below, "the path \"a/b\" lies below a file");
    for target in ["", "a\0b"] {
        assert!(told(&[link("a", target)]).unwrap_err().to_string().contains("link to nothing"), "{target:?}");
    }
    let sender = Sender::new(Manifest::of([link("a", "b")], Naming::Unix).unwrap());
    assert!({ sender }.receive(bytes(&Message::Done)).is_ok(), "no message reports a link");
}

#[test]
fn a_link_stays_inside_whatever_other_links_there_are() {
    for (path, target, inside) in [
        ("a", "b", true),
        ("a", "b/c", true),
        ("a", "./b//c/", true),
        ("a", ".", true),
        ("d/a", "../b", true),
        ("d/e/a", "../../b", true),
        ("a", "..", false),
        ("d/a", "../../b", false),
        ("d/a", "./.././../b", false),
        ("a", "/etc/passwd", false),
        // If `b` is a link, a `..` after it leads to another directory than the path suggests.
        ("d/e/a", "b/..", false),
        ("d/e/a", "../b/../c", false),
    ] {
        assert_eq!(stays_inside(path.as_bytes(), target.as_bytes()), inside, "{path} -> {target}");
    }
}

#[test]
fn who_is_silent_says_so_and_who_says_nothing_is_gone() {
    let begun = crate::faults::begin();
    let second = Duration::from_secs(1);
    let mut silence = Silence::new(20 * second, begun);
    assert_eq!(silence.due(begun), Due::At(begun + 5 * second));
    assert_eq!(silence.due(begun + 5 * second), Due::Alive);
    silence.said(begun + 5 * second);
    silence.heard(begun + 6 * second);
    assert_eq!(silence.due(begun + 6 * second), Due::At(begun + 10 * second));
    silence.said(begun + 25 * second);
    assert_eq!(silence.due(begun + 26 * second), Due::Stalled);
    let mut silence = Silence::new(20 * second, begun);
    silence.heed(4 * second);
    assert_eq!(silence.due(begun), Due::At(begun + second), "the other side is less patient");
    silence.heed(80 * second);
    assert_eq!(silence.due(begun), Due::At(begun + 5 * second));
    silence.heed(Duration::ZERO);
    assert_eq!(silence.due(begun), Due::At(begun + limits::MIN_TRANSFER_STALL / 4));
}

// ---- hostile peers ----

/// The bytes of a message: mostly a valid message with some bytes altered.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let altered = (0..15_usize, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4));
    let altered = altered.prop_map(|(which, changes)| {
        let mut message = bytes(&every_message()[which]).to_vec();
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        message
    });
    prop_oneof![3 => altered, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "..", ".", "", "A", "a\0", ".unstick", "c d"]), 1..4)
        .prop_map(|names| names.join("/"))
}

/// A path or a target of few different components, so that links often meet.
fn few(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(parts), 1..5).prop_map(|parts| parts.join("/"))
}

/// Whether a path stays inside the directory at every step, given these links.
fn resolves_inside(path: &str, links: &BTreeMap<String, String>) -> bool {
    let (mut place, mut followed) = (Vec::new(), 0);
    let mut parts: VecDeque<String> = path.split('/').map(str::to_owned).collect();
    while let Some(part) = parts.pop_front() {
        match &part[..] {
            "" | "." => {}
            ".." if place.pop().is_none() => return false,
            ".." => {}
            _ => place.push(part),
        }
        if let Some(target) = links.get(&place.join("/")) {
            followed += 1;
            // The system gives up on a circle of links, too.
            if followed > 40 {
                return true;
            }
            place.pop();
            target.split('/').rev().for_each(|part| parts.push_front(part.to_owned()));
        }
    }
    true
}

proptest! {
    /// Whatever links there are, no link that a receiver creates leads out of its directory.
    #[test]
    fn links_that_stay_inside_do_so_together(
        links in prop::collection::vec((few(&["a", "b", "c"]), few(&["a", "b", "c", "..", ".", ""])), 1..6),
    ) {
        let entries: Vec<Entry> = links.iter().map(|(path, target)| link(path, target)).collect();
        let made = links.iter().filter(|(path, target)| stays_inside(path.as_bytes(), target.as_bytes())).cloned();
        let made: BTreeMap<String, String> = made.collect();
        if told(&entries).is_ok() {
            for (path, target) in &made {
                prop_assert!(resolves_inside(path, &made), "{path} -> {target} in {made:?}");
            }
        }
    }

    /// Whatever arrives, each side returns an action or an error, and writes nothing outside the file.
    #[test]
    fn no_message_breaks_a_side(messages in prop::collection::vec(hostile(), 0..20)) {
        let entries = [file("a", 3 * SUBTREE), file("b", 9)];
        let mut receiver = told(&entries).unwrap();
        receiver.want(1, 0, Vec::new()).unwrap();
        receiver.want(0, 0, Vec::new()).unwrap();
        let mut sender = Sender::new(Manifest::of(entries, Naming::Unix).unwrap());
        for message in messages {
            let message = Bytes::from(message);
            if let Ok(decoded) = Message::decode(message.clone()) {
                prop_assert_eq!(bytes(&decoded).len(), message.len());
            }
            let (file, end) = match receiver.receive(message.clone()) {
                Ok(Arrival::Write { file, offset, bytes }) => (file, offset + bytes.len() as u64),
                Ok(Arrival::Skip { file, offset, length }) => (file, offset + u64::from(length)),
                _ => (0, 0),
            };
            prop_assert!(end <= receiver.manifest().get(file).unwrap().size);
            let _ = sender.receive(message);
        }
    }

    /// However a list is made, if it is accepted, no path in it leaves the directory.
    #[test]
    fn no_list_that_is_taken_leaves_the_directory(
        paths in prop::collection::vec(path(), 1..6),
        kinds in prop::collection::vec(0..4, 6),
    ) {
        let kinds = kinds.iter().map(|kind| [Kind::File, Kind::Directory, Kind::Stream, Kind::Link][*kind as usize]);
        let entries = paths.iter().zip(kinds).map(|(path, kind)| match kind {
            Kind::Link => link(path, "/etc"),
            Kind::File => file(path, 1),
            kind => Entry { kind, ..file(path, 0) },
        });
        let entries: Vec<Entry> = entries.collect();
        if told(&entries).is_ok() {
            for path in &paths {
                let mut names = path.split('/');
                prop_assert!(names.all(|name| !["", ".", ".."].contains(&name) && !name.contains('\0')));
                prop_assert!(!path.starts_with(RESERVED));
            }
            let mut sorted = paths.clone();
            sorted.sort();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), paths.len());
            let below = |other: &Entry| entries.iter().any(|entry| entry.path.starts_with(&[&other.path[..], b"/"].concat()));
            prop_assert!(!entries.iter().any(|entry| entry.kind != Kind::Directory && below(entry)));
        }
    }

    /// Messages are in `u32be` frames. They stay the same however the stream is cut.
    #[test]
    fn any_segmentation_holds_the_same_messages(cuts in prop::collection::vec(1..60_usize, 1..40)) {
        let framing = Framing::parse(&format!("u32be,max={}", limits::MAX_TRANSFER_MESSAGE)).unwrap();
        let (mut encoder, mut stream) = (framing.encoder().unwrap(), Vec::new());
        for message in every_message() {
            encoder.encode(&bytes(&message), &mut stream).unwrap();
        }
        let (mut decoder, mut rest, mut found) = (framing.decoder(), &stream[..], Vec::new());
        for cut in cuts.iter().cycle() {
            let (segment, behind) = rest.split_at((*cut).min(rest.len()));
            decoder.feed(segment);
            while let Some(message) = decoder.next().unwrap() {
                found.push(Message::decode(Bytes::copy_from_slice(message)).unwrap());
            }
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, every_message());
    }
}
