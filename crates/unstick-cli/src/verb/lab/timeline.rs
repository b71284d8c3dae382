//! Draws what was sent against what was received: line by line in time, then to scale with offsets and boundaries.

use std::ops::Range;
use std::time::Duration;

use crate::scenes::{Act, Transport, What};

use crate::canvas::{Canvas, Ink, count, padded, width};

/// The columns of a time, and the wire between the two sides.
const TIME: usize = 8;
const WIRE: &str = " │ ";

/// Draws an act: its events, its scale, and its result.
pub(super) fn draw(canvas: &mut Canvas, act: &Act) {
    let room = canvas.columns - TIME - width(WIRE) - 1;
    let left = left_side(act, room);
    let line = |canvas: &mut Canvas, time: &str, here: &str, there: &str, ink| {
        canvas.ink(Ink::Faint, &format!("{time:>7} "));
        let wire = if there.is_empty() { WIRE.trim_end() } else { WIRE };
        canvas.ink(ink, &padded(here, left)).ink(Ink::Faint, wire).ink(ink, there).end();
    };
    line(canvas, "ms", "sender", "receiver", Ink::Faint);
    let mut messages = 0;
    for event in &act.events {
        let (side, text, mut ink) = told(act, &event.what, [left, room - left]);
        if let What::Sent { .. } = event.what {
            // The same ink as on the scale below.
            ink = Ink::Message(messages);
            messages += 1;
        }
        let (here, there) = if side == Side::Sender { (&*text, "") } else { ("", &*text) };
        line(canvas, &milliseconds(event.at), here, there, ink);
    }
    canvas.end();
    scale(canvas, act);
    verdict(canvas, act);
}

