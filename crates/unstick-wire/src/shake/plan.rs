//! Lists the cases worth trying for a recorded conversation, in order; and random ones from a seed.

use crate::decoder::Decoder;
use crate::spec::Framing;
use crate::splitmix::{STEP, mix};

use super::case::{Case, Direction, Edit};

/// The payload of a TCP segment on networks whose path takes 576 bytes, and on Ethernet with time stamps.
const SEGMENTS: [u64; 2] = [536, 1448];

/// Number of places inside characters and line ends, and around frames, that are tried beyond the depth, of each kind
/// and direction.
const BEYOND: usize = 256;

/// Number of boundaries between segments that are tried with the first bytes of the next segment before them.
const OVERLAPS: usize = 16;

/// The recording of one direction, uncut.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Offsets where the sender began a segment, as far as they could be seen; without 0.
    pub segments: Vec<u64>,
    /// Where each frame and its message lie, if a framing is known.
    pub frames: Vec<Frame>,
}

/// Where a frame lies in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset of the first byte after its header.
    pub body: u64,
    /// Offset of the first byte after it.
    pub end: u64,
}

impl std::fmt::Debug for Recording {
    /// Shows only the first bytes: there may be megabytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(64)];
        write!(f, "Recording({} bytes: \"{}\")", self.bytes.len(), shown.escape_ascii())
    }
}

impl Recording {
    /// Finds the frames of a framing in the bytes, as far as they are complete.
    pub fn find_frames(&mut self, framing: &Framing) {
        self.take_frames(framing.decoder());
    }

    fn take_frames(&mut self, mut decoder: Decoder) {
        self.frames.clear();
        decoder.feed(&self.bytes);
        decoder.finish();
        let mut start = 0;
        loop {
            let message = match decoder.next() {
                Ok(Some(message)) => message.to_vec(),
                _ => return,
            };
            let end = self.bytes.len() - decoder.pending().len();
            let frame = &self.bytes[start..end];
            let header = memchr::memmem::find(frame, &message).filter(|_| !message.is_empty());
            let body = start + header.unwrap_or(frame.len().min(8).saturating_sub(message.len()));
            self.frames.push(Frame { start: start as u64, body: body as u64, end: end as u64 });
            start = end;
        }
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// Both directions of a conversation, uncut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// What the client sent.
    pub client: Recording,
    /// What the server sent.
    pub server: Recording,
}

impl Conversation {
    /// Finds the frames of either side's framing in the bytes, as far as they are complete. The server's bytes are read
    /// as answers to the client's requests.
    pub fn find_frames(&mut self, framing: &Framing) {
        let decoders = decoders(&Direction::BOTH.map(|way| framing.sent_by(way.sender())));
        for (way, decoder) in Direction::BOTH.into_iter().zip(decoders) {
            self.of_mut(way).take_frames(decoder);
        }
    }

    /// One direction.
    pub fn of(&self, direction: Direction) -> &Recording {
        match direction {
            Direction::ClientToServer => &self.client,
            Direction::ServerToClient => &self.server,
        }
    }

