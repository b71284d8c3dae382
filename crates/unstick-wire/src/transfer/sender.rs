//! The sender's side of a transfer, as a state machine: what its receiver asks for, and what may be said of each file.

use bytes::Bytes;

use super::entry::{Entry, Kind};
use super::manifest::Manifest;
use super::message::{Message, Outcome, Reason, sentence};
use super::subtree::{Hash, SUBTREE, tree_values};
use super::violation::Violation;
use crate::limits::{MAX_TRANSFER_MESSAGE, MAX_TRANSFER_RESTARTS};

/// What a message of the receiver asks its sender to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Nothing.
    Nothing,
    /// Send a file from this offset on.
    Send {
        /// The entry's number.
        file: u32,
        /// A multiple of [`SUBTREE`].
        from: u64,
        /// Chaining values of what lies before it.
        tree: Vec<Hash>,
    },
    /// Send the hash of a file.
    Hash {
        /// The entry's number.
        file: u32,
    },
    /// A file stands at the receiver.
    Resolved {
        /// The entry's number.
        file: u32,
        /// How.
        outcome: Outcome,
        /// The receiver's hash.
        hash: Hash,
    },
    /// An entry failed at the receiver.
    Failed {
        /// The entry's number.
        file: u32,
        /// Why.
        reason: Reason,
        /// The same in the receiver's words.
        text: Bytes,
    },
    /// The receiver ends the transfer.
    Refused {
        /// Why.
        reason: Reason,
        /// The same in the receiver's words.
        text: Bytes,
    },
    /// Every entry is resolved or failed, and flushed to disk at the receiver: say [`Message::Done`] too.
    Over,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The receiver has said nothing of it.
    Listed,
    /// It is being sent, or its hash is made.
    Sending,
    /// Its end has been sent.
    Sent,
    /// Nothing more comes of it.
    Over,
}

#[derive(Debug, Clone, Copy)]
struct File {
    state: State,
    restarts: u8,
}

/// The sender of a transfer. Its hello has been exchanged already.
#[derive(Debug)]
pub struct Sender {
    manifest: Manifest,
    files: Vec<File>,
    /// Entries that the receiver takes without a word: directories and links.
    silent: usize,
    over: usize,
}

impl Sender {
    /// Of these entries.
    pub fn new(manifest: Manifest) -> Self {
        let count = manifest.entries().len();
        let silent = manifest.entries().iter().filter(|entry| !entry.has_content()).count();
        Self { manifest, files: vec![File { state: State::Listed, restarts: 0 }; count], silent, over: 0 }
    }

    /// What is sent.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The list as messages, in order, from this entry on: the next one, and where the one behind it begins. `None` behind the end
    /// of the list.
    pub fn list(&self, from: usize) -> Option<(Message, usize)> {
        let entries = self.manifest.entries();
        if from > entries.len() {
            return None;
        }
        let (mut length, mut end) = (1, from);
        while let Some(entry) = entries.get(end) {
            length += entry.length();
            if length > MAX_TRANSFER_MESSAGE {
                break;
            }
            end += 1;
        }
        match end == from {
            true => {
                Some((Message::Listed { entries: entries.len() as u32, size: self.manifest.size() }, entries.len() + 1))
            }
            false => Some((Message::Entries(entries[from..end].to_vec()), end)),
        }
    }

