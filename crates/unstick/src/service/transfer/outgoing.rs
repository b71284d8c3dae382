//! What is sent: files and directories with everything below them, listed without reading them.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use unstick_wire::transfer::{Entry, Kind, Manifest, Naming};

use crate::error::{Error, Result, plain};

/// Files and directories to be sent, each under its own name.
#[derive(Debug)]
pub struct Outgoing {
    entries: Vec<Entry>,
    /// Where each entry is.
    paths: Vec<PathBuf>,
    skipped: Vec<PathBuf>,
    id: String,
}

impl Outgoing {
    /// Lists files, and directories with everything below them. Links, devices, pipes and sockets are
    /// [skipped](Self::skipped).
    ///
    /// # Errors
    ///
    /// Where something cannot be listed, two would have the same name, or there is nothing to send.
    pub fn list(roots: &[PathBuf]) -> Result<Self> {
        let mut found = Self { entries: Vec::new(), paths: Vec::new(), skipped: Vec::new(), id: String::new() };
        let mut id = blake3::Hasher::new();
        for root in roots {
            // `.` and `..` have a name as well.
            let whole = root.canonicalize().map_err(|error| failed(root, &error))?;
            id.update(whole.as_os_str().as_bytes()).update(&[0]);
            let name = root.file_name().or_else(|| whole.file_name());
            let name =
                name.ok_or_else(|| Error::other(format!("{}: it has no name to be sent under", root.display())))?;
            let meta = root.metadata().map_err(|error| failed(root, &error))?;
            found.add(root.clone(), name.as_bytes().to_vec(), &meta)?;
        }
        if found.entries.is_empty() {
            return Err(Error::other("there is nothing to send"));
        }
        found.manifest()?;
        found.id = id.finalize().to_hex()[..32].to_owned();
        Ok(found)
    }

    /// What is not sent: links, devices, pipes and sockets.
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// A name for exactly these roots, as long as they are where they are.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The list, as the receiver gets it.
    pub(super) fn manifest(&self) -> Result<Manifest> {
        Manifest::of(self.entries.iter().cloned(), Naming::Unix).map_err(|why| Error::other(why.to_string()))
    }

    pub(super) fn path(&self, file: u32) -> &Path {
        self.paths.get(file as usize).map_or(Path::new(""), PathBuf::as_path)
    }

    fn add(&mut self, path: PathBuf, name: Vec<u8>, meta: &Metadata) -> Result<()> {
        if !meta.is_file() && !meta.is_dir() {
            self.skipped.push(path);
            return Ok(());
        }
        self.entries.push(entry(Bytes::copy_from_slice(&name), meta));
        self.paths.push(path.clone());
        if !meta.is_dir() {
            return Ok(());
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(|error| failed(&path, &error))? {
            inside.push(entry.map_err(|error| failed(&path, &error))?.file_name());
        }
        inside.sort();
        for file in inside {
            let below = path.join(&file);
            let meta = below.symlink_metadata().map_err(|error| failed(&below, &error))?;
            self.add(below, join(&name, &file), &meta)?;
        }
        Ok(())
    }
}

fn join(directory: &[u8], name: &OsStr) -> Vec<u8> {
    [directory, b"/", name.as_bytes()].concat()
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::other(format!("{}: {}", path.display(), plain(error)))
}

/// A file or directory as it is now.
pub(super) fn entry(path: Bytes, meta: &Metadata) -> Entry {
    let (kind, size) = if meta.is_dir() { (Kind::Directory, 0) } else { (Kind::File, meta.len()) };
    let mode = (meta.permissions().mode() & 0o777) as u16;
    let nanos = u32::try_from(meta.mtime_nsec()).unwrap_or(0);
    Entry { kind, mode, modified: (meta.mtime(), nanos), size, inode: meta.ino(), path }
}
