//! However packets are cut, repeated and swapped, the same bytes come out of a capture.

use proptest::prelude::*;
use unstick_wire::Role::{Client, Server};

use crate::build::{ACK, FIN, SYN, of_ethernet, said};

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
