//! The bytes of a file from front to back, with the place of each.

use std::io::{ErrorKind, Read};

use crate::error::CaptureError;

/// A file that is read from front to back.
pub(super) struct Source {
    file: Box<dyn Read>,
    /// Number of bytes that were read.
    at: u64,
}

impl Source {
    pub(super) fn new(file: Box<dyn Read>) -> Self {
        Self { file, at: 0 }
    }

    /// Where the next byte is in the file.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Fills the room. Returns false where the file has ended before its first byte.
    pub(super) fn fill(&mut self, room: &mut [u8], what: &'static str) -> Result<bool, CaptureError> {
        let begin = self.at;
        let mut filled = 0;
        while filled < room.len() {
            match self.file.read(&mut room[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(CaptureError::truncated(begin, what)),
                Ok(read) => {
                    filled += read;
                    self.at += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Of compressed files it is known where they should end.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(CaptureError::truncated(begin, what));
                }
                Err(error) => return Err(CaptureError::io(error)),
            }
        }
        Ok(true)
    }

    /// Reads this many bytes in place of what is in `room`, which grows with what arrives and not with what was announced.
    pub(super) fn read(&mut self, length: u32, room: &mut Vec<u8>, what: &'static str) -> Result<(), CaptureError> {
        /// Bytes by which it grows.
        const STEP: usize = 64 << 10;
        let (begin, length) = (self.at, length as usize);
        room.clear();
        while room.len() < length {
            let from = room.len();
            room.resize(length.min(from + STEP), 0);
            if !self.fill(&mut room[from..], what)? {
                return Err(CaptureError::truncated(begin, what));
            }
        }
        Ok(())
    }

    /// Passes over this many bytes.
    pub(super) fn skip(&mut self, mut length: u32, what: &'static str) -> Result<(), CaptureError> {
        let begin = self.at;
        let mut room = [0; 4096];
        while length > 0 {
            let part = room.len().min(length as usize);
            if !self.fill(&mut room[..part], what)? {
                return Err(CaptureError::truncated(begin, what));
            }
            length -= part as u32;
        }
        Ok(())
    }
}
