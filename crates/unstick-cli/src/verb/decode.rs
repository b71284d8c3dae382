//! `decode`: finds the messages in the bytes of a file, and shows them.

mod capture;
mod conversations;
mod guesses;
mod message_line;
mod place;
mod plain;
mod recording;
mod shown;
mod tls;
mod trial;
mod view;

use unstick::{Error, Result};

use crate::captured;
use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::status::Status;
use shown::Shown;
use unstick::recording::BEGINNING;

/// Decodes a file. A reader of the output that has gone is not an error.
pub fn decode(args: &Decode) -> Result<Status> {
    // Wrong arguments are reported before anything is read.
    let named = args.framed.named()?;
    let mut shown = Shown::new(args)?;
    let mut input = InputFile::open(args.file.as_deref())?;
    // Whoever knows what the file is need not wait for its beginning.
    let beginning = if args.capture.bytes { Vec::new() } else { input.peek(captured::MAGIC)? };
    if let Some(to) = &args.pcapng {
        if input.begins_with(&beginning, BEGINNING)? {
            return view::write(args, to, input);
        }
        let error = Error::usage(format!("--pcapng writes recordings as packets, and {} is not one", input.name()));
        return Err(error.with_hint("--record FILE makes one; Wireshark reads captures as they are"));
    }
    let decoded = if args.capture.bytes {
        of_bytes(args, input, &mut shown)
    } else if unstick_capture::is_capture(&beginning) {
        capture::decode(args, named.as_ref(), input, &mut shown)
    } else if input.begins_with(&beginning, BEGINNING)? {
        recording::decode(args, named.as_ref(), input, &mut shown)
    } else {
        args.capture.check_unused(input.name())?;
        of_bytes(args, input, &mut shown)
    };
    match decoded.and_then(|status| shown.finish(args).map(|()| status)) {
        Err(error) if error.is_closed() => Ok(Status::Done),
        decoded => decoded,
    }
}

/// Decodes the bytes of one direction: in the framing that `-f` names, or in one that is certain.
fn of_bytes(args: &Decode, mut input: InputFile, shown: &mut Shown) -> Result<Status> {
    if args.framed.named()?.is_none()
        && let Some(framing) = guesses::of_bytes(args, &mut input)?
    {
        return plain::decode(args, &framing, input, shown);
    }
    plain::decode(args, &args.framed.framing()?, input, shown)
}
