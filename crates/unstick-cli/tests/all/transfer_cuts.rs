//! Transfers that are killed, cut, damaged or stalled on the way. The same command completes them.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use unstick::service::transfer::Ticket;

use crate::rig::{Process, program, temporary, unstick_listen};
use crate::transfers::{content, names, plant, start, ticket, tree};

/// Writes files of every size: one of many subtrees, one with a partial subtree, and many small files.
fn plant_much(root: &Path) {
    plant(root);
    fs::write(root.join("photos/long"), content((24 << 20) + 4321)).unwrap();
    fs::create_dir(root.join("photos/small")).unwrap();
    for number in 0..300 {
        fs::write(root.join(format!("photos/small/{number}")), content(number * 30)).unwrap();
    }
}

/// Number of bytes in all files below a directory, as far as they can be read while they change.
fn size(root: &Path) -> u64 {
    let Ok(inside) = fs::read_dir(root) else { return 0 };
    let sizes = inside.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Random numbers below a bound, different in each run.
struct Chance(RandomState, u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.1 += 1;
        self.0.hash_one(self.1) % bound
    }
}

/// Kills the two sides in turn, twenty times in all, each time after more bytes have arrived. Then starts the same
/// command again.
#[test]
fn a_kill_at_any_point_of_either_side_costs_nothing_but_time() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    plant_much(source.path());
    let (photos, total) = (source.path().join("photos"), size(source.path()));
    let receive = ["receive", inbox.path().to_str().unwrap()];
    let mut receiver = start(home.path(), &receive);
    let ticket = ticket(&mut receiver);
    let send = ["send", photos.to_str().unwrap(), "--to", &ticket];
    let mut sender = start(home.path(), &send);
    let (mut chance, mut story) = (Chance(RandomState::new(), 0), Vec::new());
    for round in 0..20 {
        let have = size(inbox.path());
        let goal = have + total.saturating_sub(have) * chance.below(256) / 1024;
        while size(inbox.path()) < goal && !receiver.has_ended() {
            std::thread::yield_now();
        }
        story.push((round, have, goal));
        if receiver.has_ended() {
            break;
        }
        let victim = if round % 2 == 0 { &mut receiver } else { &mut sender };
        victim.signal(Signal::KILL);
        assert_eq!(victim.code(), 137, "{story:?}");
        match round % 2 {
            0 => receiver = start(home.path(), &receive),
            _ => sender = start(home.path(), &send),
        }
    }
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{story:?} {} {}", receiver.errors(), sender.errors());
    assert_eq!(tree(inbox.path()), tree(source.path()), "{story:?}");
    assert_eq!(names(inbox.path()), ["photos"], "nothing else is left: {story:?}");
}

/// Starts a bridge to a port, with a fault. Returns the bridge's own port.
fn bridge(to: u16, fault: &str) -> (Process, u16) {
    unstick_listen(&["127.0.0.1:0", "--to", &format!("127.0.0.1:{to}"), "--fault", fault])
}

/// The same ticket with another port of this machine.
pub(crate) fn through(ticket: &str, port: u16) -> String {
    let mut ticket: Ticket = ticket.parse().unwrap();
    ticket.addresses = vec![format!("127.0.0.1:{port}")];
    ticket.to_string()
}

/// The port in a ticket.
pub(crate) fn port(ticket: &str) -> u16 {
    let ticket: Ticket = ticket.parse().unwrap();
    ticket.addresses[0].rsplit(':').next().unwrap().parse().unwrap()
}

/// Closes, resets, alters or splits connections at random places, also inside the handshake. Whatever happens, the side
/// that listens waits for another connection.
#[test]
fn a_cut_or_an_altered_byte_at_any_point_costs_nothing_but_time() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    plant_much(source.path());
    let (photos, total) = (source.path().join("photos"), size(source.path()));
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let ticket = ticket(&mut receiver);
    let mut chance = Chance(RandomState::new(), 0);
    let mut story = Vec::new();
    for round in 0..10 {
        // All rounds together move less than the whole transfer.
        let (direction, most) = if round % 2 == 0 { ("c2s", total / 8) } else { ("s2c", 6000) };
        let kind = ["reset", "close", "corrupt=1:1", "reset", "corrupt=1:1"][round / 2];
        let fault = format!("{direction}:{kind},after={}", chance.below(most));
        story.push(fault.clone());
        let (_bridge, at) = bridge(port(&ticket), &fault);
        let mut sender =
            start(home.path(), &["send", photos.to_str().unwrap(), "--to", &through(&ticket, at), "--json"]);
        // The connection is lost, and the sender waits for another one.
        loop {
            let line = sender.line_or_end();
            // Altered bytes in the handshake may look like another protocol.
            assert!(line.is_some() || kind.starts_with("corrupt"), "{story:?} {}", sender.errors());
            if line.is_none_or(|line| line.contains("\"event\":\"lost\"")) {
                break;
            }
        }
        assert!(!receiver.has_ended(), "{story:?} {}", receiver.errors());
    }
    let mut sender = start(home.path(), &["send", photos.to_str().unwrap(), "--to", &ticket]);
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{story:?} {} {}", receiver.errors(), sender.errors());
    assert_eq!(tree(inbox.path()), tree(source.path()), "{story:?}");
    assert_eq!(names(inbox.path()), ["photos"], "nothing else is left: {story:?}");
}

