//! What is done at the receiver's disk, in order, on a thread of its own: bytes are written, proven, recorded, and given their name.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;
use unstick_wire::transfer::{Entry, Hash, Kind, Outcome, Reason, SUBTREE};

use super::inbox::{Inbox, Overwrite, Part, Placed};
use super::journal::Journal;
use super::tree::Tree;
use crate::error::plain;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    /// Decide what is wanted of an entry.
    Decide { file: u32, entry: Entry },
    /// Write bytes.
    Write { file: u32, offset: u64, bytes: Bytes },
    /// Compare the value of a subtree that is whole.
    Check { file: u32, value: Hash },
    /// Prove a file, and give it its name.
    Finish { file: u32, hash: Hash },
    /// Nothing more comes of a file: what there is of it stays.
    Forget { file: u32 },
    /// Give directories their times, and flush.
    Flush,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Verdict {
    Want { file: u32, from: u64, tree: Vec<Hash> },
    Compare { file: u32 },
    Directory { file: u32 },
    Resolved { file: u32, outcome: Outcome, hash: Hash },
    Failed { file: u32, reason: Reason, text: String },
    Flushed,
}

/// The permissions that a sender can give: others than the owner never write.
const UNSHARED: u32 = 0o755;

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
        let mut writer =
            Writer { inbox, wanted: BTreeMap::new(), current: None, needed: Some(0), directories: Vec::new() };
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
    /// Entries that were decided about and are not over.
    wanted: BTreeMap<u32, Entry>,
    /// The file that is coming.
    current: Option<Current>,
    /// Bytes that all wanted files need, until the first of them has come.
    needed: Option<u64>,
    /// Directories, and their entries' times: files in them would change those.
    directories: Vec<Entry>,
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

/// Why a file is not received.
type Failure = (Reason, String);

fn unwritable(error: io::Error) -> Failure {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    (if full { Reason::Full } else { Reason::Unwritable }, plain(&error))
}

impl Writer {
    fn act(&mut self, job: Job) -> Option<Verdict> {
        let (file, outcome) = match job {
            Job::Decide { file, entry } => (file, self.decide(file, entry).map(Some)),
            Job::Write { file, offset, bytes } => (file, self.write(file, offset, &bytes).map(|()| None)),
            Job::Check { file, value } => (file, self.check(file, value).map(|()| None)),
            Job::Finish { file, hash } => (file, self.finish(file, hash).map(Some)),
            Job::Forget { file } => {
                self.forget(file);
                return None;
            }
            Job::Flush => {
                self.flush();
                return Some(Verdict::Flushed);
            }
        };
        outcome.unwrap_or_else(|(reason, text)| {
            self.forget(file);
            Some(Verdict::Failed { file, reason, text })
        })
    }

    fn decide(&mut self, file: u32, entry: Entry) -> Result<Verdict, Failure> {
        if entry.kind == Kind::Directory {
            // One that was there keeps its permissions: it is not the sender's.
            if self.inbox.make_directory(&entry.path).map_err(unwritable)? {
                self.directories.push(entry);
            }
            return Ok(Verdict::Directory { file });
        }
        let there = self.inbox.size_of(&entry.path);
        if there == Some(entry.size) && entry.kind == Kind::File {
            self.wanted.insert(file, entry);
            return Ok(Verdict::Compare { file });
        }
        if there.is_some() && self.inbox.overwrite() == Overwrite::Never {
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
        let entry = self.wanted.get(&file).ok_or_else(|| (Reason::Other, "it was not wanted".to_owned()))?;
        let name = name_of(entry);
        let mut part = self.inbox.resumable(&name, PART).map_err(unwritable)?;
        let (mut journal, mut tree) = (None, Tree::new());
        if is_resumable(entry) {
            let opened = self.inbox.kept_or_new(&name, JOURNAL).and_then(|file| Journal::open(file, entry));
            let (mut opened, mut known) = opened.map_err(unwritable)?;
            known.truncate(usize::try_from(from / SUBTREE).unwrap_or(usize::MAX));
            opened.cut(known.len() as u64).map_err(unwritable)?;
            known.into_iter().for_each(|value| tree.push(value));
            journal = Some(opened);
        }
        part.file().set_len(from).and_then(|()| part.file().seek(SeekFrom::Start(from))).map_err(unwritable)?;
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
        current.part.file().write_all(bytes).map_err(unwritable)?;
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

    fn finish(&mut self, file: u32, hash: Hash) -> Result<Verdict, Failure> {
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
        let (seconds, nanos) = entry.modified;
        let modified = moment(seconds, nanos);
        let dressed = part.file().set_permissions(Permissions::from_mode(u32::from(entry.mode) & UNSHARED));
        dressed.and_then(|()| part.file().set_modified(modified)).map_err(unwritable)?;
        let placed = part.place(&self.inbox, &entry.path).map_err(unwritable)?;
        if placed == Placed::Exists && self.hash_of(&entry).map_err(unwritable)? != hash {
            return Err(exists());
        }
        self.inbox.remove_kept(&name_of(&entry), JOURNAL);
        if placed == Placed::Exists {
            self.inbox.remove_kept(&name_of(&entry), PART);
        }
        self.forget(file);
        let outcome = if placed == Placed::Exists { Outcome::Present } else { Outcome::Received };
        Ok(Verdict::Resolved { file, outcome, hash })
    }

    /// The hash has come of a file that may be there already.
    fn compared(&mut self, file: u32, entry: Entry, hash: Hash) -> Result<Verdict, Failure> {
        if self.hash_of(&entry).map_err(unwritable)? == hash {
            self.forget(file);
            return Ok(Verdict::Resolved { file, outcome: Outcome::Present, hash });
        }
        match self.inbox.overwrite() {
            Overwrite::Never => Err(exists()),
            Overwrite::Always => self.want(file, entry),
        }
    }

    fn hash_of(&self, entry: &Entry) -> io::Result<Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(self.inbox.existing(&entry.path)?)?;
        Ok(*hasher.finalize().as_bytes())
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

    /// Directories last, the deepest first: what is put into one changes its time, and may need its permissions.
    fn flush(&mut self) {
        self.directories.sort_by(|one, other| other.path.cmp(&one.path));
        for entry in self.directories.drain(..) {
            // One that cannot be dressed is there all the same.
            let _ = self.inbox.dress_directory(
                &entry.path,
                u32::from(entry.mode) & UNSHARED,
                moment(entry.modified.0, entry.modified.1),
            );
        }
        self.inbox.tidy();
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

const PART: &str = "part";
const JOURNAL: &str = "journal";

/// What the files of an entry that is not whole are called, without their ending.
fn name_of(entry: &Entry) -> String {
    blake3::hash(&entry.path).to_hex()[..32].to_owned()
}

/// A file of one subtree begins anew: there would be nothing to record.
fn is_resumable(entry: &Entry) -> bool {
    entry.kind == Kind::File && entry.size > SUBTREE
}

fn exists() -> Failure {
    (Reason::Exists, "another file of this name is there".into())
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

fn moment(seconds: i64, nanos: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let moment = match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(whole),
        _ => SystemTime::UNIX_EPOCH.checked_sub(whole),
    };
    moment
        .and_then(|moment| moment.checked_add(Duration::from_nanos(u64::from(nanos))))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
