//! pcapng, as Wireshark writes it (draft-ietf-opsawg-pcapng): sections, interfaces and packets in blocks.

use super::captured::Captured;
use super::source::Source;
use crate::error::CaptureError;
use crate::limits::{MAX_BLOCK, MAX_INTERFACES};

/// Types of blocks. That of a section reads the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// How the body of a section begins, in its byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Bytes of a block around its body: its type and its length, and its length again.
const AROUND: u32 = 12;

/// Options of an interface.
const END_OF_OPTIONS: u16 = 0;
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;

/// A pcapng file.
pub(super) struct PcapNg {
    source: Source,
    little_endian: bool,
    interfaces: Vec<Interface>,
    body: Vec<u8>,
}

/// An interface of the section.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u16,
    /// The most bytes of a packet that were captured; 0 for all.
    snap: u32,
    clock: Clock,
}

/// What the times of an interface count.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Units in a second.
    resolution: u64,
    /// Seconds that are added.
    offset: i64,
}

impl Clock {
    /// Nanoseconds since 1970.
    fn nanoseconds(self, ticks: u64) -> Option<u64> {
        let time = u128::from(ticks) * 1_000_000_000 / u128::from(self.resolution);
        let offset = i128::from(self.offset) * 1_000_000_000;
        u64::try_from(i128::try_from(time).ok()?.checked_add(offset)?).ok()
    }
}

/// Where in the body of a block a packet lies.
struct Place {
    interface: usize,
    ticks: Option<u64>,
    from: usize,
    captured: u32,
    length: u32,
}

impl PcapNg {
    pub(super) fn new(source: Source) -> Self {
        Self { source, little_endian: true, interfaces: Vec::new(), body: Vec::new() }
    }

