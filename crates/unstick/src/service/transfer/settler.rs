//! Flushes verified files together, on its own thread. Then it gives them their final names, and reports them as
//! resolved.
//!
//! Files that arrive while the disk is busy are flushed in one go. So thousands of small files share a flush, and none
//! waits long.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use unstick_wire::transfer::{Entry, Hash, Outcome, Reason};

use super::complete::{self, Record};
use super::inbox::{Inbox, Occupied};
use super::overwrite::moment;
use super::part::{Place, Placed, above, last};
use super::recorder::Ledger;
use super::verdict::{Failure, Verdict, Watch, exists, unwritable};

/// What the thread has to do.
pub(super) enum Item {
    /// A complete file: give it its final name, unless it has that already.
    Whole(Whole),
    /// A directory was created: flush its parent.
    Made(Vec<u8>),
    /// Give a directory its permissions and time, once everything is there.
    Dress(Entry),
    /// Settle what is there: nothing else will come soon.
    Now,
    /// Everything is there. `clean`: nothing has failed.
    Flush { clean: bool },
}

/// A complete, verified file.
pub(super) struct Whole {
    pub(super) file: u32,
    pub(super) entry: Entry,
    pub(super) hash: Hash,
    /// Where the file waits for its final name; `None` if it has that already.
    pub(super) place: Option<Place>,
    /// The open file. It stays open, and so locked, if another connection could resume it.
    pub(super) held: Option<File>,
    /// Whether its bytes are flushed to disk.
    pub(super) flushed: bool,
    /// Its journal, if bytes may still be flushed for it.
    pub(super) ledger: Option<Ledger>,
    /// The name of its part and its journal, which exist until the file has its final name.
    pub(super) kept: Option<String>,
}

/// The permissions that a sender can give. Only the owner may write.
pub(super) const UNSHARED: u32 = 0o755;

/// Most files to flush together. It bounds memory, and what a power cut can cost.
const MOST: usize = 8192;

/// How long the first file waits for others.
const GATHER: Duration = Duration::from_millis(200);

/// Up to this many files or directories are flushed one by one. A flush of the whole file system may write much that
/// belongs to other programs.
const FEW: usize = 8;

/// Number of items that wait for the thread.
const AHEAD: usize = 1024;

/// Extensions of a part and of its journal.
pub(super) const PART: &str = "part";
pub(super) const JOURNAL: &str = "journal";

/// Name and extension of the list of complete files.
pub(super) const LIST: (&str, &str) = ("complete", "list");

/// Starts the thread. When nobody sends items any more, it settles the rest and ends.
pub(super) fn start(inbox: Arc<Inbox>, occupied: Occupied, verdicts: mpsc::Sender<Verdict>) -> SyncSender<Item> {
    let (items, todo) = sync_channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let _watch = Watch::new(&verdicts);
        let mut settler =
            Settler { inbox, verdicts, files: Vec::new(), dirty: BTreeSet::new(), directories: Vec::new() };
        while settler.round(&todo) {}
        drop(occupied);
    });
    items
}

struct Settler {
    inbox: Arc<Inbox>,
    verdicts: mpsc::Sender<Verdict>,
    files: Vec<Whole>,
    /// Directories whose entries are not flushed.
    dirty: BTreeSet<Vec<u8>>,
    /// New directories, with the permissions and times to give them last: a file created inside would change the time
    /// again.
    directories: Vec<Entry>,
}

impl Settler {
    /// Collects items and settles them. Returns false when no more can come.
    fn round(&mut self, todo: &Receiver<Item>) -> bool {
        let Ok(mut item) = todo.recv() else { return false };
        let begun = Instant::now();
        let (goes_on, end) = loop {
            match item {
                Item::Whole(whole) => self.files.push(whole),
                Item::Made(above) => {
                    self.dirty.insert(above);
                }
                Item::Dress(entry) => self.directories.push(entry),
                Item::Now => break (true, None),
                Item::Flush { clean } => break (true, Some(clean)),
            }
            if self.files.len() >= MOST {
                break (true, None);
            }
            item = match todo.recv_timeout(GATHER.saturating_sub(begun.elapsed())) {
                Ok(item) => item,
                Err(RecvTimeoutError::Timeout) => break (true, None),
                Err(RecvTimeoutError::Disconnected) => break (false, None),
            };
        };
        if !self.files.is_empty() || end.is_some() {
            self.settle();
        }
        if let Some(clean) = end {
            self.finish(clean);
        }
        goes_on
    }

