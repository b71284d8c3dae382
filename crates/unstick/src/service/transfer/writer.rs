//! The receiver's disk thread: it writes, verifies and records bytes, in order.
//!
//! Not here: flushing files and giving them their final names ([`settler`]).

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use unstick_wire::quantity::size;
use unstick_wire::transfer::{Entry, Hash, Kind, Outcome, Reason, SUBTREE};

use super::complete::Complete;
use super::inbox::Inbox;
use super::journal::Journal;
use super::overwrite::moment;
use super::part::{Folder, Part, above};
use super::recorder::{Ledger, Recorder};
use super::settler::{self, Item, JOURNAL, LIST, PART, UNSHARED, Whole};
use super::symlink;
use super::tree::Tree;
use super::verdict::{Failure, Verdict, Watch, exists, unwritable};

/// What the thread has to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Decide what to request of an entry.
    Decide { file: u32, entry: Entry },
    /// Write bytes.
    Write { file: u32, offset: u64, bytes: Bytes },
    /// Leave a hole: these bytes are zeros.
    Skip { file: u32, offset: u64, length: u32 },
    /// Compare the chaining value of a complete subtree.
    Check { file: u32, value: Hash },
    /// Verify a file, and pass it on to get its final name.
    Finish { file: u32, hash: Hash },
    /// Nothing more of this file will come. Keep what is there.
    Forget { file: u32 },
    /// Set the times of directories, and flush. `clean`: nothing has failed.
    Flush { clean: bool },
}

/// The permission bit with which the owner can read a file.
const READABLE: u16 = 0o400;

/// After this many subtrees, or this much time, the bytes are flushed and recorded, on another thread.
const SUBTREES: usize = 32;
const PAUSE: Duration = Duration::from_secs(1);

/// Most subtrees that wait while an earlier flush goes on. Then this thread flushes, too: a kill costs no more than these
/// and what the earlier flush holds.
const MOST_COMPARED: usize = 8 * SUBTREES;

/// Number of jobs that wait for the disk. A piece has at most 128 KiB, so they hold at most 2 MiB.
const AHEAD: usize = 16;

/// Starts the thread. It ends when nobody sends jobs any more.
pub(super) fn start(inbox: Arc<Inbox>) -> (mpsc::Sender<Job>, mpsc::Receiver<Verdict>) {
    let (jobs, mut todo) = mpsc::channel(AHEAD);
    let (verdicts, come) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let _watch = Watch::new(&verdicts);
        // Waits until the files of an earlier connection are settled.
        let settled = settler::start(Arc::clone(&inbox), inbox.occupy(), verdicts.clone());
        let complete = inbox.kept(LIST.0, LIST.1).and_then(|list| list.map_or(Ok(Complete::default()), Complete::read));
        let mut writer = Writer {
            complete: complete.unwrap_or_default(),
            inbox,
            settled,
            recorder: None,
            folder: None,
            wanted: BTreeMap::new(),
            current: None,
            needed: Some(0),
        };
        while let Some(job) = todo.blocking_recv() {
            if let Some(verdict) = writer.act(job)
                && verdicts.blocking_send(verdict).is_err()
            {
                break;
            }
        }
        writer.keep();
    });
    (jobs, come)
}

struct Writer {
    inbox: Arc<Inbox>,
    /// The files that earlier connections have completed.
    complete: Complete,
    /// The settler, which gets complete files.
    settled: SyncSender<Item>,
    /// The thread that flushes incomplete files, once one needs it.
    recorder: Option<Recorder>,
    /// The directory in which small files are written.
    folder: Option<Arc<Folder>>,
    /// Entries that were requested and are not resolved.
    wanted: BTreeMap<u32, Entry>,
    /// The file whose bytes are arriving.
    current: Option<Current>,
    /// Number of bytes that all requested files need; `None` once bytes have arrived.
    needed: Option<u64>,
}

/// The file whose bytes are arriving.
struct Current {
    file: u32,
    part: Part,
    /// The journal; small files have none.
    journal: Option<Ledger>,
    tree: Tree,
    /// Chaining values that were compared, but are not in the journal yet.
    compared: Vec<Hash>,
    recorded: Instant,
}

