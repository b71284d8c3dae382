//! A plain file: the bytes of one direction of a stream, from its first on.

use unstick::wire::{Framing, Piece, Role, Transcript};
use unstick::{Result, Unfinished};

use super::place::Place;
use super::shown::{Ending, Shown};
use crate::count::Count;
use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::output;
use crate::status::Status;

/// Bytes of one read.
const READ: usize = 256 << 10;

/// Decodes the file up to its end, to `--count`, or to bytes that break the framing.
pub fn decode(args: &Decode, framing: &Framing, mut input: InputFile, shown: &mut Shown) -> Result<Status> {
    let mut run = Run {
        transcript: Transcript::new(framing),
        from: args.framed.role(),
        wanted: args.count,
        messages: 0,
        discarded: 0,
    };
    let mut room = vec![0; READ];
    loop {
        let read = input.read(&mut room)?;
        match read {
            0 => run.transcript.finish(run.from),
            read => run.transcript.segment(run.from, &room[..read]),
        }
        if let Some(status) = run.take_messages(shown)? {
            return Ok(status);
        }
        run.report_losses(read == 0, shown)?;
        if read == 0 {
            return run.end(shown);
        }
        // What has been decoded is shown before more is waited for.
        shown.flush()?;
    }
}

/// What is known of the file so far.
struct Run {
    transcript: Transcript,
    from: Role,
    wanted: Option<u64>,
    messages: u64,
    /// Number of over-long messages that were reported.
    discarded: u64,
}

impl Run {
    /// Shows the messages that are complete. Returns a status if the run ends with one of them.
    fn take_messages(&mut self, shown: &mut Shown) -> Result<Option<Status>> {
        let place = Place::in_file(self.from);
        while let Some(piece) = self.transcript.next(self.from) {
            match piece {
                Piece::Message(frame) => {
                    shown.message(&place, &frame)?;
                    self.messages += 1;
                    if self.wanted == Some(self.messages) {
                        return Ok(Some(Status::Done));
                    }
                }
                Piece::Failed(error) => {
                    let unfinished = Unfinished::new(self.transcript.pending(self.from));
                    let unfinished = unfinished.filter(|_| error.is_incomplete());
                    let offset = error.offset();
                    let ending = Ending { messages: self.messages, failure: Some((offset, error.into(), unfinished)) };
                    self.report_losses(true, shown)?;
                    shown.end_of_file(&place, &ending)?;
                    return Ok(Some(Status::Framing));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Reports what was passed over since the last call.
    fn report_losses(&mut self, now: bool, shown: &mut Shown) -> Result<()> {
        let place = Place::in_file(self.from);
        if let Some(damage) = self.transcript.take_damage(self.from, now) {
            shown.damaged(&place, &damage)?;
        }
        let discarded = self.transcript.discarded(self.from);
        if discarded > self.discarded {
            shown.lost(&place, discarded - self.discarded, 0)?;
            self.discarded = discarded;
        }
        Ok(())
    }

    /// The file has ended between two messages.
    fn end(&self, shown: &mut Shown) -> Result<Status> {
        let place = Place::in_file(self.from);
        shown.end_of_file(&place, &Ending { messages: self.messages, failure: None })?;
        match self.wanted {
            Some(wanted) => {
                output::problem(&format!("ended after {} of {} (--count)", self.messages, Count(wanted, "message")));
                Ok(Status::Check)
            }
            None => Ok(Status::Done),
        }
    }
}
