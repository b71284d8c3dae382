//! TCP reassembly: however the packets of a direction are cut, repeated, reordered and lost, the same bytes come out in
//! order.

use proptest::prelude::*;
use unstick_wire::limits;
use unstick_wire::reassembly::{Ordered, Reassembly, Segment};

/// The output: bytes, `None` for each end of the stream, and the places of gaps.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    bytes: Vec<u8>,
    /// Where the output has gaps, and how long they are.
    gaps: Vec<(usize, u64)>,
    ends: usize,
    tags: Vec<u32>,
}

impl Seen {
    fn note(&mut self, ordered: Ordered<'_, u32>) {
        match ordered {
            Ordered::Bytes(bytes, tag) => {
                assert!(self.ends == 0 && !bytes.is_empty(), "bytes after the end, or none");
                self.bytes.extend_from_slice(bytes);
                self.tags.push(tag);
            }
            Ordered::Gap(bytes) => self.gaps.push((self.bytes.len(), bytes)),
            Ordered::End(_) => self.ends += 1,
            _ => unreachable!(),
        }
    }
}

fn segment(sequence: u32, payload: &[u8]) -> Segment<'_, u32> {
    Segment { sequence, syn: false, fin: false, payload, length: payload.len() as u32, tag: 0 }
}

/// A direction whose SYN has the number `first - 1`, after these segments.
fn after(first: u32, segments: &[Segment<'_, u32>]) -> (Reassembly<u32>, Seen) {
    let (mut direction, mut seen) = (Reassembly::new(), Seen::default());
    direction.open(first.wrapping_sub(1));
    for segment in segments {
        direction.segment(segment, |ordered| seen.note(ordered));
    }
    (direction, seen)
}

#[test]
fn segments_in_order_come_out_as_they_are() {
    let (_, seen) = after(7, &[segment(7, b"ab"), segment(9, b"c")]);
    assert_eq!((&seen.bytes[..], &seen.gaps[..]), (&b"abc"[..], &[][..]));
}

#[test]
fn the_syn_counts_as_one_number_and_may_carry_bytes() {
    let mut seen = Seen::default();
    let mut direction = Reassembly::new();
    assert!(!direction.is_open());
    direction.segment(&Segment { syn: true, ..segment(u32::MAX, b"ab") }, |ordered| seen.note(ordered));
    direction.segment(&Segment { fin: true, ..segment(2, b"c") }, |ordered| seen.note(ordered));
    assert_eq!((&seen.bytes[..], seen.ends), (&b"abc"[..], 1));
    assert!(direction.is_ended());
}

#[test]
fn of_two_segments_over_each_other_the_first_counts() {
    let (_, seen) = after(0, &[segment(3, b"DE"), segment(1, b"bcdef"), segment(0, b"a"), segment(0, b"XXXXXXg")]);
    assert_eq!(&seen.bytes[..], b"abcDEfg");
}

#[test]
fn the_end_waits_for_what_is_before_it_and_nothing_comes_behind_it() {
    let fin = Segment { fin: true, ..segment(2, b"c") };
    let (direction, seen) = after(0, &[fin, fin]);
    assert_eq!((seen.ends, direction.held()), (0, 1));
    let (_, seen) = after(0, &[fin, segment(0, b"ab"), fin, segment(3, b"zz")]);
    assert_eq!((&seen.bytes[..], seen.ends), (&b"abc"[..], 1));
    let (_, seen) = after(0, &[fin, segment(0, b"abcXYZ")]);
    assert_eq!((&seen.bytes[..], seen.ends), (&b"abc"[..], 1));
    // This sender never sent the bytes that wait beyond the end.
    let (_, seen) = after(0, &[segment(4, b"zz"), fin, segment(0, b"ab")]);
    assert_eq!((&seen.bytes[..], seen.ends), (&b"abc"[..], 1));
}

#[test]
fn missing_bytes_are_a_gap_with_its_length_when_nothing_more_comes() {
    let (mut direction, mut seen) = after(0, &[segment(0, b"ab"), segment(5, b"fg"), segment(9, b"j")]);
    assert_eq!((&seen.bytes[..], direction.held()), (&b"ab"[..], 3));
    direction.finish(|ordered| seen.note(ordered));
    assert_eq!((&seen.bytes[..], &seen.gaps[..]), (&b"abfgj"[..], &[(2, 3), (4, 2)][..]));
    let (mut direction, mut seen) = after(0, &[Segment { fin: true, ..segment(4, b"") }]);
    direction.finish(|ordered| seen.note(ordered));
    assert_eq!((&seen.gaps[..], seen.ends), (&[(0, 4)][..], 1));
}

#[test]
fn bytes_that_the_capture_has_cut_off_are_a_gap() {
    let cut = Segment { length: 5, ..segment(0, b"ab") };
    let (_, seen) = after(0, &[cut, segment(5, b"f")]);
    assert_eq!((&seen.bytes[..], &seen.gaps[..]), (&b"abf"[..], &[(2, 3)][..]));
    let (_, seen) = after(0, &[Segment { fin: true, ..cut }]);
    assert_eq!((&seen.gaps[..], seen.ends), (&[(2, 3)][..], 1));
}

#[test]
fn what_was_acknowledged_and_does_not_come_was_never_captured() {
    let (mut direction, mut seen) = after(0, &[segment(3, b"d")]);
    for _ in 0..=limits::MAX_LATE_PACKETS {
        assert_eq!(seen.gaps, []);
        direction.acknowledge(4, |ordered| seen.note(ordered));
    }
    assert_eq!((&seen.bytes[..], &seen.gaps[..]), (&b"d"[..], &[(0, 3)][..]));
    // Without the acknowledgement they may still come.
    let (mut direction, mut seen) = after(0, &[segment(3, b"d")]);
    for _ in 0..100 {
        direction.acknowledge(0, |ordered| seen.note(ordered));
    }
    direction.segment(&segment(0, b"abc"), |ordered| seen.note(ordered));
    assert_eq!((&seen.bytes[..], &seen.gaps[..]), (&b"abcd"[..], &[][..]));
}

#[test]
fn what_was_acknowledged_behind_the_last_segment_is_a_gap_at_the_end() {
    let ended = |number| {
        let (mut direction, mut seen) = after(0, &[segment(0, b"ab")]);
        direction.acknowledge(number, |ordered| seen.note(ordered));
        assert_eq!(seen.gaps, [], "it may still come");
        direction.finish(|ordered| seen.note(ordered));
        seen.gaps
    };
    assert_eq!((ended(2), ended(9)), (vec![], vec![(2, 7)]));
    assert_eq!(ended(3), [], "it may be the FIN");
}

#[test]
fn waiting_segments_cost_memory_besides_their_bytes() {
    let (direction, _) = after(0, &[segment(2, b"x"), segment(4, b"x")]);
    assert!(direction.held() == 2 && direction.memory() >= 2 * size_of::<Vec<u8>>(), "{}", direction.memory());
    let (direction, _) = after(0, &[segment(0, b"x")]);
    assert_eq!(direction.memory(), 0);
}

#[test]
fn a_direction_of_which_the_beginning_is_missing_begins_with_its_first_segment() {
    let (mut direction, mut seen) = (Reassembly::new(), Seen::default());
    for one in [segment(90, b"ab"), segment(80, b"before the beginning"), segment(92, b"c")] {
        direction.segment(&one, |ordered| seen.note(ordered));
    }
    // The second segment holds the numbers 80 to 99: those from 92 on are new.
    assert_eq!(&seen.bytes[..], b"abeginning");
}

#[test]
fn what_waits_is_bounded() {
    let (mut direction, mut seen) = (Reassembly::new(), Seen::default());
    direction.open(0);
    let payload = vec![b'x'; 1 << 16];
    let mut at = 2;
    for _ in 0..=limits::MAX_REORDERED / payload.len() {
        direction.segment(&segment(at, &payload), |ordered| seen.note(ordered));
        at += payload.len() as u32;
        assert!(direction.held() <= limits::MAX_REORDERED);
    }
    assert_eq!(seen.gaps, [(0, 1)]);
    let (mut direction, mut seen) = (Reassembly::new(), Seen::default());
    direction.open(0);
    for at in 1..=limits::MAX_REORDERED_SEGMENTS as u32 + 1 {
        direction.segment(&segment(at * 2, b"x"), |ordered| seen.note(ordered));
    }
    assert_eq!(seen.gaps, [(0, 1)]);
}

#[test]
fn segments_outside_any_window_are_left_out() {
    let far = limits::MAX_AHEAD as u32;
    let (direction, seen) = after(0, &[segment(far + 1, b"zz"), segment(0, b"ab")]);
    assert_eq!((&seen.bytes[..], direction.strays(), direction.held()), (&b"ab"[..], 1, 0));
    let (direction, _) = after(0, &[segment(far, b"zz")]);
    assert_eq!((direction.strays(), direction.held()), (0, 2));
}

/// A stream, cut into segments that may lie over each other, some of them repeated, in any order.
fn sendings() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    (1_usize..400).prop_flat_map(|length| {
        let cuts = proptest::collection::vec(0..length, 0..12);
        let again = proptest::collection::vec((0..length, 1_usize..40), 0..12);
        (Just((0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>()), cuts, again).prop_flat_map(
            move |(stream, mut cuts, again)| {
                cuts.extend([0, length]);
                cuts.sort_unstable();
                cuts.dedup();
                let once = cuts.windows(2).map(|pair| (pair[0], pair[1]));
                let again = again.into_iter().map(|(from, many)| (from, length.min(from + many)));
                let all: Vec<_> = once.chain(again).collect();
                (Just(stream), Just(all).prop_shuffle())
            },
        )
    })
}

proptest! {
    #[test]
    fn any_cuts_repetitions_and_order_give_the_same_bytes((stream, parts) in sendings(), first in any::<u32>()) {
        let segments: Vec<_> = parts
            .iter()
            .map(|(from, to)| Segment {
                fin: *to == stream.len(),
                ..segment(first.wrapping_add(*from as u32), &stream[*from..*to])
            })
            .collect();
        let (direction, seen) = after(first, &segments);
        prop_assert_eq!(seen.bytes, stream);
        prop_assert_eq!((seen.gaps, seen.ends, direction.held()), (vec![], 1, 0));
    }

    #[test]
    fn whatever_is_lost_every_byte_that_came_is_in_its_place(
        (stream, parts) in sendings(), first in any::<u32>(), lost in any::<prop::sample::Index>(),
    ) {
        let lost = lost.index(parts.len());
        let kept: Vec<_> = parts.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, part)| *part).collect();
        let segments: Vec<_> =
            kept.iter().map(|(from, to)| segment(first.wrapping_add(*from as u32), &stream[*from..*to])).collect();
        let (mut direction, mut seen) = after(first, &segments);
        direction.finish(|ordered| seen.note(ordered));
        // The stream as far as it came, with its gaps cut out.
        let mut there = vec![false; stream.len()];
        kept.iter().for_each(|(from, to)| there[*from..*to].fill(true));
        let came: Vec<u8> = stream.iter().zip(&there).filter(|(_, there)| **there).map(|(byte, _)| *byte).collect();
        prop_assert_eq!(seen.bytes, came);
        let end = there.iter().rposition(|there| *there).map_or(0, |at| at + 1);
        let missing = there[..end].iter().filter(|there| !**there).count() as u64;
        prop_assert_eq!(seen.gaps.iter().map(|(_, bytes)| bytes).sum::<u64>(), missing);
    }

    #[test]
    fn no_packets_make_it_panic_or_hold_much(
        packets in proptest::collection::vec((any::<u32>(), any::<bool>(), any::<bool>(), 0_usize..50, any::<u32>()), 0..60),
    ) {
        let payload = [7; 50];
        let (mut direction, mut seen) = (Reassembly::new(), Seen::default());
        for (sequence, syn, fin, length, number) in packets {
            let one = Segment { syn, fin, length: length as u32 + number % 3, ..segment(sequence, &payload[..length]) };
            direction.segment(&one, |ordered| seen.note(ordered));
            direction.acknowledge(number, |ordered| seen.note(ordered));
        }
        direction.finish(|ordered| seen.note(ordered));
        prop_assert_eq!(direction.held(), 0);
        prop_assert!(seen.ends <= 1);
    }
}
