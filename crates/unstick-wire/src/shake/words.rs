//! Says in words what failing cases have in common, and what most likely causes it.

use super::plan::{Frame, Recording, is_inside_character, is_inside_line_end};
use crate::byte_count::ByteCount;

/// What was tried on one direction, and which cases failed in the same way.
#[derive(Debug, Clone, Copy)]
pub struct Failing<'a> {
    /// The name of the stream.
    pub stream: &'a str,
    /// The bytes, uncut.
    pub recording: &'a Recording,
    /// Offsets of single cuts that failed, ascending.
    pub cuts: &'a [u64],
    /// Offsets of all single cuts that were tried, ascending.
    pub tried: &'a [u64],
    /// Joins that failed.
    pub joins: &'a [(u64, Option<u64>)],
    /// Number of joins that were tried.
    pub joins_tried: usize,
    /// Whether cuts of this direction fail too, in another way.
    pub cuts_fail: bool,
}

/// Where the failing places lie.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Where {
    /// Inside headers of this many bytes; the places within them.
    Headers(u64, Vec<u64>),
    Characters,
    LineEnds,
    /// Everywhere except between frames.
    Inside,
    Everywhere,
    /// At most places, none of them special.
    Most,
    Places,
}

impl Failing<'_> {
    fn place(&self) -> Where {
        let bytes = &self.recording.bytes;
        let inside = |at: u64, what: fn(&[u8], usize) -> bool| (at as usize) < bytes.len() && what(bytes, at as usize);
        if self.cuts.iter().all(|at| inside(*at, is_inside_character)) {
            Where::Characters
        } else if self.cuts.iter().all(|at| inside(*at, is_inside_line_end)) {
            Where::LineEnds
        } else if let Some(found) = self.in_headers() {
            found
        } else if self.is_inside_frames() {
            Where::Inside
        } else if self.cuts.len() == self.tried.len() && self.cuts.len() > 1 {
            Where::Everywhere
        } else if self.cuts.len() * 10 >= self.tried.len() * 7 && self.cuts.len() > 5 {
            Where::Most
        } else {
            Where::Places
        }
    }

    /// Whether all places that were tried failed except boundaries, and a boundary was tried.
    fn is_inside_frames(&self) -> bool {
        let boundary = |at: &u64| self.recording.frames.iter().any(|frame| frame.end == *at);
        let inside = self.tried.iter().filter(|at| !boundary(at));
        self.tried.iter().any(boundary) && inside.eq(self.cuts)
    }

    /// The places inside headers, if all cuts lie in headers of one length.
    fn in_headers(&self) -> Option<Where> {
        let owner = |at: &u64| self.recording.frames.iter().find(|frame| frame.start < *at && *at < frame.body);
        let owners: Vec<&Frame> = self.cuts.iter().map(owner).collect::<Option<_>>()?;
        let width = owners.first().map(|frame| frame.body - frame.start)?;
        if owners.iter().any(|frame| frame.body - frame.start != width) {
            return None;
        }
        let mut within: Vec<u64> = self.cuts.iter().zip(&owners).map(|(at, frame)| at - frame.start).collect();
        within.sort_unstable();
        within.dedup();
        Some(Where::Headers(width, within))
    }

    /// The places of cuts that did not fail.
    fn passing(&self) -> Vec<u64> {
        self.tried.iter().filter(|at| !self.cuts.contains(at)).copied().collect()
    }

    /// Describes the failure where all failing joins join the same two segments.
    fn one_boundary(&self) -> Option<String> {
        let boundary = |(from, to): &(u64, Option<u64>)| Some((*from, self.only_boundary(*from, *to)?));
        let boundaries = self.joins.iter().map(boundary).collect::<Option<Vec<_>>>()?;
        let (from, at) = *boundaries.first()?;
        let same = boundaries.iter().all(|other| *other == (from, at));
        let first = if from == 0 { "the first".to_owned() } else { format!("from byte {from} on") };
        let way = self.stream;
        same.then(|| format!("fails when {first} {} of {way} arrive together with what follows.", ByteCount(at - from)))
    }

    /// The one boundary between two segments inside a join.
    fn only_boundary(&self, from: u64, to: Option<u64>) -> Option<u64> {
        let inside = |at: &&u64| from < **at && to.is_none_or(|to| **at < to);
        let mut boundaries: Vec<u64> = self.recording.segments.iter().filter(inside).copied().collect();
        boundaries.dedup();
        if let [only] = boundaries[..] { Some(only) } else { None }
    }

    /// Whether all cuts are in the first few bytes of the stream.
    fn near_start(&self) -> bool {
        self.cuts.last().is_some_and(|last| *last <= 8)
    }
}

