//! `slip`: serial line IP framing, RFC 1055: END ends a packet, END and ESC inside it are written as two bytes.

use memchr::{memchr, memchr2};

use super::needle::Needle;
use crate::codec::{Codec, Context, Discard, FrameError, Row, Step, quoted};
use crate::error::EncodeError;

pub(super) const SLIP: Row<Slip> = Row {
    name: "slip",
    syntax: "slip",
    frame: "RFC 1055: ends in C0; C0 and DB inside are escaped",
    examples: &["slip", "slip,max=10,oversize=discard"],
    keeps_boundaries: true,
    matches: |name| name == "slip",
    parse: |_| Ok(Slip::default()),
};

const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;

/// Packets between ENDs.
///
/// Empty ones are passed over on reading, as the RFC advises, so that peers that begin packets with END too are
/// understood; hence none can be sent. We write END only behind a packet: its other END is there to flush the noise of
/// a serial line, and a stream has none. ESC before anything but its two codes is an error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slip {
    /// Bytes of the input that hold no END, and only whole escapes.
    scanned: usize,
    /// Escapes among them.
    escapes: usize,
}

impl Slip {
    /// Where the END is, if it has arrived. Looks at every byte once.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        loop {
            let found = memchr2(END, ESC, &input[self.scanned..]);
            let at = self.scanned + found.unwrap_or(input.len() - self.scanned);
            self.scanned = at;
            if at - self.escapes > max {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            match (found.map(|_| input[at]), input.get(at + 1)) {
                (Some(END), _) => return Ok(Some(at)),
                (Some(_), Some(&(ESC_END | ESC_ESC))) => {
                    self.scanned = at + 2;
                    self.escapes += 1;
                }
                (Some(_), Some(&other)) => {
                    return Err(FrameError::broken(format!(
                        "ESC is followed by {}, which escapes nothing",
                        quoted(&[other])
                    )));
                }
                (None, _) | (Some(_), None) => return Ok(None),
            }
        }
    }
}

fn unescape(packet: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(packet.len());
    let mut rest = packet;
    while let Some(at) = memchr(ESC, rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(if rest[at + 1] == ESC_END { END } else { ESC });
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
}

impl Codec for Slip {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if input[0] == END {
            let total = input.iter().take_while(|byte| **byte == END).count();
            return Ok(Step::Blank { total });
        }
        let Some(end) = self.find_end(input, cx.max)? else {
            return Ok(Step::Need);
        };
        let escapes = std::mem::take(self).escapes;
        if escapes == 0 {
            return Ok(Step::Frame { start: 0, end, total: end + 1 });
        }
        unescape(&input[..end], cx.scratch);
        Ok(Step::Built { total: end + 1 })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if message.is_empty() {
            return Err(EncodeError::unfit("SLIP has no empty messages: a reader passes over them"));
        }
        out.reserve(message.len() + 1);
        let mut rest = message;
        while let Some(at) = memchr2(END, ESC, rest) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(&[ESC, if rest[at] == END { ESC_END } else { ESC_ESC }]);
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out.push(END);
        Ok(())
    }

    fn can_discard(&self) -> bool {
        true
    }

    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        // An END is never part of an escape, so the state of those does not matter.
        let from = std::mem::take(self).scanned;
        Ok(match memchr(END, &input[from..]) {
            Some(at) => Discard::Done(from + at + 1),
            None => Discard::More(input.len()),
        })
    }

    fn can_resync(&self) -> bool {
        true
    }

    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Needle::One(END).discard_behind(input)
    }
}
