//! Shows passed data to people: one line with its length and text, or its bytes as a dump below that line.

use unstick::wire::Frame;

use crate::canvas::columns;
use crate::count::Count;
use crate::style::{FAINT, styled};
use crate::{frame_dump, sanitize};

/// The indent of a dump's rows.
const INDENT: &str = "    ";

/// Returns the line of a message, or of the bytes of one read, after its head. If there is a frame, its dump follows below the
/// line. Without a frame, the dump of the bytes follows if they are not text, or if `hex` asks for it.
pub fn lines(head: &str, data: &[u8], frame: Option<&Frame<'_>>, hex: bool, colour: bool) -> String {
    let sizes = frame.map_or_else(|| Count(data.len() as u64, "byte").to_string(), frame_dump::sizes);
    let head = format!("{head} {}", styled(colour, &sizes, FAINT));
    let columns = || columns().saturating_sub(INDENT.len());
    let below = |dump: String| format!("{head}\n{INDENT}{}\n", dump.trim_end().replace('\n', &format!("\n{INDENT}")));
    if let Some(frame) = frame.filter(|frame| !frame.bytes.is_empty()) {
        return below(frame_dump::dump(frame, columns(), colour));
    }
    match std::str::from_utf8(data).ok().filter(|_| !hex && is_text(data)) {
        Some("") => format!("{head}\n"),
        Some(text) => format!("{head}: {}\n", sanitize::line(text)),
        None => below(sanitize::dump(data, columns(), colour)),
    }
}

/// Whether to print bytes as text, not as a dump: line ends and tabs are their only characters that a terminal would not show.
fn is_text(data: &[u8]) -> bool {
    !data.iter().any(|byte| byte.is_ascii_control() && !b"\t\r\n\x1b".contains(byte))
}
