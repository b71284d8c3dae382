//! `decode`: finds the messages in the bytes of a file, and shows them.

mod plain;
mod shown;

use unstick::Result;

use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::status::Status;
use shown::Shown;

/// Decodes a file. A reader of the output that has gone is not an error.
pub fn decode(args: &Decode) -> Result<Status> {
    let framing = args.framed.framing()?;
    let input = InputFile::open(args.file.as_deref())?;
    let mut shown = Shown::new(args)?;
    let decoded = plain::decode(args, &framing, input, &mut shown);
    match decoded.and_then(|status| shown.flush().map(|()| status)) {
        Err(error) if error.is_closed() => Ok(Status::Done),
        decoded => decoded,
    }
}
