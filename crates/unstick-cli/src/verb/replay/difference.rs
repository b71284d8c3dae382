//! Where two messages differ, and how that looks to people.

use std::ops::Range;

use crate::sanitize;

/// Bytes that are shown before the first difference, and from it on.
const BEFORE: usize = 24;
const BEHIND: usize = 32;

/// Returns the offset of the first byte in which a message differs from the recorded one, besides these ranges.
pub fn first_difference(recorded: &[u8], received: &[u8], masks: &[Range<usize>]) -> Option<usize> {
    let is_masked = |at: usize| masks.iter().any(|mask| mask.contains(&at));
    let differs = |(at, (one, other)): (usize, (&u8, &u8))| (one != other && !is_masked(at)).then_some(at);
    let shorter = recorded.len().min(received.len());
    let differing = recorded.iter().zip(received).enumerate().find_map(differs);
    differing.or((recorded.len() != received.len()).then_some(shorter))
}

/// Shows both messages around their first difference, one below the other.
pub fn shown(recorded: &[u8], received: &[u8], at: usize) -> String {
    let from = at.saturating_sub(BEFORE);
    let part = |bytes: &[u8]| {
        let before = sanitize::line_of_bytes(&bytes[from..at.min(bytes.len())]);
        let behind = sanitize::line_of_bytes(&bytes[at.min(bytes.len())..bytes.len().min(at + BEHIND)]);
        let front = if from > 0 { "…" } else { "" };
        let rest = if bytes.len() > at + BEHIND { "…" } else { "" };
        (format!("{front}{before}"), format!("{behind}{rest}"))
    };
    let ((before, recorded), (other, received)) = (part(recorded), part(received));
    let mut text = format!("  recorded  {before}{recorded}\n  received  {other}{received}");
    if before == other {
        text += &format!("\n            {}^ byte {at}", " ".repeat(before.chars().count()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_found_besides_masks() {
        assert_eq!(first_difference(b"abc", b"abc", &[]), None);
        assert_eq!(first_difference(b"abc", b"axd", &[]), Some(1));
        assert_eq!(first_difference(b"abc", b"axd", std::slice::from_ref(&(1..2))), Some(2));
        assert_eq!(first_difference(b"abc", b"axd", &[0..1, 1..9]), None);
        assert_eq!(first_difference(b"abc", b"ab", std::slice::from_ref(&(0..9))), Some(2));
        assert_eq!(first_difference(b"", b"x", &[]), Some(0));
    }

    #[test]
    fn both_are_shown_one_below_the_other() {
        let shown = shown(b"+OK\r\n", b"+NO\r\n", 1);
        assert_eq!(shown, "  recorded  +OK\\r\\n\n  received  +NO\\r\\n\n             ^ byte 1");
        let long = [b'x'; 200];
        let mut other = long;
        other[100] = b'y';
        let shown = super::shown(&long, &other, 100);
        assert!(shown.lines().all(|line| line.chars().count() < 80), "{shown}");
        assert_eq!(super::shown(b"", b"x", 0), "  recorded  \n  received  x\n            ^ byte 0");
    }
}
