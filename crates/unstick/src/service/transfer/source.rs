//! A file to send: opened once, read ahead on its own thread, and checked for changes since it was opened.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::OFlags;
use tokio::sync::mpsc;

use super::sha256::Sha256;
use crate::error::{Error, Result, plain};

/// Size of a read in bytes: large enough that the cost of system calls does not matter.
const READ: usize = 256 << 10;

/// Number of reads that wait for the connection.
const AHEAD: usize = 4;

/// A file to send, and its name.
#[derive(Debug)]
pub struct Source {
    name: String,
    path: PathBuf,
    file: File,
    begun: Metadata,
}

/// What reading a source produces.
pub(super) enum Piece {
    /// Bytes, in order.
    Bytes(Bytes),
    /// The SHA-256 of the whole file, after its last bytes.
    End([u8; 32]),
    /// The file cannot be read, or has changed.
    Failed(Error),
}

impl Source {
    /// Opens a file. It is sent under the last component of its path.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a regular file, or has a name that is not UTF-8, which JSON cannot carry.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let failed = |what: &str| Error::other(format!("{}: {what}", path.display()));
        let name = path.file_name().ok_or_else(|| failed("it has no name"))?;
        let name = name.to_str().ok_or_else(|| failed("its name is not UTF-8"))?.to_owned();
        // This keeps the open call from waiting if the path is a pipe.
        let flags = OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(flags).open(&path);
        let file = file.map_err(|error| failed(&plain(&error)))?;
        let begun = file.metadata().map_err(|error| failed(&plain(&error)))?;
        if !begun.is_file() {
            return Err(failed("it is not a file"));
        }
        Ok(Self { name, path, file, begun })
    }

    /// The name under which the file is sent.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of the file on this machine.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file when it was opened, in bytes. Exactly as many bytes are sent.
    pub fn size(&self) -> u64 {
        self.begun.len()
    }

    /// Reads the file from its beginning, on its own thread.
    pub(super) fn pieces(self) -> mpsc::Receiver<Piece> {
        let (to, pieces) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let last = match self.read(&to) {
                Ok(Some(hash)) => Piece::End(hash),
                Ok(None) => return,
                Err(error) => Piece::Failed(Error::other(format!("{}: {}", self.path.display(), plain(&error)))),
            };
            // This fails if the connection is over and nobody reads the pieces.
            let _ = to.blocking_send(last);
        });
        pieces
    }

    /// Passes on all bytes; returns `None` if nobody reads them. It holds back the last bytes if the file has changed.
    fn read(&self, to: &mpsc::Sender<Piece>) -> io::Result<Option<[u8; 32]>> {
        let (mut hash, mut left, mut file) = (Sha256::new(self.size()), self.size(), &self.file);
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(READ).min(READ);
            let mut piece = vec![0; length];
            file.read_exact(&mut piece).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.changed(),
                _ => error,
            })?;
            let piece = Bytes::from(piece);
            hash.update(&piece);
            left -= length as u64;
            if left == 0 && !self.is_unchanged()? {
                return Err(self.changed());
            }
            if to.blocking_send(Piece::Bytes(piece)).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(hash.finish()))
    }

    fn is_unchanged(&self) -> io::Result<bool> {
        let now = self.file.metadata()?;
        let identity = |meta: &Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec());
        Ok(identity(&now) == identity(&self.begun))
    }

    fn changed(&self) -> io::Error {
        io::Error::other("it changed while it was sent")
    }
}
