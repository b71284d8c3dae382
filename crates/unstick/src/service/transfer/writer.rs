//! What is done at the receiver's disk, in order, on a thread of its own: bytes are written, proven and recorded.
//!
//! Not here: what is flushed and gets its name ([`settler`]).

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use unstick_wire::limits::MAX_TRANSFER_PIECE;
use unstick_wire::transfer::{Entry, Hash, Kind, Outcome, Reason, SUBTREE};

use super::complete::Complete;
use super::inbox::Inbox;
use super::journal::Journal;
use super::overwrite::moment;
use super::part::{Folder, Part, above};
use super::settler::{self, Item, JOURNAL, LIST, PART, UNSHARED, Whole};
use super::symlink;
use super::tree::Tree;
use super::verdict::{Failure, Verdict, exists, unwritable};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    /// Decide what is wanted of an entry.
    Decide { file: u32, entry: Entry },
    /// Write bytes.
    Write { file: u32, offset: u64, bytes: Bytes },
    /// Compare the value of a subtree that is whole.
    Check { file: u32, value: Hash },
    /// Prove a file, and have it get its name.
    Finish { file: u32, hash: Hash },
    /// Nothing more comes of a file: what there is of it stays.
    Forget { file: u32 },
    /// Give directories their times, and flush. Nothing has failed where it is `clean`.
    Flush { clean: bool },
}

/// The owner can read it.
const READABLE: u16 = 0o400;

/// After so many subtrees, or so long, what has come is flushed and recorded: what a kill costs at most.
const SUBTREES: usize = 32;
const PAUSE: Duration = Duration::from_secs(1);

/// Jobs that wait for the disk: pieces of 128 KiB, so 2 MiB at most.
const AHEAD: usize = 16;

