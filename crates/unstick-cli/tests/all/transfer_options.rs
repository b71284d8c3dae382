//! Options of `send` and `receive`: standard input and output, patterns, links, rates, and `--dry-run`.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Signal;

use crate::rig::{Process, Terminal, temporary};
use crate::transfers::{content, names, plant, start, ticket, tree};

/// Starts a receiver that waits. Returns it and its ticket.
fn receiver(home: &Path, inbox: &Path, options: &[&str]) -> (Process, String) {
    let mut receiver = start(home, &[&["receive", inbox.to_str().unwrap()][..], options].concat());
    let ticket = ticket(&mut receiver);
    (receiver, ticket)
}

/// Runs `unstick send ARGUMENTS --to TICKET`. Returns both exit statuses, and the sender's errors.
fn send(home: &Path, inbox: &Path, options: &[&str], arguments: &[&str]) -> (i32, i32, String) {
    let (mut receiver, ticket) = receiver(home, inbox, options);
    let mut sender = start(home, &[&["send"], arguments, &["--to", &ticket]].concat());
    let (sent, received) = (sender.code(), receiver.code());
    (sent, received, format!("{}{}", sender.errors(), receiver.errors()))
}

#[test]
fn a_stream_is_proven_and_goes_over_whichever_side_waits() {
    let home = temporary();
    for (length, name) in [(0, "stdin"), (3 << 20, "stdin"), ((3 << 20) + 5, "backup.tar")] {
        let inbox = temporary();
        let (mut receiver, ticket) = receiver(home.path(), inbox.path(), &[]);
        let mut sender = start(home.path(), &["send", "-", "--name", name, "--to", &ticket]);
        sender.feed(content(length));
        sender.end_input();
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
        assert!(sender.errors().contains(&format!("standard input is sent as {name}; it cannot be continued")));
        assert_eq!(fs::read(inbox.path().join(name)).unwrap(), content(length));
        assert_eq!(sender.rest(), receiver.rest(), "both print the same hash");

        let mut sender = start(home.path(), &["send", "-", "--name", name]);
        let ticket = self::ticket(&mut sender);
        let mut receiver = start(home.path(), &["receive", "--from", &ticket, "-"]);
        sender.feed(content(length));
        sender.end_input();
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
        assert_eq!(receiver.rest_bytes(), content(length));
        let hash = sender.rest();
        assert!(receiver.errors().contains(hash.trim_end()), "the hash is printed beside the file");
    }
}

#[test]
fn standard_output_takes_one_file() {
    let (source, home) = (temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    for (what, status) in [(photos.clone(), 1), (photos.join("large"), 0)] {
        let mut receiver = start(home.path(), &["receive", "-"]);
        let ticket = ticket(&mut receiver);
        let mut sender = start(home.path(), &["send", what.to_str().unwrap(), "--to", &ticket]);
        assert_eq!((sender.code(), receiver.code()), (status, status), "{} {}", sender.errors(), receiver.errors());
        match status {
            0 => assert_eq!(receiver.rest_bytes(), content(5 << 20)),
            _ => assert!(sender.errors().contains("takes one file and no directory")),
        }
    }
}

#[test]
fn standard_input_and_output_are_one_thing_each() {
    let home = temporary();
    for (arguments, why) in [
        (&["send", "-", "-"][..], "standard input can be sent once"),
        (&["send", "-", "--to", "-"], "standard input is either the ticket or the file"),
        (&["send", "x", "--name", "y"], "--name is the name of standard input"),
        (&["send", "-", "--plain", "0"], "cannot send standard input"),
        (&["receive", "-", "--json"], "standard output is either the file or the events"),
        (&["receive", "--plain", "0", "--dry-run"], "the plain protocol has no list of files"),
        (&["receive", "-", "--plain", "0"], "does not write to standard output"),
        (&["send", "x", "--plain", "0", "--proxy", "env"], "--proxy is for connecting: this side waits"),
        (&["send", "x", "--exclude", "[a"], "has a [ that is not closed"),
        (&["receive", "--listen", "tls://127.0.0.1:0"], "HOST:PORT has TLS in any case"),
    ] {
        let mut process = start(home.path(), arguments);
        assert_eq!(process.code(), 2, "{arguments:?}");
        let errors = process.errors();
        assert!(errors.contains(why), "{arguments:?}: {errors}");
    }
}

#[test]
fn patterns_leave_out_what_matches_with_all_below() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    let arguments = [photos.to_str().unwrap(), "--exclude", "lar*", "--exclude", "/photos/empty"];
    let (sent, received, errors) = send(home.path(), inbox.path(), &[], &arguments);
    assert_eq!((sent, received), (0, 0), "{errors}");
    assert!(errors.contains("--exclude leaves out 2 paths"), "{errors}");
    let mut expected = tree(source.path());
    assert!(expected.remove("photos/large").is_some() && expected.remove("photos/empty").is_some());
    assert_eq!(tree(inbox.path()), expected);
}

