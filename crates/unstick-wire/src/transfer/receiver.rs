//! The receiver's side of a transfer, as a state machine: what may come next, and what it means.

use bytes::Bytes;

use super::entry::{Entry, Kind};
use super::manifest::{Manifest, Naming};
use super::message::{Message, Outcome, Reason, sentence};
use super::subtree::{Hash, SUBTREE, tree_values};
use super::violation::Violation;
use crate::limits::{MAX_TRANSFER_RESTARTS, MAX_TRANSFER_SIZE};

/// What a message of the sender asks its receiver to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing.
    Nothing,
    /// The list is whole and keeps the rules: every entry is to be decided about.
    Listed,
    /// Write these bytes.
    Write {
        /// The entry's number.
        file: u32,
        /// Where they go.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Compare the chaining value of a subtree that has been written.
    Check {
        /// The entry's number.
        file: u32,
        /// The subtree's number.
        index: u64,
        /// Its chaining value at the sender.
        value: Hash,
    },
    /// All bytes have come, or the hash of a file that was to be compared: prove it, and resolve the entry.
    Finish {
        /// The entry's number.
        file: u32,
        /// Bytes in all.
        size: u64,
        /// The sender's hash.
        hash: Hash,
    },
    /// The source has changed: what has come of it is worth nothing, and the entry is to be decided about anew.
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
        /// The same in the sender's words.
        text: Bytes,
    },
    /// The sender ends the transfer.
    Refused {
        /// Why.
        reason: Reason,
        /// The same in the sender's words.
        text: Bytes,
    },
    /// The sender knows that all is done.
    Over,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has been decided.
    Open,
    /// It is on its way: what comes next, and the subtrees that have been compared.
    Coming { next: u64, checked: u64 },
    /// Its hash is awaited.
    Comparing,
    /// All has come; the caller proves it.
    Proving,
    /// Nothing more comes of it.
    Over,
}

/// One entry's state, and how often it began anew.
#[derive(Debug, Clone, Copy)]
struct File {
    state: State,
    restarts: u8,
}

/// The receiver of a transfer. Its hello has been exchanged already.
#[derive(Debug)]
pub struct Receiver {
    naming: Naming,
    manifest: Manifest,
    files: Vec<File>,
    /// The file that has begun to come: no other comes before it is over.
    sending: Option<u32>,
    /// Entries that are not over.
    left: usize,
    done: bool,
}

impl Receiver {
    /// Of a transfer whose list is still to come.
    pub fn new(naming: Naming) -> Self {
        Self { naming, manifest: Manifest::default(), files: Vec::new(), sending: None, left: 0, done: false }
    }

    /// The list, as far as it has come.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether every entry is over.
    pub fn is_complete(&self) -> bool {
        !self.files.is_empty() && self.left == 0
    }

    /// Whether nothing more comes of an entry.
    ///
    /// # Errors
    ///
    /// Where there is no such entry.
    pub fn is_over(&self, file: u32) -> Result<bool, Violation> {
        Ok(self.state(file)? == State::Over)
    }

