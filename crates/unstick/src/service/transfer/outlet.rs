//! Receives one file into an open descriptor, such as standard output. Each subtree is written once it is verified.
//!
//! Not here: files with names (`writer`). The chaining values of what was written stay in memory, so that another
//! connection can continue.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use unstick_wire::transfer::{Entry, Hash, Kind, Outcome, Reason, SUBTREE};

use super::tree::Tree;
use super::verdict::{Failure, Verdict, Watch, unwritable};
use super::writer::Job;

/// Number of jobs that wait for the thread.
const AHEAD: usize = 16;

/// An open descriptor that receives one file.
#[derive(Debug)]
pub struct Outlet(Mutex<State>);

#[derive(Debug)]
struct State {
    output: File,
    /// The entry that was started.
    source: Option<Entry>,
    /// The subtrees that are written, and their chaining values.
    whole: u64,
    values: Vec<Hash>,
    /// The hash of the whole file, once all of it is written.
    written: Option<Hash>,
    /// The bytes that are not verified yet, at most one subtree.
    tree: Tree,
    pending: Vec<u8>,
    /// Whether nothing has failed on this connection.
    live: bool,
}

impl Outlet {
    /// Receives into an open file, pipe or terminal.
    pub fn new(output: File) -> Self {
        let (source, whole, values, tree, pending) = (None, 0, Vec::new(), Tree::new(), Vec::new());
        Self(Mutex::new(State { output, source, whole, values, written: None, tree, pending, live: false }))
    }

    /// Starts a thread that writes what one connection brings. It ends when nobody sends jobs any more.
    pub(super) fn start(self: Arc<Self>) -> (mpsc::Sender<Job>, mpsc::Receiver<Verdict>) {
        let (jobs, mut todo) = mpsc::channel(AHEAD);
        let (verdicts, come) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let _watch = Watch::new(&verdicts);
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(job) = todo.blocking_recv() {
                if let Some(verdict) = state.act(job)
                    && verdicts.blocking_send(verdict).is_err()
                {
                    break;
                }
            }
        });
        (jobs, come)
    }
}

fn mismatch() -> Failure {
    (Reason::Mismatch, "its bytes are not those that were sent".into())
}

impl State {
    fn act(&mut self, job: Job) -> Option<Verdict> {
        let (file, outcome) = match job {
            Job::Decide { file, entry } => (file, self.decide(file, entry).map(Some)),
            Job::Flush { .. } => return Some(Verdict::Flushed),
            // The file has failed here, and the sender does not know that yet.
            _ if !self.live => return None,
            Job::Write { file, bytes, .. } => {
                self.pending.extend_from_slice(&bytes);
                self.tree.update(&bytes);
                (file, Ok(None))
            }
            Job::Skip { file, length, .. } => {
                self.pending.resize(self.pending.len() + length as usize, 0);
                self.tree.zeros(length.into());
                (file, Ok(None))
            }
            Job::Check { file, value } => (file, self.check(value).map(|()| None)),
            Job::Finish { file, hash } => (file, self.finish(file, hash).map(Some)),
            Job::Forget { .. } => {
                self.live = false;
                return None;
            }
        };
        self.live = outcome.is_ok();
        outcome.unwrap_or_else(|(reason, text)| Some(Verdict::Failed { file, reason, text }))
    }

    fn decide(&mut self, file: u32, entry: Entry) -> Result<Verdict, Failure> {
        if !entry.has_content() {
            return Err((Reason::Other, "it is not a file".into()));
        }
        let has_begun = self.whole > 0 || self.written.is_some();
        if has_begun && self.source.as_ref().is_some_and(|source| !source.is_same_source(&entry)) {
            return Err((Reason::Changing, "it has changed since its beginning was written".into()));
        }
        // The connection was lost before the sender knew that all of it is here.
        if let Some(hash) = self.written {
            return Ok(Verdict::Resolved { file, outcome: Outcome::Present, hash });
        }
        if self.whole > 0 && entry.kind == Kind::Stream {
            return Err((Reason::Changing, "its beginning was written, and a stream cannot be read again".into()));
        }
        self.source = Some(entry);
        self.pending.clear();
        let known = Tree::behind(self.whole, self.values.clone());
        self.tree = known.ok_or_else(|| (Reason::Other, "what was written cannot be continued".to_owned()))?;
        Ok(Verdict::Want { file, from: self.whole * SUBTREE, tree: self.values.clone() })
    }

    fn check(&mut self, value: Hash) -> Result<(), Failure> {
        if self.tree.close() != value {
            return Err(mismatch());
        }
        self.output.write_all(&self.pending).map_err(unwritable)?;
        self.pending.clear();
        (self.whole, self.values) = (self.whole + 1, self.tree.values().to_vec());
        Ok(())
    }

    fn finish(&mut self, file: u32, hash: Hash) -> Result<Verdict, Failure> {
        if std::mem::replace(&mut self.tree, Tree::new()).finish() != hash {
            return Err(mismatch());
        }
        self.output.write_all(&self.pending).map_err(unwritable)?;
        self.pending.clear();
        self.written = Some(hash);
        // A pipe or terminal cannot be flushed to disk.
        if self.output.metadata().is_ok_and(|meta| meta.is_file()) {
            self.output.sync_all().map_err(unwritable)?;
        }
        Ok(Verdict::Resolved { file, outcome: Outcome::Received, hash })
    }
}