impl Writer {
    fn act(&mut self, job: Job) -> Option<Verdict> {
        let (file, outcome) = match job {
            Job::Decide { file, entry } => (file, self.decide(file, entry).map(Some)),
            Job::Write { file, offset, bytes } => {
                (file, self.write(file, offset, Content::Bytes(&bytes)).map(|()| None))
            }
            Job::Skip { file, offset, length } => {
                (file, self.write(file, offset, Content::Zeros(length)).map(|()| None))
            }
            Job::Check { file, value } => (file, self.check(file, value).map(|()| None)),
            Job::Finish { file, hash } => (file, self.finish(file, hash)),
            Job::Forget { file } => {
                self.forget(file);
                return None;
            }
            Job::Flush { clean } => {
                self.folder = None;
                return self.pass(Item::Flush { clean }).err().map(|(reason, text)| failed(0, reason, text));
            }
        };
        outcome.unwrap_or_else(|(reason, text)| {
            self.forget(file);
            Some(failed(file, reason, text))
        })
    }

    fn pass(&mut self, item: Item) -> Result<(), Failure> {
        self.settled.send(item).map_err(|_| unwritable(settler::gone()))
    }

    fn decide(&mut self, file: u32, entry: Entry) -> Result<Verdict, Failure> {
        if entry.kind == Kind::Directory {
            let settled = &self.settled;
            let mut made = |path: &[u8]| drop(settled.send(Item::Made(above(path).to_vec())));
            // An existing directory keeps its permissions, because it is not the sender's.
            if self.inbox.make_directory(&entry.path, &mut made).map_err(unwritable)? {
                self.pass(Item::Dress(entry))?;
            }
            return Ok(Verdict::Directory { file });
        }
        if entry.kind == Kind::Link {
            let settled = &self.settled;
            let mut made = |path: &[u8]| drop(settled.send(Item::Made(above(path).to_vec())));
            symlink::make(&self.inbox, &entry, &mut made)?;
            made(&entry.path);
            return Ok(Verdict::Directory { file });
        }
        let there = match self.inbox.look(&entry.path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // For example, a link or file where a directory should be. The entry fails before any byte is sent.
            Err(error) => return Err(unwritable(error)),
        };
        if let Some(found) = &there
            && (found.is_file(), found.len(), entry.kind) == (true, entry.size, Kind::File)
        {
            let known = self.complete.find(&entry, found).filter(|_| !self.inbox.rereads());
            if let Some(hash) = known {
                return Ok(Verdict::Resolved { file, outcome: Outcome::Present, hash });
            }
            self.wanted.insert(file, entry);
            return Ok(Verdict::Compare { file });
        }
        if there.is_some() && !self.inbox.replaces(&entry) {
            return Err(exists());
        }
        self.want(file, entry)
    }

    fn want(&mut self, file: u32, entry: Entry) -> Result<Verdict, Failure> {
        let (known, stored) =
            if is_resumable(&entry) { self.known(&entry).map_err(unwritable)? } else { (Vec::new(), 0) };
        let whole = known.len() as u64;
        // Holes need no room.
        let left = (entry.size - whole * SUBTREE).min(entry.stored.saturating_sub(stored));
        let needed = self.needed.map_or(left, |needed| needed + left);
        if let Some(free) = self.inbox.free()
            && free < needed
        {
            let (free, needed) = (size(free), size(needed));
            return Err((Reason::Full, format!("there is not enough room: {needed} to come, and {free} free")));
        }
        self.needed = self.needed.map(|_| needed);
        let mut tree = Tree::new();
        known.into_iter().for_each(|value| tree.push(value));
        self.wanted.insert(file, entry);
        Ok(Verdict::Want { file, from: whole * SUBTREE, tree: tree.values().to_vec() })
    }

    /// The chaining values of the subtrees that are there, and how many bytes they take on the disk. At least one byte is
    /// left to request.
    fn known(&self, entry: &Entry) -> io::Result<(Vec<Hash>, u64)> {
        let name = name_of(entry);
        let (Some(mut part), Some(journal)) = (self.inbox.kept(&name, PART)?, self.inbox.kept(&name, JOURNAL)?) else {
            return Ok((Vec::new(), 0));
        };
        let (_, mut known) = Journal::open(journal, entry)?;
        let there = part.metadata()?;
        let most = (there.len() / SUBTREE).min((entry.size - 1) / SUBTREE);
        known.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        if self.inbox.rereads() {
            let proven = verified(&mut part, &known)?;
            known.truncate(proven);
        }
        Ok((known, there.blocks().saturating_mul(512)))
    }

