//! `encode`: reads messages, and writes them as frames.

use std::io::{BufWriter, IsTerminal, StdoutLock, Write};

use unstick::wire::{Decoder, EncodeError, Encoder, Framing};
use unstick::{Error, Framings, Result};

use crate::input_file::InputFile;
use crate::io_format::Format;
use crate::options::decode::Encode;
use crate::options::framing;
use crate::output;
use crate::status::Status;

/// Bytes of one read.
const READ: usize = 256 << 10;

/// Most bytes that become one message (`--io raw`): they stay in memory until the input ends.
const MAX_WHOLE: usize = 1 << 30;

/// Encodes a file of messages. A reader of the output that has gone is not an error.
pub fn encode(args: &Encode) -> Result<Status> {
    let framing = args.framed.framing()?;
    let format = match &args.io {
        Some(format) => format.parse()?,
        None => framing::format(Some(&Framings::both(framing.clone()))),
    };
    let input = InputFile::open(args.file.as_deref())?;
    if std::io::stdout().is_terminal() && !framing.is_lines() {
        let error = Error::usage("a terminal does not show frames as they are");
        return Err(error.with_hint("write them to a file (> bytes.bin), or look at them with | xxd"));
    }
    let mut run = Run {
        decoder: format.framings()?.inbound.decoder(),
        encoder: framing.encoder()?,
        framing,
        format,
        messages: 0,
        frame: Vec::new(),
        out: output::gathered(),
    };
    match run.run(input) {
        Err(error) if error.is_closed() => Ok(Status::Done),
        Err(error) => Err(error),
        Ok(()) => Ok(Status::Done),
    }
}

/// The messages on their way.
struct Run {
    format: Format,
    framing: Framing,
    decoder: Decoder,
    encoder: Encoder,
    messages: u64,
    frame: Vec<u8>,
    out: BufWriter<StdoutLock<'static>>,
}

impl Run {
    fn run(&mut self, mut input: InputFile) -> Result<()> {
        let mut room = vec![0; READ];
        let mut whole = Vec::new();
        loop {
            let read = input.read(&mut room)?;
            if self.format == Format::Raw {
                // All of the input is one message, so it is kept up to its end.
                if whole.len() + read > MAX_WHOLE {
                    return Err(Error::other(format!("{} is over 1 GiB, the largest message", input.name())));
                }
                whole.extend_from_slice(&room[..read]);
                if read == 0 {
                    self.encode(&whole)?;
                }
            } else if read == 0 {
                self.decoder.finish();
            } else {
                self.decoder.feed(&room[..read]);
            }
            self.take_messages(input.name())?;
            self.out.flush().map_err(output::unwritten_text)?;
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn take_messages(&mut self, name: &str) -> Result<()> {
        loop {
            let written = match self.decoder.next_bytes() {
                Ok(Some(written)) => written,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Error::other(format!("{name}: {error}"))),
            };
            match self.format.stands(&written) {
                true => self.encode(&written)?,
                false => self.encode(&self.format.parse_message(&written)?)?,
            }
        }
    }

    fn encode(&mut self, message: &[u8]) -> Result<()> {
        self.messages += 1;
        self.frame.clear();
        let encoded = self.encoder.encode(message, &mut self.frame);
        encoded.map_err(|error| unsendable(self.messages, &self.framing, &error))?;
        self.out.write_all(&self.frame).map_err(output::unwritten_text)
    }
}

/// The error for a message that this framing cannot carry. What stands before it is written.
fn unsendable(number: u64, framing: &Framing, error: &EncodeError) -> Error {
    let wrong = Error::unfit(format!("message {number} cannot be encoded in {framing}: {error}"));
    match error.hint() {
        Some(hint) => wrong.with_hint(hint),
        None => wrong,
    }
}