/// Says when it fails: `fails whenever the 4-byte header at offset 0 is cut after byte 1, 2 or 3; passes everywhere
/// else`.
pub fn describe(failing: &Failing<'_>) -> String {
    let way = failing.stream;
    if failing.cuts.is_empty() {
        return joined(failing);
    }
    let places = list(failing.cuts);
    let others = failing.tried.len() - failing.cuts.len().min(failing.tried.len());
    let elsewhere = match others {
        0 => String::new(),
        1..=3 => format!("; passes after byte {}", list(&failing.passing())),
        _ => format!("; passes at the {others} other places"),
    };
    let (what, elsewhere) = match failing.place() {
        Where::Headers(width, within) => {
            let frames: Vec<_> =
                failing.recording.frames.iter().filter(|frame| frame.body - frame.start == width).collect();
            let whole = within.len() as u64 == width - 1;
            let many = if frames.len() == 1 {
                format!("the {width}-byte header at offset {}", frames[0].start)
            } else {
                format!("a frame's {width}-byte header in {way}")
            };
            let passes = if whole || others > 0 { "; passes everywhere else" } else { "" };
            (format!("{many} is cut after byte {}", list(&within)), passes.to_owned())
        }
        Where::Characters => (format!("{way} is cut inside a character (after byte {places})"), elsewhere),
        Where::LineEnds => (format!("{way} is cut between CR and LF (after byte {places})"), elsewhere),
        Where::Inside => (format!("{way} is cut anywhere inside a message"), "; passes between messages".into()),
        Where::Everywhere => {
            (format!("{way} is cut, at all of the {} places tried", failing.tried.len()), String::new())
        }
        Where::Most | Where::Places => (format!("{way} is cut after byte {places}"), elsewhere),
    };
    let joins = match failing.joins.len() {
        0 => String::new(),
        1 => " A join fails in the same way.".into(),
        count => format!(" {count} joins fail in the same way."),
    };
    format!("fails whenever {what}{elsewhere}.{joins}")
}

fn joined(failing: &Failing<'_>) -> String {
    let way = failing.stream;
    if let Some(said) = failing.one_boundary() {
        return said;
    }
    let what = match failing.joins {
        [] => return String::new(),
        all if all.len() == failing.joins_tried && all.len() > 1 => {
            format!("fails whenever segments of {way} are joined")
        }
        [(from, to)] => {
            let to = to.map_or("the end".to_owned(), |to| format!("byte {to}"));
            format!("fails when {way} arrives in one segment from byte {from} up to {to}")
        }
        some => format!("fails in {} of the {} joins of {way} that were tried", some.len(), failing.joins_tried),
    };
    if failing.cuts_fail { format!("{what}.") } else { format!("{what}; no cut fails.") }
}

/// The cause if the bytes after a message in the same read are lost.
pub const DROPPED: &str = "a read takes more than was meant for it, and what follows is dropped (one `recv` is taken for one \
                           message, or for a header): keep the rest for the next message";

/// The cause if the bytes after a message in the same read are answered only when something else arrives.
pub const WITHHELD: &str = "what follows a message in the same read stays in a buffer until more arrives: handle all whole \
                            messages that are there before waiting again";

