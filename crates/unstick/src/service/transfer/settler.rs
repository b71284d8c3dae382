//! Files whose bytes are proven are flushed together, on a thread of their own: then they get their names, and are resolved.
//!
//! What has come while the disk was busy is flushed at once: one flush for thousands of small files, and none waits long.

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
use super::verdict::{Failure, Verdict, exists, unwritable};

/// What is to be done.
pub(super) enum Item {
    /// A file that is whole: it waits for its name, or has it already.
    Whole(Whole),
    /// A directory was made: the one that it lies in is to be flushed.
    Made(Vec<u8>),
    /// A directory is to get its permissions and time once all is there.
    Dress(Entry),
    /// Nothing else comes soon.
    Now,
    /// All is there; nothing has failed where it is `clean`.
    Flush { clean: bool },
}

/// A file that is whole.
pub(super) struct Whole {
    pub(super) file: u32,
    pub(super) entry: Entry,
    pub(super) hash: Hash,
    /// Where it waits for its name; `None` where it has it.
    pub(super) place: Option<Place>,
    /// It is held as long as another connection could take it for its own.
    pub(super) held: Option<File>,
    /// Its bytes are on the disk.
    pub(super) flushed: bool,
    /// What is kept of it until it has its name: parts and journals are called so.
    pub(super) kept: Option<String>,
}

/// The permissions that a sender can give: others than the owner never write.
pub(super) const UNSHARED: u32 = 0o755;

/// Files that are flushed together at most: what is in memory, and what a power cut costs.
const MOST: usize = 8192;

/// How long the first of them waits for others.
const GATHER: Duration = Duration::from_millis(200);

/// Up to so many files and directories are flushed one by one: the file system as a whole may hold much that is not ours.
const FEW: usize = 8;

/// Files that wait for the thread.
const AHEAD: usize = 1024;

/// What files in their journals' directory end in.
pub(super) const PART: &str = "part";
pub(super) const JOURNAL: &str = "journal";

/// The list of complete files.
pub(super) const LIST: (&str, &str) = ("complete", "list");

/// Starts the thread. It ends, with everything settled, when nobody sends items any more.
pub(super) fn start(inbox: Arc<Inbox>, occupied: Occupied, verdicts: mpsc::Sender<Verdict>) -> SyncSender<Item> {
    let (items, todo) = sync_channel(AHEAD);
    tokio::task::spawn_blocking(move || {
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
    /// Directories, and their entries' times: files in them would change those.
    directories: Vec<Entry>,
}

impl Settler {
    /// Gathers what comes, and settles it. False where nothing comes any more.
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

    /// Flushes bytes, gives names, flushes those, and says so: in this order a name never stands for less than the whole file.
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
        // What cannot be listed is compared again.
        let _ = self.inbox.kept_or_new(LIST.0, LIST.1).and_then(|mut list| complete::append(&mut list, &records));
    }

    /// Files that are on the disk.
    fn flush_bytes(&mut self) -> Vec<Whole> {
        let mut files = std::mem::take(&mut self.files);
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

    /// Gives a file its name, unless it has failed.
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

    /// Flushes the entries of directories. Those for which that failed, and why.
    fn flush_directories(&mut self) -> Vec<(Vec<u8>, String)> {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.len() > FEW && self.inbox.flush_system() {
            return Vec::new();
        }
        let flushed = dirty.into_iter().map(|path| (self.inbox.flush_directory(&path), path));
        flushed.filter_map(|(flushed, path)| flushed.err().map(|error| (path, unwritable(error).1))).collect()
    }

    /// Directories last, the deepest first: what is put into one changes its time, and may need its permissions.
    fn finish(&mut self, clean: bool) {
        let mut directories = std::mem::take(&mut self.directories);
        directories.sort_by(|one, other| other.path.cmp(&one.path));
        for entry in directories {
            let (mode, modified) = (u32::from(entry.mode) & UNSHARED, moment(entry.modified));
            // One that cannot be dressed is there all the same.
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

    /// Where the connection is lost, the next one finds what is there.
    fn say(&self, verdict: Verdict) {
        let _ = self.verdicts.blocking_send(verdict);
    }
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// The thread is gone.
pub(super) fn gone() -> io::Error {
    io::Error::other("the thread that flushes files has ended")
}
