//! Flushes verified bytes of an incomplete file, then adds them to its journal, on a thread of its own. Meanwhile, the
//! thread that hashes goes on: a flush that it waited for would stall the connection.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use unstick_wire::transfer::Hash;

use super::journal::Journal;

/// The journal of one file, and the result of its last flush.
#[derive(Debug, Clone)]
pub(super) struct Ledger(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug)]
struct State {
    journal: Journal,
    /// Whether bytes are being flushed.
    busy: bool,
    /// Why the last flush failed.
    failed: Option<io::Error>,
}

impl Ledger {
    pub(super) fn new(journal: Journal) -> Self {
        Self(Arc::new((Mutex::new(State { journal, busy: false, failed: None }), Condvar::new())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is being flushed.
    fn idle(&self) -> MutexGuard<'_, State> {
        self.0.1.wait_while(self.lock(), |state| state.busy).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is being flushed. Fails if a flush has failed: the system may report that only once, so the
    /// next flush of the same file would succeed.
    pub(super) fn settled(&self) -> io::Result<()> {
        self.idle().failed.take().map_or(Ok(()), Err)
    }

    /// Flushes and records now.
    pub(super) fn record(&self, part: &File, values: &[Hash]) -> io::Result<()> {
        self.settled()?;
        part.sync_data()?;
        self.lock().journal.append(values)
    }

    /// Keeps only the first records.
    pub(super) fn cut(&self, records: u64) -> io::Result<()> {
        self.idle().journal.cut(records)
    }
}

/// Bytes to flush and to record.
struct Work {
    flush: Box<dyn FnOnce() -> io::Result<()> + Send>,
    ledger: Ledger,
    values: Vec<Hash>,
}

impl Work {
    fn run(self) {
        // Even after a panic, nobody waits for ever.
        struct Over(Ledger, Option<io::Result<()>>);
        impl Drop for Over {
            fn drop(&mut self) {
                let outcome = self.1.take().unwrap_or_else(|| Err(io::Error::other("a flush has panicked")));
                let mut state = self.0.lock();
                (state.busy, state.failed) = (false, outcome.err());
                drop(state);
                self.0.0.1.notify_all();
            }
        }
        let Self { flush, ledger, values } = self;
        let mut over = Over(ledger, None);
        let outcome = flush().and_then(|()| over.0.lock().journal.append(&values));
        over.1 = Some(outcome);
    }
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Recorder(SyncSender<Work>);

impl Recorder {
    pub(super) fn start() -> Self {
        // One waits: the last of one file, while the first of the next one is verified.
        let (to, todo) = sync_channel::<Work>(1);
        tokio::task::spawn_blocking(move || todo.into_iter().for_each(Work::run));
        Self(to)
    }

    /// Flushes the part, then records the values. Takes the values only if it has nothing else to do for this file, and
    /// fails if the flush before has failed.
    pub(super) fn record(&self, part: &File, ledger: &Ledger, values: &mut Vec<Hash>) -> io::Result<()> {
        let part = part.try_clone()?;
        self.offer(Box::new(move || part.sync_data()), ledger, values)
    }

    fn offer(
        &self,
        flush: Box<dyn FnOnce() -> io::Result<()> + Send>,
        ledger: &Ledger,
        values: &mut Vec<Hash>,
    ) -> io::Result<()> {
        let mut state = ledger.lock();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        if state.busy {
            return Ok(());
        }
        state.busy = true;
        drop(state);
        let work = Work { flush, ledger: ledger.clone(), values: std::mem::take(values) };
        match self.0.try_send(work) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(work)) => {
                *values = work.values;
                ledger.lock().busy = false;
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => {
                ledger.lock().busy = false;
                Err(io::Error::other("the thread that records files has ended"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use bytes::Bytes;
    use unstick_wire::transfer::{Entry, Kind};

    use super::*;

    fn journal(file: &File) -> (Journal, usize) {
        let (path, target) = (Bytes::from_static(b"a"), Bytes::new());
        let entry =
            Entry { kind: Kind::File, mode: 0o644, modified: (5, 6), size: 9, stored: 9, inode: 7, path, target };
        let (journal, known) = Journal::open(file.try_clone().unwrap(), &entry).unwrap();
        (journal, known.len())
    }

    #[tokio::test]
    async fn a_slow_flush_holds_nobody_up_and_nothing_is_recorded_before_it_ends() {
        let file = tempfile::tempfile().unwrap();
        let (ledger, recorder) = (Ledger::new(journal(&file).0), Recorder::start());
        let (release, wait) = channel::<()>();
        let mut values = vec![[1; 32], [2; 32]];
        recorder.offer(Box::new(move || wait.recv().map_err(io::Error::other)), &ledger, &mut values).unwrap();
        assert!(values.is_empty(), "the flush waits, and this thread goes on");
        let length = file.metadata().unwrap().len();
        values.push([3; 32]);
        recorder.offer(Box::new(|| panic!("one flush at a time")), &ledger, &mut values).unwrap();
        assert_eq!((values.len(), file.metadata().unwrap().len()), (1, length), "nothing is recorded yet");
        release.send(()).unwrap();
        ledger.settled().unwrap();
        assert!(file.metadata().unwrap().len() > length);
        ledger.record(&tempfile::tempfile().unwrap(), &values).unwrap();
        assert_eq!(journal(&file).1, 3);
    }

    #[tokio::test]
    async fn a_failed_or_panicking_flush_is_reported_and_records_nothing() {
        let file = tempfile::tempfile().unwrap();
        let (ledger, recorder) = (Ledger::new(journal(&file).0), Recorder::start());
        recorder.offer(Box::new(|| Err(io::Error::other("no"))), &ledger, &mut vec![[1; 32]]).unwrap();
        assert_eq!(ledger.settled().unwrap_err().to_string(), "no");
        recorder.offer(Box::new(|| panic!("the test's own panic")), &ledger, &mut vec![[1; 32]]).unwrap();
        assert!(ledger.settled().is_err());
        assert_eq!(journal(&file).1, 0);
    }
}
