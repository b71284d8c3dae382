//! The directory that files go to: all writing goes through one handle of it, and a file has its final name only when it is whole.
//!
//! What is not whole lies in a directory of its own below it, [`RESERVED`], so that a rename is all that is left to do.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use unstick_wire::transfer::{Entry, Kind, Manifest, Naming, RESERVED};

use crate::error::{Error, Result, plain};

/// What happens to a file that has the name of one that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It stays. One with the same content counts as received.
    #[default]
    Never,
    /// It is replaced once the other is whole.
    Always,
}

/// The directory that files go to.
#[derive(Debug)]
pub struct Inbox {
    root: Dir,
    path: PathBuf,
    overwrite: Overwrite,
    rereads: bool,
    /// Numbers the parts of this run.
    parts: AtomicU64,
}

/// How a file came to stand under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It was put there.
    Moved,
    /// Another stands there.
    Exists,
}

impl Inbox {
    /// Opens a directory, and makes it where it is missing. Removes what runs that were killed have left half written.
    ///
    /// # Errors
    ///
    /// Where there is no such directory and none can be made.
    pub fn open(path: impl Into<PathBuf>, overwrite: Overwrite) -> Result<Self> {
        let path = path.into();
        let failed = |error: io::Error| Error::other(format!("{}: {}", path.display(), plain(&error)));
        std::fs::create_dir_all(&path).map_err(failed)?;
        let root = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?;
        let inbox = Self { root, path: path.clone(), overwrite, rereads: false, parts: AtomicU64::new(0) };
        inbox.clean().map_err(failed)?;
        Ok(inbox)
    }

