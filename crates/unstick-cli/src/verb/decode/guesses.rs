//! Guesses of framings, for connections whose framing nobody named and whose port tells nothing.
//!
//! A guess needs what all clients of a server have said, so the file is read a second time: only where it is needed, and only if it can be. Of a
//! pipe, what passes is kept until the framing is certain.

use std::collections::HashMap;
use std::path::PathBuf;

use unstick::Result;
use unstick::wire::Framing;
use unstick::wire::guess::{Answer, Candidate, Guess, Sample, Watch};
use unstick::wire::limits::MAX_GUESS_DIRECTION;

use super::trial::{Passed, What};
use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::output;
use crate::samples::{MAX_SERVERS, Samples, port_of};

/// Bytes of all servers that are watched, besides what waits in their connections.
const MAX_WATCHED_BYTES: usize = 16 << 20;

/// The guesses for the servers of one file.
pub struct Guesses {
    file: Option<(PathBuf, Kind)>,
    /// What the file holds, once it was read.
    samples: Option<Samples>,
    /// What was guessed so far.
    known: HashMap<String, Option<Framing>>,
    /// What has passed so far with each server of a file that cannot be read twice, such as a pipe.
    watched: Option<HashMap<String, Watch>>,
    watched_bytes: usize,
}

/// What a file is.
#[derive(Clone, Copy)]
pub enum Kind {
    Capture,
    Recording,
}

impl Guesses {
    /// Prepares for a file.
    pub fn new(input: &InputFile, kind: Kind) -> Self {
        let file = input.path_to_read_again().map(|path| (path.to_owned(), kind));
        let watched = if file.is_none() { Some(HashMap::new()) } else { None };
        Self { file, samples: None, known: HashMap::new(), watched, watched_bytes: 0 }
    }

    /// Whether more has to pass before anything is known of this server.
    pub fn waits_for(&self, server: &str) -> bool {
        self.watched.is_some() && !self.known.contains_key(server)
    }

    /// Adds a connection to a server that is watched.
    pub fn open(&mut self, server: &str, connection: u64, whole: bool) {
        let Some(watched) = self.watched.as_mut().filter(|_| !self.known.contains_key(server)) else { return };
        if watched.len() + self.known.len() < MAX_SERVERS || watched.contains_key(server) {
            let port = port_of(server).unwrap_or(0);
            watched.entry(server.to_owned()).or_insert_with(|| Watch::new(port)).open(connection, whole);
        }
    }

    /// Takes what has passed in a connection with a server that is watched. Returns whether waiting for more may be of use.
    pub fn watch(&mut self, server: &str, connection: u64, news: &[Passed]) -> Result<bool> {
        let Some(watch) = self.watched.as_mut().and_then(|watched| watched.get_mut(server)) else { return Ok(false) };
        let before = watch.bytes();
        for passed in news {
            match &passed.what {
                What::Bytes(bytes) if self.watched_bytes < MAX_WATCHED_BYTES => {
                    watch.segment(connection, passed.from, bytes)
                }
                What::Bytes(_) => {}
                What::End => watch.end(connection, passed.from),
            }
        }
        self.watched_bytes += watch.bytes() - before;
        self.ask(server, false)
    }

    /// Guesses from what has passed with a server that is watched. Returns whether more may tell more.
    fn ask(&mut self, server: &str, last: bool) -> Result<bool> {
        let Some(watched) = &mut self.watched else { return Ok(false) };
        let answer = watched.get_mut(server).map(|watch| watch.ask(last));
        match answer {
            Some(Answer::Certain(first)) => {
                self.watched_bytes -= watched.remove(server).map_or(0, |watch| watch.bytes());
                self.known.insert(server.to_owned(), Some(found(server, &first)?));
                Ok(false)
            }
            Some(Answer::Open) => Ok(true),
            _ => Ok(false),
        }
    }

    /// The framing that this server speaks, if it is certain. Prints the first time why.
    pub fn of(&mut self, args: &Decode, server: &str) -> Result<Option<Framing>> {
        self.ask(server, true)?;
        if let Some(known) = self.known.get(server) {
            return Ok(known.clone());
        }
        let Some(samples) = self.samples(args)? else { return Ok(None) };
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