    pub(super) fn next_packet(&mut self) -> Result<Option<Captured<'_>>, CaptureError> {
        loop {
            let at = self.source.at();
            let Some(kind) = self.block()? else { return Ok(None) };
            let place = match kind {
                INTERFACE => {
                    self.add_interface(at)?;
                    continue;
                }
                PACKET => self.long(0).and_then(|interface| self.packet(interface as usize)),
                SIMPLE_PACKET => self.simple_packet(),
                OLD_PACKET => self.short(0).and_then(|interface| self.packet(usize::from(interface))),
                _ => continue,
            };
            let Some(place) = place else {
                return Err(CaptureError::malformed(at, "a block is too short for a packet"));
            };
            let Some(interface) = self.interfaces.get(place.interface) else {
                let what = format!("a packet of interface {}, which no block describes", place.interface);
                return Err(CaptureError::malformed(at, what));
            };
            let (link, time) = (interface.link, place.ticks.and_then(|ticks| interface.clock.nanoseconds(ticks)));
            let data = self.body.get(place.from..).and_then(|data| data.get(..place.captured as usize));
            let Some(data) = data else {
                let what = format!("a packet of {} bytes is longer than its block", place.captured);
                return Err(CaptureError::malformed(at, what));
            };
            return Ok(Some(Captured { time, link, data, length: place.length.max(place.captured) }));
        }
    }

    /// Reads a block, and returns its type. Its body is kept where it matters here.
    fn block(&mut self) -> Result<Option<u32>, CaptureError> {
        let at = self.source.at();
        let mut head = [0; 8];
        if !self.source.fill(&mut head, "the header of a block")? {
            return Ok(None);
        }
        let [a, b, c, d, length @ ..] = head;
        let kind = [a, b, c, d];
        if kind == SECTION.to_be_bytes() {
            return self.section(at, length).map(|()| Some(SECTION));
        }
        let (kind, length) = (self.number(kind), self.number(length));
        let body = body_length(at, length)?;
        let matters = [INTERFACE, PACKET, SIMPLE_PACKET, OLD_PACKET].contains(&kind);
        match matters {
            true if body > MAX_BLOCK => {
                return Err(CaptureError::malformed(
                    at,
                    format!("a block of {length} bytes, over the limit of {MAX_BLOCK}"),
                ));
            }
            true => self.source.read(body, &mut self.body, "a block")?,
            false => self.source.skip(body, "a block")?,
        }
        self.end_of_block(at, length)?;
        Ok(Some(kind))
    }

    /// Begins a section: its byte order, and no interfaces yet.
    fn section(&mut self, at: u64, length: [u8; 4]) -> Result<(), CaptureError> {
        let mut order = [0; 4];
        if !self.source.fill(&mut order, "a section")? {
            return Err(CaptureError::truncated(at, "a section"));
        }
        self.little_endian = match order {
            order if u32::from_le_bytes(order) == BYTE_ORDER => true,
            order if u32::from_be_bytes(order) == BYTE_ORDER => false,
            _ => return Err(CaptureError::malformed(at, "a section without a byte order")),
        };
        self.interfaces.clear();
        let length = self.number(length);
        let rest = body_length(at, length)?.checked_sub(4);
        let rest = rest.ok_or_else(|| CaptureError::malformed(at, "a section that is too short"))?;
        self.source.skip(rest, "a section")?;
        self.end_of_block(at, length)
    }

    /// A block ends with its length again.
    fn end_of_block(&mut self, at: u64, length: u32) -> Result<(), CaptureError> {
        let mut again = [0; 4];
        if !self.source.fill(&mut again, "a block")? {
            return Err(CaptureError::truncated(at, "a block"));
        }
        match self.number(again) {
            same if same == length => Ok(()),
            other => {
                let what = format!("a block says {length} bytes at its start and {other} at its end");
                Err(CaptureError::malformed(at, what))
            }
        }
    }

    fn add_interface(&mut self, at: u64) -> Result<(), CaptureError> {
        let (Some(link), Some(snap)) = (self.short(0), self.long(4)) else {
            return Err(CaptureError::malformed(at, "a block is too short for an interface"));
        };
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(CaptureError::malformed(at, format!("over {MAX_INTERFACES} interfaces")));
        }
        let clock = self.clock(8);
        self.interfaces.push(Interface { link, snap, clock });
        Ok(())
    }

    /// Reads the options of an interface that say what its times count.
    fn clock(&self, mut at: usize) -> Clock {
        let mut clock = Clock { resolution: 1_000_000, offset: 0 };
        while let (Some(option), Some(length)) = (self.short(at), self.short(at + 2)) {
            let value = self.body.get(at + 4..at + 4 + usize::from(length));
            match (option, value) {
                (END_OF_OPTIONS, _) | (_, None) => break,
                (RESOLUTION, Some(&[power, ..])) => {
                    let exponent = u32::from(power & 0x7f);
                    let resolution =
                        if power & 0x80 == 0 { 10_u64.checked_pow(exponent) } else { 2_u64.checked_pow(exponent) };
                    clock.resolution = resolution.unwrap_or(clock.resolution);
                }
                (OFFSET, Some(value)) => {
                    if let Ok(value) = value.try_into() {
                        let offset =
                            if self.little_endian { i64::from_le_bytes(value) } else { i64::from_be_bytes(value) };
                        clock.offset = offset;
                    }
                }
                _ => {}
            }
            at += 4 + usize::from(length).next_multiple_of(4);
        }
        clock
    }

    /// A packet of this interface: only the number of the interface differs between the two types of block.
    fn packet(&self, interface: usize) -> Option<Place> {
        let ticks = u64::from(self.long(4)?) << 32 | u64::from(self.long(8)?);
        Some(Place { interface, ticks: Some(ticks), from: 20, captured: self.long(12)?, length: self.long(16)? })
    }

    /// A packet without its time, of the first interface.
    fn simple_packet(&self) -> Option<Place> {
        let length = self.long(0)?;
        let snap = self.interfaces.first().map_or(0, |interface| interface.snap);
        let snap = if snap == 0 { u32::MAX } else { snap };
        let captured = length.min(snap).min(u32::try_from(self.body.len()).ok()?.checked_sub(4)?);
        Some(Place { interface: 0, ticks: None, from: 4, captured, length })
    }

    fn number(&self, bytes: [u8; 4]) -> u32 {
        if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = self.body.get(at..)?.first_chunk()?;
        Some(self.number(*bytes))
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.body.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }
}

/// Bytes of the body of a block of this length.
fn body_length(at: u64, length: u32) -> Result<u32, CaptureError> {
    let body = length.checked_sub(AROUND).filter(|body| body % 4 == 0);
    body.ok_or_else(|| {
        CaptureError::malformed(
            at,
            format!("a block cannot have {length} bytes: it has at least {AROUND}, and a multiple of 4"),
        )
    })
}
