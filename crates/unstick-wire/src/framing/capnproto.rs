//! `capnproto-message`: Cap'n Proto's messages on a stream: a table of segment sizes, and the segments. The message is the
//! whole frame.
//!
//! Not here: the packed encoding, which does not announce how long it is.

use super::prefixed::{Prefix, Prefixed};
use crate::codec::{FrameError, Row, Shape};
use crate::limits::MAX_CAPNPROTO_SEGMENTS;

/// Cap'n Proto's encoding spec, "Serialization Over a Stream".
pub(super) const CAPNPROTO: Row<Prefixed<CapnProto>> = Row {
    name: "capnproto-message",
    syntax: "capnproto-message",
    frame: "a whole Cap'n Proto message: the number of segments, their sizes in words of 8 bytes, the segments",
    examples: &["capnproto-message", "capnproto-message,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "capnproto-message",
    parse: |_| Ok(Prefixed(CapnProto)),
};

/// Bytes of a word.
const WORD: u64 = 8;
/// Bytes of a number in the table.
const NUMBER: usize = 4;

#[derive(Debug, Clone)]
pub(crate) struct CapnProto;

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Prefix for CapnProto {
    fn read(&self, input: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let Some(count) = input.get(..NUMBER).map(|count| number(count) + 1) else { return Ok(None) };
        if count > MAX_CAPNPROTO_SEGMENTS as u64 {
            let what = format!("a message of {count} segments: Cap'n Proto's readers stop at {MAX_CAPNPROTO_SEGMENTS}");
            return Err(FrameError::broken(what));
        }
        let sizes = NUMBER..NUMBER * (1 + count as usize);
        let table = sizes.end.next_multiple_of(WORD as usize);
        let Some(sizes) = input.get(sizes) else { return Ok(None) };
        let words: u64 = sizes.chunks_exact(NUMBER).map(number).sum();
        Ok(Some((table, words * WORD)))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Other
    }
}
