//! `modbus-rtu-frame`: Modbus on a serial line: an address, a function, the function's data, and a CRC-16.
//!
//! A frame has no length. On the line, silence of 3.5 characters separates frames. A program sees no silence, because
//! drivers and adapters pass bytes on at any time. So the length follows from the function and the sending side, and
//! the CRC confirms it. Not here: functions that only a vendor knows, because nothing shows their length.

use super::hdlc::{checksum, table};
use crate::args::Args;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step};
use crate::error::{EncodeError, SpecError};

/// MODBUS over Serial Line V1.02, section 2.5.1; Application Protocol V1.1b3, section 6, for what each function has.
pub(super) const MODBUS_RTU: Row<ModbusRtu> = Row {
    name: "modbus-rtu-frame",
    syntax: "modbus-rtu-frame:client|server",
    frame: "an address, a function and its data, whose length depends on the function; the CRC-16 after them is checked and stripped",
    examples: &[
        "modbus-rtu-frame:client",
        "modbus-rtu-frame:server",
        "modbus-rtu-frame:client,max=10,oversize=discard",
    ],
    keeps_boundaries: true,
    matches: |name| name == "modbus-rtu-frame",
    parse: parse_rtu,
};

fn parse_rtu(args: &mut Args<'_>) -> Result<ModbusRtu, SpecError> {
    let server = match args.required("whose messages they are: modbus-rtu-frame:client or modbus-rtu-frame:server")? {
        "client" => false,
        "server" => true,
        other => return Err(SpecError::new(format!("modbus-rtu-frame:{other}: client or server"))),
    };
    Ok(ModbusRtu { server })
}

/// Bytes of the CRC.
const CRC: usize = 2;

/// The largest address of a device; 0 addresses all of them, and higher ones are reserved.
const LAST_ADDRESS: u8 = 247;

/// A server's function with this bit is an exception, of one byte.
const EXCEPTION: u8 = 0x80;

/// One side of a line: the client asks (the standard's master), servers answer.
#[derive(Debug, Clone)]
pub(crate) struct ModbusRtu {
    server: bool,
}

/// How to find the number of bytes before the CRC.
enum Extent {
    Fixed(usize),
    /// A number of this many bytes at this place counts the bytes after it.
    Counted(usize, usize),
    /// The objects of a device's identification, each with its length.
    Objects,
}

/// The extent of a request, by its function.
fn request(function: u8) -> Option<Extent> {
    Some(match function {
        // Read coils, inputs and registers; write one; diagnostics.
        0x01..=0x06 | 0x08 => Extent::Fixed(6),
        // Read exception status; event counter and log; server ID.
        0x07 | 0x0b | 0x0c | 0x11 => Extent::Fixed(2),
        // Write several.
        0x0f | 0x10 => Extent::Counted(6, 1),
        // File records.
        0x14 | 0x15 => Extent::Counted(2, 1),
        0x16 => Extent::Fixed(8),
        0x17 => Extent::Counted(10, 1),
        0x18 => Extent::Fixed(4),
        // Read device identification.
        0x2b => Extent::Fixed(5),
        _ => return None,
    })
}

/// The extent of an answer, by its function.
fn answer(function: u8) -> Option<Extent> {
    Some(match function {
        EXCEPTION.. => Extent::Fixed(3),
        0x01..=0x04 | 0x0c | 0x11 | 0x14 | 0x15 | 0x17 => Extent::Counted(2, 1),
        0x05 | 0x06 | 0x08 | 0x0b | 0x0f | 0x10 => Extent::Fixed(6),
        0x07 => Extent::Fixed(3),
        0x16 => Extent::Fixed(8),
        0x18 => Extent::Counted(2, 2),
        0x2b => Extent::Objects,
        _ => return None,
    })
}

/// Size of a device's identification, from the address to its last object; `None` until all lengths have arrived.
fn objects(input: &[u8]) -> Option<usize> {
    let mut end = 8;
    for _ in 0..*input.get(7)? {
        end += 2 + usize::from(*input.get(end + 1)?);
    }
    Some(end)
}

