//! Makes a peer's bytes safe for a terminal: escapes whatever could move the cursor, hide text or reorder it.
//!
//! Not here: `--io escaped`, which can be read back. A backslash that a peer wrote stays one backslash; `--hex` is exact.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::Style;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::ascii_words::{WORD, unprintable};
use crate::count::Count;
use crate::style::{FAINT, GREEN, styled};

/// Which line ends and tabs of a text are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// None: the text becomes one line.
    Line,
    /// Tabs, and each line end that another line follows.
    Lines,
    /// Tabs and every line end: what follows is not known yet.
    Stream,
}

/// Text around an escape, which tells it apart from the same characters in the text.
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

/// Returns a text on one line.
pub fn line(text: &str) -> String {
    write(text.as_bytes(), Layout::Line, Mark::NONE)
}

/// Returns bytes on one line.
pub fn line_of_bytes(bytes: &[u8]) -> String {
    write(bytes, Layout::Line, Mark::NONE)
}

/// Describes the bytes that had arrived of a message that was lost with its connection.
pub fn lost_message(lost: &unstick::Unfinished) -> String {
    let more = if lost.beginning.len() < lost.length { " ..." } else { "" };
    format!(
        "{} of an unfinished message had arrived: \"{}\"{more}",
        Count(lost.length, "byte"),
        line_of_bytes(&lost.beginning)
    )
}

/// Returns a message on as many lines as it has. A line end at its very end is escaped, because it is part of the
/// message.
pub fn text(message: &[u8]) -> String {
    text_marked(message, Mark::NONE)
}

/// The same, with marked escapes.
pub fn text_marked(message: &[u8], mark: Mark) -> String {
    write(message, Layout::Lines, mark)
}

/// Returns a function that takes a stream piece by piece; an empty piece ends it. A character split over two pieces is
/// shown with the second.
pub fn stream() -> impl FnMut(&[u8]) -> Vec<u8> + Send {
    let (mut held, mut before) = (Vec::new(), None);
    move |piece| {
        held.extend_from_slice(piece);
        let whole = if piece.is_empty() { held.len() } else { held.len() - unfinished(&held) };
        let rest = held.split_off(whole);
        write_behind(&mut before, &std::mem::replace(&mut held, rest), Layout::Stream, Mark::NONE).into_bytes()
    }
}

/// Counts the bytes at the end that may become a character, or the CR of a CRLF, when more bytes arrive.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    let start = bytes.iter().rev().take(3).position(|byte| *byte >= 0xc0).map(|back| back + 1);
    start
        .filter(|n| matches!(std::str::from_utf8(&bytes[bytes.len() - n..]), Err(e) if e.error_len().is_none()))
        .unwrap_or(0)
}

/// Returns lines of our own that may quote a peer. Each line end separates two lines; everything else that is unsafe is
/// escaped.
pub fn lines(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        return text.into();
    }
    text.split('\n').map(line).collect::<Vec<_>>().join("\n").into()
}

