//! The directory that receives files. All writes go through one handle to it. A file gets its final name only once it
//! is complete.
//!
//! Incomplete files are in a subdirectory, [`RESERVED`]. So a rename is all that is left to do once a file is complete.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use unstick_wire::transfer::{Entry, Hash, Manifest, Naming, RESERVED};

use super::overwrite::{Asked, Overwrite, moment};
use super::part::{Folder, Part, Placed, above, last, reopened, sync};
use crate::error::{Error, Result, plain};

/// The directory that receives files.
#[derive(Debug)]
pub struct Inbox {
    root: Dir,
    path: PathBuf,
    overwrite: Overwrite,
    asked: Option<Asked>,
    rereads: bool,
    /// Numbers the parts of this run.
    parts: AtomicU64,
    /// A handle to the file system, if flushing it flushes every file in this directory.
    system: Option<File>,
    /// Whether a connection's files are being written.
    busy: Mutex<bool>,
    /// The directory that was opened last, and its path.
    opened: Mutex<Option<(Vec<u8>, Arc<Dir>)>>,
    idle: Condvar,
}

impl Inbox {
    /// Opens a directory, and creates it if it is missing. Removes the incomplete files of killed runs, unless they can
    /// be resumed.
    ///
    /// # Errors
    ///
    /// If the directory does not exist and cannot be created.
    pub fn open(path: impl Into<PathBuf>, overwrite: Overwrite) -> Result<Self> {
        let path = path.into();
        let failed = |error: io::Error| Error::other(format!("{}: {}", path.display(), plain(&error)));
        std::fs::create_dir_all(&path).map_err(|error| match path.exists() {
            true => Error::other(format!("{}: it is not a directory", path.display())),
            false => failed(error),
        })?;
        let root = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?;
        let system = whole_system(&root);
        let inbox = Self {
            root,
            path: path.clone(),
            overwrite,
            asked: None,
            rereads: false,
            parts: AtomicU64::new(0),
            system,
            busy: Mutex::default(),
            opened: Mutex::default(),
            idle: Condvar::new(),
        };
        inbox.clean().map_err(failed)?;
        Ok(inbox)
    }

    /// Sets whether existing bytes are read again before they are trusted.
    #[must_use]
    pub fn verify(mut self, rereads: bool) -> Self {
        self.rereads = rereads;
        self
    }

    /// Sets the function that decides whether a file is replaced, for [`Overwrite::Ask`]. It gets the entry that
    /// arrives and the size of the existing file. It may be called again for the same file.
    #[must_use]
    pub fn ask(mut self, ask: impl Fn(&Entry, u64) -> bool + Send + Sync + 'static) -> Self {
        self.asked = Some(Asked(Arc::new(ask)));
        self
    }

    /// Whether an entry may replace what has its name. False if nothing has that name. May ask the same question again.
    pub(super) fn replaces(&self, entry: &Entry) -> bool {
        let Ok(there) = self.look(&entry.path) else { return false };
        match self.overwrite {
            Overwrite::Never => false,
            Overwrite::Always => true,
            Overwrite::Newer => there.modified().is_ok_and(|there| there.into_std() < moment(entry.modified)),
            Overwrite::Ask => self.asked.as_ref().is_some_and(|Asked(ask)| ask(entry, there.len())),
        }
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What happens to existing files.
    pub fn overwrite(&self) -> Overwrite {
        self.overwrite
    }

    /// Checks a path by the rules for the list of a whole transfer.
    pub(super) fn check(path: &[u8], size: u64) -> Result<(), String> {
        let entry = Entry::file(Bytes::copy_from_slice(path), size);
        Manifest::of([entry], Naming::Unix).map(drop).map_err(|error| error.to_string())
    }

    /// Number of bytes that can still be written here; `None` if the system does not say.
    pub(super) fn free(&self) -> Option<u64> {
        let system = rustix::fs::fstatvfs(&self.root).ok()?;
        system.f_bavail.checked_mul(system.f_frsize)
    }

    /// Size of the file of this name, if there is one.
    pub(super) fn size_of(&self, path: &[u8]) -> Option<u64> {
        let meta = self.look(path).ok()?;
        Some(if meta.is_file() { meta.len() } else { u64::MAX })
    }

    /// Metadata of the file of this name.
    pub(super) fn look(&self, path: &[u8]) -> io::Result<Metadata> {
        self.directory(above(path))?.symlink_metadata(last(path))
    }

    /// BLAKE3 hash of the file of this name.
    pub(super) fn hash_of(&self, path: &[u8]) -> io::Result<Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(self.existing(path)?)?;
        Ok(*hasher.finalize().as_bytes())
    }

    /// Opens the file of this name for reading. Refuses links, devices and pipes.
    pub(super) fn existing(&self, path: &[u8]) -> io::Result<File> {
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
        let options = &mut OpenOptions::new();
        let options = options.read(true).custom_flags(flags as i32);
        let file = self.directory(above(path))?.open_with(last(path), options)?;
        match file.metadata()?.is_file() {
            true => Ok(file.into_std()),
            false => Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is not a file")),
        }
    }

