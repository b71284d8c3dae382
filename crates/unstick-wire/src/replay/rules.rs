//! What is left out when a message is compared with the recorded one, and where two messages differ.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::SpecError;
use crate::quantity::parse_number;
use crate::role::Role;

/// What is left out when messages are compared, and what is copied from one side's messages to the other's.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Rules {
    /// Offsets of bytes that may differ, in every message.
    pub masks: Vec<Range<usize>>,
    /// Parts of messages that may differ, also in their length.
    pub pattern: Option<Pattern>,
    /// Ids that come back: a server copies them from requests to answers, a client from answers to later requests.
    pub copies: Vec<CopyRule>,
}

/// Finds parts of messages that are left out, such as the matches of a regular expression.
///
/// ```
/// use unstick_wire::replay::{Pattern, Rules};
///
/// // Finds the next digit.
/// let digits = Pattern::new(|text: &[u8], from| {
///     let at = from + text[from..].iter().position(u8::is_ascii_digit)?;
///     Some(at..at + 1)
/// });
/// let mut rules = Rules::default();
/// rules.pattern = Some(digits);
/// assert_eq!(rules.difference(b"id 1 ok", b"id 2 ok"), None);
/// assert_eq!(rules.difference(b"id 1 ok", b"id 2 no").map(|difference| difference.recorded), Some(5));
/// ```
#[derive(Clone)]
pub struct Pattern(Arc<Find>);

type Find = dyn Fn(&[u8], usize) -> Option<Range<usize>> + Send + Sync;

impl Pattern {
    /// Calls this function for the first part of a message that begins at an offset or behind it.
    pub fn new(find: impl Fn(&[u8], usize) -> Option<Range<usize>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// The first part that is not empty, at this offset or behind it.
    fn next(&self, message: &[u8], from: usize) -> Option<Range<usize>> {
        let mut at = from;
        while at < message.len() {
            let found = (self.0)(message, at)?;
            if found.start < at || found.end > message.len() {
                return None;
            }
            if !found.is_empty() {
                return Some(found);
            }
            at = found.end + 1;
        }
        None
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern")
    }
}

/// An id that is copied: the bytes at an offset of a request come back in its answer, or the other way round. Written `OFFSET:WIDTH`, or
/// `OFFSET:WIDTH:OFFSET` if the answer has it at another offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRule {
    /// Where the id is in a request.
    pub offset: usize,
    /// Its number of bytes.
    pub width: usize,
    /// Where it is in an answer.
    pub to: usize,
}

impl CopyRule {
    /// The id in a request; `None` if the request is too short.
    pub(super) fn of_request<'a>(&self, message: &'a [u8]) -> Option<&'a [u8]> {
        message.get(self.offset..self.offset.checked_add(self.width)?)
    }

    /// The id in an answer; `None` if the answer is too short.
    pub(super) fn of_answer<'a>(&self, message: &'a [u8]) -> Option<&'a [u8]> {
        message.get(self.to..self.to.checked_add(self.width)?)
    }

    /// The id in a message of this side; `None` if the message is too short.
    pub(super) fn id<'a>(&self, from: Role, message: &'a [u8]) -> Option<&'a [u8]> {
        if from == Role::Client { self.of_request(message) } else { self.of_answer(message) }
    }

    /// Where it is in a message of this side.
    pub(super) fn at(&self, from: Role) -> usize {
        if from == Role::Client { self.offset } else { self.to }
    }
}

impl FromStr for CopyRule {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let numbers: Option<Vec<usize>> = text.split(':').map(parse_number).collect();
        let (offset, width, to) = match numbers.as_deref() {
            Some([offset, width]) => (*offset, *width, *offset),
            Some([offset, width, to]) => (*offset, *width, *to),
            _ => (0, 0, 0),
        };
        if width == 0 {
            let error = SpecError::new(format!("`{text}` is not an id to copy"));
            return Err(error.with_hint("such as 4:4: 4 bytes at offset 4; 4:4:0 if answers have them at offset 0"));
        }
        Ok(Self { offset, width, to })
    }
}

/// Where two messages begin to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The offset in the recorded message.
    pub recorded: usize,
    /// The offset in the received message.
    pub received: usize,
}

impl Rules {
    /// Returns where a message differs from the recorded one, besides what is left out.
    pub fn difference(&self, recorded: &[u8], received: &[u8]) -> Option<Difference> {
        self.difference_besides(&[], recorded, received)
    }

    /// As [`Self::difference`], with further ranges of the recorded message left out: they are sorted.
    pub(super) fn difference_besides(
        &self,
        more: &[Range<usize>],
        recorded: &[u8],
        received: &[u8],
    ) -> Option<Difference> {
        let mut found = None;
        self.pieces(recorded, received, |one, other| {
            let differs = |(at, (one, other)): (usize, (&u8, &u8)), from| {
                (one != other && !self.is_masked(from + at, more)).then_some(at)
            };
            let (a, b) = (&recorded[one.clone()], &received[other.clone()]);
            let shorter = (a.len() != b.len()).then_some(a.len().min(b.len()));
            // Most messages are the same, and comparing them whole is quick.
            let first =
                if a == b { None } else { a.iter().zip(b).enumerate().find_map(|pair| differs(pair, one.start)) };
            found = first.or(shorter).map(|at| Difference { recorded: one.start + at, received: other.start + at });
            found.is_none()
        });
        found
    }

