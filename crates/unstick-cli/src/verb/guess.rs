//! `guess`: which framing is this? Looks at a capture, or at the bytes of one direction.

mod servers;
mod shown;

use unstick::wire::guess::Sample;
use unstick::wire::limits::MAX_GUESS_DIRECTION;
use unstick::{Error, Result};

use crate::captured;
use crate::hex::parse_hex;
use crate::input_file::InputFile;
use crate::options::guess::Guess;
use crate::output;
use crate::status::Status;
use servers::Server;

/// Characters of hexadecimal text for one byte, at most: `\x0a, ` and a line end.
const HEX_CHARACTERS: usize = 8;

/// Guesses the framing of what is in a file.
pub fn guess(args: &Guess) -> Result<Status> {
    let mut input = InputFile::open(args.file.as_deref())?;
    let name = input.name().to_owned();
    let is_bytes = args.bytes || args.hex;
    let servers = if !is_bytes && unstick_capture::is_capture(&input.peek(captured::MAGIC)?) {
        servers::of_capture(args, input)?
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
