//! `guess`: which framing is this? Looks at a capture, or at the bytes of one direction.

mod shown;

use unstick::wire::guess::Sample;
use unstick::wire::limits::MAX_GUESS_DIRECTION;
use unstick::{Error, Result};

use crate::captured;
use crate::hex::parse_hex;
use crate::input_file::InputFile;
use crate::options::guess::Guess;
use crate::output;
use crate::samples::{MAX_SERVERS, Samples, Server};
use crate::status::Status;
use unstick::recording::BEGINNING;

/// Characters of hexadecimal text for one byte, at most: `\x0a, ` and a line end.
const HEX_CHARACTERS: usize = 8;

/// Guesses the framing of what is in a file.
pub fn guess(args: &Guess) -> Result<Status> {
    let mut input = InputFile::open(args.file.as_deref())?;
    let name = input.name().to_owned();
    let is_bytes = args.bytes || args.hex;
    let beginning = if is_bytes { Vec::new() } else { input.peek(captured::MAGIC)? };
    let servers = if unstick_capture::is_capture(&beginning) {
        of_capture(args, input)?
    } else if !is_bytes && input.begins_with(&beginning, BEGINNING)? && args.port.is_empty() && args.host.is_empty() {
        let (name, source) = input.into_parts();
        Samples::of_recording(&name, source)?.guess()
    } else {
        if !args.port.is_empty() || !args.host.is_empty() {
            let option = if args.port.is_empty() { "--host" } else { "--port" };
            return Err(Error::usage(format!("{option} is for captures, and {name} is not a pcap or pcapng file")));
        }
        vec![of_bytes(args, input)?]
    };
    if servers.is_empty() {
        output::problem(&format!("{name}: no TCP connection in which bytes have passed"));
        return Ok(Status::Inconclusive);
    }
    shown::show(args, &name, servers)
}

/// Looks at the servers of a capture.
fn of_capture(args: &Guess, input: InputFile) -> Result<Vec<Server>> {
    let (name, source) = input.into_parts();
    let (samples, capture) = Samples::of_capture(name.clone(), source, &args.port, &args.host)?;
    if let Some(why) = capture.cut_short() {
        output::loss(why);
    }
    capture.report_left_out();
    if samples.are_cut_short() {
        output::loss(&format!("{name}: looked at the first {MAX_SERVERS} servers alone; --port chooses others"));
    }
    Ok(samples.guess())
}

/// Looks at the bytes of one direction, which are read as far as they are needed.
fn of_bytes(args: &Guess, mut input: InputFile) -> Result<Server> {
    let most = MAX_GUESS_DIRECTION + 1;
    let mut bytes = input.peek(if args.hex { most * HEX_CHARACTERS } else { most } as u64)?;
    if args.hex {
        let text = String::from_utf8_lossy(&bytes);
        bytes = parse_hex(&text).map_err(|reason| Error::usage(format!("--hex: {reason}")))?;
    }
    let rest = bytes.len() > MAX_GUESS_DIRECTION;
    Ok(Server {
        address: None,
        guess: Sample::of_stream(args.role(), &bytes, rest).guess(),
        connections: 1,
        bytes: bytes.len(),
    })
}