#[test]
fn links_are_skipped_or_followed() {
    let (source, home) = (temporary(), temporary());
    let photos = source.path().join("photos");
    fs::create_dir_all(photos.join("deep")).unwrap();
    fs::write(photos.join("deep/file"), b"content").unwrap();
    symlink("deep/file", photos.join("link")).unwrap();
    symlink(".", photos.join("deep/circle")).unwrap();
    symlink("nowhere", photos.join("broken")).unwrap();
    let photos = photos.to_str().unwrap();

    let inbox = temporary();
    let (sent, received, errors) = send(home.path(), inbox.path(), &[], &[photos]);
    assert_eq!((sent, received), (0, 0), "{errors}");
    assert!(errors.contains("photos/broken") && errors.contains("not sent"), "{errors}");
    assert_eq!(names(&inbox.path().join("photos")), ["deep"]);
    assert_eq!(names(&inbox.path().join("photos/deep")), ["file"]);

    let inbox = temporary();
    let (sent, received, errors) = send(home.path(), inbox.path(), &[], &[photos, "--links", "follow"]);
    assert_eq!((sent, received), (0, 0), "{errors}");
    assert_eq!(fs::read(inbox.path().join("photos/link")).unwrap(), b"content");
    assert!(!inbox.path().join("photos/link").is_symlink() && !inbox.path().join("photos/deep/circle").exists());
}

#[test]
fn links_are_kept_where_they_stay_inside() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let photos = source.path().join("photos");
    fs::create_dir_all(photos.join("deep")).unwrap();
    fs::write(photos.join("file"), b"content").unwrap();
    let inside = [("link", "file"), ("deep/up", "../file"), ("broken", "nowhere"), ("directory", "deep")];
    let outside = [("absolute", "/etc/passwd"), ("above", "../../x"), ("behind", "deep/../../../x")];
    for (name, target) in inside.iter().chain(&outside) {
        symlink(target, photos.join(name)).unwrap();
    }
    let old = Command::new("touch").args(["-h", "-d", "@1000000000"]).arg(photos.join("link")).status().unwrap();
    assert!(old.success());
    let arguments = [photos.to_str().unwrap(), "--links", "keep"];
    let (sent, received, errors) = send(home.path(), inbox.path(), &[], &arguments);
    assert_eq!((sent, received), (1, 1), "{errors}");
    for (name, target) in inside {
        assert_eq!(fs::read_link(inbox.path().join("photos").join(name)).unwrap(), Path::new(target), "{name}");
    }
    let itself = fs::symlink_metadata(inbox.path().join("photos/link")).unwrap();
    let time = itself.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(time.as_secs(), 1_000_000_000, "a link has its own time");
    for (name, _) in outside {
        let why = format!("photos/{name}: it is a link that may lead out of the directory");
        assert!(errors.contains(&why) && !inbox.path().join("photos").join(name).is_symlink(), "{errors}");
        fs::remove_file(photos.join(name)).unwrap();
    }
    assert_eq!(fs::read(inbox.path().join("photos/file")).unwrap(), b"content");
    let (sent, received, errors) = send(home.path(), inbox.path(), &[], &arguments);
    assert_eq!((sent, received), (0, 0), "a file that is already there counts as done: {errors}");
}

