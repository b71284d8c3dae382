//! Bytes for people: printable, short enough for a line, with cuts and joins marked and differences pointed at.

use std::fmt::Write;

use unstick_wire::shake::{Case, Direction, Edit};

use super::misfit::Place;

/// Makes bytes safe for a terminal: printable characters stay, the rest is escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\'' => text.push(c),
                '\0' => text.push_str("\\0"),
                c if c.is_ascii() => text.push_str(&(c as u8).escape_ascii().to_string()),
                c => text.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Number of columns of a text whose characters take one column each.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The first bytes that fit, and an ellipsis where there are more.
pub(super) fn head(bytes: &[u8], most: usize) -> String {
    let text = shown(bytes);
    if columns(&text) <= most {
        return text;
    }
    let mut count = most.min(bytes.len());
    while count > 0 && columns(&shown(&bytes[..count])) + 1 > most {
        count -= 1;
    }
    format!("{}…", shown(&bytes[..count]))
}

/// The last bytes that fit, with an ellipsis where there are more.
fn tail(bytes: &[u8], most: usize) -> String {
    let text = shown(bytes);
    if columns(&text) <= most {
        return text;
    }
    let mut count = most.min(bytes.len());
    while count > 0 && columns(&shown(&bytes[bytes.len() - count..])) + 1 > most {
        count -= 1;
    }
    format!("…{}", shown(&bytes[bytes.len() - count..]))
}

/// The first and the last bytes that fit.
fn both_ends(bytes: &[u8], most: usize) -> String {
    if columns(&shown(bytes)) <= most {
        return shown(bytes);
    }
    let half = bytes.len() / 2;
    format!("{}{}", head(&bytes[..half], most / 2), tail(&bytes[half..], most / 2).trim_start_matches('…'))
}

/// Number of marks of a case that are shown.
const MARKS: usize = 4;

/// The bytes around a direction's edits, in at most this many columns: `"\0" | "\0\0\x05hello"` is cut, `["one" "two"]`
/// joined. Empty if the case does not edit the direction.
pub(super) fn marked(bytes: &[u8], case: &Case, way: Direction, most: usize) -> String {
    let mut marks: Vec<(usize, &str)> = Vec::new();
    for edit in case.of(way) {
        match edit {
            Edit::Cut(at) => marks.push((at as usize, " | ")),
            Edit::CutEnd => marks.push((bytes.len(), " | the end")),
            Edit::HalfClose => marks.push((bytes.len(), " + the end")),
            Edit::Join(from, to) => {
                marks.push((from as usize, "["));
                marks.push((to.map_or(bytes.len(), |to| to as usize), "]"));
            }
            Edit::Every(1, None) => return "a cut after every byte".into(),
            Edit::Every(step, None) => return format!("a cut after every {step} bytes"),
            Edit::Every(step, Some(to)) => return format!("a cut after every {step} bytes, up to byte {to}"),
        }
    }
    marks.retain(|(at, _)| *at <= bytes.len());
    marks.sort_by_key(|(at, _)| *at);
    let more = marks.len() > MARKS;
    marks.truncate(MARKS);
    if marks.is_empty() {
        return String::new();
    }
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut begin = 0;
    for (at, _) in &marks {
        pieces.push(&bytes[begin.min(*at)..*at]);
        begin = *at;
    }
    pieces.push(&bytes[begin..]);
    let room = rooms(&pieces, most.saturating_sub(4 + 3 * marks.len()));
    let mut text = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            let mark = marks[index - 1].1;
            text.push_str(if mark == "[" && !text.is_empty() { " [" } else { mark });
        }
        let piece = match index {
            _ if piece.is_empty() => continue,
            0 => tail(piece, room[index]),
            _ if index == marks.len() => head(piece, room[index]),
            _ => both_ends(piece, room[index]),
        };
        let _ = write!(text, "{}\"{piece}\"", if text.ends_with(']') { " " } else { "" });
    }
    if more { text + " …" } else { text }
}

/// Columns for each piece, without quotes: the short ones have what they need, the long ones share the rest.
fn rooms(pieces: &[&[u8]], most: usize) -> Vec<usize> {
    let mut order: Vec<(usize, usize)> = pieces.iter().map(|piece| columns(&shown(piece))).zip(0..).collect();
    order.sort_unstable();
    let mut left = most.saturating_sub(2 * pieces.len());
    let mut rooms = vec![0; pieces.len()];
    for (done, (wanted, index)) in order.iter().enumerate() {
        rooms[*index] = (left / (pieces.len() - done)).min(*wanted).max(8);
        left = left.saturating_sub(rooms[*index]);
    }
    rooms
}

