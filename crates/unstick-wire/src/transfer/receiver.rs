//! The receiver's side of a transfer as a state machine: which messages it accepts, and what the caller has to do.

use bytes::Bytes;

use super::entry::{Entry, Kind};
use super::manifest::{Manifest, Naming};
use super::message::{Message, Outcome, Reason, sentence};
use super::subtree::{Hash, SUBTREE, tree_values};
use super::violation::Violation;
use crate::limits::{MAX_TRANSFER_RESTARTS, MAX_TRANSFER_SIZE};

/// What the receiver has to do after a message from the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing.
    Nothing,
    /// The list is complete and keeps the rules. Decide about every entry.
    Listed,
    /// Write these bytes.
    Write {
        /// The entry's number.
        file: u32,
        /// Their offset in the file.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Leave a hole: these bytes are zeros.
    Skip {
        /// The entry's number.
        file: u32,
        /// The offset of the hole in the file.
        offset: u64,
        /// Number of zeros.
        length: u32,
    },
    /// Compare the chaining value of a subtree that has been written.
    Check {
        /// The entry's number.
        file: u32,
        /// The subtree's number.
        index: u64,
        /// The sender's chaining value.
        value: Hash,
    },
    /// All bytes have arrived, or the hash for a comparison. Verify the file, and resolve the entry.
    Finish {
        /// The entry's number.
        file: u32,
        /// Size of the file in bytes.
        size: u64,
        /// The sender's hash.
        hash: Hash,
    },
    /// The source has changed, and the bytes received so far are worthless. Decide about the entry once more.
    Restart {
        /// The entry's number.
        file: u32,
    },
    /// The sender cannot send an entry.
    Failed {
        /// The entry's number.
        file: u32,
        /// Why.
        reason: Reason,
        /// The reason in the sender's words.
        text: Bytes,
    },
    /// The sender ends the transfer.
    Refused {
        /// Why.
        reason: Reason,
        /// The reason in the sender's words.
        text: Bytes,
    },
    /// The sender has confirmed that everything is done.
    Over,
}

/// How far an entry has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The caller has not decided about it.
    Open,
    /// Its bytes are arriving. `next` is the offset of the next byte, `checked` the number of verified subtrees.
    Coming { next: u64, checked: u64 },
    /// The receiver waits for its hash.
    Comparing,
    /// All bytes or the hash have arrived, and the caller verifies them.
    Proving,
    /// It is resolved or has failed; nothing more follows.
    Over,
}

/// The state of one entry, and the number of its restarts.
#[derive(Debug, Clone, Copy)]
struct File {
    state: State,
    restarts: u8,
}

/// The receiver of a transfer, once both sides have said hello.
#[derive(Debug)]
pub struct Receiver {
    naming: Naming,
    manifest: Manifest,
    files: Vec<File>,
    /// The file whose bytes are arriving. No other file may begin before this one has ended or failed.
    sending: Option<u32>,
    /// Number of entries that are not over.
    left: usize,
    done: bool,
}

impl Receiver {
    /// Starts a transfer whose list has yet to arrive.
    pub fn new(naming: Naming) -> Self {
        Self { naming, manifest: Manifest::default(), files: Vec::new(), sending: None, left: 0, done: false }
    }

    /// The list, as far as it has arrived.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether every entry is resolved or has failed.
    pub fn is_complete(&self) -> bool {
        !self.files.is_empty() && self.left == 0
    }

    /// Whether an entry is resolved or has failed.
    ///
    /// # Errors
    ///
    /// If there is no such entry.
    pub fn is_over(&self, file: u32) -> Result<bool, Violation> {
        Ok(self.state(file)? == State::Over)
    }

    /// Takes a message from the sender.
    ///
    /// # Errors
    ///
    /// If it is not a message, exceeds a limit, or is out of order.
    pub fn receive(&mut self, message: Bytes) -> Result<Arrival, Violation> {
        match Message::decode(message)? {
            Message::Entries(entries) => self.listing(entries),
            Message::Listed { entries, size } => self.listed(entries, size),
            Message::Data { file, offset, bytes } => Ok(match self.comes(file, offset, bytes.len() as u64)? {
                true => Arrival::Write { file, offset, bytes },
                false => Arrival::Nothing,
            }),
            Message::Hole { file, offset, length } => Ok(match self.comes(file, offset, length.into())? {
                true if self.entry(file)?.kind == Kind::Stream => {
                    return Err(Violation::new("a stream has no holes"));
                }
                true => Arrival::Skip { file, offset, length },
                false => Arrival::Nothing,
            }),
            Message::Subtree { file, index, value } => self.subtree(file, index, value),
            Message::End { file, size, hash } => self.end(file, size, hash),
            Message::Changed { file, entry } => self.changed(file, entry),
            Message::Failed { file, reason, text } => {
                self.over(file)?;
                Ok(Arrival::Failed { file, reason, text })
            }
            Message::Refused { reason, text } => Ok(Arrival::Refused { reason, text }),
            Message::Done if self.done => Ok(Arrival::Over),
            Message::Alive => Ok(Arrival::Nothing),
            _ => Err(Violation::new("a message that a sender does not send now")),
        }
    }

