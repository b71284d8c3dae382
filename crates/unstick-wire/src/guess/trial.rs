//! One framing, tried on a sample: where its messages end, and where the segments do.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::first::FirstFrame;
use super::sample::{Connection, Sample};
use crate::role::Role;
use crate::spec::Framing;
use crate::transcript::{Piece, Transcript};

/// Frames of each side of a connection whose bytes are kept, to see what is in them.
const KEPT_FRAMES: usize = 8;

/// Bytes that are kept of a frame.
const KEPT_BYTES: usize = 512;

/// Connections of which frames are kept.
const KEPT_CONNECTIONS: usize = 8;

/// Bits that one end may count at most: lengths in real messages are not random.
const MOST_OF_AN_END: f64 = 8.0;

/// Segments that are tried as the first with a message, where a recording begins in the middle.
const MOST_STARTS: u32 = 4;

/// A segment as long as this may have been cut by TCP, if none is longer.
const CUT_BY_TCP: usize = 500;

/// The beginning of a frame.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    /// Length of the whole frame.
    pub(super) length: usize,
}

/// The first frames of a connection.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) whole: bool,
    pub(super) sides: [Vec<Head>; 2],
}

/// What was counted in one direction.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) frames: u64,
    pub(super) empty: u64,
    pub(super) bytes: u64,
    /// Segments of which the end is known, and those that end where a message ends.
    pub(super) ends: u32,
    pub(super) hits: u32,
    /// Segments that end inside a message, and were not cut by TCP.
    pub(super) misses: u32,
    /// Directions of connections that broke the framing.
    pub(super) broken: u32,
    pub(super) whole_streams: u32,
    /// Different lengths of the messages that end where a segment ends.
    lengths: BTreeSet<usize>,
    /// Different lengths of all messages.
    all_lengths: BTreeSet<usize>,
    /// Bytes of the length in front of the last message, and of the largest message.
    width: usize,
    largest: usize,
    /// Bits of surprise that a length of a chain is no larger than this, by what else is found in the stream.
    surprise: f64,
}

/// What came of a trial.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) sides: [Tally; 2],
    pub(super) frames: Vec<Frames>,
    /// The same for two framings that cut the sample at the same places.
    pub(super) cuts: u64,
}

/// Cuts the sample with a framing.
pub(super) fn run(framing: &Framing, sample: &Sample) -> Outcome {
    let mut outcome = Outcome { sides: Default::default(), frames: Vec::new(), cuts: 0 };
    let mut cuts = DefaultHasher::new();
    for connection in &sample.connections {
        let starts = if connection.whole { [0; 2] } else { [MOST_STARTS; 2] };
        let transcript = Transcript::new(framing);
        let mut trial = Trial { transcript, last: [0; 2], broken: [false; 2], inside: [false; 2], starts };
        if !connection.whole {
            [Role::Client, Role::Server].into_iter().for_each(|role| trial.transcript.begins_in_the_middle(role));
        }
        trial.run(connection, &mut outcome, &mut cuts);
        // What breaks in every connection is not this framing.
        if outcome.is_hopeless() {
            break;
        }
    }
    outcome.cuts = cuts.finish();
    outcome
}

struct Trial {
    transcript: Transcript,
    /// Length of the last message.
    last: [usize; 2],
    broken: [bool; 2],
    /// Whether the segment before ended inside a message: the next ones may go on in it.
    inside: [bool; 2],
    /// Segments with which the first message may still begin, where the beginning of the connection was not recorded.
    starts: [u32; 2],
}

impl Trial {
    fn run(&mut self, connection: &Connection, outcome: &mut Outcome, cuts: &mut DefaultHasher) {
        let mut frames = Frames { whole: connection.whole, ..Frames::default() };
        let largest = connection.largest();
        for (from, bytes, known) in connection.segments() {
            let side = from as usize;
            if self.broken[side] {
                continue;
            }
            self.transcript.segment(from, bytes);
            let new = self.take(from, &mut outcome.sides[side], &mut frames, cuts);
            let tally = &mut outcome.sides[side];
            tally.bytes += bytes.len() as u64;
            if !known || !connection.segmented || self.broken[side] {
                continue;
            }
            tally.ends += 1;
            if new && self.transcript.pending(from).is_empty() {
                tally.hits += 1;
                tally.lengths.insert(self.last[side]);
                self.inside[side] = false;
            } else if std::mem::replace(&mut self.inside[side], !new) {
                // A long message is one miss.
            } else if bytes.len() < CUT_BY_TCP || bytes.len() < largest[side] {
                tally.misses += 1;
            }
        }
        for from in [Role::Client, Role::Server] {
            self.end(from, connection, &mut outcome.sides[from as usize], &mut frames, cuts);
        }
        if outcome.frames.len() < KEPT_CONNECTIONS && frames.sides.iter().any(|side| !side.is_empty()) {
            outcome.frames.push(frames);
        }
    }

