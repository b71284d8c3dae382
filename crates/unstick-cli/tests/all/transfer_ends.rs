//! How transfers end: connections that are lost with the last messages, outputs that fail, servers that drop their clients.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use unstick::limits::TRANSFER_LINGER;
use unstick::service::transfer::Ticket;

use crate::rig::{Process, program, temporary, unstick_listen};
use crate::transfer_cuts::{port, through};
use crate::transfers::{content, start, ticket};

/// The two sides of a transfer, by who waits for the other.
#[derive(Clone, Copy)]
enum Waits {
    Receiver,
    Sender,
}

/// The next connection that a bridge reports as closed.
fn closed(bridge: &mut Process) -> Value {
    loop {
        let line: Value = serde_json::from_str(&bridge.line()).unwrap();
        if line["event"] == "close" {
            return line;
        }
    }
}

/// A transfer of `file` through a bridge with a fault. The bridge ends once a connection is lost, and the next one goes past
/// it. Returns what the receiver has printed, and how many bytes the bridge has passed on to the client and to the server.
fn cut_at_the_end(waits: Waits, fault: Option<&str>, file: &Path, receive: &[&str]) -> (Vec<u8>, u64, u64) {
    let home = temporary();
    let file = file.to_str().unwrap();
    let first: &[&str] = match waits {
        Waits::Receiver => &[&["receive"], receive].concat(),
        Waits::Sender => &["send", file],
    };
    let mut first = start(home.path(), first);
    let direct = ticket(&mut first);
    let to = format!("127.0.0.1:{}", port(&direct));
    let fault = fault.map_or(Vec::new(), |fault| vec!["--fault", fault]);
    let (mut bridge, at) = unstick_listen(&[&["127.0.0.1:0", "--to", &to, "--json"], &fault[..]].concat());
    let mut both: Ticket = through(&direct, at).parse().unwrap();
    both.addresses.push(to);
    let both = both.to_string();
    let second = match waits {
        Waits::Receiver => vec!["send", file, "--to", &both],
        Waits::Sender => [&["receive", "--from", &both], receive].concat(),
    };
    let mut second = start(home.path(), &second);
    let closed = closed(&mut bridge);
    drop(bridge);
    let (first_code, second_code) = (first.code(), second.code());
    assert_eq!((first_code, second_code), (0, 0), "{fault:?} {} {}", first.errors(), second.errors());
    let printed = match waits {
        Waits::Receiver => first.rest_bytes(),
        Waits::Sender => second.rest_bytes(),
    };
    let bytes = |way: &str| closed[way].as_u64().unwrap_or_else(|| panic!("{closed}"));
    (printed, bytes("s2c"), bytes("c2s"))
}

/// Cuts the connection within the last messages of each side. Both sides end well, and do not leave the other waiting.
#[test]
fn a_connection_that_is_lost_at_the_very_end_leaves_nobody_waiting() {
    let (source, inbox) = (temporary(), temporary());
    let file = source.path().join("file");
    fs::write(&file, content(3000)).unwrap();
    for waits in [Waits::Receiver, Waits::Sender] {
        let (hash, s2c, c2s) = cut_at_the_end(waits, None, &file, &[inbox.path().to_str().unwrap()]);
        let hash = String::from_utf8(hash).unwrap().trim_end().to_owned();
        for (way, total) in [("s2c", s2c), ("c2s", c2s)] {
            // The last bytes of a sender are only its answer: the next test covers them.
            for before in if way == "c2s" { [40, 60, 90] } else { [4, 30, 60] } {
                fs::remove_file(inbox.path().join("file")).unwrap();
                let fault = format!("{way}:reset,after={}", total.saturating_sub(before));
                let (printed, ..) = cut_at_the_end(waits, Some(&fault), &file, &[inbox.path().to_str().unwrap()]);
                assert_eq!(fs::read(inbox.path().join("file")).unwrap(), content(3000), "{fault}");
                // A second connection that comes before everything is flushed reports the file as present.
                let printed = String::from_utf8(printed).unwrap();
                assert!(!printed.is_empty() && printed.lines().all(|line| line == hash), "{fault}: {printed}");
            }
        }
    }
}