    /// One direction.
    pub fn of_mut(&mut self, direction: Direction) -> &mut Recording {
        match direction {
            Direction::ClientToServer => &mut self.client,
            Direction::ServerToClient => &mut self.server,
        }
    }
}

/// Makes a decoder for each direction. Take the client's messages first: they say how the answers are read.
pub fn decoders(framings: &[Framing; 2]) -> [Decoder; 2] {
    let mut decoders = [framings[0].decoder(), framings[1].decoder()];
    if let Some((client, server)) = framings[0].dialogue_with(&framings[1]) {
        decoders[0].follow(&client);
        decoders[1].follow(&server);
    }
    decoders
}

/// How thoroughly to test.
#[derive(Debug, Clone)]
pub struct Depth {
    /// Number of bytes of each direction in which every single cut is tried.
    pub bytes: u64,
    /// The directions whose receiver is under test.
    pub directions: Vec<Direction>,
    /// Whether the client's segments are known, because the planner has written them. Then cases that would not change
    /// them are not planned, and the end is tried as half-close, not as a cut before the end.
    pub scripted: bool,
}

/// The reason to try a case, in the words of a progress display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A byte at a time.
    Bytes,
    /// Each single cut.
    Cuts,
    /// Cuts at frame boundaries, one off, and inside headers, beyond the depth.
    Frames,
    /// Two or more segments in one.
    Joins,
    /// Segments as real networks cut them.
    Networks,
    /// The end of the stream after its last byte was read.
    End,
    /// The client ends its side before the answer has come.
    HalfClose,
    /// Cuts inside characters and line ends, beyond the depth.
    Characters,
    /// A random case.
    Random,
    /// A case that the user named.
    Named,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bytes => "a byte at a time",
            Self::Cuts => "single cuts",
            Self::Frames => "cuts around frames",
            Self::Joins => "joins",
            Self::Networks => "segments of real networks",
            Self::End => "the end alone",
            Self::HalfClose => "half-close",
            Self::Characters => "cuts in characters and line ends",
            Self::Random => "random cuts and joins",
            Self::Named => "the cases that were named",
        })
    }
}

/// A case, and the reason to try it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The case.
    pub case: Case,
    /// The reason to try it.
    pub stage: Stage,
}

/// The cases worth trying, in order: those that find most come first.
pub fn plan(conversation: &Conversation, depth: &Depth) -> Vec<Planned> {
    let mut list = List { cases: Vec::new(), seen: std::collections::BTreeSet::new() };
    let ways: Vec<_> = depth.directions.iter().map(|way| (*way, conversation.of(*way))).collect();
    for (way, stream) in &ways {
        if stream.len() > 1 {
            let to = (stream.len() > depth.bytes).then_some(depth.bytes);
            list.add(Stage::Bytes, *way, Edit::Every(1, to));
        }
    }
    for (way, stream) in &ways {
        for at in 1..stream.len().min(depth.bytes + 1) {
            list.add(Stage::Cuts, *way, Edit::Cut(at));
        }
    }
    for (way, stream) in &ways {
        for at in around_frames(stream).filter(|at| *at > depth.bytes).take(BEYOND) {
            list.add(Stage::Frames, *way, Edit::Cut(at));
        }
    }
    for (way, stream) in &ways {
        for (from, to) in joins(stream) {
            list.add(Stage::Joins, *way, Edit::Join(from, to));
        }
        for (from, to) in overlaps(stream) {
            let edits = [(*way, Edit::Join(from, Some(to))), (*way, Edit::Cut(to))];
            list.add_case(Stage::Joins, edits.into_iter().collect());
        }
    }
    for (way, stream) in &ways {
        for size in SEGMENTS.into_iter().filter(|size| *size < stream.len()) {
            list.add(Stage::Networks, *way, Edit::Every(size, None));
        }
    }
    for (way, stream) in &ways {
        match depth.scripted {
            _ if stream.len() == 0 => {}
            true => list.add(Stage::HalfClose, *way, Edit::HalfClose),
            false => list.add(Stage::End, *way, Edit::CutEnd),
        }
    }
    for (way, stream) in &ways {
        for at in inside_characters(&stream.bytes).filter(|at| *at > depth.bytes).take(BEYOND) {
            list.add(Stage::Characters, *way, Edit::Cut(at));
        }
    }
    if depth.scripted {
        list.cases.retain(|planned| !is_identity(&planned.case, conversation));
    }
    list.cases
}

/// Whether a case leaves the segments as they are without it, if the recorded segments are all there are.
pub fn is_identity(case: &Case, conversation: &Conversation) -> bool {
    case.edits().iter().all(|(way, edit)| {
        let stream = conversation.of(*way);
        let is_boundary = |at: u64| at >= stream.len() || stream.segments.contains(&at);
        match *edit {
            Edit::Cut(at) => is_boundary(at),
            Edit::Every(step, to) => {
                let last = to.unwrap_or(u64::MAX).min(stream.len());
                (1..=last / step).all(|times| is_boundary(times * step))
            }
            Edit::Join(from, to) => !stream.segments.iter().any(|at| from < *at && to.is_none_or(|to| *at < to)),
            Edit::CutEnd | Edit::HalfClose => false,
        }
    })
}

