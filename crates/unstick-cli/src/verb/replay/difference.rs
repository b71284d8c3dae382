//! Shows people where two messages differ.

use unstick::wire::replay::Difference;

use crate::sanitize;

/// Bytes that are shown before the first difference, and from it on.
const BEFORE: usize = 24;
const BEHIND: usize = 32;

/// Shows both messages around their first difference, one below the other.
pub fn shown(recorded: &[u8], received: &[u8], at: Difference) -> String {
    let part = |bytes: &[u8], at: usize| {
        let from = at.saturating_sub(BEFORE);
        let before = sanitize::line_of_bytes(&bytes[from.min(bytes.len())..at.min(bytes.len())]);
        let behind = sanitize::line_of_bytes(&bytes[at.min(bytes.len())..bytes.len().min(at.saturating_add(BEHIND))]);
        let front = if from > 0 { "…" } else { "" };
        let rest = if bytes.len() > at.saturating_add(BEHIND) { "…" } else { "" };
        (format!("{front}{before}"), format!("{behind}{rest}"))
    };
    let ((before, recorded), (other, received)) = (part(recorded, at.recorded), part(received, at.received));
    let mut text = format!("  recorded  {before}{recorded}\n  received  {other}{received}");
    if before.chars().count() == other.chars().count() {
        text += &format!("\n            {}^ byte {}", " ".repeat(before.chars().count()), at.recorded);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(recorded: &[u8], received: &[u8], at: usize) -> String {
        super::shown(recorded, received, Difference { recorded: at, received: at })
    }

    #[test]
    fn both_are_shown_one_below_the_other() {
        let text = shown(b"+OK\r\n", b"+NO\r\n", 1);
        assert_eq!(text, "  recorded  +OK\\r\\n\n  received  +NO\\r\\n\n             ^ byte 1");
        let long = [b'x'; 200];
        let mut other = long;
        other[100] = b'y';
        let text = shown(&long, &other, 100);
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
        assert_eq!(shown(b"", b"x", 0), "  recorded  \n  received  x\n            ^ byte 0");
    }
}
