//! The rows against loops by hand, both sides: `Decoder::feed` and `messages` with `u32be` or a preset, or a loop written by hand for that protocol.

use std::hint::black_box;

use unstick_bench::{Failure, Image, rate};
use unstick_wire::{Framing, Role};

/// The longest message that either side takes, in bytes: a loop that reads a length from a peer has to have a bound.
const LIMIT: usize = 16 << 20;

/// Bytes behind each header.
const BODY: usize = 64;

fn u16be(input: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(input.get(at..at + 2)?.try_into().ok()?)))
}

fn u32be(input: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_be_bytes(input.get(at..at + 4)?.try_into().ok()?) as usize)
}

/// The header of a frame with `BODY` bytes behind it, as servers of this protocol send it.
fn header(preset: &str) -> Option<&'static [u8]> {
    Some(match preset {
        "u32be" | "kafka" => &[0, 0, 0, 64],
        "dns" => &[0, 64],
        "postgres" => &[b'D', 0, 0, 0, 68],
        "mongodb" => &[68, 0, 0, 0],
        "tls" => &[23, 3, 3, 0, 64],
        "modbus" => &[0, 1, 0, 0, 0, 64],
        "http2" => &[0, 0, 60, 0, 0],
        "mqtt" => &[0x30, 64],
        _ => return None,
    })
}

/// What somebody would write for this protocol. Each loop is compiled for its own way to a length.
fn hand(image: &Image, millis: u64, preset: &str) -> Result<f64, Failure> {
    match preset {
        "u32be" | "kafka" => by_hand(image, millis, |input| Some(4 + u32be(input, 0)?), 4),
        "dns" => by_hand(image, millis, |input| Some(2 + u16be(input, 0)?), 2),
        "postgres" => by_hand(image, millis, |input| Some(1 + u32be(input, 1)?), 0),
        "mongodb" => {
            by_hand(image, millis, |input| Some(u32::from_le_bytes(input.get(..4)?.try_into().ok()?) as usize), 0)
        }
        "tls" => by_hand(image, millis, |input| Some(5 + u16be(input, 3)?), 0),
        "modbus" => by_hand(image, millis, |input| Some(6 + u16be(input, 4)?), 0),
        "http2" => by_hand(image, millis, |input| Some(9 + usize::from(*input.first()?) * 65536 + u16be(input, 1)?), 0),
        _ => by_hand(image, millis, varint, 0),
    }
}

/// MQTT's: at most four bytes behind the first.
#[inline(always)]
fn varint(input: &[u8]) -> Option<usize> {
    let (mut length, mut at) = (0, 1);
    loop {
        let byte = *input.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte < 0x80 || at > 4 {
            return Some(at + length);
        }
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, side, millis] = arguments.as_slice() else { return Err("usage: PRESET preset|hand MILLIS".into()) };
    let mut frame = header(name).ok_or("no such preset here")?.to_vec();
    frame.resize(frame.len() + BODY, b'x');
    let image = Image::repeated(&frame);
    let rate = match side.as_str() {
        "preset" => preset(&image, millis.parse()?, name)?,
        "hand" => hand(&image, millis.parse()?, name)?,
        other => return Err(format!("{other}: preset or hand").into()),
    };
    println!("{rate:.0}");
    Ok(())
}

fn preset(image: &Image, millis: u64, name: &str) -> Result<f64, Failure> {
    let mut decoder = Framing::parse(name)?.sent_by(Role::Server).decoder();
    rate(image, millis, |chunk| {
        decoder.feed(chunk);
        let (mut messages, mut arrived) = (0, decoder.messages());
        while let Some(message) = arrived.next()? {
            black_box(message);
            messages += 1;
        }
        Ok(messages)
    })
}

/// A buffer that reads are appended to and frames are taken off; what is left moves to its front.
fn by_hand(image: &Image, millis: u64, frame: impl Fn(&[u8]) -> Option<usize>, strip: usize) -> Result<f64, Failure> {
    let mut buffer: Vec<u8> = Vec::new();
    rate(image, millis, |chunk| {
        buffer.extend_from_slice(chunk);
        let (mut at, mut messages) = (0, 0);
        while let Some(length) = frame(&buffer[at..]) {
            if length > LIMIT {
                return Err("a message over the limit".into());
            }
            let Some(whole) = buffer.get(at..at + length) else { break };
            black_box(&whole[strip..]);
            at += length;
            messages += 1;
        }
        buffer.drain(..at);
        Ok(messages)
    })
}
