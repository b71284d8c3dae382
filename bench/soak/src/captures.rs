//! Mutated captures of real programs: their packets are read and put in order, and their framing is guessed. No panic, and no more
//! comes out than went in.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use unstick_capture::{CaptureFile, Connections, Event, Filter};
use unstick_wire::guess::Sample;

use crate::Failures;
use crate::random::Random;

/// Bytes of the beginning of a capture that are mutated: more would be more of the same.
const LONGEST: usize = 64 << 10;

/// The folder that `bench/captures` fills.
const FOLDER: &str = "bench/target/captures";

/// Goes on until this many bytes of captures were read, and this many bytes of connections were guessed.
pub fn run(bytes: u64) -> Failures {
    let captures = captures();
    if captures.is_empty() {
        return vec![format!("{FOLDER} has no captures: bench/captures fetches them")];
    }
    let (next, read, guessed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failures = Mutex::new(Failures::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while read.load(Ordering::Relaxed) < bytes || guessed.load(Ordering::Relaxed) < bytes {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    let (path, capture) = &captures[(round % captures.len() as u64) as usize];
                    let input = mutated(capture, &mut Random::new(round));
                    match catch_unwind(AssertUnwindSafe(|| one(&input))) {
                        Ok(passed) => guessed.fetch_add(passed, Ordering::Relaxed),
                        Err(_) => {
                            let what = format!("{}: a panic in round {round}", path.display());
                            failures.lock().expect("nobody panics with it").push(what);
                            0
                        }
                    };
                    read.fetch_add(input.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    let rounds = next.into_inner();
    let (read, guessed) = (read.into_inner(), guessed.into_inner());
    println!("{rounds} mutations of {} captures: {read} bytes read, {guessed} bytes guessed", captures.len());
    failures.into_inner().expect("nobody panics with it")
}

/// The beginning of each capture that was fetched, in the order of their names.
fn captures() -> Vec<(PathBuf, Vec<u8>)> {
    let (mut folders, mut found) = (vec![PathBuf::from(FOLDER)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| ["pcap", "pcapng", "cap"].iter().any(|kind| ending == *kind))
            {
                let mut bytes = std::fs::read(&path).unwrap_or_default();
                bytes.truncate(LONGEST);
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}

/// The same with some bytes changed, left out, moved or doubled. The header of the file mostly stays.
fn mutated(capture: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = capture.to_vec();
    for _ in 0..random.below(12) {
        if bytes.len() < 64 {
            break;
        }
        let first = if random.one_in(20) { 0 } else { 40 };
        let at = first + random.below((bytes.len() - first) as u64) as usize;
        let end = (at + random.below(200) as usize).min(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copied = bytes[at..end].to_vec();
                let to = first + random.below((bytes.len() - first) as u64) as usize;
                bytes.splice(to..to, copied);
            }
            _ => bytes[at..end].reverse(),
        }
    }
    bytes
}

/// Reads a capture, and guesses what passes in it. Returns the number of bytes that were guessed.
fn one(input: &[u8]) -> u64 {
    let Ok(mut file) = CaptureFile::open(Cursor::new(input.to_vec())) else { return 0 };
    let mut connections = Connections::new(Filter::default());
    let (mut captured, mut out, mut sample) = (0, 0, Sample::new(0));
    let mut take = |event: Event<'_>| match event {
        Event::Open { connection, whole, .. } => sample.open(connection, whole),
        Event::Bytes { connection, from, bytes, .. } => {
            out += bytes.len();
            sample.segment(connection, from, bytes);
        }
        Event::Datagram { bytes, .. } => out += bytes.len(),
        Event::Gap { connection, from, .. } => sample.gap(connection, from),
        Event::End { connection, from, .. } => sample.end(connection, from),
        _ => {}
    };
    while let Ok(Some(packet)) = file.next_packet() {
        captured += packet.data.len();
        connections.packet(&packet, &mut take);
    }
    connections.finish(&mut take);
    assert!(out <= captured, "{out} bytes out of {captured}");
    let guess = sample.guess();
    assert!(!guess.certain || !guess.candidates.is_empty(), "nothing is certain");
    sample.bytes() as u64
}
