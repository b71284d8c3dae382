//! The framings without a name that are tried on a sample: a list, and the lengths that its segments suggest.

use std::collections::BTreeMap;

use super::sample::Sample;
use crate::role::Role;

/// A framing to try.
#[derive(Debug)]
pub(super) struct General {
    pub(super) spec: String,
    /// Bits that each message of another length agrees in, besides its end: signs and digits that have to be there.
    pub(super) strict: f64,
    /// The length, where it was found by looking for one.
    pub(super) prefix: Option<Prefix>,
}

/// A binary length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix {
    pub(super) offset: usize,
    pub(super) width: usize,
    pub(super) little: bool,
    /// Bytes of a frame besides those that the length counts.
    pub(super) more: i64,
}

/// Framings of every kind, with the bits of [`General::strict`].
const LISTED: &[(&str, f64)] = &[
    ("crlf", 0.0),
    ("line", 0.0),
    ("null", 0.0),
    ("delim:0d", 0.0),
    ("json", 5.0),
    ("json-seq", 14.0),
    ("netstring", 14.0),
    ("octet-count", 8.0),
    ("decimal:10", 6.0),
    ("hex:4", 12.0),
    ("hex:8", 16.0),
    ("ascii:2", 4.0),
    ("ascii:4", 8.0),
    ("ascii:6", 10.0),
    ("ascii:8", 12.0),
    ("ascii:10", 14.0),
    ("headers", 30.0),
    ("mllp", 14.0),
    ("slip", 0.0),
    ("cobs", 3.0),
    ("hdlc", 16.0),
    ("hdlc,fcs=32", 30.0),
    ("dle", 14.0),
    ("varint", 0.0),
    ("varint:4,off=1", 0.0),
    ("msgpack", 0.0),
    ("ber", 2.0),
    ("messagepack-value", 0.0),
    ("cbor-item", 0.0),
    ("resp,inline=yes", 0.0),
];

/// Widths of lengths, from the one that is preferred.
const WIDTHS: [usize; 5] = [4, 2, 8, 3, 1];

/// Offsets of lengths that are looked at.
const OFFSETS: std::ops::RangeInclusive<usize> = 0..=24;

/// Segments whose lengths are compared with the numbers in them.
const COMPARED: usize = 400;

/// Lengths that are tried.
const TRIED: usize = 24;

/// Bytes that a frame may have besides those that its length counts, and those that it may count before itself.
const MOST_MORE: i64 = 64;

/// All framings to try on this sample.
pub(super) fn framings(sample: &Sample) -> Vec<General> {
    let listed =
        LISTED.iter().map(|(spec, strict)| General { spec: (*spec).to_owned(), strict: *strict, prefix: None });
    let segmented = sample.connections.iter().any(|connection| connection.segmented);
    let prefixes = if segmented { of_segments(sample) } else { of_stream(sample) };
    let found = prefixes.into_iter().map(|prefix| General { spec: prefix.spec(), strict: 0.0, prefix: Some(prefix) });
    listed.chain(found).collect()
}

/// Lengths by which segments are messages: how many bytes a segment has more than the number in it says is the same in many
/// segments of different lengths.
fn of_segments(sample: &Sample) -> Vec<Prefix> {
    let segments = sample.connections.iter().flat_map(|connection| connection.segments());
    let segments: Vec<&[u8]> =
        segments.filter(|(_, _, known)| *known).map(|(_, bytes, _)| bytes).take(COMPARED).collect();
    let mut votes: Vec<(usize, usize, Prefix)> = Vec::new();
    for (offset, width, little) in places() {
        // Lengths of segments, by what they have more.
        let mut by_more: BTreeMap<i64, BTreeMap<usize, usize>> = BTreeMap::new();
        for segment in &segments {
            let Some(value) = number(segment, offset, width, little).filter(|value| *value < 1 << 30) else { continue };
            let more = segment.len() as i64 - value as i64;
            if (-MOST_MORE..=MOST_MORE).contains(&more) {
                *by_more.entry(more).or_default().entry(segment.len()).or_default() += 1;
            }
        }
        let best = by_more.into_iter().max_by_key(|(_, lengths)| (lengths.len(), lengths.values().sum::<usize>()));
        if let Some((more, lengths)) = best.filter(|(_, lengths)| lengths.len() > 1) {
            votes.push((lengths.len(), lengths.values().sum(), Prefix { offset, width, little, more }));
        }
    }
    // The sort keeps the order of the places among equals: the first of them is the usual one.
    votes.sort_by_key(|(different, all, prefix)| std::cmp::Reverse((*different, *all, prefix.is_usual())));
    votes.into_iter().map(|(.., prefix)| prefix).take(TRIED).collect()
}

