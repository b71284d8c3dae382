//! A file to be sent: opened once, read ahead on a thread of its own, and held against what it was when it was opened.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use rustix::fs::OFlags;
use tokio::sync::mpsc;

use crate::error::{Error, Result, plain};

/// Bytes of one read: large enough that system calls do not count.
const READ: usize = 256 << 10;

/// Reads that wait for the connection.
const AHEAD: usize = 4;

/// A file to be sent, under a name.
#[derive(Debug)]
pub struct Source {
    name: String,
    path: PathBuf,
    file: File,
    begun: Metadata,
}

/// What comes of reading a source.
pub(super) enum Piece {
    /// Bytes, in order.
    Bytes(Bytes),
    /// All have come: their SHA-256.
    End([u8; 32]),
    /// It cannot be read, or is another than it was.
    Failed(Error),
}

impl Source {
    /// Opens a file, to be sent under the last part of its path.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, is not a file, or has a name that is not UTF-8, which JSON cannot carry.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let failed = |what: &str| Error::other(format!("{}: {what}", path.display()));
        let name = path.file_name().ok_or_else(|| failed("it has no name"))?;
        let name = name.to_str().ok_or_else(|| failed("its name is not UTF-8"))?.to_owned();
        // A pipe is not waited for.
        let flags = OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(flags).open(&path);
        let file = file.map_err(|error| failed(&plain(&error)))?;
        let begun = file.metadata().map_err(|error| failed(&plain(&error)))?;
        if !begun.is_file() {
            return Err(failed("it is not a file"));
        }
        Ok(Self { name, path, file, begun })
    }

    /// What it is sent under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that it had when it was opened, which are those that are sent.
    pub fn size(&self) -> u64 {
        self.begun.len()
    }

    /// Reads it on a thread of its own, from its beginning.
    pub(super) fn pieces(self) -> mpsc::Receiver<Piece> {
        let (to, pieces) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let last = match self.read(&to) {
                Ok(Some(hash)) => Piece::End(hash),
                Ok(None) => return,
                Err(error) => Piece::Failed(Error::other(format!("{}: {}", self.path.display(), plain(&error)))),
            };
            // Nobody listens any more: the connection is over.
            let _ = to.blocking_send(last);
        });
        pieces
    }

    /// Passes all bytes on. `None` where nobody takes them. The last ones are passed on only if the file is what it was.
    fn read(&self, to: &mpsc::Sender<Piece>) -> io::Result<Option<[u8; 32]>> {
        let (mut hash, mut left, mut file) = (Context::new(&SHA256), self.size(), &self.file);
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(READ).min(READ);
            let mut piece = vec![0; length];
            file.read_exact(&mut piece).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.changed(),
                _ => error,
            })?;
            hash.update(&piece);
            left -= length as u64;
            if left == 0 && !self.is_unchanged()? {
                return Err(self.changed());
            }
            if to.blocking_send(Piece::Bytes(piece.into())).is_err() {
                return Ok(None);
            }
        }
        Ok(hash.finish().as_ref().try_into().ok())
    }

    fn is_unchanged(&self) -> io::Result<bool> {
        let now = self.file.metadata()?;
        let identity = |meta: &Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec());
        Ok(identity(&now) == identity(&self.begun))
    }

    fn changed(&self) -> io::Error {
        io::Error::other("it has changed while it was sent")
    }
}