/// Number of cuts and joins of one direction of a case inside the first `length` bytes.
pub fn planned(case: &Case, way: Direction, length: u64) -> u64 {
    let joins: Vec<_> =
        case.of(way).filter_map(|edit| if let Edit::Join(a, b) = edit { Some((a, b)) } else { None }).collect();
    let joined = |at: u64| joins.iter().any(|(from, to)| *from < at && to.is_none_or(|to| at < to));
    let mut cuts = std::collections::BTreeSet::new();
    let mut count = joins.iter().filter(|(from, _)| *from < length).count() as u64;
    for edit in case.of(way) {
        match edit {
            Edit::Cut(at) if at < length => drop(cuts.insert(at)),
            Edit::Every(step, to) => {
                let last = to.unwrap_or(u64::MAX).min(length.saturating_sub(1));
                cuts.extend((1..=last / step).map(|times| times * step));
            }
            Edit::CutEnd if length > 0 => count += 1,
            _ => {}
        }
    }
    count + cuts.into_iter().filter(|at| !joined(*at)).count() as u64
}

struct List {
    cases: Vec<Planned>,
    seen: std::collections::BTreeSet<Case>,
}

impl List {
    fn add(&mut self, stage: Stage, way: Direction, edit: Edit) {
        self.add_case(stage, Case::one(way, edit));
    }

    fn add_case(&mut self, stage: Stage, case: Case) {
        if self.seen.insert(case.clone()) {
            self.cases.push(Planned { case, stage });
        }
    }
}

/// The frame boundaries, the places one byte off, and all places inside headers.
fn around_frames(stream: &Recording) -> impl Iterator<Item = u64> + '_ {
    let length = stream.len();
    let frames = stream.frames.iter();
    let places = frames
        .flat_map(|frame| (frame.start.saturating_sub(1)..=frame.body.min(frame.start + 32) + 1).chain([frame.end]));
    places.filter(move |at| (1..length).contains(at))
}

/// Joins of two messages, three, and all; of segments if messages are not known.
fn joins(stream: &Recording) -> Vec<(u64, Option<u64>)> {
    let mut starts: Vec<u64> = std::iter::once(0).chain(stream.segments.iter().copied()).collect();
    starts.extend(stream.frames.iter().flat_map(|frame| [frame.start, frame.end]));
    starts.push(stream.len());
    starts.sort_unstable();
    starts.dedup();
    let mut joins = Vec::new();
    if stream.len() > 1 {
        joins.push((0, None));
    }
    for many in [2, 3] {
        let ranges = starts.windows(many + 1).map(|window| (window[0], Some(window[many])));
        joins.extend(ranges.take(BEYOND));
    }
    joins
}

/// Each segment together with the first bytes of the next one: a message, and a part of the header after it.
fn overlaps(stream: &Recording) -> impl Iterator<Item = (u64, u64)> + '_ {
    let starts = std::iter::once(0).chain(stream.segments.iter().copied());
    let ends = stream.segments.iter().copied().skip(1).chain([stream.len()]);
    let places = starts.zip(&stream.segments).zip(ends);
    places.take(OVERLAPS).flat_map(|((from, at), end)| (at + 1..end.min(at + 4)).map(move |to| (from, to)))
}

/// The places inside a UTF-8 character, and between CR and LF.
fn inside_characters(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let inside = |at: &usize| is_inside_character(bytes, *at) || is_inside_line_end(bytes, *at);
    (1..bytes.len()).filter(inside).map(|at| at as u64)
}

