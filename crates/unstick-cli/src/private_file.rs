//! Creates files that their owner alone may read: recordings hold passwords.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

const MODE: u32 = 0o600;

/// Creates a file, or empties the one that is there.
pub fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    if file.metadata()?.is_file() {
        // An older file keeps its permissions otherwise.
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    Ok(file)
}
