//! pcap, as libpcap writes it (pcap-savefile(5), draft-ietf-opsawg-pcap).

use super::captured::Captured;
use super::source::Source;
use crate::error::CaptureError;
use crate::limits::MAX_PACKET;

/// How a file with microseconds begins, and one with nanoseconds, each in the byte order of the machine that wrote it.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Bytes of the header of the file, and of each packet.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// Whether a file that begins with these bytes is a pcap file.
pub(super) fn is_magic(magic: [u8; 4]) -> bool {
    [u32::from_be_bytes(magic), u32::from_le_bytes(magic)]
        .iter()
        .any(|magic| [MICROSECONDS, NANOSECONDS].contains(magic))
}

/// A pcap file.
pub(super) struct Pcap {
    source: Source,
    little_endian: bool,
    /// Nanoseconds in a unit of the second half of a time.
    unit: u64,
    link: u16,
    packet: Vec<u8>,
}

impl Pcap {
    /// Reads the header of the file.
    pub(super) fn open(mut source: Source) -> Result<Self, CaptureError> {
        let mut header = [0; FILE_HEADER];
        source.fill(&mut header, "its header")?;
        let field = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let little_endian = [MICROSECONDS, NANOSECONDS].contains(&u32::from_le_bytes(field(0)));
        let number = |at| if little_endian { u32::from_le_bytes(field(at)) } else { u32::from_be_bytes(field(at)) };
        let unit = if number(0) == NANOSECONDS { 1 } else { 1000 };
        // The upper half says whether frames have their checksum behind them.
        let link = number(20) as u16;
        Ok(Self { source, little_endian, unit, link, packet: Vec::new() })
    }

    pub(super) fn next_packet(&mut self) -> Result<Option<Captured<'_>>, CaptureError> {
        let mut header = [0; PACKET_HEADER];
        let at = self.source.at();
        if !self.source.fill(&mut header, "the header of a packet")? {
            return Ok(None);
        }
        let number = |at: usize| {
            let field = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            if self.little_endian { u32::from_le_bytes(field) } else { u32::from_be_bytes(field) }
        };
        let (seconds, part, captured, length) = (number(0), number(4), number(8), number(12));
        if captured > MAX_PACKET {
            return Err(CaptureError::malformed(
                at,
                format!("a packet of {captured} bytes, over the limit of {MAX_PACKET}"),
            ));
        }
        self.source.read(captured, &mut self.packet, "a packet")?;
        let time = u64::from(seconds) * 1_000_000_000 + u64::from(part) * self.unit;
        Ok(Some(Captured { time: Some(time), link: self.link, data: &self.packet, length: length.max(captured) }))
    }
}