    /// Flushes bytes, gives names, flushes the names, then reports. In this order, a final name always means a complete
    /// file.
    fn settle(&mut self) {
        let files = self.flush_bytes();
        let named: Vec<_> = files.into_iter().filter_map(|whole| self.name(whole)).collect();
        let broken = self.flush_directories();
        let mut records = Vec::with_capacity(named.len());
        for (whole, outcome) in &named {
            let flushed = match broken.iter().find(|(path, _)| is_below(&whole.entry.path, path)) {
                Some((_, text)) => Err((Reason::Unwritable, text.clone())),
                None => self.inbox.look(&whole.entry.path).map_err(unwritable),
            };
            match flushed {
                Ok(found) => {
                    records.push(Record::new(&whole.entry, &found, whole.hash));
                    let (file, outcome, hash) = (whole.file, *outcome, whole.hash);
                    self.say(Verdict::Resolved { file, outcome, hash });
                }
                Err(failure) => self.failed(whole.file, failure),
            }
        }
        // A file missing from this list is compared again.
        let _ = self.inbox.kept_or_new(LIST.0, LIST.1).and_then(|mut list| complete::append(&mut list, &records));
    }

    /// Flushes the bytes of all files. Returns those whose flush succeeded.
    fn flush_bytes(&mut self) -> Vec<Whole> {
        let mut files = std::mem::take(&mut self.files);
        files.retain(|whole| {
            let recorded = whole.ledger.as_ref().map_or(Ok(()), Ledger::settled);
            recorded.map_err(|error| self.failed(whole.file, unwritable(error))).is_ok()
        });
        if files.len() > FEW && self.inbox.flush_system() {
            return files;
        }
        files.retain(|whole| {
            let flushed = match &whole.place {
                _ if whole.flushed => Ok(()),
                Some(place) => place.flush(whole.held.as_ref()),
                None => self.inbox.existing(&whole.entry.path).and_then(|file| file.sync_all()),
            };
            flushed.map_err(|error| self.failed(whole.file, unwritable(error))).is_ok()
        });
        files
    }

    /// Gives a file its final name. Returns `None` and reports the file if that fails.
    fn name(&mut self, mut whole: Whole) -> Option<(Whole, Outcome)> {
        let placed = match self.place(&mut whole) {
            Ok(placed) => placed,
            Err(failure) => {
                self.failed(whole.file, failure);
                return None;
            }
        };
        if let Some(kept) = &whole.kept {
            self.inbox.remove_kept(kept, JOURNAL);
            if placed == Placed::Exists {
                self.inbox.remove_kept(kept, PART);
            }
        }
        Some((whole, if placed == Placed::Exists { Outcome::Present } else { Outcome::Received }))
    }

    fn place(&mut self, whole: &mut Whole) -> Result<Placed, Failure> {
        let (path, dirty) = (&whole.entry.path, &mut self.dirty);
        if !dirty.contains(above(path)) {
            dirty.insert(above(path).to_vec());
        }
        let Some(place) = &mut whole.place else { return Ok(Placed::Exists) };
        let parent = self.inbox.parent(path, &mut |made| {
            dirty.insert(above(made).to_vec());
        });
        let replaces = self.inbox.replaces(&whole.entry);
        let placed = parent.and_then(|parent| place.give(&parent, last(path), replaces)).map_err(unwritable)?;
        if placed == Placed::Exists && self.inbox.hash_of(path).map_err(unwritable)? != whole.hash {
            return Err(exists());
        }
        Ok(placed)
    }

    /// Flushes the entries of directories. Returns the directories whose flush failed, and why.
    fn flush_directories(&mut self) -> Vec<(Vec<u8>, String)> {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.len() > FEW && self.inbox.flush_system() {
            return Vec::new();
        }
        let flushed = dirty.into_iter().map(|path| (self.inbox.flush_directory(&path), path));
        flushed.filter_map(|(flushed, path)| flushed.err().map(|error| (path, unwritable(error).1))).collect()
    }

    /// Sets permissions and times of directories, the deepest first. A new entry changes a directory's time, and may
    /// need its old permissions.
    fn finish(&mut self, clean: bool) {
        let mut directories = std::mem::take(&mut self.directories);
        directories.sort_by(|one, other| other.path.cmp(&one.path));
        for entry in directories {
            let (mode, modified) = (u32::from(entry.mode) & UNSHARED, moment(entry.modified));
            // A directory counts as received even if this fails.
            let _ = self.inbox.dress_directory(&entry.path, mode, modified);
            self.dirty.insert(entry.path.to_vec());
        }
        self.flush_directories();
        if clean {
            self.inbox.remove_kept(LIST.0, LIST.1);
        }
        self.inbox.tidy();
        self.say(Verdict::Flushed);
    }

    fn failed(&self, file: u32, (reason, text): Failure) {
        self.say(Verdict::Failed { file, reason, text });
    }

    /// Reports a verdict. If the connection is lost, the next connection finds the files in place.
    fn say(&self, verdict: Verdict) {
        let _ = self.verdicts.blocking_send(verdict);
    }
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// The error after the thread has ended early.
pub(super) fn gone() -> io::Error {
    io::Error::other("the thread that flushes files has ended")
}