#[test]
fn nothing_is_written_through_a_link_that_is_there() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let photos = source.path().join("photos");
    fs::create_dir_all(&photos).unwrap();
    symlink("file", photos.join("link")).unwrap();
    fs::create_dir_all(inbox.path().join("photos")).unwrap();
    fs::write(inbox.path().join("precious"), b"mine").unwrap();
    symlink("../precious", inbox.path().join("photos/link")).unwrap();
    let arguments = [photos.to_str().unwrap(), "--links", "keep"];
    let (sent, _, errors) = send(home.path(), inbox.path(), &[], &arguments);
    assert!(sent == 1 && errors.contains("photos/link: another file of this name is there"), "{errors}");
    fs::remove_file(photos.join("link")).unwrap();
    fs::write(photos.join("link"), b"a file now").unwrap();
    let (sent, received, errors) = send(home.path(), inbox.path(), &["--overwrite", "always"], &arguments);
    assert_eq!((sent, received), (0, 0), "{errors}");
    assert_eq!(fs::read(inbox.path().join("precious")).unwrap(), b"mine");
    assert_eq!(fs::read(inbox.path().join("photos/link")).unwrap(), b"a file now");
}

#[test]
fn what_is_older_is_replaced_where_that_is_asked_for() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let file = source.path().join("file");
    let time = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let write = |path: &Path, text: &str, seconds| {
        fs::write(path, text).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(time(seconds)).unwrap();
    };
    let newer = ["--overwrite", "newer"];
    for (theirs, ours, status, left) in [(2000, 1000, 0, "theirs"), (1000, 2000, 1, "ours"), (1000, 1000, 1, "ours")] {
        write(&file, "theirs", theirs);
        write(&inbox.path().join("file"), "ours", ours);
        let (sent, received, errors) = send(home.path(), inbox.path(), &newer, &[file.to_str().unwrap()]);
        assert_eq!((sent, received), (status, status), "{errors}");
        assert_eq!(fs::read_to_string(inbox.path().join("file")).unwrap(), left);
    }
    let mut asks = start(home.path(), &["receive", inbox.path().to_str().unwrap(), "--overwrite", "ask"]);
    assert_eq!(asks.code(), 2);
    assert!(asks.errors().contains("needs a terminal"));
}

#[test]
fn a_person_is_asked_once_about_each_file() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    for name in ["a", "b"] {
        fs::write(source.path().join(name), b"theirs").unwrap();
        fs::write(inbox.path().join(name), b"our").unwrap();
    }
    let [a, b] = ["a", "b"].map(|name| source.path().join(name));
    let mut sender = start(home.path(), &["send", a.to_str().unwrap(), b.to_str().unwrap()]);
    let ticket = ticket(&mut sender);
    let arguments = ["receive", "--from", &ticket, inbox.path().to_str().unwrap(), "--overwrite", "ask"];
    let mut terminal = Terminal::unstick(&arguments, 120);
    terminal.shows("replace a (3 bytes) with the sender's file (6 bytes)?");
    terminal.types("yes\r");
    terminal.shows("replace b (3 bytes) with the sender's file (6 bytes)?");
    terminal.types("\r");
    assert_eq!((terminal.code(), sender.code()), (1, 1));
    let found = ["a", "b"].map(|name| fs::read_to_string(inbox.path().join(name)).unwrap());
    assert_eq!(found, ["theirs", "our"]);
}

#[test]
fn holes_stay_holes() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let (path, length) = (source.path().join("disk"), 64 << 20);
    let file = fs::File::create(&path).unwrap();
    file.set_len(length).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", (32 << 20) + 5).unwrap();
    let (sent, received, errors) = send(home.path(), inbox.path(), &[], &[path.to_str().unwrap()]);
    assert_eq!((sent, received), (0, 0), "{errors}");
    let there = inbox.path().join("disk");
    assert!(fs::read(&there).unwrap() == fs::read(&path).unwrap(), "the bytes are the same");
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&there).unwrap());
    assert!(blocks * 512 < length / 8, "{blocks} blocks of 512 bytes hold {length} bytes");
}