    /// Opens the part of a file at the offset that was requested.
    fn begin(&mut self, file: u32, from: u64) -> Result<(), Failure> {
        let entry = self.wanted.get(&file).ok_or_else(|| (Reason::Other, "it was not wanted".to_owned()))?.clone();
        let mut part = self.part(file, &entry).map_err(unwritable)?;
        let (mut journal, mut tree) = (None, Tree::new());
        if is_resumable(&entry) {
            let opened = self.inbox.kept_or_new(&name_of(&entry), JOURNAL).and_then(|file| Journal::open(file, &entry));
            let (mut opened, mut known) = opened.map_err(unwritable)?;
            known.truncate(usize::try_from(from / SUBTREE).unwrap_or(usize::MAX));
            opened.cut(known.len() as u64).map_err(unwritable)?;
            known.into_iter().for_each(|value| tree.push(value));
            journal = Some(Ledger::new(opened));
            part.file().set_len(from).and_then(|()| part.file().seek(SeekFrom::Start(from))).map_err(unwritable)?;
        }
        self.current = Some(Current { file, part, journal, tree, compared: Vec::new(), recorded: Instant::now() });
        Ok(())
    }

    fn write(&mut self, file: u32, offset: u64, content: Content<'_>) -> Result<(), Failure> {
        if !self.wanted.contains_key(&file) {
            return Ok(()); // It has failed here, and its sender does not know yet.
        }
        if self.current.as_ref().is_none_or(|current| current.file != file) {
            self.begin(file, offset)?;
        }
        self.needed = None;
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.tree.length() != offset {
            return Err((Reason::Other, "what is there is not what was wanted".into()));
        }
        let part = current.part.file();
        match content {
            Content::Bytes(bytes) => {
                put(part, offset, bytes).map_err(unwritable)?;
                current.tree.update(bytes);
            }
            Content::Zeros(length) => {
                skip(part, offset + u64::from(length)).map_err(unwritable)?;
                current.tree.zeros(length.into());
            }
        }
        Ok(())
    }

    fn check(&mut self, file: u32, value: Hash) -> Result<(), Failure> {
        let Some(current) = self.current.as_mut().filter(|current| current.file == file) else { return Ok(()) };
        if current.tree.close() != value {
            return Err((Reason::Mismatch, "its bytes are not those that were sent".into()));
        }
        current.compared.push(value);
        if current.compared.len() >= SUBTREES || current.recorded.elapsed() >= PAUSE {
            current.record(self.recorder.get_or_insert_with(Recorder::start)).map_err(unwritable)?;
        }
        Ok(())
    }

    fn finish(&mut self, file: u32, hash: Hash) -> Result<Option<Verdict>, Failure> {
        let Some(entry) = self.wanted.get(&file).cloned() else {
            return Err((Reason::Other, "it was not wanted".into()));
        };
        if self.current.as_ref().is_none_or(|current| current.file != file) {
            if self.inbox.size_of(&entry.path) == Some(entry.size) && entry.kind == Kind::File {
                return self.compared(file, entry, hash);
            }
            self.begin(file, 0)?;
        }
        let Some(current) = self.current.take() else { return Err((Reason::Other, "it was not wanted".into())) };
        let Current { mut part, journal, tree, .. } = current;
        if tree.finish() != hash {
            // The part cannot be trusted. The next attempt starts from nothing.
            if let Some(journal) = journal {
                journal.cut(0).map_err(unwritable)?;
            }
            return Err((Reason::Mismatch, "its bytes are not those that were sent".into()));
        }
        let dressed = part.file().set_permissions(Permissions::from_mode(u32::from(entry.mode) & UNSHARED));
        dressed.and_then(|()| part.file().set_modified(moment(entry.modified))).map_err(unwritable)?;
        // A file that its owner cannot read cannot be opened again for a flush, so it is flushed now.
        let flushed = entry.mode & READABLE == 0;
        if flushed {
            part.file().sync_all().map_err(unwritable)?;
        }
        let (held, place) = part.close();
        let kept = is_resumable(&entry).then(|| name_of(&entry));
        self.settle(Whole { file, entry, hash, place: Some(place), held, flushed, ledger: journal, kept })
    }

