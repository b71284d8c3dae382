//! Guesses of framings, for connections whose framing nobody named and whose port tells nothing.
//!
//! A guess needs what all clients of a server have said, so the file is read a second time: only where it is needed, and only if it can be.

use std::collections::HashMap;
use std::path::PathBuf;

use unstick::Result;
use unstick::wire::Framing;
use unstick::wire::guess::{Candidate, Guess, Sample};
use unstick::wire::limits::MAX_GUESS_DIRECTION;

use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::output;
use crate::samples::Samples;

/// The guesses for the servers of one file.
pub struct Guesses {
    file: Option<(PathBuf, Kind)>,
    /// What the file holds, once it was read.
    samples: Option<Samples>,
    /// What was guessed so far.
    known: HashMap<String, Option<Framing>>,
    has_said_why_not: bool,
}

/// What a file is.
#[derive(Clone, Copy)]
pub enum Kind {
    Capture,
    Recording,
}

impl Guesses {
    /// Prepares for a file. One that cannot be read twice, such as a pipe, gets no guesses.
    pub fn new(input: &InputFile, kind: Kind) -> Self {
        let file = input.path_to_read_again().map(|path| (path.to_owned(), kind));
        Self { file, samples: None, known: HashMap::new(), has_said_why_not: false }
    }

    /// The framing that this server speaks, if it is certain. Prints the first time why.
    pub fn of(&mut self, args: &Decode, server: &str) -> Result<Option<Framing>> {
        if let Some(known) = self.known.get(server) {
            return Ok(known.clone());
        }
        let Some(samples) = self.samples(args)? else {
            if !std::mem::replace(&mut self.has_said_why_not, true) {
                output::notice("framings are guessed only in a file that can be read twice; `-f` names one");
            }
            return Ok(None);
        };
        let Some(guess) = samples.guess_of(server) else { return Ok(None) };
        let found = certain(&guess).map(|first| found(server, first)).transpose()?;
        self.known.insert(server.to_owned(), found.clone());
        Ok(found)
    }

    fn samples(&mut self, args: &Decode) -> Result<Option<&Samples>> {
        if let Some((path, kind)) = self.file.take() {
            let (name, source) = InputFile::open(Some(&path))?.into_parts();
            self.samples = Some(match kind {
                Kind::Capture => Samples::of_capture(name, source, &args.capture.port, &args.capture.host)?.0,
                Kind::Recording => Samples::of_recording(&name, source)?,
            });
        }
        Ok(self.samples.as_ref())
    }
}

/// The framing of the bytes of one direction, if it is certain.
pub fn of_bytes(args: &Decode, input: &mut InputFile) -> Result<Option<Framing>> {
    if input.is_terminal() {
        return Ok(None); // A person would wait for a prompt.
    }
    let bytes = input.peek(MAX_GUESS_DIRECTION as u64 + 1)?;
    let guess = Sample::of_stream(args.framed.role(), &bytes, bytes.len() > MAX_GUESS_DIRECTION).guess();
    let name = input.name().to_owned();
    let framing = certain(&guess).map(|first| found(&name, first)).transpose()?;
    Ok(framing.map(|framing| framing.sent_by(args.framed.role())))
}

fn certain(guess: &Guess) -> Option<&Candidate> {
    guess.candidates.first().filter(|_| guess.certain)
}

/// Prints a guess with its evidence, and returns the framing.
fn found(whose: &str, first: &Candidate) -> Result<Framing> {
    let evidence = first.evidence.first().map(|evidence| format!(": {evidence}")).unwrap_or_default();
    output::notice(&format!("{whose}: guessed {}{evidence}", first.spec));
    Ok(Framing::parse(&first.spec)?)
}
