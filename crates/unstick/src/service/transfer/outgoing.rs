//! The list of what to send: files, and directories with everything below them. Making it reads no file.

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

/// What happens to symbolic links below the paths to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// They are not sent.
    #[default]
    Skip,
    /// They are sent as links.
    Keep,
    /// The file or directory they point to is sent instead.
    Follow,
}

/// Options for listing files.
#[derive(Debug, Default)]
pub struct Listing {
    links: Links,
    excluded: Vec<Glob>,
    stream: Option<(Vec<u8>, Stream)>,
}

impl Listing {
    /// The defaults: nothing is excluded, and links are skipped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what happens to links.
    #[must_use]
    pub fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// Leaves out paths that match a pattern, with everything below them: `*.o`, `photos/**/*.raw`. A pattern without
    /// `/` is compared with the last component of a path. Any other is compared with the whole path, as the receiver
    /// gets it.
    ///
    /// # Errors
    ///
    /// If the pattern is not valid.
    pub fn exclude(mut self, pattern: &OsStr) -> Result<Self> {
        self.excluded.push(Glob::parse(pattern.as_bytes())?);
        Ok(self)
    }

    /// Sends a stream of unknown length as a file of this name. The stream can be read only once, so it fails if the
    /// connection is lost.
    #[must_use]
    pub fn stream(mut self, name: &OsStr, input: impl Read + Send + 'static) -> Self {
        self.stream = Some((name.as_bytes().to_vec(), Stream::new(Box::new(input))));
        self
    }

    /// Lists files, and directories with everything below them. [`Outgoing::skipped`] has what is left out.
    ///
    /// # Errors
    ///
    /// If a path cannot be listed, two entries would have the same path, or there is nothing to send.
    pub fn list(self, roots: &[PathBuf]) -> Result<Outgoing> {
        let mut found = Outgoing::default();
        let mut id = blake3::Hasher::new();
        for root in roots {
            let failed = |error: &std::io::Error| failed(root, error);
            let kept = self.links == Links::Keep && root.is_symlink();
            // This also gives `.` and `..` a name.
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

    /// `above`: device and inode of each directory that contains this path.
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
                // A link to nothing stays a link, and is skipped.
                meta = below.metadata().unwrap_or(meta);
            }
            self.add(found, below, join(&name, &file), &meta, above)?;
        }
        above.pop();
        Ok(())
    }
}

/// Files and directories to send, each under its own name.
#[derive(Debug, Default)]
pub struct Outgoing {
    entries: Vec<Entry>,
    /// Where each entry is on this machine.
    paths: Vec<PathBuf>,
    /// The stream to read, if the last entry is one.
    stream: Option<Stream>,
    skipped: Vec<PathBuf>,
    excluded: usize,
    id: String,
}

impl Outgoing {
    /// Lists files, and directories with everything below them, with the default options.
    ///
    /// # Errors
    ///
    /// As for [`Listing::list`].
    pub fn list(roots: &[PathBuf]) -> Result<Self> {
        Listing::new().list(roots)
    }

    /// The entries to send, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Paths that are not sent: links, unless they are kept or followed; devices, pipes and sockets; directories that a
    /// link leads back to.
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// Number of files and directories that match an [excluded](Listing::exclude) pattern. Paths below them do not
    /// count.
    pub fn excluded(&self) -> usize {
        self.excluded
    }

    /// Identifies these paths: the same paths on this machine give the same string.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The list as the receiver gets it.
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

/// The entry of a file, directory or link as it is now, without the target of the link.
pub(super) fn entry(path: Bytes, meta: &Metadata) -> Entry {
    let (kind, size) = match () {
        () if meta.is_dir() => (Kind::Directory, 0),
        () if meta.is_symlink() => (Kind::Link, 0),
        () => (Kind::File, meta.len()),
    };
    let mode = (meta.permissions().mode() & 0o777) as u16;
    let nanos = u32::try_from(meta.mtime_nsec()).unwrap_or(0);
    // Blocks of 512 bytes, whatever the file system's own size is. A file that is compressed has fewer than its bytes need.
    let stored = meta.blocks().saturating_mul(512).min(size);
    Entry { kind, mode, modified: (meta.mtime(), nanos), size, stored, inode: meta.ino(), path, target: Bytes::new() }
}

/// The entry of a stream; its time is now.
fn stream_entry(name: Vec<u8>) -> Entry {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = (i64::try_from(now.as_secs()).unwrap_or(0), now.subsec_nanos());
    Entry { kind: Kind::Stream, mode: 0o644, modified, ..Entry::file(name.into(), 0) }
}
