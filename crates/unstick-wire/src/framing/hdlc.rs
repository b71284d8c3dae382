//! `hdlc`: frames between flags, octets escaped, a checksum after them: RFC 1662, sections 3.1, 4.2 and appendix C.

use memchr::{memchr, memchr2};

use super::needle::Needle;
use crate::args::Args;
use crate::byte_count::ByteCount;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step};
use crate::error::{EncodeError, SpecError};

pub(super) const HDLC: Row<Hdlc> = Row {
    name: "hdlc",
    syntax: "hdlc[,fcs=32][,escape=controls]",
    frame: "RFC 1662: between 7E flags, 7E and 7D inside escaped (escape=controls: when sending, bytes under 20 too); the checksum (fcs=16, 32 or none) is checked and stripped",
    examples: &["hdlc", "hdlc,fcs=32", "hdlc,fcs=none", "hdlc,escape=controls", "hdlc,max=10,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "hdlc",
    parse: |args| Ok(Hdlc { sum: Sum::parse(args)?, controls: parse_escape(args)?, ..Hdlc::default() }),
};

const FLAG: u8 = 0x7e;
const ESC: u8 = 0x7d;

/// Escaping an octet flips this bit.
const FLIP: u8 = 0x20;

/// Frames between flags.
///
/// A flag may end one frame and begin the next, and any number of flags may follow each other: an empty space between
/// two is not a frame. A frame that ends in ESC and a flag was aborted by its sender, and is skipped as the RFC
/// requires. A frame with a wrong checksum is an error: a stream that does not come from a serial line has no noise. A
/// stream begins with a frame. The writer puts a flag on both sides. It escapes only flags and escapes, and controls if
/// the user asks for that: PPP's peers may drop controls that are not escaped until both have agreed (section 7.1).
#[derive(Debug, Clone, Default)]
pub(crate) struct Hdlc {
    sum: Sum,
    /// Whether octets under 0x20 are escaped when written.
    controls: bool,
    /// Number of bytes of the input that hold no flag, and only whole escapes.
    scanned: usize,
    /// Number of escapes among them.
    escapes: usize,
}

/// The frame check sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Sum {
    None,
    #[default]
    Fcs16,
    Fcs32,
}

/// The generator polynomials, lowest bit first, as the RFC's appendix has them.
const FCS16: [u32; 256] = table(0x8408);
const FCS32: [u32; 256] = table(0xedb8_8320);