    /// The end of a direction, which is evidence where no ends of segments are known.
    fn end(
        &mut self,
        from: Role,
        connection: &Connection,
        tally: &mut Tally,
        frames: &mut Frames,
        cuts: &mut DefaultHasher,
    ) {
        let side = from as usize;
        if !connection.ended[side] || self.broken[side] || self.transcript.length(from) == 0 {
            return;
        }
        let was_whole = self.transcript.pending(from).is_empty();
        self.transcript.finish(from);
        self.take(from, tally, frames, cuts);
        if !connection.segmented {
            tally.ends += 1;
            match was_whole && !self.broken[side] {
                true => {
                    (tally.hits, tally.whole_streams) = (tally.hits + 1, tally.whole_streams + 1);
                    tally.surprise = surprise(&connection.side(from), tally.width, tally.largest);
                }
                false => tally.misses += 1,
            }
        }
    }

    /// Where a recording begins inside a message, the first segments may be of it: the next one is tried as the first.
    fn may_begin_later(&mut self, from: Role) -> bool {
        let left = &mut self.starts[from as usize];
        let may = *left > 0;
        *left = left.saturating_sub(1);
        if may {
            self.transcript.begins_in_the_middle(from);
        }
        may
    }

    /// Takes the messages that are complete. Returns whether there were any.
    fn take(&mut self, from: Role, tally: &mut Tally, frames: &mut Frames, cuts: &mut DefaultHasher) -> bool {
        let (side, mut new) = (from as usize, false);
        while let Some(piece) = self.transcript.next(from) {
            let Piece::Message(frame) = piece else {
                if self.may_begin_later(from) {
                    tally.misses += 1;
                } else {
                    self.broken[side] = true;
                    tally.broken += 1;
                }
                break;
            };
            new = true;
            self.starts[side] = 0;
            tally.frames += 1;
            // Zeros alone are as good as empty: the high bytes of a length look like that.
            tally.empty += u64::from(frame.message.is_empty() || frame.bytes.iter().all(|byte| *byte == 0));
            self.last[side] = frame.bytes.len();
            if tally.all_lengths.len() < 64 {
                tally.all_lengths.insert(frame.bytes.len());
            }
            tally.width = frame.layout.length.as_ref().map_or(0, |length| length.bytes.len());
            tally.largest = tally.largest.max(frame.bytes.len());
            (side, frame.offset, frame.bytes.len()).hash(cuts);
            let kept = &mut frames.sides[side];
            if kept.len() < KEPT_FRAMES {
                let bytes = frame.bytes[..frame.bytes.len().min(KEPT_BYTES)].to_vec();
                kept.push(Head { bytes, length: frame.bytes.len() });
            }
        }
        new
    }
}

impl Outcome {
    fn is_hopeless(&self) -> bool {
        let broken = self.sides.iter().map(|side| side.broken).sum::<u32>();
        let hits = self.sides.iter().map(|side| side.hits).sum::<u32>();
        broken > 4 && broken > hits
    }

    /// How much more likely these ends are where this framing is spoken than where it is not, in bits.
    pub(super) fn bits(&self) -> f64 {
        self.sides.iter().map(Tally::bits).sum()
    }

    /// Whether a side sent segments of which none ends where a message ends.
    pub(super) fn is_one_sided(&self) -> bool {
        self.sides.iter().any(|side| side.hits == 0 && (side.misses > 1 || side.broken > 0))
    }

    /// Number of different lengths of messages that end with a segment, or of a file that ends with a message.
    pub(super) fn different(&self) -> usize {
        let of = |side: &Tally| if side.whole_streams > 0 { side.all_lengths.len() } else { side.lengths.len() };
        self.sides.iter().map(of).sum()
    }

