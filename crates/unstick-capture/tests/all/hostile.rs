//! Captures from untrusted sources: no panic, and bounded memory.

use proptest::prelude::*;
use unstick_capture::{Captured, Connections, Filter, limits};
use unstick_wire::Role::Client;

use crate::build::{ACK, ETHERNET, SYN, ethernet, ipv4, packets, said, tcp};

#[test]
fn connections_are_bounded_and_the_silent_ones_go_first() {
    let mut connections = Connections::new(Filter::default());
    let (mut opened, mut forgotten) = (0, 0);
    for at in 0..limits::MAX_CONNECTIONS as u32 + 1 {
        let [a, b, c, d] = (0x0a00_0000 + at).to_be_bytes();
        let frame = ethernet(0x0800, &ipv4([a, b, c, d], [1, 1, 1, 1], 6, 0, &tcp(9, 80, 1, 0, SYN, b"")));
        let captured = Captured::new(ETHERNET, &frame, frame.len() as u32, None);
        connections.packet(&captured, &mut |event| match event {
            unstick_capture::Event::Open { .. } => opened += 1,
            unstick_capture::Event::Close { connection, .. } => {
                assert!(connection <= limits::MAX_CONNECTIONS as u64 / 4);
                forgotten += 1;
            }
            _ => {}
        });
    }
    assert_eq!((opened, forgotten), (limits::MAX_CONNECTIONS + 1, limits::MAX_CONNECTIONS / 4));
}

#[test]
fn what_waits_in_all_connections_is_bounded() {
    let mut connections = Connections::new(Filter::default());
    let payload = vec![b'x'; 60_000];
    let (mut gaps, mut bytes) = (0, 0);
    for at in 0..2 * limits::MAX_WAITING / payload.len() {
        let to = 1 + (at / 40) as u16;
        // Each lies behind a hole.
        let sequence = 10 + (at % 40 * payload.len()) as u32;
        let packet = |sequence, flags, payload: &[u8]| {
            ethernet(0x0800, &ipv4([1; 4], [2; 4], 6, 0, &tcp(60_000, to, sequence, 0, flags, payload)))
        };
        for frame in [packet(0, SYN, b""), packet(sequence, ACK, &payload)] {
            let captured = Captured::new(ETHERNET, &frame, frame.len() as u32, None);
            connections.packet(&captured, &mut |event| match event {
                unstick_capture::Event::Gap { .. } => gaps += 1,
                unstick_capture::Event::Bytes { bytes: part, .. } => bytes += part.len(),
                _ => {}
            });
        }
    }
    assert!(gaps > 0 && bytes >= limits::MAX_WAITING / 2, "{gaps} gaps, {bytes} bytes");
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0_usize..4) {
        let front: &[u8] = match kind {
            0 => &[0xd4, 0xc3, 0xb2, 0xa1],
            1 => &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a],
            2 => &[0x1f, 0x8b, 8],
            _ => &[],
        };
        bytes.splice(..0, front.iter().copied());
        let (found, _) = packets(&bytes);
        prop_assert!(found.len() <= bytes.len());
    }

    #[test]
    fn no_packets_make_connections_panic(
        frames in proptest::collection::vec(
            (proptest::sample::select(vec![0_u16, 1, 12, 101, 108, 113, 228, 229, 276]), proptest::collection::vec(any::<u8>(), 0..90)),
            0..20,
        ),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut connections = Connections::new(Filter::default());
        let mut sound = said(Client, 5, 5, ACK, b"hello, hello, hello");
        for (at, byte) in changes {
            let at = at.index(sound.len());
            sound[at] = byte;
            let captured = Captured::new(ETHERNET, &sound, sound.len() as u32, None);
            connections.packet(&captured, &mut |_| {});
        }
        for (link, data) in &frames {
            connections.packet(&Captured::new(*link, data, data.len() as u32, None), &mut |_| {});
            let four = [&[0x45, 0][..], data].concat();
            connections.packet(&Captured::new(101, &four, u32::MAX, None), &mut |_| {});
        }
        connections.finish(&mut |_| {});
    }
}