    /// Takes a message of the sender.
    ///
    /// # Errors
    ///
    /// Where it is not a message, breaks a limit, or comes out of turn.
    pub fn receive(&mut self, message: Bytes) -> Result<Arrival, Violation> {
        match Message::decode(message)? {
            Message::Entries(entries) => self.listing(entries),
            Message::Listed { entries, size } => self.listed(entries, size),
            Message::Data { file, offset, bytes } => self.data(file, offset, bytes),
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

    /// An entry is wanted from `from` on, with what is there already behind `tree`.
    ///
    /// # Errors
    ///
    /// Where nothing of it can be wanted now, or from there.
    pub fn want(&mut self, file: u32, from: u64, tree: Vec<Hash>) -> Result<Message, Violation> {
        let entry = self.entry(file)?;
        let fits = from == 0 || (entry.kind == Kind::File && from < entry.size);
        if !entry.has_content() || !from.is_multiple_of(SUBTREE) || !fits || tree.len() != tree_values(from / SUBTREE) {
            return Err(Violation::new("an entry cannot be wanted so"));
        }
        // A file of its name may have turned out to be another.
        self.step(file, &[State::Open, State::Proving], State::Coming { next: from, checked: from / SUBTREE })?;
        Ok(Message::Want { file, from, tree })
    }

    /// A file of this name and size is there: the hash alone is wanted.
    ///
    /// # Errors
    ///
    /// Where it has been decided about already.
    pub fn compare(&mut self, file: u32) -> Result<Message, Violation> {
        if self.entry(file)?.kind != Kind::File {
            return Err(Violation::new("only files can be compared"));
        }
        self.step(file, &[State::Open], State::Comparing)?;
        Ok(Message::Compare { file })
    }

    /// A file stands under its final name, flushed to disk. One that is [present](Outcome::Present) from an earlier connection
    /// needs no hash of this one.
    ///
    /// # Errors
    ///
    /// Where its hash has not come.
    pub fn resolve(&mut self, file: u32, outcome: Outcome, hash: Hash) -> Result<Message, Violation> {
        let early = outcome == Outcome::Present && self.entry(file)?.kind == Kind::File;
        let from: &[State] = if early { &[State::Open, State::Proving] } else { &[State::Proving] };
        self.step(file, from, State::Over)?;
        Ok(Message::Resolved { file, outcome, hash })
    }

    /// A directory or link is there. Nothing is said of it but that all is done.
    ///
    /// # Errors
    ///
    /// Where it is neither, or is over.
    pub fn directory(&mut self, file: u32) -> Result<(), Violation> {
        match self.entry(file)?.has_content() {
            false => self.step(file, &[State::Open], State::Over),
            true => Err(Violation::new("neither a directory nor a link")),
        }
    }

    /// An entry failed here. What still comes of it is passed over. The sentence is cut to what a message holds.
    ///
    /// # Errors
    ///
    /// Where it is over already.
    pub fn fail(&mut self, file: u32, reason: Reason, text: &str) -> Result<Message, Violation> {
        self.over(file)?;
        Ok(Message::Failed { file, reason, text: sentence(text) })
    }

    /// All entries are over, and flushed to disk: what the sender is told.
    ///
    /// # Errors
    ///
    /// Where one is not.
    pub fn finish(&mut self) -> Result<Message, Violation> {
        if self.left > 0 {
            return Err(Violation::new("an entry is not over"));
        }
        self.done = true;
        Ok(Message::Done)
    }

    fn listing(&mut self, entries: Vec<Entry>) -> Result<Arrival, Violation> {
        if !self.files.is_empty() {
            return Err(Violation::new("an entry behind the end of the list"));
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

    fn data(&mut self, file: u32, offset: u64, bytes: Bytes) -> Result<Arrival, Violation> {
        let entry = self.entry(file)?;
        let limit = if entry.kind == Kind::Stream { MAX_TRANSFER_SIZE } else { entry.size };
        let (next, checked) = match self.state(file)? {
            State::Coming { next, checked } => (next, checked),
            // What was on its way when it failed here.
            State::Over => return Ok(Arrival::Nothing),
            _ => return Err(Violation::new("bytes of a file that are not wanted")),
        };
        if self.sending.is_some_and(|other| other != file) {
            return Err(Violation::new("a file that begins before the one before it is over"));
        }
        let end = next + bytes.len() as u64;
        if offset != next || end > limit || (offset % SUBTREE) + bytes.len() as u64 > SUBTREE {
            return Err(Violation::new(format!("{} bytes at {offset}, where {next} is next", bytes.len())));
        }
        if checked != next / SUBTREE {
            return Err(Violation::new("bytes behind a subtree whose chaining value has not come"));
        }
        self.set(file, State::Coming { next: end, checked });
        self.sending = Some(file);
        Ok(Arrival::Write { file, offset, bytes })
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
            // The chaining value of a stream's last subtree does not come: something has to follow it.
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
        // Before the list is whole no entry has a number.
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
