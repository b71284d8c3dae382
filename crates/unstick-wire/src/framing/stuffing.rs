//! Byte stuffing with codes: a mark ends a frame. Inside a frame, an escape and a code stand for the mark or for the escape.
//!
//! Not here: HDLC's byte stuffing, where the escape flips a bit of the byte after it (`hdlc`).

use memchr::{memchr, memchr2};

use crate::codec::{Discard, FrameError, quoted};

/// The bytes of one framing. They are constants, so that the compiler builds a search for each framing.
pub(super) trait Stuffing {
    /// Ends a frame.
    const MARK: u8;
    /// Begins an escape.
    const ESCAPE: u8;
    /// The name of the escape in errors.
    const NAME: &'static str;
    /// Stands for the mark, after an escape.
    const MARK_CODE: u8;
    /// Stands for the escape, after an escape.
    const ESCAPE_CODE: u8;

    /// The number of marks at the beginning. Two marks with nothing between them are not a frame.
    fn leading_marks(input: &[u8]) -> usize {
        input.iter().take_while(|byte| **byte == Self::MARK).count()
    }

    /// Undoes the escapes of a frame. Every escape must be whole.
    fn unescape(frame: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.reserve(frame.len());
        let mut rest = frame;
        while let Some(at) = memchr(Self::ESCAPE, rest) {
            out.extend_from_slice(&rest[..at]);
            out.push(if rest[at + 1] == Self::MARK_CODE { Self::MARK } else { Self::ESCAPE });
            rest = &rest[at + 2..];
        }
        out.extend_from_slice(rest);
    }

    /// Writes bytes with their escapes.
    fn write(bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(at) = memchr2(Self::MARK, Self::ESCAPE, rest) {
            out.extend_from_slice(&rest[..at]);
            let code = if rest[at] == Self::MARK { Self::MARK_CODE } else { Self::ESCAPE_CODE };
            out.extend_from_slice(&[Self::ESCAPE, code]);
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
    }
}

/// How far a frame has been searched for its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    /// Bytes of the input known to hold no mark, and only whole escapes.
    scanned: usize,
    /// Escapes among them.
    pub(super) escapes: usize,
}

impl Search {
    /// Finds the mark, if it has arrived. Looks at every byte once. At most `max` bytes may come before it, escapes undone.
    pub(super) fn find_end<S: Stuffing>(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        loop {
            let found = memchr2(S::MARK, S::ESCAPE, &input[self.scanned..]);
            let at = self.scanned + found.unwrap_or(input.len() - self.scanned);
            self.scanned = at;
            if at - self.escapes > max {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            match (found.map(|_| input[at]), input.get(at + 1)) {
                (Some(byte), _) if byte == S::MARK => return Ok(Some(at)),
                (Some(_), Some(&code)) if code == S::MARK_CODE || code == S::ESCAPE_CODE => {
                    self.scanned = at + 2;
                    self.escapes += 1;
                }
                (Some(_), Some(&other)) => {
                    let what = format!("{} is followed by {}, which escapes nothing", S::NAME, quoted(&[other]));
                    return Err(FrameError::broken(what));
                }
                (None, _) | (Some(_), None) => return Ok(None),
            }
        }
    }

    /// Skips a frame that is too long. A mark is never part of an escape, so escapes do not matter here.
    pub(super) fn discard<S: Stuffing>(&mut self, input: &[u8]) -> Discard {
        let from = std::mem::take(self).scanned;
        match memchr(S::MARK, &input[from..]) {
            Some(at) => Discard::Done(from + at + 1),
            None => Discard::More(input.len()),
        }
    }
}
