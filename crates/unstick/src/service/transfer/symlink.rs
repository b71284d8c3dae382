//! Creates received symbolic links that stay inside the directory. Nothing follows them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Timespec, Timestamps, utimensat};
use unstick_wire::transfer::{Entry, Reason, stays_inside};

use super::inbox::Inbox;
use super::part::last;
use super::verdict::{Failure, exists, unwritable};

/// Creates a link, if it is not there yet. `made` gets the path of each directory that was created for it.
pub(super) fn make(inbox: &Inbox, entry: &Entry, made: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
    if !stays_inside(&entry.path, &entry.target) {
        return Err((Reason::Unwritable, "it is a link that may lead out of the directory".into()));
    }
    let parent = inbox.parent(&entry.path, made).map_err(unwritable)?;
    let (name, target) = (last(&entry.path), Path::new(OsStr::from_bytes(&entry.target)));
    match parent.symlink(target, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if parent.read_link_contents(name).is_ok_and(|there| there == target) {
                return Ok(());
            }
            if !inbox.replaces(entry) {
                return Err(exists());
            }
            // What is there stays until the link takes its place, and a directory stays for good.
            inbox.folder().and_then(|folder| folder.link(target, &parent, name)).map_err(unwritable)?;
        }
        made => made.map_err(unwritable)?,
    }
    let time = Timespec { tv_sec: entry.modified.0, tv_nsec: entry.modified.1.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    // Some file systems keep no time for a link.
    let _ = utimensat(&*parent, name, &times, AtFlags::SYMLINK_NOFOLLOW);
    Ok(())
}
