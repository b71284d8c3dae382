//! Peers' bytes made safe for a terminal: what could move the cursor, hide text or reorder it is shown as an escape.
//!
//! Not here: `--io escaped`, which can be read back. A backslash that a peer wrote stays one backslash; `--hex` is exact.

use std::borrow::Cow;
use std::fmt::Write;

/// How much of a text is laid out as it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Nothing: one line, whatever it holds.
    Line,
    /// Tabs, and line ends that another line follows.
    Lines,
    /// Tabs and every line end: there is no telling what follows.
    Stream,
}

/// What stands around an escape, so that it is told from the same characters in the text.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    before: &'static str,
    after: &'static str,
}

impl Mark {
    /// Nothing.
    pub const NONE: Self = Self { before: "", after: "" };
    /// Reverse video.
    pub const REVERSED: Self = Self { before: "\x1b[7m", after: "\x1b[27m" };
}

/// A text on one line.
pub fn line(text: &str) -> String {
    write(text.as_bytes(), Layout::Line, Mark::NONE)
}

/// Bytes on one line.
pub fn line_of_bytes(bytes: &[u8]) -> String {
    write(bytes, Layout::Line, Mark::NONE)
}

/// A message, on as many lines as it has; a line end at its very end is shown, for it is part of the message.
pub fn text(message: &[u8]) -> String {
    text_marked(message, Mark::NONE)
}

/// The same, with its escapes marked.
pub fn text_marked(message: &[u8], mark: Mark) -> String {
    write(message, Layout::Lines, mark)
}

/// A stream, piece by piece; an empty piece is its end. A character that two pieces share is shown with the second.
pub fn stream() -> impl FnMut(&[u8]) -> Vec<u8> + Send {
    let mut held = Vec::new();
    move |piece| {
        held.extend_from_slice(piece);
        let whole = if piece.is_empty() { held.len() } else { held.len() - unfinished(&held) };
        let rest = held.split_off(whole);
        write(&std::mem::replace(&mut held, rest), Layout::Stream, Mark::NONE).into_bytes()
    }
}

/// Bytes at the end that may become a character, or the CR of a CRLF, when more comes.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    let start = bytes.iter().rev().take(3).position(|byte| *byte >= 0xc0).map(|back| back + 1);
    start
        .filter(|n| matches!(std::str::from_utf8(&bytes[bytes.len() - n..]), Err(e) if e.error_len().is_none()))
        .unwrap_or(0)
}

/// JSON that means the same: in it, only strings hold what could move the cursor, hide text or reorder it.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| push(&mut out, format_args!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out.into()
}

fn write(bytes: &[u8], layout: Layout, mark: Mark) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut left = bytes.len();
    for chunk in bytes.utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            let last = at + c.len_utf8() == left;
            let ahead = chunk.valid().as_bytes().get(at + 1);
            if is_laid_out(c, last, ahead, layout) || !is_unsafe(c) {
                out.push(c);
            } else {
                out.push_str(mark.before);
                push_escape(&mut out, c);
                out.push_str(mark.after);
            }
        }
        if !chunk.invalid().is_empty() {
            out.push_str(mark.before);
            for byte in chunk.invalid() {
                push(&mut out, format_args!("\\x{byte:02x}"));
            }
            out.push_str(mark.after);
        }
        left -= chunk.valid().len() + chunk.invalid().len();
    }
    out
}

fn is_laid_out(c: char, last: bool, ahead: Option<&u8>, layout: Layout) -> bool {
    match (layout, c) {
        (Layout::Line, _) => false,
        (_, '\t') => true,
        (Layout::Lines, '\n') => !last,
        (Layout::Stream, '\n') => true,
        (Layout::Stream, '\r') => ahead == Some(&b'\n'),
        _ => false,
    }
}

/// Whether a terminal would do something else with it than show it.
pub fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{061c}' // Arabic letter mark
            | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' // take no room
            | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' // direction
            | '\u{2028}' | '\u{2029}' // line and paragraph ends
            | '\u{fff9}'..='\u{fffb}' // annotations
            | '\u{e0000}'..='\u{e007f}') // tags: a second, unseen ASCII
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_ascii() => push(out, format_args!("\\x{:02x}", u32::from(c))),
        c => push(out, format_args!("\\u{{{:x}}}", u32::from(c))),
    }
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes everything");
}

/// Columns that a dump of sixteen bytes a row takes.
const WIDE: usize = 4 + 2 + 16 * 3 + 2 + 16;

