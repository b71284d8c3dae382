//! `tns-packet`: Oracle Net's packets. Their length has two bytes, and four from the first packet on whose length needs
//! four.

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;

/// There is no public specification; this follows how python-oracledb writes packets and Wireshark reads them.
pub(super) const TNS: Row<Tns> = Row {
    name: "tns-packet",
    syntax: "tns-packet",
    frame: "a whole Oracle Net packet; its length counts the whole packet and has 2 bytes, or 4 once both sides use version 315",
    examples: &["tns-packet", "tns-packet,max=100,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "tns-packet",
    parse: |_| Ok(Tns { large: false }),
};

/// Bytes of a packet's header: length, checksum (part of a large length), type, flags, the header's checksum.
const HEADER: u64 = 8;

/// The type of a data descriptor, and the place of the number of bytes that follow it and that its length does not
/// count.
const DATA_DESCRIPTOR: u8 = 15;
const UNCOUNTED: usize = 12;

/// The packets of one direction.
///
/// The bytes of one direction do not show which version both sides have agreed on. But a length of two bytes is never
/// less than eight, and the first packet with a length of four bytes is never so large that it looks like one of those.
#[derive(Debug, Clone)]
pub(crate) struct Tns {
    /// Whether lengths have four bytes.
    large: bool,
}

impl Tns {
    /// Returns the size of the packet that starts at `input[0]`, and whether its length has four bytes.
    fn whole(&self, input: &[u8]) -> Result<Option<(u64, bool)>, FrameError> {
        let Some(header) = input.get(..HEADER as usize) else { return Ok(None) };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let short = number(&header[..2]);
        let large = self.large || short < HEADER;
        let length = if large { number(&header[..4]) } else { short };
        if length < HEADER {
            return Err(FrameError::broken(format!(
                "length {length} is less than the {HEADER} bytes of a packet's header"
            )));
        }
        if header[4] != DATA_DESCRIPTOR {
            return Ok(Some((length, large)));
        }
        let uncounted = input.get(UNCOUNTED..UNCOUNTED + 4).map(number);
        Ok(uncounted.map(|uncounted| (length.max(UNCOUNTED as u64 + 4) + uncounted, large)))
    }
}

impl Codec for Tns {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some((length, large)) = self.whole(input)? else { return Ok(Step::Need) };
        if length > cx.max as u64 {
            self.large = large;
            return Err(FrameError::TooLong { length: Some(length), skip: Some(length) });
        }
        let total = length as usize;
        if input.len() < total {
            return Ok(Step::Need);
        }
        self.large = large;
        Ok(Step::Frame { start: 0, end: total, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.whole(message) {
            Ok(Some((length, _))) if length == message.len() as u64 => {
                out.extend_from_slice(message);
                Ok(())
            }
            Err(FrameError::Broken(what)) => Err(EncodeError::unfit(format!("the message is not a packet: {what}"))),
            _ => Err(EncodeError::unfit("the message is not one packet with its length right")),
        }
    }

    fn is_stateful(&self) -> bool {
        !self.large
    }

    fn sent(&mut self, message: &[u8]) {
        if let Ok(Some((_, large))) = self.whole(message) {
            self.large = large;
        }
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        self.whole(input).ok()?.map(|(length, _)| length)
    }

    fn can_discard(&self) -> bool {
        true
    }
}