    /// Requests an entry from offset `from` on. `tree` has the chaining values of the bytes before it.
    ///
    /// # Errors
    ///
    /// If the entry cannot be requested now, or not from this offset.
    pub fn want(&mut self, file: u32, from: u64, tree: Vec<Hash>) -> Result<Message, Violation> {
        let entry = self.entry(file)?;
        let fits = from == 0 || (entry.kind == Kind::File && from < entry.size);
        if !entry.has_content() || !from.is_multiple_of(SUBTREE) || !fits || tree.len() != tree_values(from / SUBTREE) {
            return Err(Violation::new("an entry cannot be requested in this way"));
        }
        // `Proving`: the file was compared, and its content turned out to be different.
        self.step(file, &[State::Open, State::Proving], State::Coming { next: from, checked: from / SUBTREE })?;
        Ok(Message::Want { file, from, tree })
    }

    /// Requests only the hash of a file, because a file of this name and size is there.
    ///
    /// # Errors
    ///
    /// If the caller has already decided about the entry.
    pub fn compare(&mut self, file: u32) -> Result<Message, Violation> {
        if self.entry(file)?.kind != Kind::File {
            return Err(Violation::new("only files can be compared"));
        }
        self.step(file, &[State::Open], State::Comparing)?;
        Ok(Message::Compare { file })
    }

    /// Reports that a file has its final name and is flushed to disk. A file that is [present](Outcome::Present) from
    /// an earlier connection needs no hash from this one.
    ///
    /// # Errors
    ///
    /// If the file's hash has not arrived.
    pub fn resolve(&mut self, file: u32, outcome: Outcome, hash: Hash) -> Result<Message, Violation> {
        let early = outcome == Outcome::Present && self.entry(file)?.has_content();
        let from: &[State] = if early { &[State::Open, State::Proving] } else { &[State::Proving] };
        self.step(file, from, State::Over)?;
        Ok(Message::Resolved { file, outcome, hash })
    }

    /// Records that a directory or link is there. No message reports it to the sender.
    ///
    /// # Errors
    ///
    /// If the entry is a file or stream, or is over.
    pub fn directory(&mut self, file: u32) -> Result<(), Violation> {
        match self.entry(file)?.has_content() {
            false => self.step(file, &[State::Open], State::Over),
            true => Err(Violation::new("neither a directory nor a link")),
        }
    }

    /// Gives up an entry. Messages about it that are still on their way are ignored. A text that is too long for a
    /// message is cut.
    ///
    /// # Errors
    ///
    /// If the entry is over already.
    pub fn fail(&mut self, file: u32, reason: Reason, text: &str) -> Result<Message, Violation> {
        self.over(file)?;
        Ok(Message::Failed { file, reason, text: sentence(text) })
    }

    /// Reports to the sender that all entries are over, and flushed to disk.
    ///
    /// # Errors
    ///
    /// If an entry is not over.
    pub fn finish(&mut self) -> Result<Message, Violation> {
        if self.left > 0 {
            return Err(Violation::new("an entry is not over"));
        }
        self.done = true;
        Ok(Message::Done)
    }

    fn listing(&mut self, entries: Vec<Entry>) -> Result<Arrival, Violation> {
        if !self.files.is_empty() {
            return Err(Violation::new("an entry after the end of the list"));
        }
        entries.into_iter().try_for_each(|entry| self.manifest.push(entry))?;
        Ok(Arrival::Nothing)
    }

    fn listed(&mut self, entries: u32, size: u64) -> Result<Arrival, Violation> {
        let count = self.manifest.entries().len();
        if !self.files.is_empty() || count == 0 || (entries as usize, size) != (count, self.manifest.size()) {
            return Err(Violation::new("a list that is not what its end says"));
        }
        self.manifest.check(self.naming)?;
        self.files = vec![File { state: State::Open, restarts: 0 }; count];
        self.left = count;
        Ok(Arrival::Listed)
    }

