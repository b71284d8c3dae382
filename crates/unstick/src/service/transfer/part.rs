//! A file that is being written. It has a temporary name below [`RESERVED`](unstick_wire::transfer::RESERVED) until it
//! is complete.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

/// What happened when a file was to get its final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It has its final name.
    Moved,
    /// Another file has that name.
    Exists,
}

/// A directory in which files are written.
#[derive(Debug)]
pub(super) struct Folder {
    files: Dir,
    /// For a directory of one connection: its parent, its name and its lock. It is removed on drop.
    own: Option<(Dir, String, File)>,
}

impl Folder {
    /// The directory of incomplete files.
    pub(super) fn shared(files: Dir) -> Arc<Self> {
        Arc::new(Self { files, own: None })
    }

    /// Creates a directory for the small files of one connection. While its lock is held, no other run takes it for a
    /// leftover.
    pub(super) fn own(state: Dir, name: String) -> io::Result<Arc<Self>> {
        state.create_dir(&name)?;
        let files = state.open_dir(&name)?;
        let held = files.open(".")?.into_std();
        rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Arc::new(Self { files, own: Some((state, name, held)) }))
    }

    /// Creates a file that nobody sees before it has its final name. It starts again if it is not finished.
    pub(super) fn part(self: &Arc<Self>, number: u32) -> io::Result<Part> {
        let name = number.to_string();
        let options = &mut OpenOptions::new();
        // A part that failed may have left its file behind.
        let file = self.files.open_with(&name, options.write(true).create(true).truncate(true))?.into_std();
        Ok(Part::new(file, self, name, false))
    }

    /// Creates a symbolic link, and puts it in the place of the file or link of this name.
    pub(super) fn link(&self, target: &Path, parent: &Dir, name: &OsStr) -> io::Result<()> {
        const LINK: &str = "link";
        self.files.symlink(target, LINK)?;
        self.files.rename(LINK, parent, name).inspect_err(|_| drop(self.files.remove_file(LINK)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some((state, name, _)) = &self.own {
            // If the directory is not empty, the next run removes it.
            let _ = state.remove_dir(name);
        }
    }
}

/// A file that is being written. If it is dropped before it has its final name, it is removed, unless it can be
/// resumed.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    place: Place,
}

/// Where a part is, and whether it is removed on drop.
#[derive(Debug)]
pub(super) struct Place {
    folder: Arc<Folder>,
    name: String,
    /// Whether an unfinished file stays.
    stays: bool,
    placed: bool,
}

impl Part {
    /// A part of this name in this directory. An unfinished part is removed unless it `stays`.
    pub(super) fn new(file: File, folder: &Arc<Folder>, name: String, stays: bool) -> Self {
        Self { file, place: Place { folder: Arc::clone(folder), name, stays, placed: false } }
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Ends the writing. A file that another connection could resume stays open, and so locked. All others are closed,
    /// because many may wait at the same time.
    pub(super) fn close(self) -> (Option<File>, Place) {
        (self.place.stays.then_some(self.file), self.place)
    }
}

impl Place {
    /// Flushes the file to disk.
    pub(super) fn flush(&self, file: Option<&File>) -> io::Result<()> {
        match file {
            Some(file) => file.sync_all(),
            None => self.folder.files.open_with(&self.name, reopened().read(true))?.into_std().sync_all(),
        }
    }

    /// Gives the file its final name, without a flush. Only if it `replaces`, it may take the place of an existing
    /// file.
    pub(super) fn give(&mut self, parent: &Dir, name: &OsStr, replaces: bool) -> io::Result<Placed> {
        let renamed = match replaces {
            true => self.folder.files.rename(&self.name, parent, name),
            false => rename_new(&self.folder.files, &self.name, parent, name),
        };
        match renamed {
            Ok(()) => self.placed = true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Placed::Exists),
            Err(error) => return Err(error),
        }
        Ok(Placed::Moved)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.placed && !self.stays {
            // If this fails, the next run removes the file.
            let _ = self.folder.files.remove_file(&self.name);
        }
    }
}

/// Renames a file, unless a file of the new name exists.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_new(from: &Dir, old: &str, to: &Dir, new: &OsStr) -> io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    match renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // The file system does not support this flag.
        Err(rustix::io::Errno::INVAL) => link_new(from, old, to, new),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_new(from: &Dir, old: &str, to: &Dir, new: &OsStr) -> io::Result<()> {
    link_new(from, old, to, new)
}

/// Gives the file a second name, then removes the first. That also fails if a file of the new name exists.
fn link_new(from: &Dir, old: &str, to: &Dir, new: &OsStr) -> io::Result<()> {
    from.hard_link(old, to, new)?;
    from.remove_file(old)
}

/// Flushes the entries of a directory to disk.
pub(super) fn sync(dir: &Dir) -> io::Result<()> {
    // The handle may have been opened in a way that allows no flush (`O_PATH`).
    dir.open(".")?.into_std().sync_all()
}

/// The path of the parent directory; empty for the root.
pub(super) fn above(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |at| &path[..at])
}

/// The last component of a path.
pub(super) fn last(path: &[u8]) -> &OsStr {
    OsStr::from_bytes(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path))
}

/// Opens a file without following a link, and without waiting for the other end of a pipe.
pub(super) fn reopened() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
    options
}
