//! Draws a frame in boxes: header, payload, trailer, and what the length counts, as the decoder finds them.

use std::ops::Range;

use unstick::wire::{FrameLayout, Framing};

use crate::canvas::{Canvas, Ink, count, padded, width};

/// A part of a frame.
struct Part {
    title: &'static str,
    ink: Ink,
    bytes: Range<usize>,
}

/// Maximum bytes of a frame that are drawn: the special parts of a frame are at its beginning.
const MOST_DRAWN: usize = 256;

/// Columns of a byte, its blank included.
const BYTE: usize = 3;

/// Draws a frame of every phase, or nothing if no message is known that the framing carries.
pub fn frames(canvas: &mut Canvas, framing: &Framing) {
    let samples = framing.samples();
    for (number, frame) in samples.iter().enumerate() {
        let Some(layout) = framing.layout(number, frame) else { return };
        let phase = if samples.len() > 1 { format!("frame {}: ", number + 1) } else { String::new() };
        canvas.line(Ink::Faint, &format!("{phase}{}", count(layout.total, "byte")));
        draw(canvas, &frame[..layout.total], &layout);
    }
}

fn draw(canvas: &mut Canvas, frame: &[u8], layout: &FrameLayout) {
    let parts =
        parts(layout).into_iter().map(|part| Part { bytes: part.bytes.start..part.bytes.end.min(MOST_DRAWN), ..part });
    let parts: Vec<Part> = parts.filter(|part| !part.bytes.is_empty()).collect();
    for row in rows(&parts, canvas.columns) {
        let widths: Vec<usize> =
            row.iter().map(|part| (BYTE * part.bytes.len() + 1).max(width(part.title) + 3)).collect();
        border(canvas, &row, &widths, ["┌", "┬", "┐"], true);
        line(canvas, &row, &widths, |at| format!("{:02x}", frame[at]));
        line(canvas, &row, &widths, |at| match frame[at] {
            letter @ b' '..=b'~' => format!("{} ", char::from(letter)),
            _ => "· ".to_owned(),
        });
        if row.iter().any(|part| part.bytes.clone().any(|at| !mark(layout, at).trim().is_empty())) {
            line(canvas, &row, &widths, |at| mark(layout, at).to_owned());
        }
        border(canvas, &row, &widths, ["└", "┴", "┘"], false);
    }
    if layout.total > MOST_DRAWN {
        canvas.line(Ink::Faint, &format!("  and {} more", count(layout.total - MOST_DRAWN, "byte")));
    }
    explain(canvas, layout);
}

/// Draws the upper or lower border of a row of boxes; the upper one has the titles.
fn border(canvas: &mut Canvas, row: &[Part], widths: &[usize], signs: [&str; 3], titles: bool) {
    canvas.put("  ");
    for (at, (part, width_of)) in row.iter().zip(widths).enumerate() {
        let title = if titles && !part.title.is_empty() { format!("─ {} ", part.title) } else { String::new() };
        let rest = "─".repeat(width_of - width(&title));
        canvas.put(signs[usize::from(at > 0)]).ink(part.ink, &title).put(&rest);
    }
    canvas.line(Ink::Plain, signs[2]);
}

/// Draws one row of cells.
fn line(canvas: &mut Canvas, row: &[Part], widths: &[usize], cell: impl Fn(usize) -> String) {
    canvas.put("  ");
    for (part, width_of) in row.iter().zip(widths) {
        let cells: Vec<String> = part.bytes.clone().map(&cell).collect();
        canvas.put("│ ").ink(part.ink, &padded(&cells.join(" "), width_of - 1));
    }
    canvas.line(Ink::Plain, "│");
}

/// What stands under a byte: it belongs to the length, or is counted by it.
fn mark(layout: &FrameLayout, at: usize) -> &'static str {
    let Some(length) = &layout.length else { return "  " };
    match (length.bytes.contains(&at), length.counted.as_ref().is_some_and(|counted| counted.contains(&at))) {
        (true, true) => "^=",
        (true, false) => "^^",
        (false, true) => "==",
        (false, false) => "  ",
    }
}

/// Explains the signs in words.
fn explain(canvas: &mut Canvas, layout: &FrameLayout) {
    if let Some(length) = &layout.length {
        let order = match (length.bytes.len(), length.little_endian) {
            (1, _) => "",
            (_, true) => ", little-endian",
            (_, false) => ", big-endian",
        };
        let counts = match &length.counted {
            Some(counted) => {
                let itself = if counted.contains(&length.bytes.start) { ", itself included" } else { "" };
                format!("; == what it counts: {}{itself}", count(counted.len(), "byte"))
            }
            None => String::new(),
        };
        canvas.wrapped(Ink::Faint, "  ", 2, &format!("^^ the length{order}{counts}"));
    } else if layout.message.is_none() {
        canvas.line(Ink::Faint, "  The frame holds the message in other bytes.");
    }
}

fn parts(layout: &FrameLayout) -> Vec<Part> {
    let header = if layout.message.is_some() { "header" } else { "frame" };
    let parts = [
        Part { title: header, ink: Ink::Header, bytes: layout.header() },
        Part { title: "payload", ink: Ink::Good, bytes: layout.payload() },
        Part { title: "trailer", ink: Ink::Trailer, bytes: layout.trailer() },
    ];
    parts.into_iter().filter(|part| !part.bytes.is_empty()).collect()
}

/// The parts, broken into rows of this many columns. A part that continues in the next row has no title there.
fn rows(parts: &[Part], columns: usize) -> Vec<Vec<Part>> {
    let mut rows = vec![Vec::new()];
    let mut used = BORDERS;
    for part in parts {
        let (mut at, mut title) = (part.bytes.start, part.title);
        while at < part.bytes.end {
            let least = (width(title) + 4).max(BYTE + 2);
            if used + least > columns {
                rows.push(Vec::new());
                used = BORDERS;
            }
            let end = part.bytes.end.min(at + (columns - used - 2) / BYTE);
            if let Some(row) = rows.last_mut() {
                row.push(Part { title, ink: part.ink, bytes: at..end });
            }
            used += (BYTE * (end - at) + 2).max(width(title) + 4);
            (at, title) = (end, "");
        }
    }
    rows
}

/// Columns of the indent and of the last border of a row.
const BORDERS: usize = 3;