/// Joined and split segments change nothing: the same files arrive.
#[test]
fn a_transfer_in_tiny_segments_is_the_same() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    plant(source.path());
    fs::remove_file(source.path().join("photos/large")).unwrap();
    let photos = source.path().join("photos");
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let ticket = ticket(&mut receiver);
    let (_bridge, at) = bridge(port(&ticket), "cut=1000");
    let mut sender = start(home.path(), &["send", photos.to_str().unwrap(), "--to", &through(&ticket, at)]);
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{} {}", receiver.errors(), sender.errors());
    assert_eq!(tree(inbox.path()), tree(source.path()));
}

/// A connection on which nothing moves is replaced. The new one continues after the bytes that have arrived.
#[test]
fn a_stalled_connection_is_made_again() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let path = source.path().join("large");
    fs::write(&path, content(5 << 20)).unwrap();
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap(), "--stall", "500ms"]);
    let ticket = ticket(&mut receiver);
    // Each connection moves a little more than three subtrees, then stalls for longer than either side waits.
    let (_bridge, at) = bridge(port(&ticket), "c2s:stall=1h,after=3500000");
    let send = ["send", path.to_str().unwrap(), "--to", &through(&ticket, at), "--stall", "500ms", "--json"];
    let mut sender = start(home.path(), &send);
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{} {}", receiver.errors(), sender.errors());
    assert!(sender.rest().contains("\"event\":\"lost\""), "it was made again");
    assert_eq!(fs::read(inbox.path().join("large")).unwrap(), content(5 << 20));
}

/// However large a file is, its first byte is sent before the file is read to its end. To hash this one takes longer
/// than the test allows.
#[test]
fn the_first_byte_leaves_at_once() {
    /// The bar is 50 ms on a quiet machine. This machine may be busy.
    const SOON: Duration = Duration::from_secs(1);
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    let path = source.path().join("huge");
    fs::File::create(&path).unwrap().set_len(8 << 30).unwrap();
    let mut receiver = start(home.path(), &["receive", inbox.path().to_str().unwrap()]);
    let ticket = ticket(&mut receiver);
    let mut command = program();
    command.env("XDG_STATE_HOME", home.path()).args(["send", path.to_str().unwrap(), "--to", &ticket]);
    let begun = Instant::now();
    let sender = Process::start(&mut command);
    let state = inbox.path().join(".unstick");
    let part = || {
        let mut inside = fs::read_dir(&state).unwrap().flatten();
        inside.any(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(".part")))
    };
    while !part() && begun.elapsed() < SOON {
        std::thread::yield_now();
    }
    let taken = begun.elapsed();
    sender.signal(Signal::KILL);
    receiver.signal(Signal::KILL);
    assert!(taken < SOON, "{taken:?}");
}

/// If a file is complete when the connection is lost, neither side reads it again.
#[test]
fn a_complete_file_is_not_read_again_after_a_cut() {
    let (source, inbox, home) = (temporary(), temporary(), temporary());
    fs::create_dir(source.path().join("two")).unwrap();
    fs::write(source.path().join("two/a"), content(3 << 20)).unwrap();
    fs::write(source.path().join("two/b"), content(9 << 20)).unwrap();
    let receive = ["receive", inbox.path().to_str().unwrap(), "--json"];
    let mut receiver = start(home.path(), &receive);
    let said = receiver.line();
    let ticket = said.split("ust1_").nth(1).and_then(|rest| rest.split('"').next()).map(|rest| format!("ust1_{rest}"));
    let ticket = ticket.unwrap();
    // The first file arrives completely, and then some of the second.
    let (faulty, at) = bridge(port(&ticket), "c2s:reset,after=6000000");
    let two = source.path().join("two");
    let mut sender = start(home.path(), &["send", two.to_str().unwrap(), "--to", &through(&ticket, at), "--json"]);
    sender.expect("\"event\":\"lost\"");
    receiver.expect("two/a");
    receiver.signal(Signal::KILL);
    sender.signal(Signal::KILL);
    drop((receiver, sender, faulty));
    // Other bytes, but the same size, time and inode: only reading the file could show the difference.
    let modified = fs::metadata(two.join("a")).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(two.join("a")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"other", 0).unwrap();
    file.set_modified(modified).unwrap();
    let mut receiver = start(home.path(), &receive);
    let mut sender = start(home.path(), &["send", two.to_str().unwrap(), "--to", &ticket]);
    assert_eq!((receiver.code(), sender.code()), (0, 0), "{} {}", receiver.errors(), sender.errors());
    let [first, second] =
        [fs::read(inbox.path().join("two/a")).unwrap(), fs::read(inbox.path().join("two/b")).unwrap()];
    assert!(first == content(3 << 20) && second == content(9 << 20), "as they came");
    assert_eq!(names(inbox.path()), ["two"]);
}