/// Starts the thread. It ends when nobody sends jobs any more.
pub(super) fn start(inbox: Arc<Inbox>) -> (mpsc::Sender<Job>, mpsc::Receiver<Verdict>) {
    let (jobs, mut todo) = mpsc::channel(AHEAD);
    let (verdicts, come) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        // What an earlier connection has brought is settled first.
        let settled = settler::start(Arc::clone(&inbox), inbox.occupy(), verdicts.clone());
        let complete = inbox.kept(LIST.0, LIST.1).and_then(|list| list.map_or(Ok(Complete::default()), Complete::read));
        let mut writer = Writer {
            complete: complete.unwrap_or_default(),
            inbox,
            settled,
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
    /// What earlier connections have completed.
    complete: Complete,
    /// Whole files go there.
    settled: SyncSender<Item>,
    /// Where small files are written.
    folder: Option<Arc<Folder>>,
    /// Entries that were decided about and are not over.
    wanted: BTreeMap<u32, Entry>,
    /// The file that is coming.
    current: Option<Current>,
    /// Bytes that all wanted files need, until the first of them has come.
    needed: Option<u64>,
}

/// The file that is coming.
struct Current {
    file: u32,
    part: Part,
    /// Where a file is worth one.
    journal: Option<Journal>,
    tree: Tree,
    /// Values that were compared, and are not recorded yet.
    compared: Vec<Hash>,
    recorded: Instant,
}

impl Writer {
    fn act(&mut self, job: Job) -> Option<Verdict> {
        let (file, outcome) = match job {
            Job::Decide { file, entry } => (file, self.decide(file, entry).map(Some)),
            Job::Write { file, offset, bytes } => (file, self.write(file, offset, &bytes).map(|()| None)),
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
            // One that was there keeps its permissions: it is not the sender's.
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
            // A link or a file where a directory is to be: nothing has to be sent to find that out.
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
        let known = if is_resumable(&entry) { self.known(&entry).map_err(unwritable)? } else { Vec::new() };
        let whole = known.len() as u64;
        let left = entry.size - whole * SUBTREE;
        let needed = self.needed.map_or(left, |needed| needed + left);
        if self.inbox.free().is_some_and(|free| free < needed) {
            return Err((Reason::Full, "there is not enough room".into()));
        }
        self.needed = self.needed.map(|_| needed);
        let mut tree = Tree::new();
        known.into_iter().for_each(|value| tree.push(value));
        self.wanted.insert(file, entry);
        Ok(Verdict::Want { file, from: whole * SUBTREE, tree: tree.values().to_vec() })
    }

    /// Values of the subtrees that are there, with something left to come.
    fn known(&self, entry: &Entry) -> io::Result<Vec<Hash>> {
        let name = name_of(entry);
        let (Some(mut part), Some(journal)) = (self.inbox.kept(&name, PART)?, self.inbox.kept(&name, JOURNAL)?) else {
            return Ok(Vec::new());
        };
        let (_, mut known) = Journal::open(journal, entry)?;
        let most = (part.metadata()?.len() / SUBTREE).min((entry.size - 1) / SUBTREE);
        known.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        if self.inbox.rereads() {
            let proven = verified(&mut part, &known)?;
            known.truncate(proven);
        }
        Ok(known)
    }

    /// Opens what is there of a file, from the offset on that was wanted.
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
            journal = Some(opened);
            part.file().set_len(from).and_then(|()| part.file().seek(SeekFrom::Start(from))).map_err(unwritable)?;
        }
        self.current = Some(Current { file, part, journal, tree, compared: Vec::new(), recorded: Instant::now() });
        Ok(())
    }

    fn write(&mut self, file: u32, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
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
        put(current.part.file(), offset, bytes).map_err(unwritable)?;
        current.tree.update(bytes);
        Ok(())
    }

    fn check(&mut self, file: u32, value: Hash) -> Result<(), Failure> {
        let Some(current) = self.current.as_mut().filter(|current| current.file == file) else { return Ok(()) };
        if current.tree.close() != value {
            return Err((Reason::Mismatch, "its bytes are not those that were sent".into()));
        }
        current.compared.push(value);
        if current.compared.len() >= SUBTREES || current.recorded.elapsed() >= PAUSE {
            current.record().map_err(unwritable)?;
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
            // What is there cannot be trusted: it begins anew.
            if let Some(mut journal) = journal {
                journal.cut(0).map_err(unwritable)?;
            }
            return Err((Reason::Mismatch, "its bytes are not those that were sent".into()));
        }
        let dressed = part.file().set_permissions(Permissions::from_mode(u32::from(entry.mode) & UNSHARED));
        dressed.and_then(|()| part.file().set_modified(moment(entry.modified))).map_err(unwritable)?;
        // One that nobody can read can be flushed only now.
        let flushed = entry.mode & READABLE == 0;
        if flushed {
            part.file().sync_all().map_err(unwritable)?;
        }
        let (held, place) = part.close();
        let kept = is_resumable(&entry).then(|| name_of(&entry));
        self.settle(Whole { file, entry, hash, place: Some(place), held, flushed, kept })
    }

    /// The hash has come of a file that may be there already.
    fn compared(&mut self, file: u32, entry: Entry, hash: Hash) -> Result<Option<Verdict>, Failure> {
        if self.inbox.hash_of(&entry.path).map_err(unwritable)? == hash {
            // A kill may have come between its name and the end of its journal.
            let kept = is_resumable(&entry).then(|| name_of(&entry));
            return self.settle(Whole { file, entry, hash, place: None, held: None, flushed: false, kept });
        }
        match self.inbox.replaces(&entry) {
            false => Err(exists()),
            true => self.want(file, entry).map(Some),
        }
    }

    /// A file is whole.
    fn settle(&mut self, whole: Whole) -> Result<Option<Verdict>, Failure> {
        self.wanted.remove(&whole.file);
        self.pass(Item::Whole(whole))?;
        if self.wanted.is_empty() {
            self.pass(Item::Now)?;
        }
        Ok(None)
    }

    /// Where a file's bytes go.
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

    /// Records what has come of the current file, for the next time.
    fn keep(&mut self) {
        if let Some(mut current) = self.current.take() {
            // What cannot be recorded is sent again.
            let _ = current.record();
        }
    }
}

impl Current {
    /// Flushes what has come, then says so in the journal.
    fn record(&mut self) -> io::Result<()> {
        self.recorded = Instant::now();
        if let Some(journal) = self.journal.as_mut().filter(|_| !self.compared.is_empty()) {
            self.part.file().sync_data()?;
            journal.append(&self.compared)?;
        }
        self.compared.clear();
        Ok(())
    }
}

/// The least that a file system leaves out of a file.
const BLOCK: usize = 4096;

/// Writes bytes where the file ends. Zeros are left out: a file with holes keeps them.
fn put(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    static ZEROS: [u8; MAX_TRANSFER_PIECE] = [0; MAX_TRANSFER_PIECE];
    if bytes.len() < BLOCK || ZEROS.get(..bytes.len()) != Some(bytes) {
        return file.write_all(bytes);
    }
    let end = offset + bytes.len() as u64;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end)).map(drop)
}

/// What the files of an entry that is not whole are called, without their ending.
fn name_of(entry: &Entry) -> String {
    blake3::hash(&entry.path).to_hex()[..32].to_owned()
}

fn failed(file: u32, reason: Reason, text: String) -> Verdict {
    Verdict::Failed { file, reason, text }
}

/// A file of one subtree begins anew: there would be nothing to record.
fn is_resumable(entry: &Entry) -> bool {
    entry.kind == Kind::File && entry.size > SUBTREE
}

/// How many of the first subtrees are still what their values say.
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
