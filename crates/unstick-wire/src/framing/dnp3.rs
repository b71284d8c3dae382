//! `dnp3`: frames of DNP3's link layer: a header, then blocks of sixteen bytes, with a checksum after each.
//!
//! The values of the checksums are checked only with `damaged=skip`: a tester may want to send wrong ones.

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step, quoted};
use crate::error::EncodeError;

/// IEEE 1815, section 9.2.4: the length counts control, addresses and user data, and no checksum.
pub(super) const DNP3: Row<Dnp3> = Row {
    name: "dnp3-frame",
    syntax: "dnp3-frame",
    frame: "a whole DNP3 link-layer frame: 05 64, a length, 10 bytes of header, blocks of 16 bytes with a CRC of 2 bytes each",
    examples: &["dnp3-frame", "dnp3-frame,max=40,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "dnp3-frame",
    parse: |_| Ok(Dnp3::default()),
};

/// Bytes of the header, its checksum included.
const HEADER: usize = 10;
/// What the length counts besides user data.
const COUNTED: usize = 5;
/// Bytes of user data with one checksum.
const BLOCK: usize = 16;
const CRC: usize = 2;

#[derive(Debug, Clone, Default)]
pub(crate) struct Dnp3 {
    /// Whether a wrong checksum makes a frame damaged.
    checked: bool,
}

/// The polynomial of IEEE 1815, 0x3d65, its lowest bit first.
const POLYNOMIAL: u16 = 0xa6bc;

fn crc(bytes: &[u8]) -> u16 {
    let step = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), step))
}

/// Whether a part that ends in its checksum has the right one.
fn check(part: &[u8], name: &str) -> Result<(), FrameError> {
    let Some((bytes, sum)) = part.split_last_chunk::<CRC>() else { return Ok(()) };
    let right = crc(bytes).to_le_bytes();
    if *sum == right {
        return Ok(());
    }
    Err(FrameError::broken(format!("the checksum of the {name} is {}, and {} is right", quoted(sum), quoted(&right))))
}

/// Size of the frame that starts at `input[0]`, in bytes; `None` until its length has arrived.
fn whole(input: &[u8]) -> Result<Option<usize>, FrameError> {
    if let Some(wrong) = input.iter().zip(b"\x05\x64").position(|(found, wanted)| found != wanted) {
        return Err(FrameError::broken(format!("a frame starts with 0564, not with {}", quoted(&input[..=wrong]))));
    }
    let Some(&length) = input.get(2) else { return Ok(None) };
    let Some(data) = usize::from(length).checked_sub(COUNTED) else {
        return Err(FrameError::broken(format!(
            "length {length} is less than the {COUNTED} bytes that every frame has"
        )));
    };
    Ok(Some(HEADER + data + CRC * data.div_ceil(BLOCK)))
}

impl Codec for Dnp3 {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(total) = whole(input)? else { return Ok(Step::Need) };
        if self.checked {
            // Checked before the length is used: a wrong length would swallow the frames after it.
            let Some(header) = input.get(..HEADER) else { return Ok(Step::Need) };
            check(header, "header")?;
        }
        if total > cx.max {
            return Err(FrameError::TooLong { length: Some(total as u64), skip: Some(total as u64) });
        }
        if input.len() < total {
            return Ok(Step::Need);
        }
        if self.checked {
            input[HEADER..total].chunks(BLOCK + CRC).try_for_each(|block| check(block, "data"))?;
        }
        Ok(Step::Frame { start: 0, end: total, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        crate::codec::encode_as_it_stands(
            Self::default(),
            message,
            b"",
            "one DNP3 frame with its checksums, its length right",
            out,
        )
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

    fn check_sums(&mut self) {
        self.checked = true;
    }

    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        Needle::Two([0x05, 0x64]).discard_up_to(input, first.into())
    }
}
