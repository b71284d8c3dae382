//! Draws tables of counts instead of events: lengths, arrivals, TCP and UDP side by side.

use std::time::Duration;

use crate::scenes::{Act, Transport, What};

use super::timeline::{milliseconds, not_shown};
use crate::canvas::{Canvas, Ink, count, thousands, width};

/// Draws lengths, the four bytes of each, and the values that these bytes read as.
pub(super) fn lengths(canvas: &mut Canvas, act: &Act) {
    let right = |text: &str, columns: usize| format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))));
    let heads = [("length", 14), ("as 4 bytes", 13), ("read signed", 18), ("read unsigned", 15)];
    for (head, columns) in heads {
        canvas.ink(Ink::Faint, &right(head, columns));
    }
    canvas.end();
    let mut wrong = [0, 0];
    for event in &act.events {
        let What::Length { length, bytes, signed, unsigned } = event.what else { continue };
        let hex = bytes.map(|byte| format!("{byte:02x}")).join(" ");
        canvas.put(&right(&thousands(length), 14)).put(&right(&hex, 13));
        for (at, (value, columns)) in [(i128::from(signed), 18), (i128::from(unsigned), 15)].into_iter().enumerate() {
            let same = value == i128::from(length);
            wrong[at] += usize::from(!same);
            let text = if same { thousands(value) } else { format!("≠ {}", thousands(value)) };
            canvas.ink(if same { Ink::Good } else { Ink::Bad }, &right(&text, columns));
        }
        canvas.end();
    }
    let text =
        format!("{} come back as something else (≠) where the length is signed, {} where not", wrong[0], wrong[1]);
    canvas.wrapped(Ink::Bold, "  → ", 4, &text);
    not_shown(canvas, act);
}

/// Returns the bytes of a message in the scene that counts arrivals.
fn size(act: &Act) -> Option<u64> {
    act.events.iter().find_map(|event| match &event.what {
        What::Sent { bytes, .. } => Some(bytes.len() as u64),
        _ => None,
    })
}

/// Draws a sign for every sent message, in order: whether it arrived whole.
pub(super) fn arrivals(canvas: &mut Canvas, act: &Act) {
    let Some(size) = size(act) else { return };
    let sent = act.events.iter().filter(|event| matches!(event.what, What::Sent { .. })).count();
    let mut arrived = vec![0; sent];
    let mut waits = 0;
    for event in &act.events {
        match &event.what {
            What::Read { offset, bytes, .. } => {
                for at in *offset..*offset + bytes.len() as u64 {
                    arrived[(at / size) as usize] += 1;
                }
            }
            What::Full => waits += 1,
            _ => {}
        }
    }
    let whole: Vec<bool> = arrived.iter().map(|bytes| *bytes == size).collect();
    let row = (canvas.columns - 10) / 10 * 10;
    for (at, part) in whole.chunks(row).enumerate() {
        canvas.ink(Ink::Faint, &format!("{:>8}  ", at * row + 1));
        for run in part.chunk_by(|a, b| a == b) {
            let (ink, sign) = if run[0] { (Ink::Good, "█") } else { (Ink::Bad, "·") };
            canvas.ink(ink, &sign.repeat(run.len()));
        }
        canvas.end();
    }
    let came = whole.iter().filter(|whole| **whole).count();
    let time = act.events.last().map(|event| milliseconds(event.at)).unwrap_or_default();
    let text = match act.transport {
        Transport::Tcp => format!(
            "{} sent, {came} arrived (█) in {time} ms: the sender had to wait {} for the reader",
            thousands(sent as i128),
            count(waits, "time"),
        ),
        _ => format!(
            "{} sent, {came} arrived (█), {} lost (·) in {time} ms, and every send said that all was well",
            thousands(sent as i128),
            sent - came,
        ),
    };
    canvas.wrapped(Ink::Bold, "  → ", 4, &text);
    not_shown(canvas, act);
}

/// Columns of a row's name in the table of both transports, the margin included.
const NAME: usize = 20;

/// Draws the two transports beside each other.
pub(super) fn side_by_side(canvas: &mut Canvas, acts: &[Act]) {
    let heads = acts.iter().map(|act| if act.transport == Transport::Tcp { "TCP" } else { "UDP" }.to_owned());
    row(canvas, "", Ink::Bold, &heads.collect::<Vec<_>>());
    let rows = acts.first().map(|act| act.events.len()).unwrap_or_default();
    for at in 0..rows {
        let cells = acts.iter().filter_map(|act| cell(&act.events.get(at)?.what));
        let (names, cells): (Vec<String>, Vec<String>) = cells.unzip();
        if let Some(name) = names.first() {
            row(canvas, name, Ink::Plain, &cells);
        }
    }
    canvas.wrapped(
        Ink::Faint,
        "  ",
        2,
        "Measured just now, the reader reading only once the sender was done or had to wait.",
    );
    acts.iter().for_each(|act| not_shown(canvas, act));
}

fn row(canvas: &mut Canvas, name: &str, ink: Ink, cells: &[String]) {
    let columns = (canvas.columns - NAME) / 2;
    let mut blank = NAME - 2 - width(name);
    canvas.put("  ").put(name);
    for cell in cells {
        canvas.put(&" ".repeat(blank)).ink(ink, cell);
        blank = columns.saturating_sub(width(cell));
    }
    canvas.end();
}

/// Returns the name of a row, and the measured values.
fn cell(what: &What) -> Option<(String, String)> {
    Some(match what {
        What::Boundaries { sent, reads } => {
            let kept = if sent == reads { "yes" } else { "no" };
            let text = format!("{kept} ({sent} in {})", count(*reads as usize, "read"));
            ("boundaries kept".into(), text)
        }
        What::Largest { bytes, refused: Some(_) } => ("largest message".into(), format!("{} bytes", thousands(*bytes))),
        What::Largest { bytes, .. } => ("largest message".into(), format!("{} MiB, or more", bytes >> 20)),
        What::Flood { sent, received } => (format!("lost of {}", thousands(*sent)), thousands(sent - received)),
        What::Time { median, .. } => ("time a message".into(), microseconds(*median)),
        _ => return None,
    })
}

fn microseconds(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}