/// Two byte strings from shortly before where they begin to differ, and the column of that place in the second.
pub(super) fn compared(one: &[u8], other: &[u8], place: Place, most: usize) -> (String, String, usize) {
    let (before, now) = (lead(one, place.before, most), lead(other, place.now, most));
    let line = |(text, at): &(String, usize), bytes: &[u8]| {
        let room = most.saturating_sub(columns(text) + 1).max(8);
        format!("{text}{}\"", head(&bytes[*at..], room))
    };
    (line(&before, one), line(&now, other), columns(&now.0))
}

/// The text that is shown before a place, and where it ends: not inside a character.
fn lead(bytes: &[u8], at: usize, most: usize) -> (String, usize) {
    /// Bytes shown before a place that is far from the beginning.
    const BEFORE: usize = 16;
    let is_inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let at = (at.saturating_sub(3)..=at).rev().find(|at| !is_inside(*at)).unwrap_or(at);
    let from = if columns(&shown(&bytes[..at])) <= most / 2 { 0 } else { at.saturating_sub(BEFORE) };
    let dots = if from > 0 { "…" } else { "" };
    (format!("{dots}\"{}", shown(&bytes[from..at])), at)
}

/// Wraps a text into lines of at most this many columns, broken between words.
pub(super) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn marks(bytes: &str, case: &str) -> String {
        marked(bytes.as_bytes(), &case.parse().unwrap(), Direction::ClientToServer, 60)
    }

    #[test]
    fn bytes_are_shown_safely() {
        assert_eq!(shown("naïve \"€\"\r\n".as_bytes()), "naïve \"€\"\\r\\n");
        assert_eq!(shown(b"\0\x01\x1b[2J\xff\xc3"), "\\0\\x01\\x1b[2J\\xff\\xc3");
        assert_eq!(shown("\u{202e}".as_bytes()), "\\u{202e}", "characters that would reverse the line");
    }

    #[test]
    fn a_cut_is_marked_between_what_is_before_and_behind_it() {
        assert_eq!(marks("\0\0\0\u{5}hello", "c2s:cut@1"), r#""\0" | "\0\0\x05hello""#);
        assert_eq!(marks("naïve", "c2s:cut@3"), r#""na\xc3" | "\xafve""#);
        assert_eq!(marks("hello", "c2s:cut@end"), r#""hello" | the end"#);
        assert_eq!(marks("hello", "s2c:cut@1"), "");
        assert_eq!(marks("hello", "c2s:bytes"), "a cut after every byte");
        let long = marks(&"x".repeat(100), "c2s:cut@50");
        assert!(long.starts_with("\"…xx") && long.ends_with("xx…\"") && columns(&long) <= 60, "{long}");
        let many = marks(&"x".repeat(100), "c2s:cut@1,c2s:cut@2,c2s:cut@3,c2s:cut@4,c2s:cut@5");
        assert!(many.ends_with(" …"), "{many}");
    }

    #[test]
    fn a_join_is_marked_around_what_it_joins() {
        assert_eq!(marks("one\ntwo\nthree", "c2s:join@0..8"), r#"["one\ntwo\n"] "three""#);
        assert_eq!(marks("one\ntwo\nthree", "c2s:join@4..end"), r#""one\n" ["two\nthree"]"#);
    }

    #[test]
    fn a_difference_is_pointed_at() {
        let (one, other, column) = compared(b"hello", b"help", Place { before: 3, now: 3 }, 60);
        assert_eq!((&*one, &*other, column), ("\"hello\"", "\"help\"", 4));
        let long = "x".repeat(100);
        let (one, other, column) =
            compared(format!("{long}abc").as_bytes(), long.as_bytes(), Place { before: 100, now: 100 }, 60);
        assert_eq!(one, format!("…\"{}abc\"", "x".repeat(16)));
        assert_eq!(other, format!("…\"{}\"", "x".repeat(16)));
        assert_eq!(column, 18);
    }

    #[test]
    fn words_are_not_broken() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("incomprehensible", 7), ["incomprehensible"]);
    }
}
