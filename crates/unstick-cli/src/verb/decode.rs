//! `decode`: finds the messages in the bytes of a file, and shows them.

mod capture;
mod conversations;
mod plain;
mod shown;
mod tls;
mod trial;

use unstick::Result;

use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::status::Status;
use shown::Shown;

/// Bytes at the front of a file that tell whether it is a capture.
const CAPTURE_MAGIC: u64 = 4;

/// Decodes a file. A reader of the output that has gone is not an error.
pub fn decode(args: &Decode) -> Result<Status> {
    // Wrong arguments are reported before anything is read.
    let named = args.framed.named()?;
    let mut shown = Shown::new(args)?;
    let mut input = InputFile::open(args.file.as_deref())?;
    let is_capture = !args.capture.bytes && unstick_capture::is_capture(&input.peek(CAPTURE_MAGIC)?);
    let decoded = if is_capture {
        capture::decode(args, named.as_ref(), input, &mut shown)
    } else {
        args.capture.check_unused(input.name())?;
        plain::decode(args, &args.framed.framing()?, input, &mut shown)
    };
    match decoded.and_then(|status| shown.flush().map(|()| status)) {
        Err(error) if error.is_closed() => Ok(Status::Done),
        decoded => decoded,
    }
}
