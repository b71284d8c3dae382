//! Learns which bytes are volatile from another recording of the same conversation: those that differ. Nothing else may differ.

use std::fmt;
use std::ops::Range;

use super::book::{Playbook, merged};
use super::script::{Script, Step};
use crate::limits::MAX_LEARNT;
use crate::role::Role;

/// What was learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Number of volatile bytes.
    pub bytes: usize,
    /// Number of messages that have them.
    pub messages: usize,
}

/// Why two recordings are not of the same conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlike {
    what: String,
    lengths: bool,
}

impl Unlike {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), lengths: false }
    }

    /// Whether messages differ in their length: a pattern can leave out what has no fixed length.
    pub fn is_length(&self) -> bool {
        self.lengths
    }
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Unlike {}

impl Playbook {
    /// Learns from another recording of the same conversation which bytes are volatile, besides those that the rules leave out.
    /// The connections belong together in their order, and so do the messages of each direction.
    ///
    /// # Errors
    ///
    /// If the two differ in anything but bytes of messages: then nothing is learnt.
    pub fn learn(&mut self, other: &[Script]) -> Result<Learnt, Unlike> {
        let (ours, theirs) = (self.scripts.len(), other.len());
        if ours != theirs {
            let ours = count(ours, "connection");
            return Err(Unlike::new(format!("the recording has {ours}, and the other one {theirs}")));
        }
        let (mut learnt, mut known) = (Learnt::default(), self.learnt.clone());
        let mut ranges = 0;
        for (number, (script, other)) in self.scripts.iter().zip(other).enumerate() {
            for (at, theirs) in pairs(script, other)? {
                let step = &script.steps[at];
                let found = self.volatile(step, theirs).ok_or_else(|| Unlike {
                    what: format!("message {} of connection {} has another length", at + 1, script.connection),
                    lengths: true,
                })?;
                if found.is_empty() {
                    continue;
                }
                learnt.bytes += found.iter().map(Range::len).sum::<usize>();
                learnt.messages += 1;
                ranges += found.len();
                if ranges > MAX_LEARNT {
                    return Err(Unlike::new(format!("they differ in over {MAX_LEARNT} places")));
                }
                let all = known[number].remove(&at).unwrap_or_default();
                known[number].insert(at, merged(all.into_iter().chain(found).collect()));
            }
        }
        self.learnt = known;
        Ok(learnt)
    }

    /// The bytes in which a message differs from the recorded one. `None` if its length differs in what is compared.
    fn volatile(&self, step: &Step, other: &Step) -> Option<Vec<Range<usize>>> {
        let (recorded, other) = (&*step.message, &*other.message);
        if recorded == other {
            return Some(Vec::new());
        }
        let (mut found, mut alike) = (Vec::new(), true);
        self.rules.pieces(recorded, other, |one, two| {
            alike = one.len() == two.len();
            if alike {
                let differing = one.clone().zip(two.clone()).filter(|(a, b)| recorded[*a] != other[*b]);
                let masked = |at: usize| self.rules.masks.iter().any(|mask| mask.contains(&at));
                for (at, _) in differing.filter(|(at, _)| !masked(*at)) {
                    push(&mut found, word(recorded, other, &one, &two, at));
                }
            }
            // More than that is refused anyway.
            alike && found.len() <= MAX_LEARNT
        });
        alike.then(|| merged(found))
    }
}

/// Adds a range behind others, and joins them where they touch.
fn push(ranges: &mut Vec<Range<usize>>, range: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
        _ => ranges.push(range),
    }
}

/// The longest word around a byte: longer ones are data, not ids.
const WORD: usize = 64;

/// The word of letters and digits around a byte that differs, in both messages: the same digit in two ids is chance. Any other
/// byte stands alone.
fn word(recorded: &[u8], other: &[u8], one: &Range<usize>, two: &Range<usize>, at: usize) -> Range<usize> {
    let is_word = |at: usize| {
        let beside = two.start + (at - one.start);
        recorded[at].is_ascii_alphanumeric() && other[beside].is_ascii_alphanumeric()
    };
    if !is_word(at) {
        return at..at + 1;
    }
    let before = (one.start..at).rev().take_while(|at| is_word(*at)).take(WORD).count();
    let behind = (at..one.end).take_while(|at| is_word(*at)).take(WORD).count();
    at - before..at + behind
}

