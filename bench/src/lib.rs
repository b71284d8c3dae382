//! What both sides of a row share, so that they differ in nothing but the library: inputs, reads and clocks.
//!
//! Not here: who starts which process when, medians and tables (`bench/run`).

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Bytes in one read, as most programs have their buffers.
pub const READ: usize = 64 * 1024;

/// Bytes of wire image that a pass goes through: larger than the buffers, small enough for the processor's cache, so
/// that the decoders are measured and not the memory.
const IMAGE: usize = 2 << 20;

/// Bytes of payload in the rows over sockets.
pub const PAYLOAD: usize = 64;

/// Any error, told by whoever meets it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Frames as they stand on the wire, back to back.
pub struct Image {
    /// The frames.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub messages: u64,
}

impl Image {
    /// The input of a case by its name: `u32be-64`, `u32be-1024`, `line-80`.
    pub fn of(case: &str) -> Result<Self, Failure> {
        let frame = match case {
            "u32be-64" => frame_u32be(64),
            "u32be-1024" => frame_u32be(1024),
            "line-80" => line(80),
            _ => return Err(format!("no such case: {case}").into()),
        };
        Ok(Self::repeated(&frame))
    }

    /// One frame again and again.
    pub fn repeated(frame: &[u8]) -> Self {
        let messages = (IMAGE / frame.len()) as u64;
        Self { bytes: frame.repeat(messages as usize), messages }
    }
}

/// A payload with a 4-byte big-endian length before it.
pub fn frame_u32be(payload: usize) -> Vec<u8> {
    let length = u32::try_from(payload).expect("payloads here are small");
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(4 + payload, b'x');
    frame
}

/// So many bytes of text, and LF.
fn line(length: usize) -> Vec<u8> {
    let mut line = vec![b'x'; length];
    line.push(b'\n');
    line
}

/// Messages a second: `read` is called with one 64 KiB read after another and tells how many messages it has found.
///
/// Runs for about `millis`, after a tenth of that to warm up, and fails when a message was lost or made up.
pub fn rate(image: &Image, millis: u64, mut read: impl FnMut(&[u8]) -> Result<u64, Failure>) -> Result<f64, Failure> {
    let mut run = |span: Duration| -> Result<(u64, f64), Failure> {
        let (start, mut passes, mut messages) = (Instant::now(), 0, 0);
        while start.elapsed() < span {
            for chunk in black_box(&image.bytes).chunks(READ) {
                messages += read(chunk)?;
            }
            passes += 1;
        }
        if messages != passes * image.messages {
            return Err(format!("{messages} messages in {passes} passes of {}", image.messages).into());
        }
        Ok((messages, start.elapsed().as_secs_f64()))
    };
    run(Duration::from_millis(millis / 10))?;
    let (messages, seconds) = run(Duration::from_millis(millis))?;
    Ok(messages as f64 / seconds)
}

/// The command line `CASE borrowed|owned MILLIS`.
pub fn decode_arguments() -> Result<(String, bool, u64), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [case, way, millis] if way == "borrowed" || way == "owned" => {
            Ok((case.clone(), way == "owned", millis.parse()?))
        }
        _ => Err("usage: CASE borrowed|owned MILLIS".into()),
    }
}

/// What the processes of a row over sockets are told to be.
pub enum Role {
    /// Takes so many messages from one client; prints its port, then `MESSAGES SECONDS`.
    Receive(u64),
    /// Sends so many messages to this port, one by one.
    Send(u16, u64),
    /// The same, many at a time.
    SendAll(u16, u64),
    /// Echoes one client until it ends; prints its port.
    Serve,
    /// Asks this port so many times, one after the other; prints the median round trip in nanoseconds.
    Ask(u16, usize),
}

/// The command line `receive COUNT | send PORT COUNT | send-all PORT COUNT | serve | ask PORT ROUNDS`.
pub fn role() -> Result<Role, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["receive", count] => Role::Receive(count.parse()?),
        ["send", port, count] => Role::Send(port.parse()?, count.parse()?),
        ["send-all", port, count] => Role::SendAll(port.parse()?, count.parse()?),
        ["serve"] => Role::Serve,
        ["ask", port, rounds] => Role::Ask(port.parse()?, rounds.parse()?),
        _ => {
            return Err("usage: receive COUNT | send PORT COUNT | send-all PORT COUNT | serve | ask PORT ROUNDS".into());
        }
    })
}

/// The middle one of round trips.
pub fn median(mut took: Vec<Duration>) -> Option<Duration> {
    took.sort_unstable();
    took.get(took.len() / 2).copied()
}