#[test]
fn looking_moves_nothing_and_ends_no_sender() {
    let (source, home) = (temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    let mut alone = start(home.path(), &["send", photos.to_str().unwrap(), "--dry-run"]);
    assert_eq!(alone.code(), 0);
    let listed = alone.rest();
    assert!(listed.contains("       5242880  photos/large\n") && listed.contains("photos/empty/\n"), "{listed}");
    let mut events = start(home.path(), &["send", photos.to_str().unwrap(), "--dry-run", "--json"]);
    let events: Vec<serde_json::Value> =
        events.rest().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["event"] == "offered"), "{events:?}");
    assert_eq!(events.len(), listed.lines().count());
    for (path, kind, size) in [("photos/large", "file", 5_242_880), ("photos/empty", "directory", 0)] {
        let found = events.iter().find(|event| event["path"] == path).unwrap();
        assert_eq!((&found["kind"], &found["size"]), (&kind.into(), &size.into()), "{found}");
    }

    let mut sender = start(home.path(), &["send", photos.to_str().unwrap()]);
    let ticket = ticket(&mut sender);
    let inbox = home.path().join("inbox");
    let into = inbox.to_str().unwrap();
    let mut looks = start(home.path(), &["receive", "--from", &ticket, into, "--dry-run"]);
    assert_eq!(looks.code(), 0, "{}", looks.errors());
    assert_eq!(looks.rest(), listed);
    assert!(!inbox.exists());
    let mut receiver = start(home.path(), &["receive", "--from", &ticket, into]);
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{} {}", receiver.errors(), sender.errors());
    assert_eq!(tree(&inbox), tree(source.path()));
}

#[test]
fn the_plain_protocol_lists_what_it_would_send() {
    let (source, home) = (temporary(), temporary());
    let [a, b] = ["a", "b"].map(|name| source.path().join(name));
    fs::write(&a, content(3)).unwrap();
    let mut sender = start(home.path(), &["send", a.to_str().unwrap(), "--plain", "0", "--dry-run"]);
    assert_eq!((sender.code(), &sender.rest()[..]), (0, "             3  a\n"));
    let words = ["send", a.to_str().unwrap(), b.to_str().unwrap(), "--plain", "0", "--dry-run"];
    let mut sender = start(home.path(), &words);
    assert_eq!(sender.code(), 1);
    assert!(sender.errors().contains("/b: no such file"), "{}", sender.errors());
}

#[test]
fn a_rate_is_kept_on_either_side() {
    let (source, home) = (temporary(), temporary());
    fs::write(source.path().join("file"), content(1 << 20)).unwrap();
    let file = source.path().join("file");
    let limit = ["--limit", "2M"];
    for (sends, receives) in [(&limit[..], &[][..]), (&[], &limit)] {
        let inbox = temporary();
        let (mut receiver, ticket) = receiver(home.path(), inbox.path(), receives);
        let begun = Instant::now();
        let mut sender = start(home.path(), &[&["send", file.to_str().unwrap(), "--to", &ticket], sends].concat());
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
        assert!(begun.elapsed().as_millis() >= 400, "1 MiB at 2 MiB a second: {:?}", begun.elapsed());
        assert_eq!(fs::read(inbox.path().join("file")).unwrap(), content(1 << 20));
    }
}