    /// Takes a message of the receiver.
    ///
    /// # Errors
    ///
    /// Where it is not a message, or comes out of turn.
    pub fn receive(&mut self, message: Bytes) -> Result<Request, Violation> {
        match Message::decode(message)? {
            Message::Want { file, from, tree } => {
                let entry = self.entry(file)?;
                let fits = from == 0 || (entry.kind == Kind::File && from < entry.size);
                let whole = from.is_multiple_of(SUBTREE) && tree.len() == tree_values(from / SUBTREE);
                if !entry.has_content() || !fits || !whole {
                    return Err(Violation::new("an entry cannot be wanted so"));
                }
                self.step(file, &[State::Listed, State::Sent], State::Sending)?;
                Ok(Request::Send { file, from, tree })
            }
            Message::Compare { file } if self.entry(file)?.kind == Kind::File => {
                self.step(file, &[State::Listed], State::Sending)?;
                Ok(Request::Hash { file })
            }
            Message::Resolved { file, outcome, hash } => {
                // One that came over an earlier connection is known to be there before its bytes or its hash are sent.
                let early = outcome == Outcome::Present && self.entry(file)?.kind == Kind::File;
                let from: &[State] = if early { &[State::Listed, State::Sent] } else { &[State::Sent] };
                self.step(file, from, State::Over)?;
                self.over += 1;
                Ok(Request::Resolved { file, outcome, hash })
            }
            Message::Failed { file, reason, text } => match self.is_over(file)? {
                // Both have given it up at the same time.
                true => Ok(Request::Nothing),
                false => {
                    self.give_up(file)?;
                    Ok(Request::Failed { file, reason, text })
                }
            },
            Message::Refused { reason, text } => Ok(Request::Refused { reason, text }),
            Message::Done if self.over + self.silent >= self.files.len() => Ok(Request::Over),
            Message::Done => Err(Violation::new("the receiver is done before all files are resolved")),
            Message::Alive => Ok(Request::Nothing),
            _ => Err(Violation::new("a message that a receiver does not send now")),
        }
    }

    /// Whether nothing more is to be sent of an entry: it failed at either side.
    ///
    /// # Errors
    ///
    /// Where there is no such entry.
    pub fn is_over(&self, file: u32) -> Result<bool, Violation> {
        Ok(self.state(file)? == State::Over)
    }

    /// A file has been sent to its end, or its hash was asked for.
    ///
    /// # Errors
    ///
    /// Where it was not being sent.
    pub fn end(&mut self, file: u32, size: u64, hash: Hash) -> Result<Message, Violation> {
        self.step(file, &[State::Sending], State::Sent)?;
        self.manifest.measured(file, size);
        Ok(Message::End { file, size, hash })
    }

    /// A file turns out to be another than when it was listed. `None` where that has happened too often: then it
    /// [`fail`](Self::fail)s.
    ///
    /// # Errors
    ///
    /// Where it was not being sent.
    pub fn changed(&mut self, file: u32, entry: Entry) -> Result<Option<Message>, Violation> {
        if self.state(file)? != State::Sending {
            return Err(Violation::new("an entry out of turn"));
        }
        let place = &mut self.files[file as usize];
        if place.restarts >= MAX_TRANSFER_RESTARTS {
            return Ok(None);
        }
        place.restarts += 1;
        place.state = State::Listed;
        self.manifest.replace(file, entry.clone());
        Ok(Some(Message::Changed { file, entry }))
    }

    /// A file cannot be sent. The sentence is cut to what a message holds.
    ///
    /// # Errors
    ///
    /// Where it is over already.
    pub fn fail(&mut self, file: u32, reason: Reason, text: &str) -> Result<Message, Violation> {
        self.give_up(file)?;
        Ok(Message::Failed { file, reason, text: sentence(text) })
    }

    fn give_up(&mut self, file: u32) -> Result<(), Violation> {
        match (self.state(file)?, self.entry(file)?.has_content()) {
            (State::Over, _) => return Err(Violation::new("an entry that is over fails")),
            (_, false) => self.silent -= 1,
            _ => {}
        }
        self.files[file as usize].state = State::Over;
        self.over += 1;
        Ok(())
    }

    fn entry(&self, file: u32) -> Result<&Entry, Violation> {
        self.manifest.get(file).ok_or_else(|| Violation::new(format!("the unknown entry {file}")))
    }

    fn state(&self, file: u32) -> Result<State, Violation> {
        let found = self.files.get(file as usize);
        found.map(|file| file.state).ok_or_else(|| Violation::new(format!("the unknown entry {file}")))
    }

    fn step(&mut self, file: u32, from: &[State], to: State) -> Result<(), Violation> {
        if !from.contains(&self.state(file)?) {
            return Err(Violation::new("an entry out of turn"));
        }
        self.files[file as usize].state = to;
        Ok(())
    }
}