    /// Takes the next bytes of a file, sent or in a hole. Returns false if the file has failed here.
    fn comes(&mut self, file: u32, offset: u64, length: u64) -> Result<bool, Violation> {
        let entry = self.entry(file)?;
        let limit = if entry.kind == Kind::Stream { MAX_TRANSFER_SIZE } else { entry.size };
        let (next, checked) = match self.state(file)? {
            State::Coming { next, checked } => (next, checked),
            // The sender sent this before it knew that the entry had failed here.
            State::Over => return Ok(false),
            _ => return Err(Violation::new("bytes of a file that are not wanted")),
        };
        if self.sending.is_some_and(|other| other != file) {
            return Err(Violation::new("a file that begins before the one before it is over"));
        }
        let end = next + length;
        if offset != next || end > limit || (offset % SUBTREE) + length > SUBTREE {
            return Err(Violation::new(format!("{length} bytes at {offset}, where {next} is next")));
        }
        if checked != next / SUBTREE {
            return Err(Violation::new("bytes after a subtree whose chaining value has not arrived"));
        }
        self.set(file, State::Coming { next: end, checked });
        self.sending = Some(file);
        Ok(true)
    }

    fn subtree(&mut self, file: u32, index: u64, value: Hash) -> Result<Arrival, Violation> {
        let entry = self.entry(file)?;
        let is_last = entry.kind == Kind::File && (index + 1).saturating_mul(SUBTREE) >= entry.size;
        match self.state(file)? {
            State::Coming { next, checked }
                if checked == index && next == index.saturating_add(1).saturating_mul(SUBTREE) && !is_last =>
            {
                self.set(file, State::Coming { next, checked: index + 1 });
                Ok(Arrival::Check { file, index, value })
            }
            State::Over => Ok(Arrival::Nothing),
            _ => Err(Violation::new("the chaining value of a subtree that has not come whole")),
        }
    }

    fn end(&mut self, file: u32, size: u64, hash: Hash) -> Result<Arrival, Violation> {
        let entry = self.entry(file)?;
        let known = if entry.kind == Kind::File { entry.size } else { size };
        match self.state(file)? {
            // A stream's last subtree has no chaining value: the value is sent only once another byte follows.
            State::Coming { next, checked }
                if next == size && size == known && (size == 0 || checked * SUBTREE < size) => {}
            State::Comparing if size == known => {}
            State::Over => return Ok(Arrival::Nothing),
            _ => return Err(Violation::new("the end of a file that has not come whole")),
        }
        self.set(file, State::Proving);
        self.manifest.measured(file, size);
        Ok(Arrival::Finish { file, size, hash })
    }

    fn changed(&mut self, file: u32, entry: Entry) -> Result<Arrival, Violation> {
        let old = self.entry(file)?;
        if old.kind != Kind::File || (old.kind, &old.path) != (entry.kind, &entry.path) {
            return Err(Violation::new("a source that has changed into another"));
        }
        match self.state(file)? {
            State::Coming { .. } | State::Comparing => {}
            State::Over => return Ok(Arrival::Nothing),
            _ => return Err(Violation::new("a changed source that was not being sent")),
        }
        let place = &mut self.files[file as usize];
        place.restarts += 1;
        if place.restarts > MAX_TRANSFER_RESTARTS {
            return Err(Violation::new("a source that changed too often"));
        }
        self.set(file, State::Open);
        self.manifest.replace(file, entry);
        Ok(Arrival::Restart { file })
    }

    fn entry(&self, file: u32) -> Result<&Entry, Violation> {
        // No entry has a number before the list is complete.
        self.state(file)?;
        self.manifest.get(file).ok_or_else(|| Violation::new("an unknown entry"))
    }

    fn state(&self, file: u32) -> Result<State, Violation> {
        let found = self.files.get(file as usize);
        found.map(|file| file.state).ok_or_else(|| Violation::new(format!("the unknown entry {file}")))
    }

    fn set(&mut self, file: u32, state: State) {
        if state == State::Over {
            self.left -= 1;
        }
        if !matches!(state, State::Coming { .. }) && self.sending == Some(file) {
            self.sending = None;
        }
        self.files[file as usize].state = state;
    }

    fn step(&mut self, file: u32, from: &[State], to: State) -> Result<(), Violation> {
        if !from.contains(&self.state(file)?) {
            return Err(Violation::new("an entry out of turn"));
        }
        self.set(file, to);
        Ok(())
    }

    fn over(&mut self, file: u32) -> Result<(), Violation> {
        match self.state(file)? {
            State::Over => Err(Violation::new("an entry that is over fails")),
            _ => {
                self.set(file, State::Over);
                Ok(())
            }
        }
    }
}
