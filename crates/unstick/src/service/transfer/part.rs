//! A file that is being written: under a name of its own below [`RESERVED`](unstick_wire::transfer::RESERVED), until it is whole.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

/// How a file came to stand under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It was put there.
    Moved,
    /// Another stands there.
    Exists,
}

/// A directory in which files are written.
#[derive(Debug)]
pub(super) struct Folder {
    files: Dir,
    /// One connection's own: where it is, its name, and its lock. Dropped, it is gone.
    own: Option<(Dir, String, File)>,
}

impl Folder {
    /// The directory of what is not whole itself.
    pub(super) fn shared(files: Dir) -> Arc<Self> {
        Arc::new(Self { files, own: None })
    }

    /// Of this name in that directory, for the small files of one connection. As long as it is there, no other run takes it for a
    /// leftover.
    pub(super) fn own(state: Dir, name: String) -> io::Result<Arc<Self>> {
        state.create_dir(&name)?;
        let files = state.open_dir(&name)?;
        let held = files.open(".")?.into_std();
        rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Arc::new(Self { files, own: Some((state, name, held)) }))
    }

    /// A file to be written, which nobody sees before it has its name. It begins anew when it is not finished.
    pub(super) fn part(self: &Arc<Self>, number: u32) -> io::Result<Part> {
        let name = number.to_string();
        let options = &mut OpenOptions::new();
        // One that failed may have left its file.
        let file = self.files.open_with(&name, options.write(true).create(true).truncate(true))?.into_std();
        Ok(Part::new(file, self, name, false))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some((state, name, _)) = &self.own {
            // Where it is not empty, the next run removes it.
            let _ = state.remove_dir(name);
        }
    }
}

/// A file that is being written. Dropped before it is placed, it is gone, unless it can be continued.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    place: Place,
}

/// Where a part is, and what becomes of it.
#[derive(Debug)]
pub(super) struct Place {
    folder: Arc<Folder>,
    name: String,
    /// It is not removed where it is not finished.
    stays: bool,
    placed: bool,
}

impl Part {
    /// Of this name there. It is not removed where it `stays`.
    pub(super) fn new(file: File, folder: &Arc<Folder>, name: String, stays: bool) -> Self {
        Self { file, place: Place { folder: Arc::clone(folder), name, stays, placed: false } }
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Nothing more is written. The file stays open where another connection could take it for its own, and is closed else: many
    /// may wait at once.
    pub(super) fn close(self) -> (Option<File>, Place) {
        (self.place.stays.then_some(self.file), self.place)
    }
}

impl Place {
    /// Flushes it to disk.
    pub(super) fn flush(&self, file: Option<&File>) -> io::Result<()> {
        match file {
            Some(file) => file.sync_all(),
            None => self.folder.files.open_with(&self.name, reopened().read(true))?.into_std().sync_all(),
        }
    }

    /// Gives it its name, where it `replaces` what is there. Flushes nothing.
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
            // What cannot be removed now is removed by the next run.
            let _ = self.folder.files.remove_file(&self.name);
        }
    }
}

/// Renames a file, unless one of the new name is there.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_new(from: &Dir, old: &str, to: &Dir, new: &OsStr) -> io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    match renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // A file system that does not have it.
        Err(rustix::io::Errno::INVAL) => link_new(from, old, to, new),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_new(from: &Dir, old: &str, to: &Dir, new: &OsStr) -> io::Result<()> {
    link_new(from, old, to, new)
}

/// The same by a second name, which fails too where one of it is there.
fn link_new(from: &Dir, old: &str, to: &Dir, new: &OsStr) -> io::Result<()> {
    from.hard_link(old, to, new)?;
    from.remove_file(old)
}

/// Flushes a directory's entries to disk.
pub(super) fn sync(dir: &Dir) -> io::Result<()> {
    // The handle itself may be one that only names the directory.
    dir.open(".")?.into_std().sync_all()
}

/// The path of the directory that a path lies in: empty where that is the root.
pub(super) fn above(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |at| &path[..at])
}

/// What a path ends in.
pub(super) fn last(path: &[u8]) -> &OsStr {
    OsStr::from_bytes(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path))
}

/// A link in a file's place is not followed, and nothing waits for the other end of a pipe.
pub(super) fn reopened() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
    options
}
