//! Tests guesses: the goldens of all presets, framings without a name, and what has no framing.

use unstick_wire::guess::{Answer, Guess, Looks, Sample, Watch};
use unstick_wire::{Framing, Preset, Role, limits};

use crate::goldens::conversations;

/// A sample of a connection in which each of these was sent as a segment.
fn sample(segments: &[(Role, Vec<u8>)]) -> Sample {
    let mut sample = Sample::new(0);
    sample.open(1, true);
    segments.iter().for_each(|(from, bytes)| sample.segment(1, *from, bytes));
    sample
}

/// The answer, if it is certain.
fn answer(guess: &Guess) -> Option<&str> {
    guess.candidates.first().filter(|_| guess.certain).map(|candidate| candidate.spec.as_str())
}

/// The cuts of a framing, in bytes from the start of what a side sent.
fn cuts(spec: &str, role: Role, segments: &[(Role, Vec<u8>)]) -> Vec<u64> {
    let mut decoder = Framing::parse(spec).unwrap().sent_by(role).decoder();
    let mut cuts = Vec::new();
    for (_, bytes) in segments.iter().filter(|(from, _)| *from == role) {
        decoder.feed(bytes);
        while let Ok(Some(frame)) = decoder.next_frame() {
            cuts.push(frame.offset + frame.bytes.len() as u64);
        }
    }
    cuts
}

/// Bytes that look random, the same in each run.
fn noise(length: usize) -> Vec<u8> {
    noise_from(0x9e37_79b9_7f4a_7c15, length)
}