    /// Decides about an existing file once the sender's hash has arrived.
    fn compared(&mut self, file: u32, entry: Entry, hash: Hash) -> Result<Option<Verdict>, Failure> {
        if self.inbox.hash_of(&entry.path).map_err(unwritable)? == hash {
            // A kill may have left the journal behind after the file got its name.
            let kept = is_resumable(&entry).then(|| name_of(&entry));
            return self.settle(Whole {
                file,
                entry,
                hash,
                place: None,
                held: None,
                flushed: false,
                ledger: None,
                kept,
            });
        }
        match self.inbox.replaces(&entry) {
            false => Err(exists()),
            true => self.want(file, entry).map(Some),
        }
    }

    /// Passes a complete file on to the settler.
    fn settle(&mut self, whole: Whole) -> Result<Option<Verdict>, Failure> {
        self.wanted.remove(&whole.file);
        self.pass(Item::Whole(whole))?;
        if self.wanted.is_empty() {
            self.pass(Item::Now)?;
        }
        Ok(None)
    }

    /// Opens the part for a file's bytes.
    fn part(&mut self, file: u32, entry: &Entry) -> io::Result<Part> {
        if is_resumable(entry) {
            return self.inbox.resumable(&name_of(entry), PART);
        }
        if self.folder.is_none() {
            self.folder = Some(self.inbox.folder()?);
        }
        self.folder.as_ref().ok_or_else(settler::gone)?.part(file)
    }

    fn forget(&mut self, file: u32) {
        if self.current.as_ref().is_some_and(|current| current.file == file) {
            self.keep();
        }
        self.wanted.remove(&file);
    }

    /// Records what has arrived of the current file, so that it can be resumed.
    fn keep(&mut self) {
        if let Some(Current { mut part, journal: Some(journal), compared, .. }) = self.current.take() {
            // Also waits for a flush that has begun: the next connection reads the journal. Bytes without a record are sent
            // again.
            let _ = match compared.is_empty() {
                true => journal.settled(),
                false => journal.record(part.file(), &compared),
            };
        }
    }
}

impl Current {
    /// Has the bytes that have arrived flushed, then added to the journal. While an earlier flush goes on, they wait for
    /// the next time.
    fn record(&mut self, recorder: &Recorder) -> io::Result<()> {
        self.recorded = Instant::now();
        match &self.journal {
            Some(journal) if self.compared.len() >= MOST_COMPARED => {
                journal.record(self.part.file(), &self.compared)?;
                self.compared.clear();
                Ok(())
            }
            Some(journal) => recorder.record(self.part.file(), journal, &mut self.compared),
            None => {
                self.compared.clear();
                Ok(())
            }
        }
    }
}

/// The next bytes of a file.
enum Content<'a> {
    Bytes(&'a [u8]),
    /// A hole of this length.
    Zeros(u32),
}

/// The smallest hole that a file system keeps.
const BLOCK: usize = 4096;

/// Writes bytes at the end of the file. A piece of zeros becomes a hole, so that a sparse file stays sparse.
fn put(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() < BLOCK || !are_zeros(bytes) {
        return file.write_all(bytes);
    }
    skip(file, offset + bytes.len() as u64)
}

/// Leaves a hole up to this offset, which is the new end of the file.
fn skip(file: &mut File, end: u64) -> io::Result<()> {
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end)).map(drop)
}

/// Whether all bytes are zero: the first is, and each is as the one before. That is one comparison of memory, which ends at the first
/// difference.
fn are_zeros(bytes: &[u8]) -> bool {
    let Some((first, rest)) = bytes.split_first() else { return true };
    *first == 0 && rest == &bytes[..rest.len()]
}

/// The name of an incomplete file's part and journal, without extension.
fn name_of(entry: &Entry) -> String {
    blake3::hash(&entry.path).to_hex()[..32].to_owned()
}

fn failed(file: u32, reason: Reason, text: String) -> Verdict {
    Verdict::Failed { file, reason, text }
}

/// Whether a file can be resumed. A file of one subtree starts again, because it would have nothing to record.
fn is_resumable(entry: &Entry) -> bool {
    entry.kind == Kind::File && entry.size > SUBTREE
}

/// Reads the part again. Returns how many of its first subtrees still match their chaining values.
fn verified(part: &mut File, known: &[Hash]) -> io::Result<usize> {
    let (mut tree, mut bytes) = (Tree::new(), vec![0; SUBTREE as usize]);
    part.seek(SeekFrom::Start(0))?;
    for (at, value) in known.iter().enumerate() {
        part.read_exact(&mut bytes)?;
        tree.update(&bytes);
        if tree.close() != *value {
            return Ok(at);
        }
    }
    Ok(known.len())
}
