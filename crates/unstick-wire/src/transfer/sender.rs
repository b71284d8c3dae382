//! The sender's side of a transfer as a state machine: what the receiver requests, and which messages may follow for
//! each file.

use bytes::Bytes;

use super::entry::{Entry, Kind};
use super::manifest::Manifest;
use super::message::{Message, Outcome, Reason, sentence};
use super::subtree::{Hash, SUBTREE, tree_values};
use super::violation::Violation;
use crate::limits::{MAX_TRANSFER_MESSAGE, MAX_TRANSFER_RESTARTS};

/// What the sender has to do after a message from the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Nothing.
    Nothing,
    /// Send a file from an offset on.
    Send {
        /// The entry's number.
        file: u32,
        /// The offset, a multiple of [`SUBTREE`].
        from: u64,
        /// Chaining values of the bytes before the offset.
        tree: Vec<Hash>,
    },
    /// Send only the hash of a file.
    Hash {
        /// The entry's number.
        file: u32,
    },
    /// The receiver has a file.
    Resolved {
        /// The entry's number.
        file: u32,
        /// How the receiver came to have it.
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
        /// The reason in the receiver's words.
        text: Bytes,
    },
    /// The receiver ends the transfer.
    Refused {
        /// Why.
        reason: Reason,
        /// The reason in the receiver's words.
        text: Bytes,
    },
    /// Every entry is resolved or has failed, and the receiver has flushed all to disk. Answer with [`Message::Done`].
    Over,
}

/// How far an entry has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The receiver has sent no message about it.
    Listed,
    /// The sender sends it, or computes its hash.
    Sending,
    /// Its end has been sent.
    Sent,
    /// It is resolved or has failed; nothing more follows.
    Over,
}

#[derive(Debug, Clone, Copy)]
struct File {
    state: State,
    restarts: u8,
}

/// The sender of a transfer, once both sides have said hello.
#[derive(Debug)]
pub struct Sender {
    manifest: Manifest,
    files: Vec<File>,
    /// Number of directories and links: the receiver sends no message about them.
    silent: usize,
    over: usize,
}

impl Sender {
    /// Starts a transfer of these entries.
    pub fn new(manifest: Manifest) -> Self {
        let count = manifest.entries().len();
        let silent = manifest.entries().iter().filter(|entry| !entry.has_content()).count();
        Self { manifest, files: vec![File { state: State::Listed, restarts: 0 }; count], silent, over: 0 }
    }

    /// The list of what is sent.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The next message of the list, from entry `from` on, and the number of the entry to continue with. `None` after
    /// the end of the list.
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

    /// Takes a message from the receiver.
    ///
    /// # Errors
    ///
    /// If it is not a message, or is out of order.
    pub fn receive(&mut self, message: Bytes) -> Result<Request, Violation> {
        match Message::decode(message)? {
            Message::Want { file, from, tree } => {
                let entry = self.entry(file)?;
                let fits = from == 0 || (entry.kind == Kind::File && from < entry.size);
                let whole = from.is_multiple_of(SUBTREE) && tree.len() == tree_values(from / SUBTREE);
                if !entry.has_content() || !fits || !whole {
                    return Err(Violation::new("an entry cannot be requested in this way"));
                }
                self.step(file, &[State::Listed, State::Sent], State::Sending)?;
                Ok(Request::Send { file, from, tree })
            }
            Message::Compare { file } if self.entry(file)?.kind == Kind::File => {
                self.step(file, &[State::Listed], State::Sending)?;
                Ok(Request::Hash { file })
            }
            Message::Resolved { file, outcome, hash } => {
                // A file from an earlier connection is known to be there before its bytes or its hash are sent.
                let early = outcome == Outcome::Present && self.entry(file)?.has_content();
                let from: &[State] = if early { &[State::Listed, State::Sent] } else { &[State::Sent] };
                self.step(file, from, State::Over)?;
                self.over += 1;
                Ok(Request::Resolved { file, outcome, hash })
            }
            Message::Failed { file, reason, text } => match self.is_over(file)? {
                // Both sides gave it up at the same time.
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

    /// Whether an entry is resolved or has failed on either side, so that nothing more is sent for it.
    ///
    /// # Errors
    ///
    /// If there is no such entry.
    pub fn is_over(&self, file: u32) -> Result<bool, Violation> {
        Ok(self.state(file)? == State::Over)
    }

    /// Ends a file: all its bytes have been sent, or its hash was requested.
    ///
    /// # Errors
    ///
    /// If the file was not being sent.
    pub fn end(&mut self, file: u32, size: u64, hash: Hash) -> Result<Message, Violation> {
        self.step(file, &[State::Sending], State::Sent)?;
        self.manifest.measured(file, size);
        Ok(Message::End { file, size, hash })
    }

    /// Reports that a file is no longer as it was listed. `None` if that has happened too often: then call
    /// [`fail`](Self::fail).
    ///
    /// # Errors
    ///
    /// If the file was not being sent.
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

    /// Gives up a file that cannot be sent. A text that is too long for a message is cut.
    ///
    /// # Errors
    ///
    /// If the file is over already.
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