    /// Has what is there of a file read again before it is trusted.
    #[must_use]
    pub fn verify(mut self, rereads: bool) -> Self {
        self.rereads = rereads;
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What happens to files that are there.
    pub fn overwrite(&self) -> Overwrite {
        self.overwrite
    }

    /// Whether a path may be given to a file here, as the list of a whole transfer would be checked.
    pub(super) fn check(path: &[u8], size: u64) -> Result<(), String> {
        let path = Bytes::copy_from_slice(path);
        let entry = Entry { kind: Kind::File, mode: 0, modified: (0, 0), size, inode: 0, path };
        Manifest::of([entry], Naming::Unix).map(drop).map_err(|error| error.to_string())
    }

    /// Bytes that can still be written here; `None` where the system does not say.
    pub(super) fn free(&self) -> Option<u64> {
        let system = rustix::fs::fstatvfs(&self.root).ok()?;
        system.f_bavail.checked_mul(system.f_frsize)
    }

    /// The size of the file of that name, if one is there.
    pub(super) fn size_of(&self, path: &[u8]) -> Option<u64> {
        let meta = self.root.symlink_metadata(OsStr::from_bytes(path)).ok()?;
        Some(if meta.is_file() { meta.len() } else { u64::MAX })
    }

    /// Opens the file of that name for reading, which is no link, device or pipe.
    pub(super) fn existing(&self, path: &[u8]) -> io::Result<File> {
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
        let file =
            self.root.open_with(OsStr::from_bytes(path), OpenOptions::new().read(true).custom_flags(flags as i32))?;
        match file.metadata()?.is_file() {
            true => Ok(file.into_std()),
            false => Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is not a file")),
        }
    }

    /// A file to be written, which nobody sees before it is [placed](Part::place).
    pub(super) fn part(&self) -> io::Result<Part> {
        let state = self.state()?;
        loop {
            let number = self.parts.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{number}.{PART}", std::process::id());
            match state.open_with(&name, OpenOptions::new().write(true).create_new(true)) {
                Ok(file) => {
                    let file = file.into_std();
                    // As long as it is held, no other run takes it for a leftover.
                    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
                    return Ok(Part { file, state, name, stays: false, placed: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The directory of what is not whole: another's link in its place is not followed.
    fn state(&self) -> io::Result<Dir> {
        match self.root.create_dir(RESERVED) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        match self.root.symlink_metadata(RESERVED)?.is_dir() {
            true => self.root.open_dir(RESERVED),
            false => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{RESERVED} is not a directory"))),
        }
    }

    /// Whether the file system takes capitals for small letters: then this directory's own one has both names.
    pub(super) fn folds(&self) -> bool {
        self.state().is_ok() && self.root.symlink_metadata(RESERVED.to_ascii_uppercase()).is_ok()
    }

    /// Whether what is there of a file is read again before it is trusted (`--verify`).
    pub(super) fn rereads(&self) -> bool {
        self.rereads
    }

    /// Where key and secret of a ticket are kept for as long as a transfer is not complete.
    ///
    /// # Errors
    ///
    /// Where the directory for that cannot be made.
    pub fn state_file(&self) -> Result<PathBuf> {
        let failed = |error: io::Error| Error::other(format!("{}: {}", self.path.display(), plain(&error)));
        self.state().map_err(failed)?;
        Ok(self.path.join(RESERVED).join("ticket"))
    }

    /// What was kept under a name in an earlier run, if anything.
    pub(super) fn kept(&self, name: &str, ending: &str) -> io::Result<Option<File>> {
        let Ok(state) = self.root.open_dir(RESERVED) else { return Ok(None) };
        match state.open_with(format!("{name}.{ending}"), reopened().read(true).write(true)) {
            Ok(file) => Ok(Some(file.into_std())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same, made where nothing was kept.
    pub(super) fn kept_or_new(&self, name: &str, ending: &str) -> io::Result<File> {
        let options = &mut reopened();
        let options = options.read(true).write(true).create(true);
        Ok(self.state()?.open_with(format!("{name}.{ending}"), options)?.into_std())
    }

    /// A file that stays when it is not finished.
    pub(super) fn resumable(&self, name: &str, ending: &str) -> io::Result<Part> {
        let file = self.kept_or_new(name, ending)?;
        lock(&file)?;
        Ok(Part { file, state: self.state()?, name: format!("{name}.{ending}"), stays: true, placed: false })
    }

    pub(super) fn remove_kept(&self, name: &str, ending: &str) {
        // What stays behind is found to be of another source.
        if let Ok(state) = self.root.open_dir(RESERVED) {
            let _ = state.remove_file(format!("{name}.{ending}"));
        }
    }

    /// Makes a directory, with those above it. False where it was there.
    pub(super) fn make_directory(&self, path: &[u8]) -> io::Result<bool> {
        let parent = self.parent(path)?;
        let name = last(path);
        match parent.create_dir(name) {
            Ok(()) => sync(&parent).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => parent.open_dir(name).map(|_| false),
            Err(error) => Err(error),
        }
    }

    /// Gives a directory its permissions and time.
    pub(super) fn dress_directory(&self, path: &[u8], mode: u32, modified: SystemTime) -> io::Result<()> {
        let directory = self.root.open_dir(OsStr::from_bytes(path))?.open(".")?.into_std();
        directory.set_modified(modified)?;
        directory.set_permissions(Permissions::from_mode(mode))?;
        directory.sync_all()
    }

    /// Opens the directory that a path lies in, and makes it.
    fn parent(&self, path: &[u8]) -> io::Result<Dir> {
        let mut dir = self.root.try_clone()?;
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        for name in &names[..names.len() - 1] {
            let name = OsStr::from_bytes(name);
            match dir.create_dir(name) {
                Ok(()) => sync(&dir)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            dir = dir.open_dir(name)?;
        }
        Ok(dir)
    }

    /// Removes parts that no run holds any more, and the directory for them where it is empty.
    fn clean(&self) -> io::Result<()> {
        let Ok(state) = self.root.open_dir(RESERVED) else { return Ok(()) };
        for entry in state.entries()? {
            let name = entry?.file_name();
            if Path::new(&name).extension() != Some(OsStr::new(PART)) {
                continue;
            }
            let Ok(file) = state.open_with(&name, OpenOptions::new().write(true)) else { continue };
            if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok() {
                state.remove_file(&name)?;
            }
        }
        self.tidy();
        Ok(())
    }

    /// Removes the directory of what is not whole, where nothing is in it.
    pub(super) fn tidy(&self) {
        // Another part may have come into it: then it stays.
        let _ = self.root.remove_dir(RESERVED);
    }
}

/// What the names of files end in that a plain transfer has not finished.
const PART: &str = "plain";

/// A file that is being written. Dropped before it is placed, it is gone.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    state: Dir,
    name: String,
    /// It is not removed where it is not finished.
    stays: bool,
    placed: bool,
}

impl Part {
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Flushes it to disk, and gives it its name.
    pub(super) fn place(mut self, inbox: &Inbox, path: &[u8]) -> io::Result<Placed> {
        self.file.sync_all()?;
        let parent = inbox.parent(path)?;
        let name = last(path);
        let renamed = match inbox.overwrite {
            Overwrite::Always => self.state.rename(&self.name, &parent, name),
            Overwrite::Never => rename_new(&self.state, &self.name, &parent, name),
        };
        match renamed {
            Ok(()) => self.placed = true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Placed::Exists),
            Err(error) => return Err(error),
        }
        sync(&parent)?;
        Ok(Placed::Moved)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed && !self.stays {
            // What cannot be removed now is removed by the next run.
            let _ = self.state.remove_file(&self.name);
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
fn sync(dir: &Dir) -> io::Result<()> {
    // The handle itself may be one that only names the directory.
    dir.open(".")?.into_std().sync_all()
}

/// What a path ends in.
fn last(path: &[u8]) -> &OsStr {
    OsStr::from_bytes(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path))
}

/// A link in a file's place is not followed, and nothing waits for the other end of a pipe.
fn reopened() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
    options
}

/// How long a connection that was lost may hold a part: what has come over it is still written.
const HELD: Duration = Duration::from_secs(10);

fn lock(file: &File) -> io::Result<()> {
    let begun = Instant::now();
    while rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        if begun.elapsed() > HELD {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another transfer is receiving it"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