    /// Creates a file that nobody sees before it is [placed](Self::place).
    pub(super) fn part(&self) -> io::Result<Part> {
        let state = self.state()?;
        loop {
            let name = self.new_name(PART);
            match state.open_with(&name, OpenOptions::new().write(true).create_new(true)) {
                Ok(file) => {
                    let file = file.into_std();
                    // While this lock is held, no other run takes the file for a leftover.
                    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
                    return Ok(Part::new(file, &Folder::shared(state), name, false));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens or creates the directory of incomplete files. If another user has put a link there, it is not followed.
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

    /// Whether the file system ignores case. Then [`RESERVED`] is there under its upper-case name too.
    pub(super) fn folds(&self) -> bool {
        self.state().is_ok() && self.root.symlink_metadata(RESERVED.to_ascii_uppercase()).is_ok()
    }

    /// Whether existing bytes are read again before they are trusted (`--verify`).
    pub(super) fn rereads(&self) -> bool {
        self.rereads
    }

    /// Where to keep the key and secret of a ticket until the transfer is complete.
    ///
    /// # Errors
    ///
    /// If the directory for it cannot be created.
    pub fn state_file(&self) -> Result<PathBuf> {
        let failed = |error: io::Error| Error::other(format!("{}: {}", self.path.display(), plain(&error)));
        self.state().map_err(failed)?;
        Ok(self.path.join(RESERVED).join("ticket"))
    }

    /// Opens a file that an earlier run has kept under this name, if there is one.
    pub(super) fn kept(&self, name: &str, ending: &str) -> io::Result<Option<File>> {
        let Ok(state) = self.root.open_dir(RESERVED) else { return Ok(None) };
        match state.open_with(format!("{name}.{ending}"), reopened().read(true).write(true)) {
            Ok(file) => Ok(Some(file.into_std())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Like [`kept`](Self::kept), but creates the file if it is missing.
    pub(super) fn kept_or_new(&self, name: &str, ending: &str) -> io::Result<File> {
        let options = &mut reopened();
        let options = options.read(true).write(true).create(true);
        Ok(self.state()?.open_with(format!("{name}.{ending}"), options)?.into_std())
    }

    /// Opens a part that stays there until it is finished, so that it can be resumed.
    pub(super) fn resumable(&self, name: &str, ending: &str) -> io::Result<Part> {
        let file = self.kept_or_new(name, ending)?;
        lock(&file)?;
        Ok(Part::new(file, &Folder::shared(self.state()?), format!("{name}.{ending}"), true))
    }

    fn new_name(&self, ending: &str) -> String {
        format!("{}-{}.{ending}", std::process::id(), self.parts.fetch_add(1, Ordering::Relaxed))
    }

    /// Creates a directory for the small files of one connection. They start again if they are not finished.
    pub(super) fn folder(&self) -> io::Result<Arc<Folder>> {
        loop {
            match Folder::own(self.state()?, self.new_name(FOLDER)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made,
            }
        }
    }

    /// Flushes a file to disk, and gives it its final name.
    pub(super) fn place(&self, mut part: Part, path: &[u8]) -> io::Result<Placed> {
        part.file().sync_all()?;
        let mut made = Vec::new();
        let parent = self.parent(path, &mut |path| made.push(above(path).to_vec()))?;
        made.iter().try_for_each(|above| self.flush_directory(above))?;
        let (_file, mut place) = part.close();
        let placed = place.give(&parent, last(path), self.overwrite == Overwrite::Always)?;
        if placed == Placed::Moved {
            sync(&parent)?;
        }
        Ok(placed)
    }

    /// Waits until an earlier connection's files are written, because both connections may bring the same files.
    pub(super) fn occupy(self: &Arc<Self>) -> Occupied {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.idle.wait_timeout_while(busy, HELD, |busy| *busy);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = true;
        Occupied(Arc::clone(self))
    }

    /// Flushes the whole file system at once. Returns false if that is not possible; then each file is flushed alone.
    pub(super) fn flush_system(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            self.system.as_ref().is_some_and(|system| rustix::fs::syncfs(system).is_ok())
        }
        #[cfg(not(target_os = "linux"))]
        {
            self.system.is_some()
        }
    }

    /// Flushes the entries of a directory below this one. The empty path means this directory.
    pub(super) fn flush_directory(&self, path: &[u8]) -> io::Result<()> {
        sync(&*self.directory(path)?)
    }

    pub(super) fn remove_kept(&self, name: &str, ending: &str) {
        // A file that stays behind does no harm: it names another source.
        if let Ok(state) = self.root.open_dir(RESERVED) {
            let _ = state.remove_file(format!("{name}.{ending}"));
        }
    }

    /// Creates a directory and its missing parents, without a flush. `made` gets the path of each. Returns false if it
    /// existed.
    pub(super) fn make_directory(&self, path: &[u8], made: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let parent = self.parent(path, made)?;
        let name = last(path);
        match parent.create_dir(name) {
            Ok(()) => {
                made(path);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => below(&parent, name).map(|_| false),
            Err(error) => Err(error),
        }
    }

    /// Sets permissions and time of a directory, without a flush.
    pub(super) fn dress_directory(&self, path: &[u8], mode: u32, modified: SystemTime) -> io::Result<()> {
        let directory = self.directory(path)?.open(".")?.into_std();
        directory.set_modified(modified)?;
        directory.set_permissions(Permissions::from_mode(mode))
    }

    /// Opens the parent directory of a path. Creates what is missing, without a flush; `made` gets the path of each new
    /// directory.
    pub(super) fn parent(&self, path: &[u8], made: &mut dyn FnMut(&[u8])) -> io::Result<Arc<Dir>> {
        match self.directory(above(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let (above, mut dir) = (above(path), self.root.try_clone()?);
        for end in ends(above) {
            let name = last(&above[..end]);
            match dir.create_dir(name) {
                Ok(()) => made(&above[..end]),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            dir = below(&dir, name)?;
        }
        Ok(Arc::new(dir))
    }

    /// Opens a directory below this one. The empty path means this directory. It follows no link, because anyone who can
    /// create a link would choose where other people's files go. It keeps the last handle, because files of one
    /// directory come one after the other.
    pub(super) fn directory(&self, path: &[u8]) -> io::Result<Arc<Dir>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, dir)) = &*opened
            && known == path
        {
            return Ok(Arc::clone(dir));
        }
        let mut dir = self.root.try_clone()?;
        for end in ends(path) {
            dir = below(&dir, last(&path[..end]))?;
        }
        let dir = Arc::new(dir);
        *opened = Some((path.to_vec(), Arc::clone(&dir)));
        Ok(dir)
    }

    /// Removes parts that no run holds any more, and their directory if it is empty.
    fn clean(&self) -> io::Result<()> {
        let Ok(state) = self.root.open_dir(RESERVED) else { return Ok(()) };
        for entry in state.entries()? {
            let name = entry?.file_name();
            let ending = Path::new(&name).extension();
            if ending == Some(OsStr::new(PART)) {
                let Ok(file) = state.open_with(&name, OpenOptions::new().write(true)) else { continue };
                if is_free(&file.into_std()) {
                    state.remove_file(&name)?;
                }
            } else if ending == Some(OsStr::new(FOLDER)) {
                let Ok(folder) = state.open_dir(&name).and_then(|folder| folder.open(".")) else { continue };
                if is_free(&folder.into_std()) {
                    state.remove_dir_all(&name)?;
                }
            }
        }
        self.tidy();
        Ok(())
    }

    /// Removes the directory of incomplete files if it is empty.
    pub(super) fn tidy(&self) {
        // This fails if another part has been created there. Then the directory stays.
        let _ = self.root.remove_dir(RESERVED);
    }
}

/// Extension of unfinished files of the plain protocol.
const PART: &str = "plain";

/// Extension of the directories that hold the small files of one connection.
const FOLDER: &str = "files";

/// Whether no run holds the lock of a file.
fn is_free(file: &File) -> bool {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Held while one connection's files are being written.
#[derive(Debug)]
pub(super) struct Occupied(Arc<Inbox>);

impl Drop for Occupied {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.idle.notify_one();
    }
}

/// A handle to the directory's file system, if one call flushes all its files and reports what it could not write.
/// Other file systems may keep files elsewhere (FUSE), or were never checked.
#[cfg(target_os = "linux")]
fn whole_system(root: &Dir) -> Option<File> {
    /// ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, tmpfs, overlayfs.
    const KNOWN: [u64; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x0102_1994, 0x794c_7630];
    /// Before this version of Linux, the call does not report what it could not write.
    const REPORTS: (u32, u32) = (5, 8);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>());
    if (numbers.next()?.ok()?, numbers.next()?.ok()?) < REPORTS {
        return None;
    }
    let file = root.open(".").ok()?.into_std();
    let kind = rustix::fs::fstatfs(&file).ok()?.f_type as u64;
    KNOWN.contains(&kind).then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn whole_system(_root: &Dir) -> Option<File> {
    None
}

/// The position where each component of a path ends.
fn ends(path: &[u8]) -> impl Iterator<Item = usize> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes.chain((!path.is_empty()).then_some(path.len()))
}

/// Opens a subdirectory by its name, and refuses a link.
fn below(dir: &Dir, name: &OsStr) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(dir, name, flags, rustix::fs::Mode::empty())?;
    Ok(Dir::from_std_file(File::from(opened)))
}

/// How long a lost connection may hold a part while what it brought is written.
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
