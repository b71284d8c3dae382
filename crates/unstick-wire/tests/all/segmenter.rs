//! The segmenter of `shake`: in every case, and however a sender's bytes arrive, no byte is lost, and each cut is where
//! it should be.

use proptest::collection::vec;
use proptest::prelude::*;
use unstick_wire::shake::{Case, Conversation, Delivery, Depth, Direction, Edit, Random, Recording, Segmenter, Step};

const WAY: Direction = Direction::ClientToServer;

/// The output: all bytes, and the offsets at which the segmenter waited for the receiver.
struct Delivered {
    bytes: Vec<u8>,
    drains: Vec<u64>,
    ended: bool,
}

/// Cuts bytes that arrive in segments of these lengths; sometimes the sender is silent.
fn run(case: &Case, bytes: &[u8], segments: &[usize], quiet: &[bool]) -> Delivered {
    let mut segmenter = Segmenter::new(case, WAY);
    let mut delivered = Delivered { bytes: Vec::new(), drains: Vec::new(), ended: false };
    let (mut rest, mut segments, mut quiet) = (bytes, segments.iter(), quiet.iter());
    loop {
        match segmenter.step() {
            Step::Write(part) => {
                // The system takes some of the bytes, not always all.
                let count = if part.len() > 5 && quiet.next() == Some(&true) { part.len() / 2 } else { part.len() };
                delivered.bytes.extend_from_slice(&part[..count]);
                segmenter.wrote(count);
            }
            Step::Drain => {
                delivered.drains.push(delivered.bytes.len() as u64);
                segmenter.drained(Delivery::Read);
            }
            Step::Hold if quiet.next() == Some(&true) => segmenter.quiet(),
            Step::Input | Step::Hold => {
                let count = segments.next().map_or(rest.len(), |length| *length.min(&rest.len()));
                if rest.is_empty() {
                    segmenter.end();
                } else {
                    segmenter.push(&rest[..count]);
                    rest = &rest[count..];
                }
            }
            Step::End => {
                delivered.ended = true;
                segmenter.closed();
            }
            Step::Done => return delivered,
        }
    }
}

/// A random case for this many bytes, as with the seeds of `shake --seed`.
fn drawn(seed: u64, length: usize) -> Case {
    let client = Recording { bytes: vec![0; length], ..Recording::default() };
    let conversation = Conversation { client, server: Recording::default() };
    Random::new(seed, 1).case(&conversation, &Depth { bytes: 4096, directions: vec![WAY], scripted: false })
}

proptest! {
    #[test]
    fn no_byte_is_lost_and_cuts_are_where_they_belong(
        bytes in vec(any::<u8>(), 0..200),
        seed: u64,
        segments in vec(1usize..40, 0..20),
        quiet in vec(any::<bool>(), 0..40),
    ) {
        let case = drawn(seed, bytes.len());
        let delivered = run(&case, &bytes, &segments, &quiet);
        prop_assert_eq!(&delivered.bytes, &bytes);
        prop_assert!(delivered.ended);
        let joined = |at: u64| {
            case.of(WAY).any(|edit| matches!(edit, Edit::Join(from, Some(to)) if from < at && at < to))
        };
        for edit in case.of(WAY) {
            if let Edit::Cut(at) = edit && at < bytes.len() as u64 && !joined(at) {
                prop_assert!(delivered.drains.contains(&at), "{} has no drain at {at}: {:?}", case, delivered.drains);
            }
        }
    }

    #[test]
    fn a_case_is_read_as_it_is_written(seed: u64) {
        let case = drawn(seed, 500);
        prop_assert_eq!(case.to_string().parse::<Case>().expect("its own text"), case);
    }

    #[test]
    fn no_text_is_too_strange_to_be_refused(text in "[c2s:ut@joinevrybd.0-9,]{0,40}") {
        let _ = text.parse::<Case>();
    }
}