/// The generator polynomial, lowest bit first (section 6.2.2 of the former).
const CRC16: [u32; 256] = table(0xa001);

/// Returns the CRC as it follows these bytes: low byte first.
fn crc(bytes: &[u8]) -> [u8; CRC] {
    (checksum(&CRC16, u16::MAX.into(), bytes) as u16).to_le_bytes()
}

impl ModbusRtu {
    /// Size of the message that starts at `input[0]`, in bytes; `None` until its length has arrived.
    fn message(&self, input: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(&[_, function]) = input.get(..2) else { return Ok(None) };
        let extent = if self.server { answer(function) } else { request(function) };
        if let (0x2b, Some(kind)) = (function, input.get(2).filter(|kind| **kind != 0x0e)) {
            return Err(FrameError::broken(format!("function 2b with {kind:02x} has no known length")));
        }
        Ok(match extent {
            None => {
                let who = if self.server { "a server's" } else { "a client's" };
                return Err(FrameError::broken(format!("{who} function {function:02x} has no known length")));
            }
            Some(Extent::Fixed(length)) => Some(length),
            Some(Extent::Counted(at, width)) => {
                let count = input.get(at..at + width);
                count.map(|bytes| at + width + bytes.iter().fold(0, |count, byte| count << 8 | usize::from(*byte)))
            }
            Some(Extent::Objects) => objects(input),
        })
    }

    /// Whether a whole frame with the right CRC begins here; `None` if that is not known yet.
    fn begins_at(&self, input: &[u8]) -> Option<bool> {
        if input[0] > LAST_ADDRESS {
            return Some(false);
        }
        let Ok(message) = self.message(input) else { return Some(false) };
        let message = message?;
        Some(crc(&input[..message.min(input.len())]) == *input.get(message..message + CRC)?)
    }
}

impl Codec for ModbusRtu {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(end) = self.message(input)? else { return Ok(Step::Need) };
        let total = end + CRC;
        if end > cx.max {
            return Err(FrameError::TooLong { length: Some(end as u64), skip: Some(total as u64) });
        }
        if input.len() < total {
            return Ok(Step::Need);
        }
        let (right, found) = (crc(&input[..end]), &input[end..total]);
        if found != right {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            return Err(FrameError::broken(format!(
                "a frame of function {:02x} ends in the CRC {}, and its bytes make {}",
                input[1],
                hex(found),
                hex(&right)
            )));
        }
        Ok(Step::Frame { start: 0, end, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.message(message) {
            Ok(Some(length)) if length == message.len() => {
                out.extend_from_slice(message);
                out.extend_from_slice(&crc(message));
                Ok(())
            }
            Ok(Some(length)) => Err(EncodeError::unfit(format!(
                "a message of function {:02x} has {length} bytes here, and {} are there: an address, the function and what \
                 belongs to it, without CRC",
                message[1],
                message.len()
            ))),
            Err(FrameError::Broken(what)) => Err(EncodeError::unfit(what)),
            Ok(None) | Err(FrameError::TooLong { .. }) => {
                Err(EncodeError::unfit("the message ends inside its own header"))
            }
        }
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        self.message(input).ok()?.map(|length| (length + CRC) as u64)
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn can_resync(&self) -> bool {
        true
    }

    /// No byte marks the start of a frame. But a frame with the right CRC does not appear by chance, so the first place
    /// with one is taken. If there is none, it waits at the first place where one may still follow.
    fn resync(&mut self, input: &[u8], first: bool, _max: usize) -> Discard {
        let from = usize::from(first);
        let mut open = None;
        for at in from..input.len() {
            match self.begins_at(&input[at..]) {
                Some(true) => return Discard::Done(at),
                None if open.is_none() => open = Some(at),
                _ => {}
            }
        }
        Discard::More(open.unwrap_or(input.len()).max(from.min(input.len())))
    }
}