/// Bytes as rows of offset, hexadecimal and text, narrow enough for so many columns where that is possible.
pub fn dump(bytes: &[u8], columns: usize) -> String {
    let row = if columns >= WIDE { 16 } else { 8 };
    let mut out = String::new();
    for (at, part) in bytes.chunks(row).enumerate() {
        if at > 0 {
            out.push('\n');
        }
        push(&mut out, format_args!("{:04x} ", at * row));
        for column in 0..row {
            if column % 8 == 0 {
                out.push(' ');
            }
            match part.get(column) {
                Some(byte) => push(&mut out, format_args!("{byte:02x} ")),
                None => out.push_str("   "),
            }
        }
        out.push(' ');
        out.extend(part.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_moves_no_cursor() {
        let text = "\"a\u{9b}2J\u{202e}\u{7f}\u{e0041}ü\\u001b\"";
        let safe = json(text);
        assert_eq!(safe, "\"a\\u009b2J\\u202e\\u007f\\udb40\\udc41ü\\u001b\"");
        let read = |text: &str| serde_json::from_str::<String>(text).unwrap();
        assert_eq!(read(&safe), read(text));
        assert!(matches!(json("\"usual\""), Cow::Borrowed(_)));
    }

    #[test]
    fn plain_text_of_any_script_stays_as_it_is() {
        for plain in ["", "hello", "grüße 世界 עולם", "👩‍🚀 ❤️", "a\\x1b", "\u{301}e"] {
            assert_eq!(line(plain), plain);
            assert_eq!(text(plain.as_bytes()), plain);
            assert_eq!(stream()(plain.as_bytes()), plain.as_bytes());
        }
    }

    #[test]
    fn escape_sequences_are_text() {
        assert_eq!(line("\x1b[2J\x1b]0;title\x07"), "\\x1b[2J\\x1b]0;title\\x07");
        assert_eq!(text(b"a\0b\x7fc\x08"), "a\\x00b\\x7fc\\x08");
        assert_eq!(line("\u{9b}31m\u{85}"), "\\u{9b}31m\\u{85}");
    }

    #[test]
    fn text_cannot_be_reordered_or_hidden() {
        assert_eq!(line("\u{202e}abc\u{2069}"), "\\u{202e}abc\\u{2069}");
        assert_eq!(line("\u{61c}\u{200e}\u{200f}"), "\\u{61c}\\u{200e}\\u{200f}");
        assert_eq!(line("\u{e0041}\u{200b}"), "\\u{e0041}\\u{200b}");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_bytes() {
        assert_eq!(text(b"a\xff\xfeb\xe2\x82"), "a\\xff\\xfeb\\xe2\\x82");
        assert_eq!(line_of_bytes(b"\x9b\n"), "\\x9b\\n");
    }

    #[test]
    fn nothing_unsafe_ever_passes() {
        let every: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        for shown in [line(&every), text(every.as_bytes()), String::from_utf8(stream()(every.as_bytes())).unwrap()] {
            let passed: Vec<char> = shown.chars().filter(|c| is_unsafe(*c) && !matches!(c, '\n' | '\t')).collect();
            assert_eq!(passed, []);
        }
        let bytes: Vec<u8> = (0..=255).collect();
        assert!(line_of_bytes(&bytes).chars().all(|c| !is_unsafe(c)));
    }

    #[test]
    fn lines_stand_below_one_another_and_the_end_of_the_last_is_seen() {
        assert_eq!(text(b"one\ntwo\tthree\n"), "one\ntwo\tthree\\n");
        assert_eq!(text(b"\n"), "\\n");
        assert_eq!(text(b"one\r\ntwo"), "one\\r\ntwo");
        assert_eq!(text(b"one\n\xff"), "one\n\\xff");
        assert_eq!(line("one\ntwo\t"), "one\\ntwo\\t");
        assert_eq!(stream()(b"one\r\ntwo\n\rx"), b"one\r\ntwo\n\\rx");
    }

    #[test]
    fn a_stream_is_shown_the_same_however_it_is_cut() {
        let text = "gr\u{fc}\u{df}e \u{1f600}\u{202e}\r\n\rx\r".as_bytes();
        for cut in 0..=text.len() {
            let mut show = stream();
            let mut shown = show(&text[..cut]);
            shown.extend(show(&text[cut..]));
            shown.extend(show(b""));
            assert_eq!(String::from_utf8(shown).unwrap(), "gr\u{fc}\u{df}e \u{1f600}\\u{202e}\r\n\\rx\\r", "{cut}");
        }
        assert_eq!([stream()(b"\xff\xf0\x9f"), stream()(b"\xf0")].concat(), b"\\xff");
    }

    #[test]
    fn escapes_are_marked_where_asked() {
        assert_eq!(text_marked(b"\x1b\\x1b", Mark::REVERSED), "\x1b[7m\\x1b\x1b[27m\\x1b");
        assert_eq!(text_marked(b"\xff\xff", Mark::REVERSED), "\x1b[7m\\xff\x1b[27m\x1b[7m\\xff\x1b[27m");
    }

    #[test]
    fn a_dump_has_offsets_bytes_and_text() {
        assert_eq!(dump(b"", 80), "");
        assert_eq!(dump(b"hi\n", 80), format!("0000  68 69 0a {} hi.", " ".repeat(13 * 3 + 1)));
        let wide = dump(&(0x30..0x42).collect::<Vec<u8>>(), 80);
        let rows: Vec<&str> = wide.lines().collect();
        assert_eq!(rows[0], "0000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?");
        assert!(rows[1].starts_with("0010  40 41 ") && rows[1].ends_with(" @A"));
        assert_eq!(rows[0].find('0'), Some(0));
        let narrow = dump(&(0x30..0x42).collect::<Vec<u8>>(), 60);
        assert_eq!(narrow.lines().next(), Some("0000  30 31 32 33 34 35 36 37  01234567"));
        assert_eq!(narrow.lines().count(), 3);
        assert!(wide.lines().chain(narrow.lines()).all(|row| row.len() <= WIDE));
    }
}
