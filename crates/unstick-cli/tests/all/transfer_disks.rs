//! Transfers whose disks fail: full or read-only disks, and sources that change or disappear. The error names the file
//! and the reason, and the same command completes once the disk works again.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::rig::{Process, temporary};
use crate::transfers::{content, names, plant, start, ticket, tree};

/// A shell that is root in its own namespace. No other process sees its mounts.
fn namespace(script: &str, home: &Path, arguments: &[&Path]) -> Process {
    let mut shell = Command::new("unshare");
    shell.args(["--user", "--map-root-user", "--mount", "sh", "-euc", script, env!("CARGO_BIN_EXE_unstick")]);
    Process::start(shell.args(arguments).env("XDG_STATE_HOME", home).env("UNSTICK_CONFIG", ""))
}

#[test]
fn a_full_disk_is_named_and_the_same_command_completes_when_there_is_room() {
    let (source, inbox, out, home) = (temporary(), temporary(), temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    // At first there are inodes for a directory and a few files. Bytes do not run out.
    let script = "mount -t tmpfs -o size=64m,nr_inodes=9 none \"$1\"; cd \"$1\"
        \"$0\" receive . && exit 9; mount -o remount,nr_inodes=10000 \"$1\"
        \"$0\" receive . && cp -a photos \"$2\"";
    let mut receiver = namespace(script, home.path(), &[inbox.path(), out.path()]);
    let ticket = ticket(&mut receiver);
    let send = ["send", photos.to_str().unwrap(), "--to", &ticket];
    let mut sender = start(home.path(), &send);
    assert_eq!(sender.code(), 1);
    let errors = sender.errors();
    assert!(errors.contains("photos/") && errors.contains("o space left on device"), "{errors}");
    assert_eq!(self::ticket(&mut receiver), ticket, "the same ticket works again");
    let mut sender = start(home.path(), &send);
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{} {}", receiver.errors(), sender.errors());
    assert_eq!(tree(out.path()), tree(source.path()));
}

#[test]
fn too_little_room_is_told_before_anything_is_sent() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    fs::write(source.path().join("large"), content(5 << 20)).unwrap();
    let script = "mount -t tmpfs -o size=4m none \"$1\"; cd \"$1\"; \"$0\" receive .";
    let mut receiver = namespace(script, home.path(), &[inbox.path()]);
    let ticket = ticket(&mut receiver);
    let path = source.path().join("large");
    let mut sender = start(home.path(), &["send", path.to_str().unwrap(), "--to", &ticket]);
    let errors = sender.errors();
    assert!(errors.contains("large: there is not enough room: 5 MiB to come, and 4092 KiB free"), "{errors}");
    assert_eq!((receiver.code(), sender.code()), (1, 1));
}

/// The file's bytes fit on the disk; with its holes filled, they would not.
#[test]
fn holes_take_no_room_and_no_bytes_of_the_connection() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let (path, size, middle) = (source.path().join("disk"), 256 << 20, content(3 << 20));
    let file = fs::File::create(&path).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(&middle, (100 << 20) + 4096).unwrap();
    let script =
        "mount -t tmpfs -o size=4m none \"$1\"; cd \"$1\"; \"$0\" receive . && cmp disk \"$2\" && stat -c %b disk";
    let mut receiver = namespace(script, home.path(), &[inbox.path(), &path]);
    let (ticket, begun) = (ticket(&mut receiver), Instant::now());
    let mut sender = start(home.path(), &["send", path.to_str().unwrap(), "--to", &ticket, "--limit", "1M"]);
    assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
    assert!(begun.elapsed() < Duration::from_secs(30), "zeros were sent: {:?}", begun.elapsed());
    let blocks: u64 = receiver.rest().lines().last().unwrap().parse().unwrap();
    assert!((6144..8192).contains(&blocks), "{blocks} blocks of 512 bytes hold 3 MiB");
}

/// What is there of a file counts as room that it has.
#[test]
fn the_rest_of_a_sparse_file_needs_only_its_own_room() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let path = source.path().join("disk");
    let file = fs::File::create(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(&content(6 << 20), 0).unwrap();
    let script = "mount -t tmpfs -o size=9m none \"$1\"; cd \"$1\"
        (until [ \"$(find .unstick -name '*.part' -size +8191 2>/dev/null)\" ]; do :; done; kill -9 $(cat pid)) &
        echo $$ > pid; sh -c 'echo $$ > pid; exec \"$0\" receive .' \"$0\" || true
        wait; \"$0\" receive . && cmp disk \"$2\"";
    let mut receiver = namespace(script, home.path(), &[inbox.path(), &path]);
    let ticket = ticket(&mut receiver);
    let mut sender = start(home.path(), &["send", path.to_str().unwrap(), "--to", &ticket, "--limit", "2M"]);
    assert_eq!(self::ticket(&mut receiver), ticket);
    assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
}

#[test]
fn a_target_that_is_a_file_is_named() {
    let home = temporary();
    let file = home.path().join("file");
    fs::write(&file, b"content").unwrap();
    let mut receiver = start(home.path(), &["receive", file.to_str().unwrap()]);
    assert!(receiver.errors().contains("file: it is not a directory"), "{}", receiver.errors());
    assert_eq!(receiver.code(), 1);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named() {
    let (inbox, home) = (temporary(), temporary());
    let script = "mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; exec \"$0\" receive \"$1\"";
    let mut receiver = namespace(script, home.path(), &[inbox.path()]);
    let errors = receiver.errors();
    assert!(errors.contains(inbox.path().to_str().unwrap()), "{errors}");
    assert!(errors.to_lowercase().contains("read-only file system"), "{errors}");
    assert_eq!(receiver.code(), 1);
}

/// After the list and before the bytes, one file disappears, one grows, and a directory replaces one.
#[test]
fn a_source_that_is_gone_is_named_and_one_that_has_changed_comes_as_it_is() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    let mut sender = start(home.path(), &["send", photos.to_str().unwrap()]);
    let ticket = ticket(&mut sender);
    fs::remove_file(photos.join("whole")).unwrap();
    fs::write(photos.join("script"), b"#!/bin/sh\necho more\n").unwrap();
    fs::remove_file(photos.join("nothing")).unwrap();
    fs::create_dir(photos.join("nothing")).unwrap();
    let receive = ["receive", "--from", &ticket, inbox.path().to_str().unwrap()];
    let mut receiver = start(home.path(), &receive);
    assert_eq!((receiver.code(), sender.code()), (1, 1));
    for errors in [receiver.errors(), sender.errors()] {
        assert!(errors.to_lowercase().contains("photos/whole: no such file"), "{errors}");
        assert!(errors.contains("photos/nothing: it is not a file any more"), "{errors}");
    }
    assert_eq!(fs::read(inbox.path().join("photos/script")).unwrap(), b"#!/bin/sh\necho more\n");
    // The same command makes a new list.
    let mut sender = start(home.path(), &["send", photos.to_str().unwrap()]);
    assert_eq!(self::ticket(&mut sender), ticket, "the same ticket works again");
    let mut receiver = start(home.path(), &receive);
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{} {}", receiver.errors(), sender.errors());
    assert_eq!(tree(inbox.path()), tree(source.path()));
    assert_eq!(names(inbox.path()), ["photos"]);
}
