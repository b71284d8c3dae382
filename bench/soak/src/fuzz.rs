//! Mutated streams of every framing and of both sides of every preset: decoded, then answered with what was decoded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use unstick_wire::{Framing, Preset, Role};

use crate::Failures;
use crate::random::Random;

#[allow(dead_code)] // Of the fuzz targets' own part only the specs are taken.
#[path = "../../../fuzz/src/lib.rs"]
pub mod subjects;

/// Streams of one framing in a row.
const ROUND: u64 = 1_000;

/// Bytes of a stream, at most.
const LONGEST: u64 = 400;

pub fn run(streams: u64) -> Failures {
    let framings = framings();
    let rounds = streams.div_ceil(ROUND);
    let (next, decoded, answered) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failures = std::sync::Mutex::new(Failures::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= rounds {
                        return;
                    }
                    let (name, reads, writes) = &framings[(round % framings.len() as u64) as usize];
                    let done = catch_unwind(AssertUnwindSafe(|| one_round(round, reads, writes.as_ref())));
                    match done {
                        Ok((messages, answers)) => {
                            decoded.fetch_add(messages, Ordering::Relaxed);
                            answered.fetch_add(answers, Ordering::Relaxed);
                        }
                        Err(_) => failures
                            .lock()
                            .expect("nobody panics with it")
                            .push(format!("{name}: a panic in round {round}; ./soak fuzz repeats it")),
                    }
                }
            });
        }
    });
    let (decoded, answered) = (decoded.into_inner(), answered.into_inner());
    println!("{} streams, {decoded} messages decoded, {answered} of them answered", rounds * ROUND);
    failures.into_inner().expect("nobody panics with it")
}

/// Every framing, and either side of every preset with the other side's for answers.
fn framings() -> Vec<(String, Framing, Option<Framing>)> {
    let mut all = Vec::new();
    for spec in subjects::specs() {
        let framing = Framing::parse(spec).expect("the specs parse");
        all.push((spec.to_owned(), framing.clone(), Some(framing)));
    }
    for preset in Preset::all() {
        let framing = Framing::parse(preset.name).expect("presets parse");
        for role in [Role::Client, Role::Server] {
            let other = if role == Role::Client { Role::Server } else { Role::Client };
            all.push((format!("{} of a {role:?}", preset.name), framing.sent_by(role), Some(framing.sent_by(other))));
        }
    }
    all
}

/// Messages decoded, and how many of them could be sent as an answer.
fn one_round(round: u64, reads: &Framing, writes: Option<&Framing>) -> (u64, u64) {
    let mut random = Random::new(round);
    let (mut messages, mut answers) = (0, 0);
    let mut stream = Vec::new();
    for _ in 0..ROUND {
        mutate(&mut stream, reads, &mut random);
        let mut answer = writes.and_then(|framing| framing.encoder().ok());
        let mut out = Vec::new();
        let mut decoder = reads.decoder();
        let mut rest = &stream[..];
        loop {
            let (segment, behind) = rest.split_at(rest.len().min(1 + random.below(64) as usize));
            decoder.feed(segment);
            if rest.is_empty() {
                decoder.finish();
            }
            let broken = loop {
                let message = match decoder.next() {
                    Ok(Some(message)) => message,
                    Ok(None) => break false,
                    Err(_) => break true,
                };
                messages += 1;
                let before = out.len();
                match answer.as_mut().map(|encoder| encoder.encode(message, &mut out)) {
                    Some(Ok(())) => answers += 1,
                    _ => assert_eq!(out.len(), before, "what cannot be sent has left something behind"),
                }
            };
            if rest.is_empty() || broken {
                break;
            }
            rest = behind;
        }
    }
    (messages, answers)
}

/// A stream out of the last one: other bytes, or messages in frames, some of them damaged.
pub fn mutate(stream: &mut Vec<u8>, framing: &Framing, random: &mut Random) {
    match random.below(4) {
        0 => *stream = random.bytes_below(LONGEST),
        1 => {
            stream.clear();
            if let Ok(mut encoder) = framing.encoder() {
                for _ in 0..=random.below(4) {
                    let message = random.bytes_below(60);
                    let _ = encoder.encode(&message, stream);
                }
            }
        }
        _ => {}
    }
    for _ in 0..random.below(4) {
        let at = random.below(stream.len() as u64) as usize;
        match random.below(4) {
            0 => stream.insert(at.min(stream.len()), random.next() as u8),
            1 if !stream.is_empty() => drop(stream.remove(at)),
            2 if !stream.is_empty() => stream[at] ^= 1 << random.below(8),
            _ if !stream.is_empty() => stream[at] = [0, 0xff, b'\n', b'\r', b'0', b':', 0x7f][random.below(7) as usize],
            _ => {}
        }
    }
    stream.truncate(LONGEST as usize);
}