/// The same without TLS, where clients connect and where they are served.
#[test]
fn a_rate_is_kept_by_the_plain_protocol() {
    let (source, home) = (temporary(), temporary());
    fs::write(source.path().join("file"), content(2 << 20)).unwrap();
    let file = source.path().join("file");
    let limit = ["--limit", "2M"];
    for (sends, receives) in [(&limit[..], &[][..]), (&[], &limit)] {
        for sender_waits in [true, false] {
            let inbox = temporary();
            let into = inbox.path().to_str().unwrap();
            let (send, receive) = (["send", file.to_str().unwrap(), "--plain"], ["receive", into, "--plain"]);
            let (waits, options) = if sender_waits { (&send[..], sends) } else { (&receive[..], receives) };
            let mut server = start(home.path(), &[waits, &["127.0.0.1:0", "--count", "1"], options].concat());
            let port = crate::rig::port_at_end(&server.error_line_with("listening on")).unwrap();
            let (calls, option, options) =
                if sender_waits { (&receive[..], "--from", receives) } else { (&send[..], "--to", sends) };
            let begun = Instant::now();
            let mut client = start(home.path(), &[calls, &[option, &format!("127.0.0.1:{port}")], options].concat());
            assert_eq!((client.code(), server.code()), (0, 0), "{} {}", client.errors(), server.errors());
            // Nothing is waited for before the first bytes: at most a quarter of a second's, here 512 KiB.
            assert!(begun.elapsed().as_millis() >= 750, "2 MiB at 2 MiB a second: {:?}", begun.elapsed());
            assert_eq!(fs::read(inbox.path().join("file")).unwrap(), content(2 << 20));
        }
    }
}

/// A rate limit is no stall: its pauses may be longer than the time limit.
#[test]
fn a_low_rate_does_not_stall_the_plain_protocol() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    fs::write(source.path().join("file"), content(3000)).unwrap();
    let into = inbox.path().to_str().unwrap();
    let mut server = start(home.path(), &["receive", into, "--plain", "127.0.0.1:0", "--count", "1", "--stall", "1s"]);
    let to = format!("127.0.0.1:{}", crate::rig::port_at_end(&server.error_line_with("listening on")).unwrap());
    let file = source.path().join("file");
    let words = ["send", file.to_str().unwrap(), "--to", &to, "--plain", "--limit", "1K", "--stall", "1s"];
    let mut client = start(home.path(), &words);
    assert_eq!((client.code(), server.code()), (0, 0), "{} {}", client.errors(), server.errors());
    assert_eq!(fs::read(inbox.path().join("file")).unwrap(), content(3000));
}

#[test]
fn the_plain_protocol_goes_through_a_proxy() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    fs::write(source.path().join("file"), content(1000)).unwrap();
    let into = inbox.path().to_str().unwrap();
    let mut server = start(home.path(), &["receive", into, "--plain", "127.0.0.1:0", "--count", "1"]);
    let to = format!("127.0.0.1:{}", crate::rig::port_at_end(&server.error_line_with("listening on")).unwrap());
    let file = source.path().join("file");
    let vacancy = crate::rig::Vacancy::new();
    let gone = format!("socks5://{}", vacancy.address);
    let mut client = start(home.path(), &["send", file.to_str().unwrap(), "--to", &to, "--plain", "--proxy", &gone]);
    assert_eq!(client.code(), 3);
    assert!(client.errors().contains("socks5"), "{}", client.errors());
    let (_proxy, port) = crate::proxies::microsocks(&[]);
    let there = format!("socks5://127.0.0.1:{port}");
    let mut client = start(home.path(), &["send", file.to_str().unwrap(), "--to", &to, "--plain", "--proxy", &there]);
    assert_eq!((client.code(), server.code()), (0, 0), "{} {}", client.errors(), server.errors());
    assert_eq!(fs::read(inbox.path().join("file")).unwrap(), content(1000));
}

#[test]
fn tls_lies_inside_whatever_carries_bytes() {
    let (source, home) = (temporary(), temporary());
    plant(source.path());
    let photos = source.path().join("photos");
    let socket = home.path().join("socket");
    for at in [
        format!("unix:{}", socket.display()),
        format!("ws+unix:{}", home.path().join("ws").display()),
        "ws://127.0.0.1:0/files".into(),
        "wss://127.0.0.1:0/files".into(),
        "127.0.0.1:0".into(),
    ] {
        let inbox = temporary();
        let (mut receiver, ticket) = receiver(home.path(), inbox.path(), &["--listen", &at]);
        let addresses = receiver.error_line_with("first of these that answers: ");
        let listed = addresses.rsplit(": ").next().unwrap();
        assert!(listed.starts_with(at.trim_end_matches("0/files").trim_end_matches(":0")), "{at}: {addresses}");
        let mut sender = start(home.path(), &["send", photos.to_str().unwrap(), "--to", &ticket]);
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{at}: {} {}", sender.errors(), receiver.errors());
        assert_eq!(tree(inbox.path()), tree(source.path()), "{at}");
    }
}