/// Says what most likely causes it, as advice to the author of the receiver.
pub fn cause(failing: &Failing<'_>) -> &'static str {
    if failing.cuts.is_empty() {
        return DROPPED;
    }
    match failing.place() {
        Where::Characters => {
            "text is decoded read by read: decode whole messages, or use an incremental decoder that is kept for the \
             whole connection"
        }
        Where::LineEnds => {
            "the end of a line is looked for within one read: look in all that has arrived, and keep a CR at the end \
             of a read until the next byte is there"
        }
        Where::Headers(..) => {
            "`recv(n)` is taken for \"exactly n bytes\": it returns what is there, up to n; read on until the header \
             is whole"
        }
        _ if !failing.joins.is_empty()
            || matches!(failing.place(), Where::Everywhere | Where::Inside | Where::Most) =>
        {
            "one `recv` is taken for one message, or the decoder is made anew for each read: keep what has arrived in a \
             buffer of the connection, and take messages from that"
        }
        _ if failing.near_start() => {
            "`recv(n)` is taken for \"exactly n bytes\" of a header: it returns what is there, up to n; read on until \
             all n are there"
        }
        _ => {
            "a field that is cut by the end of a read is lost or misread: parse only what is whole, and keep the rest \
             for the next read"
        }
    }
}

/// Lists places: `1, 2 or 3`; `1 to 8 or 12`; the first few of many.
fn list(places: &[u64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &at in places {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => ranges.push((at, at)),
        }
    }
    let mut words: Vec<String> = Vec::new();
    for (from, to) in &ranges {
        match to - from {
            0 => words.push(from.to_string()),
            1 | 2 => words.extend((*from..=*to).map(|at| at.to_string())),
            _ => words.push(format!("{from} to {to}")),
        }
    }
    if words.len() > 12 {
        let more = words.len() - 8;
        words.truncate(8);
        return format!("{} and {more} more", words.join(", "));
    }
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::spec::Framing;

    fn failing<'a>(recording: &'a Recording, cuts: &'a [u64], tried: &'a [u64]) -> Failing<'a> {
        Failing { stream: "client→server", recording, cuts, tried, joins: &[], joins_tried: 0, cuts_fail: false }
    }

    fn framed(bytes: &[u8], spec: &str) -> Recording {
        let mut recording = Recording { bytes: bytes.to_vec(), ..Recording::default() };
        recording.find_frames(&Framing::parse(spec).unwrap());
        recording
    }

    #[test]
    fn a_header_that_is_read_with_one_recv() {
        let recording = framed(b"\0\0\0\x05hello", "u32be");
        let tried: Vec<u64> = (1..9).collect();
        let failing = failing(&recording, &[1, 2, 3], &tried);
        assert_eq!(
            describe(&failing),
            "fails whenever the 4-byte header at offset 0 is cut after byte 1, 2 or 3; passes everywhere else."
        );
        assert!(cause(&failing).contains("exactly n bytes"));
    }

    #[test]
    fn without_a_framing_the_places_are_named() {
        let recording = Recording { bytes: b"\0\0\0\x05hello".to_vec(), ..Recording::default() };
        let tried: Vec<u64> = (1..9).collect();
        let failing = failing(&recording, &[1, 2, 3], &tried);
        assert_eq!(
            describe(&failing),
            "fails whenever client→server is cut after byte 1, 2 or 3; passes at the 5 other places."
        );
        assert!(cause(&failing).contains("exactly n bytes"));
    }

    #[test]
    fn characters_line_ends_and_everywhere() {
        let recording = Recording { bytes: "a€\r\nb".into(), ..Recording::default() };
        let tried: Vec<u64> = (1..7).collect();
        let inside = failing(&recording, &[2, 3], &tried);
        assert!(describe(&inside).contains("inside a character (after byte 2 or 3)"));
        assert!(cause(&inside).contains("decoded read by read"));
        let ends = failing(&recording, &[5], &tried);
        assert!(describe(&ends).contains("between CR and LF (after byte 5)"));
        let all = failing(&recording, &tried, &tried);
        assert_eq!(describe(&all), "fails whenever client→server is cut, at all of the 6 places tried.");
        assert!(cause(&all).contains("one `recv`"));
    }

    #[test]
    fn inside_messages_and_not_between_them() {
        let recording = framed(b"\x02hi\x02ho", "u8");
        let tried: Vec<u64> = (1..6).collect();
        let failing = failing(&recording, &[1, 2, 4, 5], &tried);
        assert_eq!(
            describe(&failing),
            "fails whenever client→server is cut anywhere inside a message; passes between messages."
        );
        assert!(cause(&failing).contains("one `recv`"));
    }

    #[test]
    fn joins() {
        let recording = Recording::default();
        let one = Failing { joins: &[(0, Some(9))], joins_tried: 3, ..failing(&recording, &[], &[1, 2]) };
        assert!(describe(&one).contains("in one segment from byte 0 up to byte 9; no cut fails"));
        let all = Failing { joins: &[(0, Some(9)), (0, None)], joins_tried: 2, ..one };
        assert_eq!(describe(&all), "fails whenever segments of client→server are joined; no cut fails.");
        assert!(cause(&all).contains("dropped"));
    }

    #[test]
    fn joins_of_the_same_two_segments() {
        let recording = Recording { bytes: vec![0; 34], segments: vec![4], ..Recording::default() };
        let joins = Failing { joins: &[(0, Some(34)), (0, None)], joins_tried: 2, ..failing(&recording, &[], &[1, 2]) };
        assert_eq!(
            describe(&joins),
            "fails when the first 4 bytes of client→server arrive together with what follows."
        );
        let three = Recording { segments: vec![4, 9], ..recording.clone() };
        let joins = Failing { recording: &three, ..joins };
        assert_eq!(describe(&joins), "fails whenever segments of client→server are joined; no cut fails.");
    }

    #[test]
    fn where_it_passes_is_named_if_that_is_few_places() {
        let recording = Recording { bytes: vec![0; 11], ..Recording::default() };
        let tried: Vec<u64> = (1..10).collect();
        let most = [1, 2, 3, 4, 6, 7, 8, 9];
        let said = describe(&failing(&recording, &most, &tried));
        assert_eq!(said, "fails whenever client→server is cut after byte 1 to 4 or 6 to 9; passes after byte 5.");
        assert!(cause(&failing(&recording, &most, &tried)).contains("one `recv`"));
    }

    #[test]
    fn places_in_words() {
        assert_eq!(list(&[7]), "7");
        assert_eq!(list(&[1, 2, 3]), "1, 2 or 3");
        assert_eq!(list(&[1, 2, 3, 4, 9]), "1 to 4 or 9");
        let many: Vec<u64> = (0..40).map(|at| at * 2).collect();
        assert_eq!(list(&many), "0, 2, 4, 6, 8, 10, 12, 14 and 32 more");
    }
}
