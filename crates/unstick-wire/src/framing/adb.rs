//! `adb-reply`: answers of adb's server: OKAY, FAIL with a reason, or data after a length of four hexadecimal digits.
//!
//! Not here: what a device sends once one of its services has been opened; only the request shows its form.

use super::prefixed::{Prefix, Prefixed};
use crate::codec::{FrameError, Row, Shape, quoted};

/// adb's OVERVIEW.TXT, "Protocol details", and SERVICES.TXT.
pub(super) const ADB: Row<Prefixed<AdbReply>> = Row {
    name: "adb-reply",
    syntax: "adb-reply",
    frame: "a whole reply of adb's server: OKAY, FAIL and hex:4, or hex:4",
    examples: &["adb-reply", "adb-reply,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "adb-reply",
    parse: |_| Ok(Prefixed(AdbReply)),
};

/// Digits of a length, and letters of a word.
const WIDTH: usize = 4;

#[derive(Debug, Clone)]
pub(crate) struct AdbReply;

impl Prefix for AdbReply {
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let (word, digits) = match input.get(..WIDTH) {
            None => return Ok(None),
            Some(b"OKAY") => return Ok(Some((WIDTH, 0))),
            Some(b"FAIL") => (WIDTH, input.get(WIDTH..2 * WIDTH)),
            digits => (0, digits),
        };
        let Some(digits) = digits else { return Ok(None) };
        let length = digits
            .iter()
            .try_fold(0, |length, digit| char::from(*digit).to_digit(16).map(|digit| length << 4 | u64::from(digit)));
        let wrong = || FrameError::broken(format!("{} is neither a length nor OKAY or FAIL", quoted(digits)));
        Ok(Some((word + WIDTH, length.ok_or_else(wrong)?)))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}
