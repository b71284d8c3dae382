//! What is sent: files and directories with everything below them, listed without reading them.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use unstick_wire::transfer::{Entry, Kind, Manifest, Naming};

use super::glob::Glob;
use super::stream::Stream;
use crate::error::{Error, Result, plain};

/// What is done with symbolic links below what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// They are not sent.
    #[default]
    Skip,
    /// They are sent as links.
    Keep,
    /// What they point to is sent in their place.
    Follow,
}

/// How files are listed.
#[derive(Debug, Default)]
pub struct Listing {
    links: Links,
    excluded: Vec<Glob>,
    stream: Option<(Vec<u8>, Stream)>,
}

impl Listing {
    /// Of everything but links.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is done with links.
    #[must_use]
    pub fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// Leaves out paths that match a pattern, with everything below them: `*.o`, `photos/**/*.raw`. A pattern without a `/` is held
    /// against the last part of a path, another against the whole path as the receiver gets it.
    ///
    /// # Errors
    ///
    /// Where it is not a pattern.
    pub fn exclude(mut self, pattern: &OsStr) -> Result<Self> {
        self.excluded.push(Glob::parse(pattern.as_bytes())?);
        Ok(self)
    }

    /// Sends a stream, whose length its end tells, as a file of this name. It is read once: a connection that is lost ends it.
    #[must_use]
    pub fn stream(mut self, name: &OsStr, input: impl Read + Send + 'static) -> Self {
        self.stream = Some((name.as_bytes().to_vec(), Stream::new(Box::new(input))));
        self
    }

    /// Lists files, and directories with everything below them. What is not sent is [skipped](Outgoing::skipped).
    ///
    /// # Errors
    ///
    /// Where something cannot be listed, two would have the same name, or there is nothing to send.
    pub fn list(self, roots: &[PathBuf]) -> Result<Outgoing> {
        let mut found = Outgoing::default();
        let mut id = blake3::Hasher::new();
        for root in roots {
            let failed = |error: &std::io::Error| failed(root, error);
            let kept = self.links == Links::Keep && root.is_symlink();
            // `.` and `..` have a name as well.
            let whole = if kept { std::path::absolute(root) } else { root.canonicalize() };
            let whole = whole.map_err(|error| failed(&error))?;
            id.update(whole.as_os_str().as_bytes()).update(&[0]);
            let name = root.file_name().or_else(|| whole.file_name());
            let name =
                name.ok_or_else(|| Error::other(format!("{}: it has no name to be sent under", root.display())))?;
            let meta = if kept { root.symlink_metadata() } else { root.metadata() };
            let meta = meta.map_err(|error| failed(&error))?;
            self.add(&mut found, root.clone(), name.as_bytes().to_vec(), &meta, &mut Vec::new())?;
        }
        if let Some((name, stream)) = self.stream {
            found.entries.push(stream_entry(name));
            found.paths.push(PathBuf::new());
            found.stream = Some(stream);
        }
        if found.entries.is_empty() {
            return Err(Error::other("there is nothing to send"));
        }
        found.manifest()?;
        found.id = id.finalize().to_hex()[..32].to_owned();
        Ok(found)
    }

    /// `above`: the directories that this lies in, by device and inode.
    fn add(
        &self,
        found: &mut Outgoing,
        path: PathBuf,
        name: Vec<u8>,
        meta: &Metadata,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<()> {
        if self.excluded.iter().any(|glob| glob.matches(&name)) {
            found.excluded += 1;
            return Ok(());
        }
        let identity = (meta.dev(), meta.ino());
        let is_kept = meta.is_symlink() && self.links == Links::Keep;
        if !(meta.is_file() || meta.is_dir() || is_kept) || (meta.is_dir() && above.contains(&identity)) {
            found.skipped.push(path);
            return Ok(());
        }
        let mut own = entry(Bytes::copy_from_slice(&name), meta);
        if is_kept {
            let target = std::fs::read_link(&path).map_err(|error| failed(&path, &error))?;
            own.target = Bytes::copy_from_slice(target.as_os_str().as_bytes());
        }
        found.entries.push(own);
        found.paths.push(path.clone());
        if !meta.is_dir() {
            return Ok(());
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(|error| failed(&path, &error))? {
            inside.push(entry.map_err(|error| failed(&path, &error))?.file_name());
        }
        inside.sort();
        above.push(identity);
        for file in inside {
            let below = path.join(&file);
            let mut meta = below.symlink_metadata().map_err(|error| failed(&below, &error))?;
            if meta.is_symlink() && self.links == Links::Follow {
                // One that points to nothing stays a link, which is not sent.
                meta = below.metadata().unwrap_or(meta);
            }
            self.add(found, below, join(&name, &file), &meta, above)?;
        }
        above.pop();
        Ok(())
    }
}

/// Files and directories to be sent, each under its own name.
#[derive(Debug, Default)]
pub struct Outgoing {
    entries: Vec<Entry>,
    /// Where each entry is.
    paths: Vec<PathBuf>,
    /// What the last entry is read from, where it is a stream.
    stream: Option<Stream>,
    skipped: Vec<PathBuf>,
    excluded: usize,
    id: String,
}

impl Outgoing {
    /// Lists files, and directories with everything below them, as [`Listing::new`] does.
    ///
    /// # Errors
    ///
    /// As [`Listing::list`].
    pub fn list(roots: &[PathBuf]) -> Result<Self> {
        Listing::new().list(roots)
    }

    /// What is sent, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is not sent: links, unless they are kept or followed; devices, pipes and sockets; directories that links lead back to.
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// How many files and directories match a pattern that [excludes](Listing::exclude) them. What lies below is not counted.
    pub fn excluded(&self) -> usize {
        self.excluded
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

    pub(super) fn stream(&self, file: u32) -> Option<Stream> {
        self.stream.clone().filter(|_| file as usize + 1 == self.entries.len())
    }
}

fn join(directory: &[u8], name: &OsStr) -> Vec<u8> {
    [directory, b"/", name.as_bytes()].concat()
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::other(format!("{}: {}", path.display(), plain(error)))
}

/// A file, directory or link as it is now. The target of a link is not read.
pub(super) fn entry(path: Bytes, meta: &Metadata) -> Entry {
    let (kind, size) = match () {
        () if meta.is_dir() => (Kind::Directory, 0),
        () if meta.is_symlink() => (Kind::Link, 0),
        () => (Kind::File, meta.len()),
    };
    let mode = (meta.permissions().mode() & 0o777) as u16;
    let nanos = u32::try_from(meta.mtime_nsec()).unwrap_or(0);
    Entry { kind, mode, modified: (meta.mtime(), nanos), size, inode: meta.ino(), path, target: Bytes::new() }
}

/// A stream that begins now.
fn stream_entry(name: Vec<u8>) -> Entry {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = (i64::try_from(now.as_secs()).unwrap_or(0), now.subsec_nanos());
    Entry { kind: Kind::Stream, mode: 0o644, modified, size: 0, inode: 0, path: name.into(), target: Bytes::new() }
}
