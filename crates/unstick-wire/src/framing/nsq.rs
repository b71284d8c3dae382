//! `nsq-command`: commands of NSQ's clients: lines that end in LF, some with a body whose size follows them.
//!
//! The message is the line; if it has a body, also one LF and the body. The body's size belongs to the frame. Not here:
//! what servers send (`u32be`), and TLS or compression once both sides have agreed on them.

use memchr::memchr;

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;

/// NSQ's "TCP Protocol Spec".
pub(super) const NSQ: Row<Nsq> = Row {
    name: "nsq-command",
    syntax: "nsq-command",
    frame: "a line that ends in LF; after PUB, MPUB, DPUB, IDENTIFY and AUTH a size of 4 bytes, which is stripped, and that many bytes",
    examples: &["nsq-command", "nsq-command,max=100"],
    keeps_boundaries: true,
    matches: |name| name == "nsq-command",
    parse: |_| Ok(Nsq::default()),
};

/// Bytes of a body's size.
const WIDTH: usize = 4;

/// Commands one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nsq {
    /// Number of bytes of the input that are known to hold no LF.
    scanned: usize,
}

/// Whether a body follows a line. The daemon treats a CR at the end of a line as part of the line end.
fn has_body(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let verb = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    matches!(verb, b"PUB" | b"MPUB" | b"DPUB" | b"IDENTIFY" | b"AUTH")
}

impl Codec for Nsq {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let lf = memchr(b'\n', &input[self.scanned..]).map(|found| self.scanned + found);
        self.scanned = lf.unwrap_or(input.len());
        if self.scanned > cx.max {
            return Err(FrameError::TooLong { length: None, skip: None });
        }
        let Some(lf) = lf else { return Ok(Step::Need) };
        let (line, body) = (&input[..=lf], lf + 1 + WIDTH);
        if !has_body(&line[..lf]) {
            self.scanned = 0;
            return Ok(Step::Frame { start: 0, end: lf, total: lf + 1 });
        }
        let Some(&[a, b, c, d]) = input.get(lf + 1..body) else { return Ok(Step::Need) };
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        let length = size + line.len() as u64;
        if length > cx.max as u64 {
            return Err(FrameError::TooLong { length: Some(length), skip: None });
        }
        let total = body + size as usize;
        let Some(body) = input.get(body..total) else { return Ok(Step::Need) };
        self.scanned = 0;
        cx.scratch.clear();
        cx.scratch.extend_from_slice(line);
        cx.scratch.extend_from_slice(body);
        Ok(Step::Built { total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let lf = memchr(b'\n', message);
        match (lf, has_body(&message[..lf.unwrap_or(message.len())])) {
            (None, false) => {
                out.extend_from_slice(message);
                out.push(b'\n');
                Ok(())
            }
            (Some(lf), true) => {
                let (line, body) = message.split_at(lf + 1);
                let size = u32::try_from(body.len())
                    .map_err(|_| EncodeError::DoesNotFit { length: body.len(), largest: u32::MAX.into() })?;
                out.extend_from_slice(line);
                out.extend_from_slice(&size.to_be_bytes());
                out.extend_from_slice(body);
                Ok(())
            }
            (Some(at), false) => Err(EncodeError::ContainsDelimiter { delimiter: "LF".into(), at }),
            (None, true) => Err(EncodeError::unfit_but(
                "the command has a body, and none is there",
                "the body comes after the line and LF; unstick writes its size",
            )),
        }
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        let lf = memchr(b'\n', input).filter(|lf| has_body(&input[..*lf]))?;
        let size = input.get(lf + 1..lf + 1 + WIDTH)?;
        Some(size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte)) + (lf + 1 + WIDTH) as u64)
    }
}