/// Returns JSON with the same meaning. Only its strings can hold what could move the cursor, hide text or reorder it.
pub fn json(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| (is_unsafe(c) || is_joining(c)) && c != '\n';
    if is_harmless(text) || !text.chars().any(hidden) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| push(&mut out, format_args!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out.into()
}

fn write(bytes: &[u8], layout: Layout, mark: Mark) -> String {
    write_behind(&mut None, bytes, layout, mark)
}

/// Like [`write()`], after the character `before`.
fn write_behind(before: &mut Option<char>, bytes: &[u8], layout: Layout, mark: Mark) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut left = bytes.len();
    for chunk in bytes.utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            let last = at + c.len_utf8() == left;
            let ahead = chunk.valid().as_bytes().get(at + 1);
            let hidden = is_hidden(c, *before);
            *before = Some(c).filter(|_| !hidden);
            if !hidden || is_laid_out(c, last, ahead, layout) {
                out.push(c);
            } else {
                out.push_str(mark.before);
                push_escape(&mut out, c);
                out.push_str(mark.after);
            }
        }
        if !chunk.invalid().is_empty() {
            *before = None;
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

/// Whether the text is only printable ASCII and line ends. Most texts are, and this check is quick.
fn is_harmless(text: &str) -> bool {
    let harmless = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n'));
    let (words, rest) = text.as_bytes().as_chunks::<WORD>();
    words.iter().all(|word| unprintable(*word) == 0 || harmless(word)) && harmless(rest)
}

/// Whether a character must be escaped after the character `before`, which is shown unchanged. Joiners, and the two
/// selectors that choose between text and picture, are a part of the character before them. A second one in a row, or
/// one after nothing, only hides something.
fn is_hidden(c: char, before: Option<char>) -> bool {
    match before {
        _ if !is_joining(c) => is_unsafe(c),
        Some(before) if is_joining(before) => c != '\u{200d}' || before == c || before == '\u{200c}',
        Some(before) => before.is_whitespace(),
        None => true,
    }
}

/// Whether the character joins scripts or pictures: zero width joiner and non-joiner, and the selectors of text and
/// picture.
fn is_joining(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Whether a terminal would do anything but show this character: the one place that decides. It covers controls,
/// formats (direction, tags, no width), private use, line and paragraph ends, and characters that Unicode lets a
/// drawing leave out.
pub fn is_unsafe(c: char) -> bool {
    use GeneralCategory as Category;
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    if is_joining(c) {
        return false;
    }
    let unseen = matches!(
        c.general_category(),
        Category::Control
            | Category::Format
            | Category::Surrogate
            | Category::PrivateUse
            | Category::LineSeparator
            | Category::ParagraphSeparator
    );
    unseen || is_ignorable(c)
}

/// Whether the character is another one that is drawn as nothing (Default_Ignorable_Code_Point): fillers, selectors,
/// and code points that are not assigned yet. Other unassigned ones are newer characters than our table knows: they are
/// drawn as a box.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{3164}' | '\u{ffa0}' // joins and fills nothing
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2065}'
        | '\u{fe00}'..='\u{fe0d}' // variation selectors, of which text and picture are none here
        | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe // never a character
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

/// Columns of a dump with sixteen bytes a row.
const WIDE: usize = 4 + 2 + 16 * 3 + 2 + 16;

/// Bytes as rows of offset, hexadecimal and text, at most this many columns wide if that is possible. With colour the bytes
/// that are text stand out.
pub fn dump(bytes: &[u8], columns: usize, colour: bool) -> String {
    dump_styled(bytes, columns, colour, |at| of_byte(bytes[at]))
}

/// The same, with a style for each byte.
pub fn dump_styled(bytes: &[u8], columns: usize, colour: bool, style_of: impl Fn(usize) -> Style) -> String {
    let row = if columns >= WIDE { 16 } else { 8 };
    let mut out = String::new();
    for (at, part) in bytes.chunks(row).enumerate() {
        if at > 0 {
            out.push('\n');
        }
        out += &styled(colour, &format!("{:04x} ", at * row), FAINT);
        let places: Vec<(usize, Style)> = (0..part.len()).map(|column| (column, style_of(at * row + column))).collect();
        let runs = || places.chunk_by(|(_, one), (_, other)| one == other);
        for run in runs() {
            let cells: String =
                run.iter().map(|(column, _)| cell(*column, &format!("{:02x}", part[*column]))).collect();
            out += &styled(colour, &cells, run[0].1);
        }
        out.extend((part.len()..row).map(|column| cell(column, "  ")));
        out.push(' ');
        for run in runs() {
            let sign = |byte: u8| if is_text(byte) { char::from(byte) } else { '.' };
            let text: String = run.iter().map(|(column, _)| sign(part[*column])).collect();
            out += &styled(colour, &text, run[0].1);
        }
    }
    out
}

/// Returns the cell of a byte in its column; eight bytes stand together.
fn cell(column: usize, digits: &str) -> String {
    format!("{}{digits} ", if column.is_multiple_of(8) { " " } else { "" })
}

fn is_text(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

fn of_byte(byte: u8) -> Style {
    if is_text(byte) { GREEN } else { FAINT }
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
    fn joiners_stay_where_they_join() {
        for plain in ["\u{645}\u{6cc}\u{200c}\u{62e}", "1\u{fe0f}\u{20e3}", "👩🏽\u{200d}❤\u{fe0f}\u{200d}👩"] {
            assert_eq!(line(plain), plain);
        }
        assert_eq!(line("\u{200d}a"), "\\u{200d}a");
        assert_eq!(line("a\u{fe0f}\u{fe0f}\u{fe0f}"), "a\u{fe0f}\\u{fe0f}\\u{fe0f}");
        assert_eq!(line("a\u{200d}\u{fe0f}\u{200d}b"), "a\u{200d}\\u{fe0f}\\u{200d}b");
        assert_eq!(line("a \u{200c}b"), "a \\u{200c}b");
    }

    #[test]
    fn every_kind_of_unseen_character_is_escaped() {
        for c in [
            '\u{9b}',
            '\u{ad}',
            '\u{34f}',
            '\u{600}',
            '\u{70f}',
            '\u{180e}',
            '\u{200b}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{3164}',
            '\u{e000}',
            '\u{f8ff}',
            '\u{fe00}',
            '\u{feff}',
            '\u{fff9}',
            '\u{ffff}',
            '\u{110bd}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{e01ef}',
            '\u{f0000}',
            '\u{10fffd}',
        ] {
            assert_eq!(line(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
            let quoted = format!("\"a{c}b\"");
            let safe = json(&quoted).into_owned();
            assert!(safe.is_ascii(), "{safe}");
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), format!("a{c}b"));
        }
    }

    #[test]
    fn our_own_lines_stay_lines() {
        assert_eq!(lines("a\n  hint: b"), "a\n  hint: b");
        assert_eq!(lines("a\u{9b}2J\n\x1b[0m\u{200b}"), "a\\u{9b}2J\n\\x1b[0m\\u{200b}");
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
        let text = "gr\u{fc}\u{df}e \u{1f600}\u{200d}\u{202e}\r\n\rx\r".as_bytes();
        for cut in 0..=text.len() {
            let mut show = stream();
            let mut shown = show(&text[..cut]);
            shown.extend(show(&text[cut..]));
            shown.extend(show(b""));
            assert_eq!(
                String::from_utf8(shown).unwrap(),
                "gr\u{fc}\u{df}e \u{1f600}\u{200d}\\u{202e}\r\n\\rx\\r",
                "{cut}"
            );
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
        assert_eq!(dump(b"", 80, false), "");
        let coloured = dump(b"hi\n", 80, true);
        assert!(coloured.contains("\x1b[32m 68 69 \x1b[0m\x1b[2m0a \x1b[0m"), "{coloured:?}");
        let codes = ["\x1b[0m", "\x1b[2m", "\x1b[32m"];
        assert_eq!(codes.iter().fold(coloured, |text, code| text.replace(code, "")), dump(b"hi\n", 80, false));
        assert_eq!(dump(b"hi\n", 80, false), format!("0000  68 69 0a {} hi.", " ".repeat(13 * 3 + 1)));
        let wide = dump(&(0x30..0x42).collect::<Vec<u8>>(), 80, false);
        let rows: Vec<&str> = wide.lines().collect();
        assert_eq!(rows[0], "0000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?");
        assert!(rows[1].starts_with("0010  40 41 ") && rows[1].ends_with(" @A"));
        assert_eq!(rows[0].find('0'), Some(0));
        let narrow = dump(&(0x30..0x42).collect::<Vec<u8>>(), 60, false);
        assert_eq!(narrow.lines().next(), Some("0000  30 31 32 33 34 35 36 37  01234567"));
        assert_eq!(narrow.lines().count(), 3);
        assert!(wide.lines().chain(narrow.lines()).all(|row| row.len() <= WIDE));
    }
}
