//! However packets are cut, repeated and reordered, the same bytes come out of a capture.

use std::path::Path;

use proptest::prelude::*;
use unstick_capture::{Captured, Connections, Event};
use unstick_wire::Role::{self, Client, Server};
use unstick_wire::{Framing, Piece, Preset, Transcript};

use crate::build::{ACK, ETHERNET, FIN, SYN, of_ethernet, said};
use crate::golden_format::parse_frame;

proptest! {
    #[test]
    fn a_conversation_is_the_same_however_its_packets_come(
        stream in proptest::collection::vec(b'a'..=b'z', 1..200),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        order in any::<u64>(),
        first in any::<u32>(),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let start = first.wrapping_add(1);
        let mut packets: Vec<Vec<u8>> = cuts
            .windows(2)
            .map(|pair| {
                let fin = if pair[1] == stream.len() { FIN } else { 0 };
                said(Client, start.wrapping_add(pair[0] as u32), 701, ACK | fin, &stream[pair[0]..pair[1]])
            })
            .collect();
        packets.extend(packets.clone());
        // A different order for each seed.
        let mut seed = order;
        packets.sort_by_cached_key(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 32
        });
        let opening = [said(Client, first, 0, SYN, b""), said(Server, 700, start, SYN | ACK, b"")];
        let seen = of_ethernet(&[&opening[..], &packets].concat());
        let bytes: String = seen.iter().filter_map(|line| line.strip_prefix("1 client: ")).collect();
        prop_assert_eq!(bytes.as_bytes(), &stream[..]);
        prop_assert_eq!(seen.iter().filter(|line| line.contains("lacks")).count(), 0);
        prop_assert_eq!(seen.iter().filter(|line| *line == "1 client ends").count(), 1);
    }
}

/// What a transcript gives of both directions: the client's messages, then the server's, with the error that ended each.
fn taken(transcript: &mut Transcript, from: Role, all: &mut Vec<String>) {
    while let Some(piece) = transcript.next(from) {
        all.push(match piece {
            Piece::Message(frame) => format!("{from:?} @{} {:?}", frame.offset, frame.message),
            Piece::Failed(error) => format!("{from:?} {error}"),
            _ => unreachable!(),
        });
    }
}

/// The segments of a stream, cut, repeated, laid over each other and swapped.
fn segments(from: Role, stream: &[u8], chance: &mut impl FnMut(usize) -> usize) -> Vec<Vec<u8>> {
    // The client's SYN has the number 99 and the server's 699, as in the handshake below.
    let first = if from == Client { 100_u32 } else { 700 };
    let mut packets = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        let end = stream.len().min(at + 1 + chance(700));
        let begin = at.saturating_sub(chance(3) * chance(50));
        for _ in 0..1 + chance(2) {
            packets.push((chance(8), said(from, first + begin as u32, 0, 0, &stream[begin..end])));
        }
        at = end;
    }
    // Each comes at most some places too late.
    let mut late: Vec<_> = packets.into_iter().enumerate().map(|(at, (late, packet))| (at + late, packet)).collect();
    late.sort_by_key(|(at, _)| *at);
    late.into_iter().map(|(_, packet)| packet).collect()
}

#[test]
fn the_goldens_of_every_preset_give_the_same_messages_however_their_packets_come() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../unstick-wire/tests/goldens");
    let mut tried = 0;
    for preset in Preset::all() {
        // Where bytes are taken as they come, a message is what came.
        if [preset.client, preset.server].iter().any(|spec| spec.ends_with("/raw")) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{}.golden", preset.name))) else { continue };
        let streams = ['>', '<'].map(|way| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(way));
            lines.flat_map(|line| parse_frame(&line[1..]).unwrap().0).collect::<Vec<u8>>()
        });
        let framing = Framing::parse(preset.name).unwrap();
        let mut direct = Transcript::new(&framing);
        let mut expected = Vec::new();
        for (from, stream) in [Client, Server].into_iter().zip(&streams) {
            direct.segment(from, stream);
            taken(&mut direct, from, &mut expected);
        }
        for seed in 0..10 {
            let mut state: u64 = seed;
            let mut chance = |below: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as usize % below
            };
            let mut packets = vec![said(Client, 99, 0, SYN, b""), said(Server, 699, 100, SYN | ACK, b"")];
            packets.extend(segments(Client, &streams[0], &mut chance));
            packets.extend(segments(Server, &streams[1], &mut chance));
            let mut transcript = Transcript::new(&framing);
            let mut seen = Vec::new();
            let mut connections = Connections::default();
            for packet in &packets {
                let captured = Captured::new(ETHERNET, packet, packet.len() as u32, None);
                connections.packet(&captured, &mut |event| match event {
                    Event::Bytes { from, bytes, .. } => {
                        transcript.segment(from, bytes);
                        taken(&mut transcript, from, &mut seen);
                    }
                    Event::Open { whole, .. } => assert!(whole),
                    other => panic!("{}: {other:?}", preset.name),
                });
            }
            assert!(seen == expected, "{} with seed {seed}: {seen:?} {expected:?}", preset.name);
        }
        tried += 1;
    }
    assert!(tried > 100, "{tried} goldens");
}