/// The messages that belong together: of each direction the first with the first, and so on.
fn pairs<'a>(script: &Script, other: &'a Script) -> Result<Vec<(usize, &'a Step)>, Unlike> {
    let mut pairs = Vec::with_capacity(script.steps.len());
    for (side, whose) in [(Role::Client, "client"), (Role::Server, "server")] {
        let ours: Vec<usize> = (0..script.steps.len()).filter(|at| script.steps[*at].from == side).collect();
        let theirs: Vec<&Step> = other.steps.iter().filter(|step| step.from == side).collect();
        if ours.len() != theirs.len() {
            let (connection, ours, theirs) = (script.connection, count(ours.len(), "message"), theirs.len());
            return Err(Unlike::new(format!(
                "the {whose} of connection {connection} sent {ours}, and {theirs} in the other recording"
            )));
        }
        pairs.extend(ours.into_iter().zip(theirs));
    }
    Ok(pairs)
}

/// `1 message`, `2 messages`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rules::{Pattern, Rules};
    use super::*;

    fn script(messages: &[(Role, &[u8])]) -> Script {
        let steps = messages.iter().map(|(from, message)| {
            let message = bytes::Bytes::copy_from_slice(message);
            Step::new(*from, message.clone(), message, Duration::ZERO)
        });
        Script { connection: 1, steps: steps.collect(), server_ends_first: false }
    }

    use Role::{Client, Server};

    #[test]
    fn what_differs_is_volatile_with_its_word_and_nothing_else() {
        let mut book =
            Playbook::new(vec![script(&[(Client, b"get id=1734 now"), (Server, b"\x01\x02\x03")])], Rules::default());
        let other = script(&[(Client, b"get id=1739 now"), (Server, b"\x01\xff\x03")]);
        assert_eq!(book.learn(&[other]), Ok(Learnt { bytes: 5, messages: 2 }));
        assert_eq!(book.difference(0, 0, b"get id=9999 now"), None, "the whole number is volatile");
        assert!(book.difference(0, 0, b"get id=9999 noW").is_some());
        assert_eq!(book.difference(0, 1, b"\x01\x77\x03"), None);
        assert!(book.difference(0, 1, b"\x01\x77\x04").is_some());
        // A further recording adds to it.
        let third = script(&[(Client, b"get id=1734 now"), (Server, b"\x01\x02\x07")]);
        assert_eq!(book.learn(&[third]), Ok(Learnt { bytes: 1, messages: 1 }));
        assert_eq!(book.difference(0, 1, b"\x01\x77\x04"), None);
    }

    #[test]
    fn conversations_that_differ_in_shape_teach_nothing() {
        let mut book = Playbook::new(vec![script(&[(Client, b"a"), (Server, b"1")])], Rules::default());
        let said = |result: Result<Learnt, Unlike>| result.unwrap_err().to_string();
        assert_eq!(said(book.learn(&[])), "the recording has 1 connection, and the other one 0");
        let more = script(&[(Client, b"b"), (Server, b"1"), (Server, b"2")]);
        assert_eq!(
            said(book.learn(&[more])),
            "the server of connection 1 sent 1 message, and 2 in the other recording"
        );
        let longer = script(&[(Client, b"b"), (Server, b"10")]);
        let error = book.learn(std::slice::from_ref(&longer)).unwrap_err();
        assert_eq!((&*error.to_string(), error.is_length()), ("message 2 of connection 1 has another length", true));
        assert!(book.difference(0, 0, b"b").is_some(), "nothing was learnt");
        // What has no fixed length can be left out by a pattern.
        let find = |text: &[u8], from: usize| text[from..].iter().any(u8::is_ascii_digit).then_some(from..text.len());
        book.rules.pattern = Some(Pattern::new(find));
        assert_eq!(book.learn(&[longer]), Ok(Learnt { bytes: 1, messages: 1 }));
    }

    #[test]
    fn recordings_that_differ_in_too_many_places_are_refused() {
        let one = vec![0; 2 * MAX_LEARNT + 2];
        let other: Vec<u8> = (0..one.len()).map(|at| (at % 2) as u8).collect();
        let mut book = Playbook::new(vec![script(&[(Client, &one)])], Rules::default());
        let error = book.learn(&[script(&[(Client, &other)])]).unwrap_err();
        assert_eq!(error.to_string(), format!("they differ in over {MAX_LEARNT} places"));
    }
}