    fn is_masked(&self, at: usize, more: &[Range<usize>]) -> bool {
        let before = more.partition_point(|range| range.end <= at);
        self.masks.iter().any(|mask| mask.contains(&at)) || more.get(before).is_some_and(|range| range.contains(&at))
    }

    /// Passes on the parts of two messages that are compared, pair by pair: those between the matches of the pattern. If one
    /// message has more matches than the other, the last pair differs in its length. `take` returns whether to go on.
    pub(super) fn pieces(
        &self,
        recorded: &[u8],
        received: &[u8],
        mut take: impl FnMut(Range<usize>, Range<usize>) -> bool,
    ) {
        let (mut one, mut other) = (0, 0);
        loop {
            let found =
                self.pattern.as_ref().map(|pattern| (pattern.next(recorded, one), pattern.next(received, other)));
            match found {
                Some((Some(a), Some(b))) => {
                    if !take(one..a.start, other..b.start) {
                        return;
                    }
                    (one, other) = (a.end, b.end);
                }
                _ => {
                    take(one..recorded.len(), other..received.len());
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(masks: &[Range<usize>], recorded: &[u8], received: &[u8]) -> Option<usize> {
        let rules = Rules { masks: masks.to_vec(), ..Rules::default() };
        rules.difference(recorded, received).map(|difference| difference.recorded)
    }

    /// Runs of digits.
    fn digits() -> Rules {
        let find = |text: &[u8], from: usize| {
            let start = from + text[from..].iter().position(u8::is_ascii_digit)?;
            let length = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            Some(start..start + length)
        };
        Rules { pattern: Some(Pattern::new(find)), ..Rules::default() }
    }

    #[test]
    fn the_first_byte_that_differs_is_found_besides_masks() {
        assert_eq!(masked(&[], b"abc", b"abc"), None);
        assert_eq!(masked(&[], b"abc", b"axd"), Some(1));
        assert_eq!(masked(std::slice::from_ref(&(1..2)), b"abc", b"axd"), Some(2));
        assert_eq!(masked(&[0..1, 1..9], b"abc", b"axd"), None);
        assert_eq!(masked(std::slice::from_ref(&(0..9)), b"abc", b"ab"), Some(2));
        assert_eq!(masked(&[], b"", b"x"), Some(0));
        let rules = Rules::default();
        assert_eq!(rules.difference_besides(&[0..1, 3..4], b"abcd", b"xbcx"), None);
        assert!(rules.difference_besides(&[0..1, 3..4], b"abcd", b"xbxx").is_some());
    }

    #[test]
    fn matches_are_left_out_with_their_lengths() {
        let rules = digits();
        let at = |recorded: &[u8], received: &[u8]| {
            rules.difference(recorded, received).map(|found| (found.recorded, found.received))
        };
        assert_eq!(at(b"at 9 ok", b"at 10 ok"), None);
        assert_eq!(at(b"9", b"100"), None);
        assert_eq!(at(b"at 9 ok", b"at 10 no"), Some((5, 6)));
        assert_eq!(at(b"at 9 ok", b"at x ok"), Some((3, 3)), "a match is missing");
        assert_eq!(at(b"at 9", b"at "), Some((3, 3)), "what is missing is no match");
        assert_eq!(at(b"1a2", b"1a2b3"), Some((3, 3)), "one match more");
        assert_eq!(at(b"1a2b", b"11a22b"), None);
    }

    #[test]
    fn an_empty_match_is_none() {
        let empty = Pattern::new(|text: &[u8], from| (from <= text.len()).then_some(from..from));
        let rules = Rules { pattern: Some(empty), ..Rules::default() };
        assert_eq!(rules.difference(b"abc", b"abd").map(|found| found.recorded), Some(2));
    }

    #[test]
    fn copies_are_parsed() {
        let copy = |text: &str| text.parse::<CopyRule>().map(|copy| (copy.offset, copy.width, copy.to)).ok();
        assert_eq!(copy("4:4"), Some((4, 4, 4)));
        assert_eq!(copy("4:2:0"), Some((4, 2, 0)));
        for wrong in ["", "4", "4:0", "4:4:4:4", "a:b", "-1:2", "4:4:"] {
            assert_eq!(copy(wrong), None, "{wrong}");
        }
        let huge = CopyRule { offset: usize::MAX, width: 2, to: usize::MAX };
        assert_eq!((huge.of_request(b"abc"), huge.of_answer(b"abc")), (None, None));
    }
}