    /// What was counted, as a sentence without an end.
    pub(super) fn words(&self, sample: &Sample) -> String {
        let sum = |of: fn(&Tally) -> u32| self.sides.iter().map(of).sum::<u32>();
        let frames = self.frame_count();
        let many = if frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") };
        if sample.connections.iter().all(|connection| !connection.segmented) {
            let ends = match (sum(|side| side.hits), sum(|side| side.misses), frames) {
                (0, 0, _) => "each of which ends where the next begins",
                (0, _, 1) => "and the file ends inside the next",
                (0, ..) => "each of which ends where the next begins; the file ends inside one",
                (.., 1) => "which ends with the file",
                _ => "each of which ends where the next begins, the last with the file",
            };
            return format!("{many}, {ends}");
        }
        let (hits, ends, misses) = (sum(|side| side.hits), sum(|side| side.ends), sum(|side| side.misses));
        let mut text = format!("{many}; {hits} of {ends} segments end where a frame ends");
        if misses > 0 {
            text += &format!(", {misses} inside one");
        }
        text
    }

    /// The first messages of the first connection.
    pub(super) fn first(&self) -> Vec<FirstFrame> {
        const SHOWN: usize = 2;
        let Some(frames) = self.frames.first() else { return Vec::new() };
        let of = |from: Role| {
            let heads = frames.sides[from as usize].iter().take(SHOWN);
            heads.map(move |head| FirstFrame { from, bytes: head.bytes.clone(), length: head.length })
        };
        of(Role::Client).chain(of(Role::Server)).collect()
    }

    pub(super) fn frame_count(&self) -> u64 {
        self.sides.iter().map(|side| side.frames).sum()
    }
}

impl Tally {
    fn bits(&self) -> f64 {
        /// How often a segment ends with a message where the framing is right.
        const RIGHT: f64 = 0.9;
        let broken = f64::from(self.broken) * 12.0;
        if self.bytes == 0 {
            return 0.0;
        }
        // By chance an end of a segment is one of a message as often as one byte in so many.
        let density = ((self.frames as f64 + 0.5) / self.bytes as f64).clamp(0.0001, 0.9);
        // And where segments are short, every message ends near the end of one: of one byte each, they tell nothing.
        let between = (self.bytes as f64 / f64::from(self.ends.max(1))).max(1.0);
        let hit = (RIGHT / density).log2().min(between.log2()).min(MOST_OF_AN_END);
        let miss = ((1.0 - RIGHT) / (1.0 - density)).log2();
        // Messages of one length say little: a number that is this length is found in many places.
        let different = self.lengths.len().max(self.whole_streams as usize) as f64;
        let same = (f64::from(self.hits) - different).max(0.0);
        let chain = if self.whole_streams > 0 { self.rarity() * self.all_lengths.len().min(16) as f64 } else { 0.0 };
        // A length of four bytes is one of two bytes with an empty message before each; in BER it is an empty value.
        let empty = if self.empty * 5 > self.frames * 2 { 12.0 } else { 0.0 };
        hit * different + (0.5 * same).min(6.0) + miss * f64::from(self.misses).min(40.0) + chain - broken - empty
    }

    /// Bits that each length of a chain is evidence of: lengths that could be far larger are not, and mostly begin with zeros.
    fn rarity(&self) -> f64 {
        const MOST: f64 = 2.5;
        let possible = 8.0 * self.width as f64;
        ((possible - (self.largest as f64 + 1.0).log2()) / 2.0).min(self.surprise).clamp(0.0, MOST)
    }
}

/// How surprising a number of this width is that is no larger than `largest`, in bits: among small numbers it is not.
fn surprise(stream: &[u8], width: usize, largest: usize) -> f64 {
    /// Numbers that are looked at.
    const LOOKED_AT: usize = 2048;
    let numbers = stream.windows(width.clamp(1, 8)).step_by(stream.len() / LOOKED_AT + 1);
    let (mut all, mut little, mut big) = (0.5, 0.5, 0.5);
    for bytes in numbers {
        let read = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        all += 1.0;
        big += f64::from(u8::from(bytes.iter().fold(0, read) <= largest as u64));
        little += f64::from(u8::from(bytes.iter().rev().fold(0, read) <= largest as u64));
    }
    (all / little.max(big)).log2()
}