/// Lengths by which a stream is a chain of frames.
fn of_stream(sample: &Sample) -> Vec<Prefix> {
    let mut found: Vec<(usize, Prefix)> = Vec::new();
    for connection in &sample.connections {
        let stream = [Role::Client, Role::Server].map(|role| connection.side(role)).concat();
        let ends = connection.ended.contains(&true);
        for (offset, width, little) in places().filter(|(offset, ..)| *offset <= 16) {
            let head = (offset + width) as i64;
            let mut tried = Vec::new();
            for more in [head, 0, offset as i64].into_iter().chain((1..=8).map(|rest| head + rest)) {
                if tried.contains(&more) {
                    continue;
                }
                tried.push(more);
                let prefix = Prefix { offset, width, little, more };
                found.extend(prefix.chain(&stream, ends).map(|different| (different, prefix)));
            }
        }
    }
    found.sort_by_key(|(different, prefix)| std::cmp::Reverse((*different, prefix.is_usual())));
    found.into_iter().map(|(_, prefix)| prefix).take(TRIED).collect()
}

/// Where lengths are looked for, the usual places first.
fn places() -> impl Iterator<Item = (usize, usize, bool)> {
    let orders = |width: usize| if width == 1 { &[false][..] } else { &[false, true] };
    OFFSETS.flat_map(move |offset| {
        WIDTHS.into_iter().flat_map(move |width| orders(width).iter().map(move |little| (offset, width, *little)))
    })
}

fn number(bytes: &[u8], offset: usize, width: usize, little: bool) -> Option<u64> {
    let field = bytes.get(offset..offset + width)?;
    let value = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    Some(if little { field.iter().rev().fold(0, value) } else { field.iter().fold(0, value) })
}

impl Prefix {
    /// Whether it counts what lies behind it, or the whole frame.
    fn is_usual(self) -> bool {
        self.more == (self.offset + self.width) as i64 || self.more == 0
    }

    /// The spec of this framing.
    pub(super) fn spec(self) -> String {
        let Self { offset, width, little, more } = self;
        let adjust = more - (offset + width) as i64;
        let order = if little { "le" } else { "be" };
        let name = match (offset, width) {
            (0, 1) => "u8".to_owned(),
            (0, _) => format!("u{}{order}", width * 8),
            (_, 1) => format!("length:off={offset},width=1"),
            _ if little => format!("length:off={offset},width={width},endian=le"),
            _ => format!("length:off={offset},width={width}"),
        };
        if adjust == 0 { name } else { format!("{name},adj={adjust}") }
    }

    /// What its length counts, in words.
    pub(super) fn words(self) -> String {
        let Self { offset, width, little, more } = self;
        let order = match (width, little) {
            (1, _) => "",
            (_, true) => ", little-endian",
            (_, false) => ", big-endian",
        };
        let head = (offset + width) as i64;
        let counts = match more - head {
            0 => "counts the bytes after it".to_owned(),
            _ if more == 0 => "counts the whole frame".to_owned(),
            adjust if adjust > 0 => format!("counts {adjust} bytes fewer than follow it"),
            adjust => format!("counts {} bytes more than follow it", -adjust),
        };
        let bytes = if width == 1 { "byte" } else { "bytes" };
        format!("a length of {width} {bytes} at offset {offset}{order}, {counts}")
    }

    /// Number of different lengths if this stream is a chain of such frames.
    fn chain(self, stream: &[u8], ends: bool) -> Option<usize> {
        let (mut at, mut frames) = (0, 0);
        let mut lengths = std::collections::BTreeSet::new();
        while at < stream.len() {
            let value = number(&stream[at..], self.offset, self.width, self.little);
            let Some(value) = value else {
                return (!ends && frames > 3).then_some(lengths.len());
            };
            let length = i64::try_from(value).ok()?.checked_add(self.more)?;
            if length < (self.offset + self.width) as i64 {
                return None;
            }
            at = at.checked_add(usize::try_from(length).ok()?)?;
            frames += 1;
            if at <= stream.len() {
                lengths.insert(length);
            }
        }
        let is_chain = frames > 2 && lengths.len() > 1 && (at == stream.len() || !ends);
        is_chain.then_some(lengths.len())
    }
}
