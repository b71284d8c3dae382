//! Any bytes in any segments: a guess does not panic, names valid specs, and says nothing certain about nothing.
#![no_main]

use unstick_wire::guess::Sample;
use unstick_wire::{Framing, Role};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [port, kind, rest @ ..] = input else { return };
    let mut rest = rest;
    let mut sample = Sample::new(u16::from(*port));
    sample.open(1, kind & 1 == 0);
    while let [head, more @ ..] = rest {
        let from = if head & 0x80 == 0 { Role::Client } else { Role::Server };
        let length = usize::from(head & 0x7f).min(more.len());
        sample.segment(1, from, &more[..length]);
        if *head == 0xff {
            sample.gap(1, from);
        }
        rest = &more[length..];
    }
    if kind & 2 > 0 {
        sample.end(1, Role::Client);
    }
    let guesses = [sample.guess(), Sample::of_stream(Role::Server, input, kind & 4 > 0).guess()];
    for guess in guesses {
        assert!(guess.candidates.len() <= 3);
        assert!(!guess.certain || !guess.candidates.is_empty());
        assert!(guess.candidates.iter().all(|candidate| Framing::parse(&candidate.spec).is_ok()));
    }
});