/// What each value of a byte adds to a checksum.
pub(super) const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut value, mut bit) = (at as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

/// The register after these bytes, from all ones on.
pub(super) fn checksum(table: &[u32; 256], ones: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(ones, |sum, byte| sum >> 8 ^ table[usize::from(sum as u8 ^ byte)])
}

impl Sum {
    fn parse(args: &mut Args<'_>) -> Result<Self, SpecError> {
        match args.value("fcs") {
            None | Some("16") => Ok(Self::Fcs16),
            Some("32") => Ok(Self::Fcs32),
            Some("none") => Ok(Self::None),
            Some(other) => Err(SpecError::new(format!("fcs={other}: 16, 32 or none"))),
        }
    }

    /// Size of the checksum, in bytes.
    fn width(self) -> usize {
        match self {
            Self::None => 0,
            Self::Fcs16 => 2,
            Self::Fcs32 => 4,
        }
    }

    /// Returns the checksum as it follows these bytes; the first `width` bytes count.
    fn of(self, bytes: &[u8]) -> [u8; 4] {
        match self {
            Self::None => [0; 4],
            Self::Fcs16 => (!checksum(&FCS16, u16::MAX.into(), bytes)).to_le_bytes(),
            Self::Fcs32 => (!checksum(&FCS32, u32::MAX, bytes)).to_le_bytes(),
        }
    }

    /// Whether the checksum at the end of a frame is that of the bytes before it.
    fn fits(self, frame: &[u8]) -> bool {
        let Some((message, sum)) = frame.split_at_checked(frame.len().wrapping_sub(self.width())) else { return false };
        self.of(message)[..self.width()] == *sum
    }

    /// The error for a frame whose checksum is wrong.
    #[cold]
    fn fault(self, frame: &[u8]) -> FrameError {
        if frame.len() < self.width() {
            let length = ByteCount(frame.len());
            return FrameError::broken(format!("a frame of {length} is shorter than its checksum"));
        }
        let (message, sum) = frame.split_at(frame.len() - self.width());
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let right = hex(&self.of(message)[..self.width()]);
        let (bits, other) = match self {
            Self::Fcs32 => (32, (Self::Fcs16, "fcs=16")),
            _ => (16, (Self::Fcs32, "fcs=32")),
        };
        let meant = if other.0.fits(frame) { format!(": it would be right with {}", other.1) } else { String::new() };
        FrameError::broken(format!("a frame ends in the FCS-{bits} {}, and its bytes make {right}{meant}", hex(sum)))
    }
}

fn parse_escape(args: &mut Args<'_>) -> Result<bool, SpecError> {
    match args.value("escape") {
        None | Some("none") => Ok(false),
        Some("controls") => Ok(true),
        Some(other) => Err(SpecError::new(format!("escape={other}: controls or none"))),
    }
}

/// How a frame ends.
enum End {
    Flag(usize),
    /// ESC, and the flag at this place: aborted by its sender.
    Abort(usize),
}

impl Hdlc {
    /// Finds where the frame ends, if that has arrived. Looks at every byte once.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<End>, FrameError> {
        loop {
            let found = memchr2(FLAG, ESC, &input[self.scanned..]);
            let at = self.scanned + found.unwrap_or(input.len() - self.scanned);
            self.scanned = at;
            if at - self.escapes > max.saturating_add(self.sum.width()) {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            match (found.map(|_| input[at]), input.get(at + 1)) {
                (Some(FLAG), _) => return Ok(Some(End::Flag(at))),
                (Some(_), Some(&FLAG)) => return Ok(Some(End::Abort(at + 1))),
                (Some(_), Some(_)) => {
                    self.scanned = at + 2;
                    self.escapes += 1;
                }
                (None, _) | (Some(_), None) => return Ok(None),
            }
        }
    }

    /// Gets ready for the next frame. Returns the number of escapes in the last one.
    fn restart(&mut self) -> usize {
        self.scanned = 0;
        std::mem::take(&mut self.escapes)
    }
}

fn unescape(frame: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(frame.len());
    let mut rest = frame;
    while let Some(at) = memchr(ESC, rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(rest[at + 1] ^ FLIP);
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
}

fn escape(bytes: &[u8], controls: bool, out: &mut Vec<u8>) {
    let mut rest = bytes;
    let next = |rest: &[u8]| match controls {
        false => memchr2(FLAG, ESC, rest),
        true => rest.iter().position(|octet| *octet < FLIP || matches!(*octet, FLAG | ESC)),
    };
    while let Some(at) = next(rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[ESC, rest[at] ^ FLIP]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

impl Codec for Hdlc {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if input[0] == FLAG {
            let total = input.iter().take_while(|byte| **byte == FLAG).count();
            return Ok(Step::Blank { total });
        }
        let end = match self.find_end(input, cx.max)? {
            Some(End::Flag(end)) => end,
            Some(End::Abort(flag)) => {
                self.restart();
                return Ok(Step::Blank { total: flag + 1 });
            }
            None => return Ok(Step::Need),
        };
        let (sum, total) = (self.sum, end + 1);
        if self.restart() == 0 {
            let frame = &input[..end];
            return match sum.fits(frame) {
                true => Ok(Step::Frame { start: 0, end: end - sum.width(), total }),
                false => Err(sum.fault(frame)),
            };
        }
        unescape(&input[..end], cx.scratch);
        if !sum.fits(cx.scratch) {
            return Err(sum.fault(cx.scratch));
        }
        cx.scratch.truncate(cx.scratch.len() - sum.width());
        Ok(Step::Built { total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if message.is_empty() && self.sum == Sum::None {
            return Err(EncodeError::unfit("HDLC without a checksum has no empty messages: a reader passes over them"));
        }
        out.reserve(message.len() + self.sum.width() + 2);
        out.push(FLAG);
        escape(message, self.controls, out);
        escape(&self.sum.of(message)[..self.sum.width()], self.controls, out);
        out.push(FLAG);
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        // A flag always ends a frame, so the state of escapes does not matter.
        let from = self.scanned;
        self.restart();
        Ok(match memchr(FLAG, &input[from..]) {
            Some(at) => Discard::Done(from + at + 1),
            None => Discard::More(input.len()),
        })
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Needle::One(FLAG).discard_behind(input)
    }
}
