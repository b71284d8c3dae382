//! Keeps the lines of earlier runs in a file that only its owner can read.
//!
//! It is a convenience: if the file cannot be read or written, there is no history, and no error.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::{private_file, user_folders};

/// Lines that are kept. The file may hold twice as many before it is cut back.
pub(super) const LINES: usize = 1000;

/// Most bytes of a file that is read. A larger one, which somebody else has filled, is left alone.
const SIZE: u64 = 4 * 1024 * 1024;

/// The history file, if there can be one.
pub(super) struct HistoryFile {
    path: Option<PathBuf>,
}

impl HistoryFile {
    /// Returns the user's file.
    pub(super) fn of_user() -> Self {
        Self { path: user_folders::state().map(|folder| folder.join("history")) }
    }

    /// Returns the lines in the file, oldest first, at most [`LINES`].
    pub(super) fn load(&self) -> Vec<String> {
        let Some(text) = self.path.as_ref().and_then(|path| {
            let small = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= SIZE);
            small.then(|| fs::read_to_string(path).ok())?
        }) else {
            return Vec::new();
        };
        let lines: Vec<&str> = text.lines().collect();
        let kept = &lines[lines.len().saturating_sub(LINES)..];
        if lines.len() > 2 * LINES {
            // If this fails, the whole file stays.
            let _ = self.replace(kept);
        }
        kept.iter().map(|line| unescape(line)).collect()
    }

    /// Adds a line at once, because other runs may add theirs at the same time.
    pub(super) fn add(&self, line: &str) {
        let _ = self.append(&(escape(line) + "\n"));
    }

    fn append(&self, text: &str) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Some(directory) = path.parent() {
            private_file::directory(directory)?;
        }
        let mut file = private_file::options().append(true).create(true).open(path)?;
        private_file::restrict(&file)?;
        file.write_all(text.as_bytes())
    }

    fn replace(&self, lines: &[&str]) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let new = path.with_extension(std::process::id().to_string());
        let mut file = private_file::options().write(true).create_new(true).open(&new)?;
        file.write_all((lines.join("\n") + "\n").as_bytes())?;
        fs::rename(new, path)
    }
}

/// Escapes line ends, which a pasted line may hold.
fn escape(line: &str) -> String {
    line.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unescape(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                other => out.extend(other),
            },
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn in_new_directory() -> (tempfile::TempDir, HistoryFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = Some(directory.path().join("state/unstick/history"));
        (directory, HistoryFile { path })
    }

    #[test]
    fn lines_are_found_again_in_a_file_of_the_owner() {
        let (_directory, history) = in_new_directory();
        assert_eq!(history.load(), [""; 0]);
        for line in ["one", "a\\b", "two\nlines", "\\n"] {
            history.add(line);
        }
        assert_eq!(history.load(), ["one", "a\\b", "two\nlines", "\\n"]);
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = history.path.as_deref().unwrap();
        assert_eq!(mode(path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        history.add("three");
        assert_eq!(mode(path), 0o600);
    }

    #[test]
    fn a_long_file_is_cut_back() {
        let (_directory, history) = in_new_directory();
        history.add("first");
        let path = history.path.clone().unwrap();
        let text: String = (0..2 * LINES + 1).map(|number| format!("{number}\n")).collect();
        fs::write(&path, text).unwrap();
        let lines = history.load();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES, "1001"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), LINES);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn no_file_is_no_error() {
        let history = HistoryFile { path: None };
        history.add("one");
        assert_eq!(history.load(), [""; 0]);
        let history = HistoryFile { path: Some("/proc/nowhere/unstick/history".into()) };
        history.add("one");
        assert_eq!(history.load(), [""; 0]);
    }
}
