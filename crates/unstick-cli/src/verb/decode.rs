//! `decode`: finds the messages in the bytes of a file, and shows them.

mod capture;
mod conversations;
mod plain;
mod recording;
mod shown;
mod tls;
mod trial;

use unstick::Result;

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
    let decoded = if args.capture.bytes {
        plain::decode(args, &args.framed.framing()?, input, &mut shown)
    } else if unstick_capture::is_capture(&beginning) {
        capture::decode(args, named.as_ref(), input, &mut shown)
    } else if is_recording(&beginning, &mut input)? {
        recording::decode(args, named.as_ref(), input, &mut shown)
    } else {
        args.capture.check_unused(input.name())?;
        plain::decode(args, &args.framed.framing()?, input, &mut shown)
    };
    match decoded.and_then(|status| shown.flush().map(|()| status)) {
        Err(error) if error.is_closed() => Ok(Status::Done),
        decoded => decoded,
    }
}

/// Whether a file with this beginning is a recording. More is read only if it may be one: the rest may come late.
fn is_recording(beginning: &[u8], input: &mut InputFile) -> Result<bool> {
    Ok(BEGINNING.starts_with(beginning) && input.peek(BEGINNING.len() as u64)? == BEGINNING)
}