/// The sender ends once it knows that everything has arrived, while its answer is still on the way. The receiver never gets that
/// answer.
#[test]
fn a_receiver_that_has_everything_waits_only_so_long_for_its_sender() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let file = source.path().join("file");
    fs::write(&file, content(3000)).unwrap();
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let direct = ticket(&mut receiver);
    let to = format!("127.0.0.1:{}", port(&direct));
    let (bridge, at) = unstick_listen(&["127.0.0.1:0", "--to", &to, "--fault", "c2s:delay=3s"]);
    let mut sender = start(home.path(), &["send", file.to_str().unwrap(), "--to", &through(&direct, at)]);
    assert_eq!(sender.code(), 0, "{}", sender.errors());
    let begun = Instant::now();
    // If it ended in another way, it would still pass on the bytes that it holds back.
    bridge.signal(Signal::KILL);
    assert_eq!(receiver.code(), 0, "{}", receiver.errors());
    assert!((TRANSFER_LINGER..3 * TRANSFER_LINGER).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(fs::read(inbox.path().join("file")).unwrap(), content(3000));
}

/// The same into standard output, from which nothing can be taken back.
#[test]
fn a_connection_that_is_lost_at_the_very_end_writes_nothing_twice() {
    let source = temporary();
    let file = source.path().join("file");
    // One subtree, and a tail.
    let bytes = content((1 << 20) + 300);
    fs::write(&file, &bytes).unwrap();
    let (printed, s2c, _) = cut_at_the_end(Waits::Receiver, None, &file, &["-"]);
    assert!(printed == bytes);
    for before in [4, 30, 60, 90, 120] {
        let fault = format!("s2c:reset,after={}", s2c - before);
        let (printed, ..) = cut_at_the_end(Waits::Receiver, Some(&fault), &file, &["-"]);
        assert!(printed == bytes, "{fault}: {} bytes instead of {}", printed.len(), bytes.len());
    }
}

#[test]
fn a_stream_into_standard_output_that_is_cut_says_why_it_cannot_go_on() {
    let home = temporary();
    let mut receiver = start(home.path(), &["receive", "-"]);
    let direct = ticket(&mut receiver);
    let to = format!("127.0.0.1:{}", port(&direct));
    let (mut bridge, at) =
        unstick_listen(&["127.0.0.1:0", "--to", &to, "--json", "--fault", "c2s:close,after=2500000"]);
    let mut both: Ticket = through(&direct, at).parse().unwrap();
    both.addresses.push(to);
    let mut sender = start(home.path(), &["send", "-", "--to", &both.to_string()]);
    // An orderly end, because a reset may destroy what the receiver has not read, and then nothing of the stream was written. It
    // takes no more once it knows that the stream cannot go on.
    let _ = sender.take_input().write_all(&content(4 << 20));
    closed(&mut bridge);
    drop(bridge);
    assert_eq!((sender.code(), receiver.code()), (1, 1), "{} {}", sender.errors(), receiver.errors());
    let (sent, received) = (sender.errors(), receiver.errors());
    assert!(sent.contains("a stream cannot be read again"), "{sent}");
    assert!(received.contains("a stream cannot be read again"), "{received}");
}

#[test]
fn a_plain_server_whose_output_fails_says_so() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let file = source.path().join("file");
    fs::write(&file, b"content").unwrap();
    let mut command = program();
    command.env("XDG_STATE_HOME", home.path());
    command.args(["receive", "--plain", "127.0.0.1:0", "--count", "1"]).arg(inbox.path());
    let mut receiver = Process::start_into(&mut command, Stdio::from(File::create("/dev/full").unwrap()));
    let line = receiver.error_line_with("listening on ");
    let to = line.trim_end().rsplit(' ').next().unwrap().trim_start_matches("tcp://").to_owned();
    let mut sender = start(home.path(), &["send", file.to_str().unwrap(), "--plain", "--to", &to]);
    assert_eq!((sender.code(), receiver.code()), (0, 1), "{} {}", sender.errors(), receiver.errors());
    assert!(receiver.errors().contains("standard output"), "{}", receiver.errors());
}

