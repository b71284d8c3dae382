//! `send` and `receive` with TLS: files and directories, resuming after cuts, and strangers who do not get in.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::rig::{Process, program, temporary};

/// Content in which no two places are equal.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).take(length).collect()
}

/// Starts the program with a state directory of this test.
pub(crate) fn start(home: &Path, arguments: &[&str]) -> Process {
    Process::start(program().env("XDG_STATE_HOME", home).args(arguments))
}

/// The ticket that a program prints.
pub(crate) fn ticket(process: &mut Process) -> String {
    let line = process.error_line_with("ust1_");
    line.split_whitespace().last().unwrap().to_owned()
}

/// Content and permissions of everything below a directory.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, (u32, Option<Vec<u8>>)> {
    let (mut found, mut left) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            let bytes = path.is_file().then(|| fs::read(&path).unwrap());
            if bytes.is_none() {
                left.push(path);
            }
            found.insert(name, (mode, bytes));
        }
    }
    found
}

pub(crate) fn plant(root: &Path) {
    fs::create_dir_all(root.join("photos/empty")).unwrap();
    fs::write(root.join("photos/large"), content(5 << 20)).unwrap();
    fs::write(root.join("photos/whole"), content(2 << 20)).unwrap();
    fs::write(root.join("photos/nothing"), b"").unwrap();
    fs::write(root.join("photos/script"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("photos/script"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("photos/-rf\n\u{202e}"), b"odd").unwrap();
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_tree_goes_over_whichever_side_waits() {
    let (source, home) = (temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    for waits in ["receive", "send"] {
        let inbox = temporary();
        let into = inbox.path().to_str().unwrap();
        let (receive, send) = (vec!["receive", into], vec!["send", photos.to_str().unwrap()]);
        let (first, second, to) = if waits == "receive" { (receive, send, "--to") } else { (send, receive, "--from") };
        let mut first = start(home.path(), &first);
        let ticket = ticket(&mut first);
        let mut second = start(home.path(), &[&second[..], &[to, &ticket]].concat());
        assert_eq!((second.code(), first.code()), (0, 0), "{waits}: {} {}", first.errors(), second.errors());
        assert_eq!(tree(inbox.path()), tree(source.path()), "{waits}");
        let lines = first.rest();
        assert!(lines.contains("  photos/large\n") && !lines.contains('\u{202e}'), "{lines}");
        let mut sorted = [lines.lines().collect::<Vec<_>>(), second.rest().lines().collect()].map(|mut lines| {
            lines.sort_unstable();
            lines.join("\n")
        });
        sorted.sort();
        assert_eq!(sorted[0], sorted[1], "both print the same hashes");
        assert_eq!(names(inbox.path()), ["photos"], "nothing else is left");
    }
    assert!(!home.path().join("unstick").exists(), "no key is left");
}

#[test]
fn a_receiver_that_is_killed_continues_with_the_same_ticket() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let path = source.path().join("large");
    fs::write(&path, content(1 << 20).repeat(300)).unwrap();
    let receive = ["receive", inbox.path().to_str().unwrap()];
    let mut receiver = start(home.path(), &receive);
    let ticket = ticket(&mut receiver);
    let mut sender = start(home.path(), &["send", path.to_str().unwrap(), "--to", &ticket, "--json"]);
    let state = inbox.path().join(".unstick");
    let journal = || {
        fs::read_dir(&state).unwrap().find_map(|entry| {
            let entry = entry.unwrap();
            entry.file_name().to_str()?.ends_with(".journal").then(|| entry.metadata().unwrap().len())
        })
    };
    while journal().is_none_or(|length| length < 1000) {
        std::thread::yield_now();
    }
    receiver.signal(Signal::KILL);
    assert_eq!(receiver.code(), 137);
    let kept = fs::metadata(state.join("ticket")).unwrap().permissions().mode() & 0o777;
    assert_eq!(kept, 0o600, "key and secret are this user's own");
    let mut receiver = start(home.path(), &receive);
    assert_eq!(self::ticket(&mut receiver), ticket, "the same ticket works again");
    assert_eq!((sender.code(), receiver.code()), (0, 0), "{}", sender.errors());
    assert_eq!(fs::read(inbox.path().join("large")).unwrap(), content(1 << 20).repeat(300));
    assert_eq!(names(inbox.path()), ["large"]);
    assert!(sender.rest().contains("\"event\":\"lost\""));
}

#[test]
fn a_stranger_is_not_let_in_and_ends_nothing() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let ticket = ticket(&mut receiver);
    let other = temporary();
    let mut elsewhere = start(other.path(), &["receive", other.path().join("x").to_str().unwrap()]);
    let wrong = self::ticket(&mut elsewhere);
    // The port of one receiver, the certificate of the other.
    let mut confused = start(home.path(), &["send", photos.to_str().unwrap(), "--to", &wrong[..wrong.len() - 1]]);
    assert_eq!(confused.code(), 2);
    assert!(!confused.errors().contains(&wrong[..40]), "no error repeats a ticket");
    let mut sender = Process::start(program().env("UNSTICK_TICKET", &ticket).args([
        "send",
        photos.to_str().unwrap(),
        "--to",
        "env",
    ]));
    assert_eq!((sender.code(), receiver.code()), (0, 0));
    assert_eq!(tree(inbox.path()), tree(source.path()));
}

#[test]
fn another_file_of_the_same_name_stays_and_the_rest_comes() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    plant(source.path());
    fs::create_dir(inbox.path().join("photos")).unwrap();
    fs::write(inbox.path().join("photos/script"), b"#!/bin/mine").unwrap();
    fs::write(inbox.path().join("photos/whole"), content(2 << 20)).unwrap();
    let photos = source.path().join("photos");
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let ticket = ticket(&mut receiver);
    let mut sender = start(home.path(), &["send", photos.to_str().unwrap(), "--to", &ticket]);
    let errors = sender.errors();
    assert!(errors.contains("photos/script: another file of this name is there"), "{errors}");
    assert_eq!((sender.code(), receiver.code()), (1, 1));
    assert_eq!(fs::read(inbox.path().join("photos/script")).unwrap(), b"#!/bin/mine");
    assert_eq!(fs::read(inbox.path().join("photos/large")).unwrap(), content(5 << 20));
}