#[test]
fn a_proxy_carries_a_transfer() {
    let (_socks, socks) = crate::proxies::microsocks(&[]);
    let (_http, http, _directory) = crate::proxies::tinyproxy("");
    for proxy in [format!("socks5://127.0.0.1:{socks}"), format!("http://127.0.0.1:{http}")] {
        let (source, inbox, home) = (temporary(), temporary(), temporary());
        plant(source.path());
        let photos = source.path().join("photos");
        let (mut receiver, ticket) = receiver(home.path(), inbox.path(), &["--listen", "127.0.0.1:0"]);
        let mut sender = start(home.path(), &["send", photos.to_str().unwrap(), "--to", &ticket, "--proxy", &proxy]);
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
        assert_eq!(tree(inbox.path()), tree(source.path()));
    }
}

/// A proxy that the environment names; and a server that `NO_PROXY` excepts from a proxy that is not there.
#[test]
fn the_environment_names_the_proxy_of_a_transfer() {
    let (_proxy, port) = crate::proxies::microsocks(&[]);
    let vacancy = crate::rig::Vacancy::new();
    let (there, gone) = (format!("socks5://127.0.0.1:{port}"), format!("socks5://{}", vacancy.address));
    for (proxy, excepted, passed) in [(there, "", true), (gone, "127.0.0.1", false)] {
        let (source, inbox, home) = (temporary(), temporary(), temporary());
        plant(source.path());
        let photos = source.path().join("photos");
        let (mut receiver, ticket) = receiver(home.path(), inbox.path(), &["--listen", "127.0.0.1:0"]);
        let words = ["send", photos.to_str().unwrap(), "--to", &ticket, "--proxy", "env", "-v"];
        let variables = [("ALL_PROXY", proxy.as_str()), ("NO_PROXY", excepted)];
        let mut program = crate::rig::program();
        program.env("XDG_STATE_HOME", home.path()).envs(variables).args(words);
        let mut sender = crate::rig::Process::start(&mut program);
        assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
        assert_eq!(tree(inbox.path()), tree(source.path()));
        assert_eq!(sender.errors().contains("socks5"), passed, "{}", sender.errors());
    }
}

#[test]
fn complaints_about_a_receiver_that_is_not_there_are_merged() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    fs::write(source.path().join("file"), b"content").unwrap();
    let file = source.path().join("file");
    let (mut receiver, ticket) = receiver(home.path(), inbox.path(), &["--listen", "127.0.0.1:0"]);
    receiver.signal(Signal::KILL);
    assert_eq!(receiver.code(), 137);
    let mut sender = start(home.path(), &["send", file.to_str().unwrap(), "--to", &ticket, "--verbose"]);
    // `--verbose` prints each attempt, so the test can count several.
    for _ in 0..6 {
        sender.error_line_with("127.0.0.1:");
    }
    let (mut receiver, again) = self::receiver(home.path(), inbox.path(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(again, ticket);
    assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
    let errors = sender.errors();
    assert!(errors.matches("connecting again until the other side answers").count() <= 1, "{errors}");
    assert!(errors.contains("more failed attempt"), "{errors}");
}

#[test]
fn a_ticket_is_drawn_for_a_camera() {
    let (inbox, home) = (temporary(), temporary());
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap(), "--qr"]);
    ticket(&mut receiver);
    let line = receiver.error_line_with("▀▀▀");
    assert!(line.chars().all(|sign| "█▀▄ ".contains(sign)), "{line}");
}