/// Somebody looks at the names all the time while links take the places of files.
#[test]
fn a_link_takes_the_place_of_a_file_without_a_moment_in_which_neither_is_there() {
    const LINKS: usize = 300;
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let (from, to) = (source.path().join("links"), inbox.path().join("links"));
    for folder in [&from, &to] {
        fs::create_dir(folder).unwrap();
    }
    for number in 0..LINKS {
        symlink("target", from.join(number.to_string())).unwrap();
        fs::write(to.join(number.to_string()), b"a file").unwrap();
    }
    let (over, missed) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let gone = |number: &usize| to.join(number.to_string()).symlink_metadata().is_err();
                missed.fetch_add((0..LINKS).filter(gone).count() as u64, Ordering::Relaxed);
            }
        });
        let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap(), "--overwrite", "always"]);
        let ticket = ticket(&mut receiver);
        let mut sender = start(home.path(), &["send", from.to_str().unwrap(), "--links", "keep", "--to", &ticket]);
        let codes = (sender.code(), receiver.code());
        over.store(true, Ordering::Relaxed);
        assert_eq!(codes, (0, 0), "{} {}", sender.errors(), receiver.errors());
    });
    assert_eq!(missed.into_inner(), 0, "a name was missing for a moment");
    for number in 0..LINKS {
        assert_eq!(fs::read_link(to.join(number.to_string())).unwrap(), Path::new("target"));
    }
    assert!(!inbox.path().join(".unstick").exists(), "nothing else is left");
}

/// The handshake succeeds each time, and the connection is lost right after it.
#[test]
fn a_server_that_drops_its_clients_at_once_is_asked_less_and_less_often() {
    let (source, home) = (temporary(), temporary());
    let file = source.path().join("file");
    fs::write(&file, b"content").unwrap();
    let mut receiver = start(home.path(), &["receive", home.path().join("in").to_str().unwrap()]);
    let direct = ticket(&mut receiver);
    let to = format!("127.0.0.1:{}", port(&direct));
    let (mut bridge, at) = unstick_listen(&["127.0.0.1:0", "--to", &to, "--json"]);
    let mut client = Process::start(program().args(["connect", &format!("tls://127.0.0.1:{at}"), "--insecure"]));
    client.end_input();
    let handshake = closed(&mut bridge)["s2c"].as_u64().unwrap();
    let fault = format!("s2c:reset,after={}", handshake + 1);
    let (mut bridge, at) = unstick_listen(&["127.0.0.1:0", "--to", &to, "--json", "--fault", &fault]);
    let _sender = start(home.path(), &["send", file.to_str().unwrap(), "--to", &through(&direct, at)]);
    let (mut last, mut pauses) = (Instant::now(), Vec::new());
    while pauses.len() < 5 {
        assert!(closed(&mut bridge)["s2c"].as_u64() > Some(0));
        pauses.push(last.elapsed());
        last = Instant::now();
    }
    assert!(pauses[4] > Duration::from_secs(1), "{pauses:?}");
}

