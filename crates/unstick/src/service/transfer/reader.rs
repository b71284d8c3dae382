//! The sender's disk thread: it reads and hashes files in order, and makes messages of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{OFlags, SeekFrom, seek};
use rustix::io::Errno;
use tokio::sync::mpsc;
use unstick_wire::limits::MAX_TRANSFER_PIECE;
use unstick_wire::transfer::{Entry, Hash, Message, Reason, SUBTREE, data_head};

use super::outgoing;
use super::pieces::{Output, encoded};
use super::stream::Stream;
use super::tree::Tree;
use crate::error::plain;

/// A file to read.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) file: u32,
    /// The entry as it was listed.
    pub(super) entry: Entry,
    pub(super) path: PathBuf,
    /// The stream to read instead of a file.
    pub(super) stream: Option<Stream>,
    /// The offset to send from, and the chaining values of the bytes before it; `None` if only the hash is wanted.
    pub(super) from: Option<(u64, Vec<Hash>)>,
}

/// Number of messages that wait for the connection.
const AHEAD: usize = 8;

/// Starts the thread. It ends when nobody sends jobs or takes messages any more.
pub(super) fn start() -> (mpsc::Sender<Job>, mpsc::Receiver<Output>) {
    let (jobs, mut todo) = mpsc::channel::<Job>(AHEAD);
    let (outputs, come) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        while let Some(job) = todo.blocking_recv() {
            let file = job.file;
            let read = match job.stream.clone() {
                Some(stream) => stream.read(file, &outputs),
                None => read(job, &outputs),
            };
            let last = match read {
                Ok(Some(last)) => last,
                Ok(None) => return,
                Err(error) => Output::Failed { file, reason: Reason::Unreadable, text: plain(&error) },
            };
            if outputs.blocking_send(last).is_err() {
                return;
            }
        }
    });
    (jobs, come)
}

/// Reads one file. Returns `None` if nobody takes the messages.
fn read(job: Job, outputs: &mpsc::Sender<Output>) -> io::Result<Option<Output>> {
    let Job { file, entry, path, from, .. } = job;
    let source = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(&path)?;
    let now = |source: &File| source.metadata().map(|meta| outgoing::entry(entry.path.clone(), &meta));
    let changed = |entry| Ok(Some(Output::Changed { file, entry }));
    let first = now(&source)?;
    if first.kind != entry.kind {
        return Err(io::Error::other("it is not a file any more"));
    }
    if !first.is_same_source(&entry) {
        return changed(first);
    }
    let sends = from.is_some();
    let (from, values) = from.unwrap_or_default();
    let tree = Tree::behind(from / SUBTREE, values);
    let mut tree = tree.ok_or_else(|| io::Error::other("the receiver's chaining values cannot be used"))?;
    let mut extent = Extent::new(&first);
    while tree.length() < entry.size {
        if tree.room() == 0 {
            let (index, value) = (tree.length() / SUBTREE - 1, tree.close());
            let message = encoded(&Message::Subtree { file, index, value });
            if sends && outputs.blocking_send(Output::Message(message, 0)).is_err() {
                return Ok(None);
            }
        }
        extent.advance(&source, tree.length(), entry.size);
        let length = (extent.end - tree.length()).min(tree.room());
        let (message, length) = match extent.is_hole {
            true => {
                let message = encoded(&Message::Hole { file, offset: tree.length(), length: length as u32 });
                tree.zeros(length);
                (message, length)
            }
            false => match piece(&source, file, &mut tree, length.min(MAX_TRANSFER_PIECE as u64)) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return changed(now(&source)?),
                read => read?,
            },
        };
        if sends && outputs.blocking_send(Output::Message(message, length)).is_err() {
            return Ok(None);
        }
        if outputs.is_closed() {
            return Ok(None);
        }
    }
    let last = now(&source)?;
    if !last.is_same_source(&entry) {
        return changed(last);
    }
    Ok(Some(Output::End { file, size: entry.size, hash: tree.finish() }))
}

/// Reads and hashes the next bytes of a file. Returns them as a message, and their number.
fn piece(source: &File, file: u32, tree: &mut Tree, length: u64) -> io::Result<(Vec<u8>, u64)> {
    let head = data_head(file, tree.length());
    let mut message = Vec::with_capacity(head.len() + length as usize);
    message.extend_from_slice(&head);
    message.resize(head.len() + length as usize, 0);
    source.read_exact_at(&mut message[head.len()..], tree.length())?;
    tree.update(&message[head.len()..]);
    Ok((message, length))
}

/// A hole of a file, or bytes between two holes.
struct Extent {
    /// Whether the file can have holes.
    is_sparse: bool,
    is_hole: bool,
    end: u64,
}

impl Extent {
    fn new(entry: &Entry) -> Self {
        Self { is_sparse: entry.stored < entry.size, is_hole: false, end: 0 }
    }

    /// Finds the extent that holds the byte at offset `at`, in a file of this size.
    fn advance(&mut self, source: &File, at: u64, size: u64) {
        if at < self.end {
            return;
        }
        let seek = |from| if self.is_sparse { seek(source, from) } else { Err(Errno::INVAL) };
        let (is_hole, end) = match seek(SeekFrom::Data(at)) {
            Ok(data) if data > at => (true, data),
            Ok(_) => (false, seek(SeekFrom::Hole(at)).unwrap_or(size)),
            Err(Errno::NXIO) => (true, size),
            // The file system does not tell where holes are.
            Err(_) => (false, size),
        };
        (self.is_hole, self.end) = if (at + 1..size).contains(&end) { (is_hole, end) } else { (is_hole, size) };
    }
}
