//! `--io quoted`: a message is a line, unchanged; one that holds an LF is quoted as a shell does, `$'a\nb'`.
//!
//! Reading is exact: a line that begins with `$'` is a quoted message, every other line is the message itself. A message
//! that begins with `$'` is therefore quoted as well.

use super::escaped::{escape_text, unescape};

/// The beginning and the end of a quoted message.
const BEGIN: &[u8] = b"$'";
const END: u8 = b'\'';

/// Whether a message must be quoted although it may fit on a line.
pub fn is_ambiguous(message: &[u8]) -> bool {
    message.starts_with(BEGIN)
}

/// Whether a line is a quoted message.
pub fn is_quoted(line: &[u8]) -> bool {
    line.starts_with(BEGIN)
}

/// Writes a message in quotes.
pub fn quote(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(BEGIN);
    escape_text(message, Some('\''), out);
    out.push(END);
}

/// Returns the message in quotes; `None` if the closing quote or an escape is wrong.
pub fn unquote(line: &[u8]) -> Option<Vec<u8>> {
    let inside = line.strip_prefix(BEGIN)?.strip_suffix(&[END])?;
    // An escaped quote does not close the message.
    let mut backslashes = inside.iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes %= 2;
    if backslashes == 1 { None } else { unescape(inside) }
}