/// Builds a library that simulates a machine without IPv6, if it is loaded before the others.
fn without_ipv6(home: &Path) -> PathBuf {
    let (code, library) = (home.join("no_ipv6.c"), home.join("no_ipv6.so"));
    let text = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <errno.h>\n#include <sys/socket.h>\n\
        int socket(int family, int kind, int protocol) {\n\
        if (family == AF_INET6) { errno = EAFNOSUPPORT; return -1; }\n\
        return ((int (*)(int, int, int))dlsym(RTLD_NEXT, \"socket\"))(family, kind, protocol); }\n";
    fs::write(&code, text).unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).arg("-ldl").status();
    assert!(made.unwrap().success());
    library
}

#[test]
fn a_machine_without_ipv6_waits_at_its_ipv4_addresses() {
    let home = temporary();
    let library = without_ipv6(home.path());
    let mut command = program();
    command.env("XDG_STATE_HOME", home.path()).env("LD_PRELOAD", &library).arg("receive").arg(home.path().join("in"));
    for listen in [&[][..], &["--listen", "0"]] {
        let mut receiver = Process::start(command.args(listen));
        let found: Ticket = ticket(&mut receiver).parse().unwrap();
        assert!(found.addresses.iter().any(|address| address.starts_with("127.0.0.1:")), "{:?}", found.addresses);
    }
}

#[test]
fn an_ipv6_address_on_a_machine_without_ipv6_is_an_error_that_says_so() {
    let home = temporary();
    let library = without_ipv6(home.path());
    let inbox = home.path().join("in");
    for (words, hint) in [
        (&["listen", "[::]:0"][..], "this machine has no IPv6; 0.0.0.0:0 stands for its IPv4 addresses"),
        (&["listen", "udp://[::]:0"], "this machine has no IPv6; 0.0.0.0:0 stands for its IPv4 addresses"),
        (&["listen", "ws://[::1]:0/"], "this machine has no IPv6"),
        (&["receive", inbox.to_str().unwrap(), "--listen", "[::]:0"], "this machine has no IPv6; 0.0.0.0:0 stands"),
    ] {
        let mut listener = Process::start(program().env("LD_PRELOAD", &library).args(words));
        let errors = listener.errors();
        assert!(errors.contains("cannot listen on") && errors.contains(hint), "{words:?}: {errors}");
        assert_ne!(listener.code(), 0);
    }
}

#[test]
fn a_ticket_whose_address_somebody_else_has_now_is_an_error_that_says_so() {
    let (home, other) = (temporary(), temporary());
    let [mut one, mut two] = [home.path(), other.path()]
        .map(|home| start(home, &["receive", home.join("in").to_str().unwrap(), "--listen", "127.0.0.1:0"]));
    let (old, new) = (ticket(&mut one), ticket(&mut two));
    let file = home.path().join("file");
    fs::write(&file, b"content").unwrap();
    let mut sender = start(home.path(), &["send", file.to_str().unwrap(), "--to", &through(&old, port(&new))]);
    assert!(sender.errors().contains("what answers there has not made this ticket"), "{}", sender.errors());
    assert_eq!(sender.code(), 3);
}

#[test]
fn a_transfer_that_is_interrupted_in_the_middle_says_how_it_goes_on() {
    let (home, inbox) = (temporary(), temporary());
    let file = home.path().join("file");
    fs::write(&file, content(3 << 20)).unwrap();
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let ticket = ticket(&mut receiver);
    let send = ["send", file.to_str().unwrap(), "--to", &ticket, "--limit", "300K", "--stall", "3s"];
    let mut sender = start(home.path(), &send);
    // A line of the log comes every few seconds.
    sender.error_line_with("MiB of 3.00 MiB");
    sender.signal(Signal::INT);
    assert!(sender.errors().contains("unstick: the same command continues this transfer\n"), "{}", sender.errors());
    assert_eq!(sender.code(), 130);
    receiver.error_line_with("waiting for another connection");
    receiver.signal(Signal::TERM);
    assert!(receiver.errors().contains("the same command continues this transfer"), "{}", receiver.errors());
    let mut unused = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    self::ticket(&mut unused);
    unused.signal(Signal::INT);
    assert!(!unused.errors().contains("continues"), "nothing had begun: {}", unused.errors());
}

#[test]
fn the_same_command_twice_at_a_time_is_an_error_that_says_so() {
    let home = temporary();
    let inbox = home.path().join("in");
    let receive = ["receive", inbox.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let mut first = start(home.path(), &receive);
    ticket(&mut first);
    let mut second = start(home.path(), &receive);
    assert!(second.errors().contains("is the same command running already?"), "{}", second.errors());
    assert_eq!(second.code(), 3);
    assert!(!first.has_ended());
}