/// Bytes that look random, others for each seed but 0.
fn noise_from(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn no_golden_is_taken_for_another_protocol() {
    let (mut named, mut abstained, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for (name, segments) in conversations() {
        let guess = sample(&segments).guess();
        let Some(spec) = answer(&guess) else {
            abstained.push(name);
            continue;
        };
        let same = |role: Role| cuts(spec, role, &segments) == cuts(&name, role, &segments);
        let is_right =
            spec == name || same(Role::Client) && same(Role::Server) && !Preset::all().any(|it| it.name == spec);
        if is_right {
            named.push(name);
        } else {
            wrong.push(format!(
                "{name} is taken for {spec}: {:?}",
                guess.candidates.first().map(|first| &first.evidence)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(named.len() >= 80, "{} named; cannot tell: {abstained:?}", named.len());
}

#[test]
fn a_length_without_a_name_is_found_with_what_it_counts() {
    let frames = |header: fn(usize) -> Vec<u8>| -> Vec<(Role, Vec<u8>)> {
        let lengths = [9, 31, 80, 12, 44, 150, 9, 23];
        lengths.iter().map(|length| (Role::Client, [header(*length), noise(*length)].concat())).collect()
    };
    let found = |segments: &[(Role, Vec<u8>)]| answer(&sample(segments).guess()).map(str::to_owned);
    assert_eq!(found(&frames(|length| (length as u32).to_be_bytes().to_vec())).as_deref(), Some("u32be"));
    assert_eq!(found(&frames(|length| (length as u16).to_le_bytes().to_vec())).as_deref(), Some("u16le"));
    let itself = frames(|length| (length as u32 + 4).to_le_bytes().to_vec());
    assert_eq!(found(&itself).as_deref(), Some("u32le,adj=-4"));
    let behind = frames(|length| [&[0xab, 0xcd][..], &(length as u16).to_be_bytes()].concat());
    assert_eq!(found(&behind).as_deref(), Some("length:off=2,width=2"));
}

#[test]
fn a_few_messages_of_one_length_are_not_enough() {
    let segments = vec![(Role::Client, [&[0, 0, 0, 8][..], b"abcdefgh"].concat()); 20];
    assert_eq!(answer(&sample(&segments).guess()), None);
}

#[test]
fn a_file_of_one_direction_is_a_chain_of_frames() {
    let frame = |length: &usize| [(*length as u32).to_be_bytes().to_vec(), noise(*length)].concat();
    let stream: Vec<u8> = [9, 31, 80, 12, 44, 150, 9, 23, 60, 71, 5, 200].iter().flat_map(frame).collect();
    let guess = Sample::of_stream(Role::Client, &stream, false).guess();
    assert_eq!(answer(&guess), Some("u32be"), "{guess:?}");
    let mut cut = stream.clone();
    cut.truncate(stream.len() - 3);
    assert_eq!(answer(&Sample::of_stream(Role::Client, &cut, false).guess()), None);
}

#[test]
fn what_has_no_framing_is_left_alone() {
    let random = noise(20_000);
    let segments: Vec<(Role, Vec<u8>)> = random.chunks(700).map(|chunk| (Role::Client, chunk.to_vec())).collect();
    let guess = sample(&segments).guess();
    assert_eq!((answer(&guess), guess.looks), (None, Looks::Random));
    let guess = Sample::of_stream(Role::Client, &random, false).guess();
    assert_eq!((answer(&guess), guess.looks), (None, Looks::Random));
    let gzip = [&[0x1f, 0x8b, 8, 0][..], &random].concat();
    let guess = Sample::of_stream(Role::Client, &gzip, false).guess();
    assert_eq!((answer(&guess), guess.looks), (None, Looks::File("gzip")));
    assert_eq!(Sample::new(0).guess().looks, Looks::Empty);
    let text = b"A line of text.\nAnother one, which is longer.\n\nAnd a last one.\n";
    let guess = Sample::of_stream(Role::Client, text, false).guess();
    assert_eq!((answer(&guess), guess.looks), (Some("line"), Looks::Text));
}

/// The shorter the segments, the more ends of messages fall on the end of one by chance.
#[test]
fn random_bytes_are_no_framing_however_they_were_cut() {
    for seed in 1..=60 {
        let mut bytes = noise_from(0x9e37_79b9_7f4a_7c15 ^ seed << 7, 3000);
        // Small numbers are lengths that are found in anything.
        let small = seed % 3 == 0;
        bytes.iter_mut().filter(|_| small).for_each(|byte| *byte %= 40);
        for part in [1, 2, 3, 5, 8] {
            let segments: Vec<_> = bytes.chunks(part).map(|part| (Role::Client, part.to_vec())).collect();
            let guess = sample(&segments).guess();
            assert_eq!(answer(&guess), None, "seed {seed}, in segments of {part}: {:?}", guess.candidates);
        }
    }
}

/// Fill bytes, patterns, counters and zeros with little between them: a header of some protocol is found in many of them.
#[test]
fn what_repeats_itself_is_no_protocol() {
    let mut samples: Vec<(String, Vec<u8>)> =
        (0..=u8::MAX).map(|byte| (format!("{byte:#04x} alone"), vec![byte; 2048])).collect();
    for seed in [2, 3, 8, 34] {
        let random = noise_from(0x9e37_79b9_7f4a_7c15 ^ seed << 20, 2048);
        for period in [2, 3, 4, 8, 16] {
            let bytes = (0..2048).map(|at| random[at % period]).collect();
            samples.push((format!("{period} bytes repeated, {seed}"), bytes));
        }
        for few in [2, 8, 32, 100] {
            let is_kept = |at: usize| random[(at * 7 + 3) % 2048] < few;
            let bytes = random.iter().enumerate().map(|(at, byte)| if is_kept(at) { *byte } else { 0 }).collect();
            samples.push((format!("{few} of 256 bytes are not zero, {seed}"), bytes));
        }
        // Of small numbers each is a length, and the chain of some of them ends with the file.
        let small: Vec<u8> = random.iter().map(|byte| byte % 4).collect();
        assert_eq!(answer(&Sample::of_stream(Role::Client, &small, false).guess()), None, "small numbers, {seed}");
    }
    samples.push(("bytes in order".to_owned(), (0..2048).map(|at| at as u8).collect()));
    samples.push(("numbers in order".to_owned(), (0..512_u32).flat_map(u32::to_be_bytes).collect()));
    for (name, bytes) in &samples {
        for part in [24, 700, 2048] {
            let segments: Vec<_> = bytes.chunks(part).map(|part| (Role::Client, part.to_vec())).collect();
            let guess = sample(&segments).guess();
            assert_eq!(answer(&guess), None, "{name}, in segments of {part}: {:?}", guess.candidates);
        }
        let guess = Sample::of_stream(Role::Client, bytes, false).guess();
        assert_eq!(answer(&guess), None, "{name}, a file: {:?}", guess.candidates);
    }
}

#[test]
fn everything_a_sample_keeps_is_limited() {
    let mut sample = Sample::new(0);
    for number in 0..limits::MAX_GUESS_CONNECTIONS as u64 + 1 {
        sample.open(number, true);
        sample.segment(number, Role::Client, &[1]);
    }
    assert_eq!(sample.connections(), limits::MAX_GUESS_CONNECTIONS);
    let mut sample = Sample::new(0);
    sample.open(1, true);
    sample.segment(1, Role::Client, &vec![1; limits::MAX_GUESS_DIRECTION + 1]);
    assert_eq!(sample.bytes(), limits::MAX_GUESS_DIRECTION);
    sample.segment(1, Role::Client, &[1]);
    (0..=limits::MAX_GUESS_SEGMENTS).for_each(|_| sample.segment(1, Role::Server, &[1]));
    assert_eq!(sample.bytes(), limits::MAX_GUESS_DIRECTION + limits::MAX_GUESS_SEGMENTS - 1);
    for number in 2..20 {
        sample.open(number, true);
        sample.segment(number, Role::Client, &vec![1; limits::MAX_GUESS_DIRECTION]);
    }
    assert_eq!(sample.bytes(), limits::MAX_GUESS_BYTES);
}

/// One byte in four begins a message of a TURN channel, and its length is found in anything.
#[test]
fn random_bytes_are_not_turn() {
    for first in 0x40..=0x4f {
        let bytes = [&[first, 0, 0, 100][..], &noise(20_000)].concat();
        assert_eq!(answer(&Sample::of_stream(Role::Client, &bytes, true).guess()), None);
    }
}

/// What a watch answers after each of these segments, without the last one.
fn watched(segments: &[(Role, Vec<u8>)], last: bool) -> (Option<usize>, String) {
    let mut watch = Watch::new(0);
    watch.open(1, true);
    for (index, (from, bytes)) in segments.iter().enumerate() {
        watch.segment(1, *from, bytes);
        match watch.ask(last && index + 1 == segments.len()) {
            Answer::Open => {}
            Answer::Certain(candidate) => return (Some(index + 1), candidate.spec),
            _ => return (Some(index + 1), "unknown".to_owned()),
        }
    }
    (None, String::new())
}

#[test]
fn a_watch_waits_until_it_is_certain_or_until_waiting_is_of_no_use() {
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let (one, two) = request.split_at(20);
    let said = [one, two].map(|part| (Role::Client, part.to_vec()));
    assert_eq!(watched(&said, false), (Some(2), "http".to_owned()));
    // A framing without a name takes eight segments, or the end.
    let frame = |number: usize| [vec![0, 0, 0, 3 + 7 * number as u8], noise(3 + 7 * number)].concat();
    let frames: Vec<_> = (0..12).map(|number| (Role::Client, frame(number))).collect();
    assert_eq!(watched(&frames, false), (Some(8), "u32be".to_owned()));
    assert_eq!(watched(&frames[..7], false), (None, String::new()));
    assert_eq!(watched(&frames[..7], true), (Some(7), "u32be".to_owned()));
    // As much as a sample keeps tells nothing.
    let parts: Vec<_> = noise(limits::MAX_GUESS_BYTES).chunks(1000).map(|part| (Role::Client, part.to_vec())).collect();
    assert_eq!(watched(&parts[..20], true), (Some(20), "unknown".to_owned()));
    let mut watch = Watch::new(0);
    for (index, (from, bytes)) in parts.iter().enumerate() {
        let connection = index as u64 / 50;
        if index % 50 == 0 {
            watch.open(connection, true);
        }
        watch.segment(connection, *from, bytes);
    }
    assert!(matches!(watch.ask(false), Answer::Unknown));
    assert_eq!(watch.bytes(), limits::MAX_GUESS_BYTES);
}
