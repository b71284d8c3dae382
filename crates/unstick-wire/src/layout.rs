//! Finds where header, message and trailer of a frame lie, as the decoder sees them; and makes sample frames to show.
//!
//! For people who look at bytes. Not here: how frames are found while messages pass (`decoder`).

use crate::codec::{Codec, Context, FrameError, Shape, Step};
use crate::frame::FrameLayout;
use crate::phase::{BytePattern, Phase};
use crate::spec::Framing;

/// A message that a framing can carry.
const MESSAGE: &[u8] = b"hello";

/// Messages to try if a framing carries only messages of a special form.
const FORMED: [&[u8]; 30] = [
    br#"{"hello":1}"#,
    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"OPTIONS sip:a@example.org SIP/2.0\r\nContent-Length: 0\r\n\r\n",
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    b"Content-Length: 5\r\n\r\nhello",
    b"*1\r\n$4\r\nPING\r\n",
    b"+PONG\r\n",
    b"SEND\ndestination:/a\n\nhello",
    b"PING\r\n",
    b"NOP\n",
    b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01",
    b"$g#67",
    b"0009hello",
    b"OKAY",
    b"+PONG",
    b"\xa5hello",
    b"\x65hello",
    b"\x01\x03\x00\x00\x00\x01\x84\x0a",
    b"\x01\x03\x00\x00\x00\x01",
    b"\x01\x03\x02\x00\x05",
    b"$g",
    b"\x01\x01\x00\x0d\x00\x00\x01\x00hello",
    b"\x00\x0d\x00\x00\x06\x00\x00\x00hello",
    b"\x03\x00\x00\x00\x00\x00\x05\x14\x00\x00\x00\x00hello",
    b"l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x21",
    b"\x00\x00\x00\x02word",
    b"ab005hello!",
    b"\x01\x00\x0b\x00\x00\x00\x00\x00",
];

/// The longest sample message, for framings that carry only one length.
const LONGEST_SAMPLE: usize = 4096;

/// Number of frames of one phase that are passed over so that the next phase shows.
const MOST_FRAMES: u64 = 16;

impl Framing {
    /// Makes a frame for each phase, with a message that it can carry; fewer if no such message is known.
    pub fn samples(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let Ok(mut encoder) = self.encoder() else { return frames };
        for phase in self.phases.iter() {
            let mut frame = Vec::new();
            let sent = candidates(phase).find(|message| {
                frame.clear();
                encoder.encode(message, &mut frame).is_ok()
            });
            let Some(message) = sent else { break };
            for _ in 1..phase.times.min(MOST_FRAMES) {
                let _ = encoder.encode(&message, &mut Vec::new());
            }
            frames.push(frame);
        }
        frames
    }

    /// Returns the parts of the frame at the start of `bytes`, in this phase of the stream, counted from 0. `None`
    /// if no complete frame is there.
    pub fn layout(&self, phase: usize, bytes: &[u8]) -> Option<FrameLayout> {
        let phase = self.phases.get(phase)?;
        let mut codec = phase.codec.clone();
        let mut cx = Context { max: phase.max, scratch: &mut Vec::new() };
        // A mark that opens a frame may count as standing between two.
        let mut before = 0;
        loop {
            let rest = &bytes[before..];
            if rest.is_empty() {
                return None;
            }
            let step = match codec.decode(rest, &mut cx) {
                Ok(Step::Need) => codec.finish(rest, &mut cx),
                other => other,
            };
            let (total, message) = match step {
                Ok(Step::Frame { start, end, total }) => (before + total, Some(before + start..before + end)),
                Ok(Step::Built { total }) => (before + total, None),
                Ok(Step::Blank { total }) => {
                    before += total;
                    continue;
                }
                Ok(Step::Need) | Err(FrameError::TooLong { .. } | FrameError::Broken(_)) => return None,
            };
            return Some(FrameLayout::new(&codec, &bytes[..total], message));
        }
    }
}

/// Messages that a phase may carry, the plainest first; they end the phase, if a message does.
fn candidates(phase: &Phase) -> impl Iterator<Item = Vec<u8>> {
    let plain = [MESSAGE].into_iter().chain(FORMED).map(<[u8]>::to_vec);
    // If all messages have one length, that length does not depend on the first byte.
    let only = phase.codec.announced(&[0]).and_then(|size| usize::try_from(size).ok());
    let only = only.filter(|size| *size <= phase.max.min(LONGEST_SAMPLE));
    let zeros = (0..=64).chain(only).map(|size| vec![0; size]);
    let all = plain.chain(with_its_header(phase.codec.shape())).chain(zeros);
    let begins = [&phase.if_prefix, &phase.until].into_iter().flatten().map(BytePattern::example).collect::<Vec<_>>();
    all.map(move |mut message| {
        for (offset, run) in &begins {
            message.resize(message.len().max(offset + run.len()), 0);
            message[*offset..offset + run.len()].copy_from_slice(run);
        }
        message
    })
}

/// Makes a message that holds its own binary length.
fn with_its_header(shape: Shape) -> Option<Vec<u8>> {
    let Shape::Binary { offset, width, little, adjust, .. } = shape else { return None };
    let between = usize::try_from(adjust).unwrap_or(0).min(64);
    let after = between + MESSAGE.len();
    let value = u64::try_from(i64::try_from(after).ok()? - adjust).ok()?;
    let mut message = vec![0; offset];
    match little {
        true => message.extend(&value.to_le_bytes()[..width]),
        false => message.extend(&value.to_be_bytes()[8 - width..]),
    }
    message.resize(offset + width + between, 0);
    message.extend(MESSAGE);
    Some(message)
}