/// Whether a cut here is inside a UTF-8 character.
pub(super) fn is_inside_character(bytes: &[u8], at: usize) -> bool {
    // The first byte is at most three bytes before. Bytes that are no text may look like the inside of a character for
    // long.
    let near = at.saturating_sub(3);
    let start = bytes[near..at].iter().rposition(|byte| byte & 0xC0 != 0x80);
    start.is_some_and(|start| {
        let start = near + start;
        let wanted = match bytes[start] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return false,
        };
        at < start + wanted && bytes.get(start..start + wanted).is_some_and(|all| std::str::from_utf8(all).is_ok())
    })
}

/// Whether a cut here is between CR and LF.
pub(super) fn is_inside_line_end(bytes: &[u8], at: usize) -> bool {
    bytes.get(at - 1..=at) == Some(b"\r\n")
}

/// Random cases: the same seed and number give the same case on every machine.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of the `number`th case of a seed.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Self { state: seed };
        random.state = random.draw() ^ number.wrapping_mul(0xD134_2543_DE82_EF95);
        random
    }

    fn draw(&mut self) -> u64 {
        let drawn = mix(self.state);
        self.state = self.state.wrapping_add(STEP);
        drawn
    }

    fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Makes a case of some cuts, usually few and near the beginning, and sometimes a join.
    pub fn case(mut self, conversation: &Conversation, depth: &Depth) -> Case {
        let mut edits = Vec::new();
        for way in &depth.directions {
            let length = conversation.of(*way).len();
            if length < 2 {
                continue;
            }
            let scale = self.below(5);
            let count = self.below(2 << scale);
            for _ in 0..count {
                let reach = if self.below(2) == 0 { length.min(64) } else { length };
                edits.push((*way, Edit::Cut(1 + self.below(reach - 1))));
            }
            if self.below(4) == 0 {
                let (one, other) = (self.below(length + 1), self.below(length + 1));
                let (from, to) = (one.min(other), one.max(other));
                if from + 1 < to {
                    edits.push((*way, Edit::Join(from, Some(to))));
                }
            }
        }
        edits.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn both() -> Depth {
        Depth { bytes: 4096, directions: Direction::BOTH.to_vec(), scripted: false }
    }

    fn recorded(bytes: &[u8], segments: &[u64]) -> Recording {
        Recording { bytes: bytes.to_vec(), segments: segments.to_vec(), ..Recording::default() }
    }

    fn cases(conversation: &Conversation, depth: &Depth) -> Vec<String> {
        plan(conversation, depth).iter().map(|planned| planned.case.to_string()).collect()
    }

    #[test]
    fn bytes_then_cuts_then_joins_then_the_end() {
        let conversation = Conversation { client: recorded(b"abcd", &[2]), server: recorded(b"xy", &[]) };
        assert_eq!(
            cases(&conversation, &both()),
            [
                "c2s:bytes",
                "s2c:bytes",
                "c2s:cut@1",
                "c2s:cut@2",
                "c2s:cut@3",
                "s2c:cut@1",
                "c2s:join@0..end",
                "c2s:join@0..4",
                "c2s:cut@3,c2s:join@0..3",
                "s2c:join@0..end",
                "c2s:cut@end",
                "s2c:cut@end"
            ]
        );
    }

    #[test]
    fn what_is_written_without_cuts_is_no_case() {
        let depth = Depth { directions: vec![Direction::ClientToServer], scripted: true, ..both() };
        let one = Conversation { client: recorded(b"abcd", &[]), server: recorded(b"xy", &[]) };
        assert_eq!(cases(&one, &depth), ["c2s:bytes", "c2s:cut@1", "c2s:cut@2", "c2s:cut@3", "c2s:half-close"]);
        let two = Conversation { client: recorded(b"abcd", &[2]), server: recorded(b"xy", &[]) };
        let list = cases(&two, &depth);
        assert!(!list.contains(&"c2s:cut@2".to_owned()) && list.contains(&"c2s:join@0..end".to_owned()), "{list:?}");
        let is_identity = |text: &str| is_identity(&text.parse().unwrap(), &two);
        for same in ["uncut", "c2s:cut@2", "c2s:cut@4", "c2s:every@2", "c2s:join@0..2", "c2s:cut@2,c2s:join@2..end"] {
            assert!(is_identity(same), "{same}");
        }
        for other in ["c2s:cut@1", "c2s:bytes", "c2s:join@1..3", "c2s:half-close", "c2s:cut@end", "s2c:cut@1"] {
            assert!(!is_identity(other), "{other}");
        }
    }

    #[test]
    fn every_cut_and_join_inside_the_stream_is_planned() {
        let planned = |text: &str| planned(&text.parse().unwrap(), Direction::ClientToServer, 5);
        for (case, count) in [
            ("uncut", 0),
            ("c2s:cut@4", 1),
            ("c2s:cut@5", 0),
            ("s2c:cut@1", 0),
            ("c2s:bytes", 4),
            ("c2s:every@2,c2s:cut@2", 2),
            ("c2s:every@1..2", 2),
            ("c2s:join@0..3,c2s:cut@1,c2s:cut@4", 2),
            ("c2s:join@5..9", 0),
            ("c2s:join@0..end,c2s:bytes", 1),
            ("c2s:cut@end", 1),
            ("c2s:half-close", 0),
        ] {
            assert_eq!(planned(case), count, "{case}");
        }
    }

    #[test]
    fn depth_bounds_single_cuts_and_not_what_lies_beyond() {
        let mut long = recorded(&[b'x'; 3000], &[]);
        long.bytes[2000..2003].copy_from_slice("€".as_bytes());
        long.bytes[2500..2502].copy_from_slice(b"\r\n");
        let conversation = Conversation { client: long, server: Recording::default() };
        let depth = Depth { bytes: 3, directions: vec![Direction::ClientToServer], scripted: false };
        assert_eq!(
            cases(&conversation, &depth),
            [
                "c2s:every@1..3",
                "c2s:cut@1",
                "c2s:cut@2",
                "c2s:cut@3",
                "c2s:join@0..end",
                "c2s:every@536",
                "c2s:every@1448",
                "c2s:cut@end",
                "c2s:cut@2001",
                "c2s:cut@2002",
                "c2s:cut@2501"
            ]
        );
    }

    #[test]
    fn a_framing_tells_where_headers_and_boundaries_lie() {
        let mut stream = recorded(b"\0\0\0\x05hello\0\0\0\x05world", &[]);
        stream.find_frames(&Framing::parse("u32be").unwrap());
        assert_eq!(stream.frames, [Frame { start: 0, body: 4, end: 9 }, Frame { start: 9, body: 13, end: 18 }]);
        let conversation = Conversation { client: stream, server: Recording::default() };
        let depth = Depth { bytes: 2, directions: vec![Direction::ClientToServer], scripted: false };
        let cases = cases(&conversation, &depth);
        for place in ["c2s:cut@3", "c2s:cut@8", "c2s:cut@9", "c2s:cut@10", "c2s:cut@12", "c2s:join@0..18"] {
            assert!(cases.iter().any(|case| case == place), "{place} in {cases:?}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_cases_everywhere() {
        let conversation = Conversation { client: recorded(&[0; 100], &[]), server: recorded(&[0; 9], &[]) };
        let make = |seed, number| Random::new(seed, number).case(&conversation, &both()).to_string();
        assert_eq!(make(1, 0), make(1, 0));
        assert_ne!(make(1, 0), make(1, 1));
        assert_ne!(make(1, 0), make(2, 0));
        assert!((0..200).any(|number| make(7, number).contains("join")));
    }

    #[test]
    fn inside_characters_and_line_ends() {
        let text = "a€\r\nü".as_bytes();
        let inside: Vec<u64> = inside_characters(text).collect();
        assert_eq!(inside, [2, 3, 5, 7]);
        assert_eq!(inside_characters(b"\x80\x80\xff\xe2\x28").count(), 0, "no characters at all");
        assert_eq!(inside_characters("🦀".as_bytes()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(inside_characters(&vec![0x80; 4 << 20]).count(), 0, "and in time that grows with the bytes");
    }
}