#[test]
fn a_program_is_told_how_far_it_has_come() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    fs::write(source.path().join("file"), content(2 << 20)).unwrap();
    let file = source.path().join("file");
    let (mut receiver, ticket) = receiver(home.path(), inbox.path(), &[]);
    let arguments = ["send", file.to_str().unwrap(), "--to", &ticket, "--json", "--limit", "1M"];
    let mut sender = start(home.path(), &arguments);
    assert_eq!((sender.code(), receiver.code()), (0, 0), "{} {}", sender.errors(), receiver.errors());
    let lines = sender.rest();
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["version"], 1);
    let progress = events.iter().find(|event| event["event"] == "progress").expect("a second passes");
    assert_eq!((&progress["size"], &progress["path"]), (&(2 << 20).into(), &"file".into()), "{lines}");
    assert!(progress["moved"].as_u64().unwrap() >= 1 << 19 && progress["moved"] == progress["offset"], "{lines}");
}

/// On a terminal a bar shows the progress; on a narrow one too, in one row.
#[test]
fn a_person_sees_a_bar() {
    let (source, inbox, home) = (temporary(), temporary(), Arc::new(temporary()));
    fs::write(source.path().join("holiday.mp4"), content(3 << 20)).unwrap();
    let file = source.path().join("holiday.mp4");
    for columns in [100, 60] {
        let into = inbox.path().join(columns.to_string());
        let (mut receiver, ticket) = receiver(home.path(), &into, &[]);
        let words = ["send", file.to_str().unwrap(), "--to", &ticket, "--limit", "2M"];
        let mut terminal = Terminal::unstick_with(&words, columns, &[], &home);
        let screen = terminal.shows("MiB/3.00 MiB");
        let row = screen.lines().find(|row| row.contains("MiB/3.00 MiB")).unwrap();
        assert!(row.contains("MiB/s") && row.contains("holi"), "{row:?}"); // the name has what room is left
        assert_eq!((terminal.ends(), receiver.code()), (0, 0), "{}", receiver.errors());
    }
}

/// A person, a log and a program learn what a side without a connection waits for.
#[test]
fn a_side_whose_other_side_is_gone_says_what_it_waits_for() {
    let (source, inbox, home) = (temporary(), temporary(), Arc::new(temporary()));
    let file = source.path().join("file");
    fs::write(&file, content(3 << 20)).unwrap();
    let file = file.to_str().unwrap();
    let (mut receiver, ticket) = receiver(home.path(), inbox.path(), &["--listen", "127.0.0.1:0"]);
    let terminal = Terminal::unstick_with(&["send", file, "--to", &ticket, "--limit", "500K"], 140, &[], &home);
    terminal.shows("MiB/3.00 MiB");
    receiver.signal(Signal::KILL);
    assert_eq!(receiver.code(), 137);
    terminal.shows("until the other side answers");
    let screen = terminal.shows("waiting for the other side (");
    assert!(!screen.contains("MiB/3.00 MiB"), "the bar of the lost connection is gone: {screen}");
    terminal.signal(Signal::INT);

    let mut sender = start(home.path(), &["send", file, "--to", &ticket, "--json"]);
    let lost = event(&mut sender, "lost");
    assert!(lost["after"].as_f64().unwrap() > 0.0, "{lost}");
    sender.signal(Signal::KILL);

    let mut sender = start(home.path(), &["send", file, "--listen", "127.0.0.1:0", "--json", "--limit", "500K"]);
    let ticket = event(&mut sender, "ticket")["ticket"].as_str().unwrap().to_owned();
    let other = temporary();
    let receiver = start(home.path(), &["receive", "--from", &ticket, other.path().to_str().unwrap()]);
    event(&mut sender, "progress");
    receiver.signal(Signal::KILL);
    let lost = event(&mut sender, "lost");
    assert!(lost["after"].is_null(), "{lost}");
}

/// The next event of this kind.
fn event(process: &mut Process, kind: &str) -> serde_json::Value {
    loop {
        let event: serde_json::Value = serde_json::from_str(&process.line()).unwrap();
        if event["event"] == kind {
            return event;
        }
    }
}
