//! Byte stuffing by codes: a mark ends a frame, and inside it an escape and a code stand for the mark or for the escape.
//!
//! Not here: HDLC's, where the escape flips a bit of the byte after it (`hdlc`).

use memchr::{memchr, memchr2};

use super::needle::Needle;
use crate::codec::{Discard, FrameError, quoted};

/// The bytes of one framing.
#[derive(Debug)]
pub(super) struct Stuffing {
    pub(super) mark: u8,
    pub(super) escape: u8,
    /// What errors call the escape.
    pub(super) name: &'static str,
    /// After an escape, stands for the mark.
    pub(super) mark_code: u8,
    /// After an escape, stands for the escape.
    pub(super) escape_code: u8,
}

/// How far a frame has been searched for its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    /// Bytes of the input that hold no mark, and only whole escapes.
    scanned: usize,
    /// Escapes among them.
    pub(super) escapes: usize,
}

impl Search {
    /// Where the mark is, if it has arrived. Looks at every byte once. `max`: the most bytes in front of it, escapes undone.
    #[inline]
    pub(super) fn find_end(&mut self, bytes: &Stuffing, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        loop {
            let found = memchr2(bytes.mark, bytes.escape, &input[self.scanned..]);
            let at = self.scanned + found.unwrap_or(input.len() - self.scanned);
            self.scanned = at;
            if at - self.escapes > max {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            match (found.map(|_| input[at]), input.get(at + 1)) {
                (Some(byte), _) if byte == bytes.mark => return Ok(Some(at)),
                (Some(_), Some(code)) if [bytes.mark_code, bytes.escape_code].contains(code) => {
                    self.scanned = at + 2;
                    self.escapes += 1;
                }
                (Some(_), Some(other)) => {
                    let what = format!("{} is followed by {}, which escapes nothing", bytes.name, quoted(&[*other]));
                    return Err(FrameError::broken(what));
                }
                (None, _) | (Some(_), None) => return Ok(None),
            }
        }
    }

    /// Passes over a frame that is too long. A mark is never part of an escape, so escapes do not matter here.
    pub(super) fn discard(&mut self, bytes: &Stuffing, input: &[u8]) -> Discard {
        let from = std::mem::take(self).scanned;
        match memchr(bytes.mark, &input[from..]) {
            Some(at) => Discard::Done(from + at + 1),
            None => Discard::More(input.len()),
        }
    }
}

impl Stuffing {
    /// Marks at the beginning: what is empty between two belongs to no frame.
    pub(super) fn leading_marks(&self, input: &[u8]) -> usize {
        input.iter().take_while(|byte| **byte == self.mark).count()
    }

    /// Undoes the escapes of a frame, all of which are whole.
    pub(super) fn unescape(&self, frame: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.reserve(frame.len());
        let mut rest = frame;
        while let Some(at) = memchr(self.escape, rest) {
            out.extend_from_slice(&rest[..at]);
            out.push(if rest[at + 1] == self.mark_code { self.mark } else { self.escape });
            rest = &rest[at + 2..];
        }
        out.extend_from_slice(rest);
    }

    /// Writes bytes with their escapes.
    pub(super) fn write(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(at) = memchr2(self.mark, self.escape, rest) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(&[
                self.escape,
                if rest[at] == self.mark { self.mark_code } else { self.escape_code },
            ]);
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
    }

    /// After damage: the place after the next mark.
    pub(super) fn resync(&self, input: &[u8]) -> Discard {
        Needle::One(self.mark).discard_behind(input)
    }
}