/// Returns the columns of the sender's side: as many as it needs, if the receiver's side has enough.
fn left_side(act: &Act, room: usize) -> usize {
    let needs = |which| {
        let texts = act.events.iter().map(|event| told(act, &event.what, [usize::MAX; 2]));
        texts.filter(|(side, ..)| *side == which).map(|(_, text, _)| width(&text)).max().unwrap_or(0)
    };
    needs(Side::Sender).min((room - room / 3).min(room.saturating_sub(needs(Side::Receiver)).max(room * 2 / 5)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Sender,
    Receiver,
}

/// Returns milliseconds with two decimals.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// The text of an event, its side, and its ink.
fn told(act: &Act, what: &What, [left, right]: [usize; 2]) -> (Side, String, Ink) {
    match what {
        What::Sent { offset, bytes } => (Side::Sender, piece("send ", bytes, *offset, left), Ink::Plain),
        What::Passed { offset, bytes } => (Side::Sender, piece("network ", bytes, *offset, left), Ink::Faint),
        What::Queued { bytes } => {
            let waiting = match act.transport {
                Transport::Udp => format!("next datagram: {}", count(*bytes as usize, "byte")),
                _ => format!("{} to be read", count(*bytes as usize, "byte")),
            };
            (Side::Receiver, waiting, Ink::Faint)
        }
        What::Read { offset, room, bytes, .. } => {
            (Side::Receiver, piece(&format!("recv({room}) "), bytes, *offset, right), Ink::Plain)
        }
        What::Took { bytes } => {
            let ink = if stuck(act).is_some() { Ink::Bad } else { Ink::Good };
            (Side::Receiver, format!("= message {}", shown(bytes, right.saturating_sub(10))), ink)
        }
        What::Stuck { .. } => (Side::Receiver, "✗ cannot go on".to_owned(), Ink::Bad),
        What::Fooled { .. } => (Side::Receiver, "✗ takes it for whole".to_owned(), Ink::Bad),
        What::Closed => (Side::Sender, "close".to_owned(), Ink::Faint),
        What::Ended => (Side::Receiver, "recv: the end".to_owned(), Ink::Faint),
        What::Full => (Side::Sender, "has to wait".to_owned(), Ink::Faint),
        _ => (Side::Sender, String::new(), Ink::Plain),
    }
}

/// Describes a call, its bytes, and their range in the stream; a text that is too long is cut in the middle.
fn piece(call: &str, bytes: &[u8], offset: u64, room: usize) -> String {
    let range = format!(" {offset}..{}", offset + bytes.len() as u64);
    let text = shown(bytes, room.saturating_sub(width(call) + width(&range)));
    format!("{call}{text}{range}")
}

/// Returns bytes as a person reads them: text in quotation marks, other bytes in hexadecimal; at most `room` columns.
fn shown(bytes: &[u8], room: usize) -> String {
    let mut parts = Vec::new();
    for part in bytes.chunk_by(|a, b| is_text(a) == is_text(b)) {
        parts.push(match is_text(&part[0]) {
            true => format!("\"{}\"", String::from_utf8_lossy(part)),
            false => crate::hex::spaced(part),
        });
    }
    let text = if bytes.is_empty() { "\"\"".to_owned() } else { parts.join(" ") };
    shortened(&text, room)
}

/// The beginning of a text, with a sign that there is more, and its closing quotation mark.
fn shortened(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let start = |columns| text.chars().take(columns).collect::<String>();
    let within_quotes = start(room.saturating_sub(2));
    match within_quotes.matches('"').count() % 2 {
        1 if !within_quotes.ends_with('"') => format!("{within_quotes}…\""),
        _ => format!("{}…", start(room.saturating_sub(1)).trim_end_matches([' ', '"'])),
    }
}

// ---- to scale ----

/// A segment or a datagram on the scale.
struct Piece {
    bytes: Range<u64>,
    /// Its text: each character with the offset of the byte that it shows.
    text: Vec<(char, u64)>,
    /// Number of bytes after it that were thrown away.
    cut: u64,
}

/// Columns of a row's name.
const NAME: usize = 10;

/// Most columns that a byte takes.
const WIDEST: f64 = 3.0;

/// Columns that a piece has for its text, however few its bytes: four bytes in hexadecimal.
const LEAST: usize = 12;

/// Room of an empty datagram, in bytes. It has no bytes, but it is a message and must be visible.
const EMPTY: u64 = 3;

/// Where offsets are drawn.
struct Scale {
    /// Offset and column of every boundary.
    marks: Vec<(u64, usize)>,
}

impl Scale {
    /// Makes the scale: in proportion, and wide enough for the digits of every offset.
    fn new(rows: &[&[Piece]], room: usize) -> Self {
        let ends = rows.iter().flat_map(|row| row.iter());
        let mut offsets: Vec<u64> =
            ends.flat_map(|piece| [piece.bytes.start, piece.bytes.end, piece.bytes.end + piece.cut]).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let whole = offsets.last().copied().unwrap_or(0).max(1);
        let wide = (room as f64 / whole as f64).min(WIDEST);
        // For each gap between two boundaries: the columns that it needs, and those that it gets.
        let mut gaps: Vec<(usize, usize)> = Vec::new();
        for ends in offsets.windows(2) {
            let pieces = rows.iter().flat_map(|row| row.iter()).filter(|piece| piece.bytes == (ends[0]..ends[1]));
            let text = pieces.map(|piece| piece.text.len() + 1).max().unwrap_or(0);
            let least = text.clamp(ends[0].to_string().len() + 1, LEAST);
            gaps.push((least, least.max(((ends[1] - ends[0]) as f64 * wide) as usize)));
        }
        let mut over = gaps.iter().map(|gap| gap.1).sum::<usize>().saturating_sub(room);
        while over > 0
            && let Some(widest) = gaps.iter_mut().filter(|gap| gap.1 > gap.0).max_by_key(|gap| gap.1)
        {
            widest.1 -= 1;
            over -= 1;
        }
        let mut column = 0;
        let mut marks = vec![(offsets.first().copied().unwrap_or(0), 0)];
        for (offset, gap) in offsets.iter().skip(1).zip(gaps) {
            column += gap.1;
            marks.push((*offset, column));
        }
        Self { marks }
    }

    fn column(&self, offset: u64) -> usize {
        let at = self.marks.binary_search_by_key(&offset, |mark| mark.0).expect("every boundary has its mark");
        self.marks[at].1
    }

    /// The message that a sign belongs to: that of the byte that it shows, or else the one drawn in its column.
    fn message(&self, sent: &[Piece], column: usize, sign: Sign) -> usize {
        let found = sent.iter().position(|piece| match sign.byte {
            Some(byte) => byte < piece.bytes.end,
            None => column < self.column(piece.bytes.end),
        });
        // The last boundary is the last message's.
        found.unwrap_or(sent.len().saturating_sub(1))
    }
}

/// The rows of an act: the bytes that were sent, passed on by the relay, and read.
fn rows(act: &Act) -> [(&'static str, Vec<Piece>); 3] {
    let mut rows = [("sent", Vec::new()), ("network", Vec::new()), ("read", Vec::new())];
    // Empty datagrams move what comes after them, in each row alike.
    let mut moved = [0; 3];
    for event in &act.events {
        let (row, offset, bytes, cut) = match &event.what {
            What::Sent { offset, bytes } => (0, offset, bytes, 0),
            What::Passed { offset, bytes } => (1, offset, bytes, 0),
            What::Read { offset, bytes, cut, .. } => (2, offset, bytes, *cut as u64),
            _ => continue,
        };
        let start = offset + moved[row];
        let empty = bytes.is_empty();
        moved[row] += if empty { EMPTY } else { 0 };
        let length = if empty { EMPTY } else { bytes.len() as u64 };
        let text = if empty { "empty".chars().map(|c| (c, start)).collect() } else { label(bytes, start) };
        rows[row].1.push(Piece { bytes: start..start + length, text, cut });
    }
    rows
}

/// The label of a piece that begins at `start`: text without quotation marks, so that more of it fits, or other bytes in
/// hexadecimal.
fn label(bytes: &[u8], start: u64) -> Vec<(char, u64)> {
    let mut signs: Vec<(char, u64)> = Vec::new();
    let mut was_text = None;
    for (at, byte) in (start..).zip(bytes) {
        let text = is_text(byte);
        if was_text.is_some_and(|before| !(before && text)) {
            signs.push((' ', at - 1));
        }
        was_text = Some(text);
        match text {
            true if *byte == b'"' => {}
            true => signs.push((char::from(*byte), at)),
            false => signs.extend(format!("{byte:02x}").chars().map(|digit| (digit, at))),
        }
    }
    signs
}

/// Whether a byte is shown as its own character.
fn is_text(byte: &u8) -> bool {
    (b' '..=b'~').contains(byte)
}

fn scale(canvas: &mut Canvas, act: &Act) {
    let rows = rows(act);
    let pieces: Vec<&[Piece]> = rows.iter().map(|(_, pieces)| &pieces[..]).collect();
    let scale = Scale::new(&pieces, canvas.columns - NAME - 2 - digits(act));
    let empties = act.events.iter().any(|event| matches!(&event.what, What::Sent { bytes, .. } if bytes.is_empty()));
    if !empties {
        canvas.ink(Ink::Faint, &padded("  offset", NAME)).ink(Ink::Faint, &offsets(&scale)).end();
    }
    for (name, row) in rows.iter().filter(|(_, row)| !row.is_empty()) {
        canvas.ink(Ink::Faint, &padded(&format!("  {name}"), NAME));
        let signs = signs(row, &scale);
        let mut column = 0;
        while column < signs.len() {
            let message = scale.message(pieces[0], column, signs[column]);
            let run = signs[column..].iter().enumerate();
            let run = run.take_while(|(at, sign)| scale.message(pieces[0], column + at, **sign) == message).count();
            let text: String = signs[column..column + run].iter().map(|sign| sign.shown).collect();
            canvas.ink(Ink::Message(message), &text);
            column += run;
        }
        canvas.end();
    }
}

/// Returns the number of digits of the last offset, which follow its boundary.
fn digits(act: &Act) -> usize {
    let sent = act.events.iter().filter_map(|event| match &event.what {
        What::Sent { offset, bytes } => Some(offset + bytes.len() as u64),
        _ => None,
    });
    sent.max().unwrap_or(0).to_string().len()
}

fn offsets(scale: &Scale) -> String {
    let mut line = String::new();
    for (offset, column) in &scale.marks {
        line = padded(&line, *column) + &offset.to_string();
    }
    line
}

/// A character of a row.
#[derive(Debug, Clone, Copy)]
struct Sign {
    shown: char,
    /// The offset of the byte that it shows, if it shows one.
    byte: Option<u64>,
}

impl Sign {
    fn line(shown: char) -> Self {
        Self { shown, byte: None }
    }
}

/// Returns a row's pieces, each between its boundaries.
fn signs(row: &[Piece], scale: &Scale) -> Vec<Sign> {
    let mut signs = Vec::new();
    for piece in row {
        let (from, to) = (scale.column(piece.bytes.start), scale.column(piece.bytes.end));
        signs.resize(from.max(signs.len()), Sign::line(' '));
        if signs.len() == from {
            signs.push(Sign::line('├'));
        } else {
            signs[from] = Sign::line('┼');
        }
        signs.extend(centred(&piece.text, to - from - 1));
        signs.push(Sign::line('┤'));
        if piece.cut > 0 {
            let end = scale.column(piece.bytes.end + piece.cut);
            let gone = format!("{:·^1$}", format!(" {} gone ", piece.cut), end - to - 1);
            signs.extend(gone.chars().map(Sign::line));
        }
    }
    signs
}

/// The text of a piece, centred. A text that is too long is cut, with a sign that shows it.
fn centred(text: &[(char, u64)], room: usize) -> Vec<Sign> {
    let mut text: Vec<Sign> = text.iter().map(|(shown, byte)| Sign { shown: *shown, byte: Some(*byte) }).collect();
    if text.len() > room {
        text.truncate(room.saturating_sub(1));
        while text.last().is_some_and(|sign| sign.shown == ' ') {
            text.pop();
        }
        text.push(Sign::line('…'));
    }
    if text.len() + 4 <= room {
        text.insert(0, Sign::line(' '));
        text.push(Sign::line(' '));
    }
    let rest = room.saturating_sub(text.len());
    let line = |count| std::iter::repeat_n(Sign::line('─'), count);
    line(rest / 2).chain(text).chain(line(rest - rest / 2)).collect()
}

// ---- the result ----

/// Draws the counts, and says which boundaries were lost or added.
fn verdict(canvas: &mut Canvas, act: &Act) {
    let [(_, sent), _, (_, read)] = rows(act);
    let ends = |row: &[Piece]| -> Vec<u64> { row.iter().map(|piece| piece.bytes.end).collect() };
    let inside = |at: &&u64, row: &[Piece]| row.iter().any(|piece| piece.bytes.start < **at && **at < piece.bytes.end);
    let lost: Vec<u64> = ends(&sent).iter().filter(|at| inside(at, &read)).copied().collect();
    let new: Vec<u64> = ends(&read).iter().filter(|at| inside(at, &sent)).copied().collect();
    let mut text = format!("{}, {}: ", count(sent.len(), "send"), count(read.len(), "read"));
    let cut: u64 = read.iter().map(|piece| piece.cut).sum();
    text += &match (&lost[..], &new[..]) {
        ([], _) if cut > 0 => format!("{} are gone, and no error said so", count(cut as usize, "byte")),
        ([], []) if act.transport == Transport::Udp => "each read returned one message, whole".to_owned(),
        ([], []) => "this time they agree".to_owned(),
        (lost, []) => format!("the receiver sees nothing of {}", places(lost)),
        ([], new) => format!("the receiver sees {} that nobody sent", places(new)),
        (lost, new) => format!("the receiver sees {}, and not {}", places(new), places(lost)),
    };
    let stuck = stuck(act);
    let took = act.events.iter().filter(|event| matches!(event.what, What::Took { .. })).count();
    if let Some(why) = stuck {
        canvas.wrapped(Ink::Bad, "  ✗ ", 4, why);
    } else if took > 0 {
        canvas.wrapped(Ink::Good, "  ✓ ", 4, &format!("{}, whole", count(took, "message")));
    }
    if stuck.is_none() && took == 0 {
        canvas.wrapped(Ink::Bold, "  → ", 4, &text);
    }
    not_shown(canvas, act);
}

/// Returns why the reading program could not go on, or what it wrongly took for whole.
fn stuck(act: &Act) -> Option<&str> {
    act.events.iter().find_map(|event| match &event.what {
        What::Stuck { why } | What::Fooled { why } => Some(&why[..]),
        _ => None,
    })
}

/// `the boundary at 5`, `boundaries at 3, 8 and 16`.
fn places(offsets: &[u64]) -> String {
    match offsets {
        [] => "no boundary".to_owned(),
        [one] => format!("the boundary at {one}"),
        [first @ .., last] => {
            let first = first.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            format!("boundaries at {first} and {last}")
        }
    }
}

/// Reports an effect that did not appear.
pub(super) fn not_shown(canvas: &mut Canvas, act: &Act) {
    if !act.shown {
        let text = "In this run the effect did not appear: this machine's kernel has done something else, which is shown above.";
        canvas.wrapped(Ink::Bad, "  ! ", 4, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_the_colour_of_its_message_wherever_it_stands() {
        let piece = |bytes: &[u8], start: u64| Piece {
            bytes: start..start + bytes.len() as u64,
            text: label(bytes, start),
            cut: 0,
        };
        let sent = [piece(b"\0\0\0\x05", 0), piece(b"Hello", 4)];
        let read = [piece(b"\0\0\0\x05Hello", 0)];
        let scale = Scale::new(&[&sent, &read], 60);
        let signs = signs(&read, &scale);
        let of = |message| {
            let mine = |(column, sign): &(usize, &Sign)| {
                sign.byte.is_some() && scale.message(&sent, *column, **sign) == message
            };
            signs.iter().enumerate().filter(mine).map(|(_, sign)| sign.shown).collect::<String>()
        };
        assert_eq!((of(0).trim(), of(1).trim()), ("00 00 00 05", "Hello"));
    }
}
