//! Creates files that their owner alone may read: recordings hold passwords.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

const MODE: u32 = 0o600;

/// Creates a file, or empties the one that is there.
pub fn create(path: &Path) -> io::Result<File> {
    let (file, is_old) = open(path)?;
    if is_old {
        file.set_len(0)?;
    }
    Ok(file)
}

/// The same, but what is in an older file stays. Returns whether there is something.
pub fn open(path: &Path) -> io::Result<(File, bool)> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(path)?;
    let about = file.metadata()?;
    if about.is_file() {
        // An older file keeps its permissions otherwise.
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    Ok((file, about.is_file() && about.len() > 0))
}
