//! `gdb-packet`: GDB's remote serial protocol: `$...#cc` and `%...#cc`, acknowledgements, and the interrupt byte.
//!
//! The message is a packet with its first byte and without its checksum, or one byte that is not part of a packet. Not
//! here: the meaning of `}` (escape) and `*` (repeat) in a packet.

use memchr::memchr2;

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step, quoted};
use crate::error::EncodeError;

/// The GDB manual, appendix E: "Overview", "Packet Acknowledgment", "Notification Packets", "Interrupts".
pub(super) const GDB: Row<Gdb> = Row {
    name: "gdb-packet",
    syntax: "gdb-packet",
    frame: "$ and the bytes before #; the checksum after # is checked and stripped ($g is $g#67); or a single +, - or 03",
    examples: &["gdb-packet", "gdb-packet,max=100"],
    keeps_boundaries: true,
    matches: |name| name == "gdb-packet",
    parse: |_| Ok(Gdb::default()),
};

/// Ends a packet's data.
const END: u8 = b'#';

/// Size of `#cc`, in bytes.
const TRAILER: usize = 3;

/// Packets and single bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gdb {
    /// Number of bytes of the input that are known to hold no end of the packet.
    scanned: usize,
}

/// Makes the checksum after the data: the sum of its bytes, without the packet's first byte.
fn trailer(packet: &[u8]) -> [u8; TRAILER] {
    let sum = packet[1..].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    [END, digit(sum >> 4), digit(sum & 0x0f)]
}

fn is_alone(byte: u8) -> bool {
    matches!(byte, b'+' | b'-' | 0x03)
}

impl Gdb {
    /// Returns where the `#` is in the packet at the start of `input`.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        let from = self.scanned.max(1);
        let found = memchr2(END, b'$', &input[from..]).map(|found| from + found);
        let seen = found.unwrap_or(input.len());
        self.scanned = seen;
        if seen > max {
            return Err(FrameError::TooLong { length: None, skip: None });
        }
        match found {
            Some(at) if input[at] == b'$' => Err(FrameError::broken("a packet begins inside another")),
            found => Ok(found),
        }
    }
}

impl Codec for Gdb {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        match input[0] {
            byte if is_alone(byte) => return Ok(Step::Frame { start: 0, end: 1, total: 1 }),
            b'$' | b'%' => {}
            other => return Err(FrameError::broken(format!("{} begins no packet of GDB", quoted(&[other])))),
        }
        let Some(end) = self.find_end(input, cx.max)? else { return Ok(Step::Need) };
        let Some(found) = input.get(end..end + TRAILER) else { return Ok(Step::Need) };
        let right = trailer(&input[..end]);
        if !found.eq_ignore_ascii_case(&right) {
            let what = format!("a packet ends in {}, and its bytes make {}", quoted(&found[1..]), quoted(&right[1..]));
            return Err(FrameError::broken(what));
        }
        self.scanned = 0;
        Ok(Step::Frame { start: 0, end, total: end + TRAILER })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match message {
            [byte] if is_alone(*byte) => out.push(*byte),
            [b'$' | b'%', data @ ..] => {
                if let Some(at) = memchr2(END, b'$', data) {
                    return Err(EncodeError::unfit_but(
                        format!("the packet holds {} at byte {}", quoted(&data[at..=at]), at + 1),
                        "inside a packet # and $ are written as } and the byte with bit 20 flipped",
                    ));
                }
                out.extend_from_slice(message);
                out.extend_from_slice(&trailer(message));
            }
            _ => {
                return Err(EncodeError::unfit_but(
                    "the message is not a packet, which begins with $ or %",
                    "$g reads the registers; its checksum is written for it",
                ));
            }
        }
        Ok(())
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        Needle::One(b'$').discard_up_to(input, first.into())
    }
}
