//! `dnp3`: frames of DNP3's link layer: a header, then blocks of sixteen bytes, with a checksum behind each.
//!
//! Not here: the checksums' values, which a tester may want to send wrong.

use super::delimited::Needle;
use super::{Codec, Cx, Discard, Entry, Fault, Step, shown};
use crate::error::EncodeError;

/// IEEE 1815, section 9.2.4: the length counts control, addresses and user data, and no checksum.
pub(super) const DNP3: Entry = Entry {
    name: "dnp3-frame",
    syntax: "dnp3-frame",
    frame: "a DNP3 link-layer frame as it stands: 05 64, a length, 10 bytes of header, blocks of 16 with 2 bytes of CRC each",
    examples: &["dnp3-frame", "dnp3-frame,max=40,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "dnp3-frame",
    parse: |_| Ok(Dnp3.into()),
};

/// Bytes of the header, its checksum included.
const HEADER: usize = 10;
/// What the length counts besides user data.
const COUNTED: usize = 5;
/// Bytes of user data with one checksum.
const BLOCK: usize = 16;
const CRC: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct Dnp3;

/// Bytes of the frame that `input` begins; `None` until its length has come.
fn whole(input: &[u8]) -> Result<Option<usize>, Fault> {
    if let Some(wrong) = input.iter().zip(b"\x05\x64").position(|(found, wanted)| found != wanted) {
        return Err(Fault::broken(format!("a frame starts with 0564, not with {}", shown(&input[..=wrong]))));
    }
    let Some(&length) = input.get(2) else { return Ok(None) };
    let Some(data) = usize::from(length).checked_sub(COUNTED) else {
        return Err(Fault::broken(format!("length {length} is less than the {COUNTED} bytes that every frame has")));
    };
    Ok(Some(HEADER + data + CRC * data.div_ceil(BLOCK)))
}

impl Codec for Dnp3 {
    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        let Some(total) = whole(input)? else { return Ok(Step::Need) };
        if total > cx.max {
            return Err(Fault::TooLong { length: Some(total as u64), skip: Some(total as u64) });
        }
        if input.len() < total {
            return Ok(Step::Need);
        }
        Ok(Step::Frame { start: 0, end: total, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        super::encode_as_it_stands(Self, message, b"", "one DNP3 frame with its checksums, its length right", out)
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        whole(input).ok()?.map(|total| total as u64)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        Discard::up_to(&Needle::Two([0x05, 0x64]), input, first.into())
    }
}
