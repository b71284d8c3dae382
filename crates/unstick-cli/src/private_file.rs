//! Creates files and directories that their owner alone may read: recordings hold passwords.
//!
//! Only Unix has modes. Elsewhere a file has the access of its directory, which is the user's own by default.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
const FILE: u32 = 0o600;
#[cfg(unix)]
const DIRECTORY: u32 = 0o700;

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
    let file = options().write(true).create(true).truncate(false).open(path)?;
    let about = file.metadata()?;
    if about.is_file() {
        // An older file keeps its permissions otherwise.
        restrict(&file)?;
    }
    Ok((file, about.is_file() && about.len() > 0))
}

/// Options that create a file for its owner.
pub fn options() -> OpenOptions {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE);
    options
}

/// Takes a file that is there away from everybody but its owner.
#[cfg_attr(not(unix), allow(clippy::unnecessary_wraps, unused_variables))]
pub fn restrict(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o777 != FILE {
            file.set_permissions(std::fs::Permissions::from_mode(FILE))?;
        }
    }
    Ok(())
}

/// Creates a directory for its owner, and those above it, where they are missing.
pub fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, DIRECTORY);
    builder.recursive(true).create(path)
}
