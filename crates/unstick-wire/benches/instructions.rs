//! The decode and encode loops whose instructions are counted on every change. `CASE ROUNDS` runs one; no argument lists them.
//!
//! Not here: the counting (`.ci/instructions`, under callgrind) and time (`bench/run`).
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)] // This is a program, not the crate.

use std::hint::black_box;

use unstick_wire::Framing;

/// Bytes in one read.
const READ: usize = 64 * 1024;

/// Reads in a round.
const READS: usize = 4;

/// The work of a round.
#[derive(Clone, Copy)]
enum Way {
    Borrowed,
    Owned,
    Encode,
}

use Way::{Borrowed, Encode, Owned};

/// The name, the framing, the bytes in a message, and the work.
const CASES: &[(&str, &str, usize, Way)] = &[
    ("u32be-64-borrowed", "u32be", 64, Borrowed),
    ("u32be-64-owned", "u32be", 64, Owned),
    ("u32be-1024-borrowed", "u32be", 1024, Borrowed),
    ("u32be-1024-owned", "u32be", 1024, Owned),
    ("u32be-64-encode", "u32be", 64, Encode),
    ("line-80-borrowed", "line", 80, Borrowed),
    ("line-80-owned", "line", 80, Owned),
    ("line-80-encode", "line", 80, Encode),
    ("crlf-80-borrowed", "crlf", 80, Borrowed),
    ("length-64-borrowed", "length:off=1,width=4,adj=-4,header=strip,head=5100000000", 64, Borrowed),
    ("varint-64-borrowed", "varint", 64, Borrowed),
    ("netstring-64-borrowed", "netstring", 64, Borrowed),
    ("headers-64-borrowed", "headers", 64, Borrowed),
    ("slip-64-borrowed", "slip", 64, Borrowed),
    ("cobs-64-borrowed", "cobs", 64, Borrowed),
    ("json-64-borrowed", "json", 64, Borrowed),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match &words[..] {
        [] => CASES.iter().for_each(|(name, ..)| println!("{name}")),
        [case, rounds] => {
            let found = CASES.iter().find(|(name, ..)| name == case).expect("a case by its name");
            run(found.1, found.2, found.3, rounds.parse().expect("a number of rounds"));
        }
        _ => panic!("usage: [CASE ROUNDS]"),
    }
}

/// A message of this many bytes that every framing here can carry.
fn message(length: usize) -> Vec<u8> {
    let mut message = vec![b'x'; length];
    (message[0], message[length - 1]) = (b'"', b'"');
    message
}

fn run(spec: &str, length: usize, way: Way, rounds: usize) {
    let framing = Framing::parse(spec).unwrap();
    let message = message(length);
    let mut encoder = framing.encoder().unwrap();
    let mut image = Vec::new();
    while image.len() < READS * READ {
        encoder.encode(&message, &mut image).unwrap();
    }
    let mut decoder = framing.decoder();
    let mut out = Vec::with_capacity(image.len());
    for _ in 0..rounds {
        if matches!(way, Encode) {
            out.clear();
            while out.len() < READS * READ {
                encoder.encode(black_box(&message), &mut out).unwrap();
            }
            continue;
        }
        for read in black_box(&image).chunks(READ) {
            decoder.feed(read);
            if matches!(way, Owned) {
                while let Some(message) = decoder.next_bytes().unwrap() {
                    black_box(&message);
                }
            } else {
                while let Some(message) = decoder.next().unwrap() {
                    black_box(message);
                }
            }
        }
    }
}
