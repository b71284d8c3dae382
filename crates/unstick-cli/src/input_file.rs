//! A file that is read from front to back, or standard input in its place.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use unstick::{Error, Result};

use crate::output;

/// Where bytes are read from, with its name for errors.
pub struct InputFile {
    name: String,
    /// Where it is, if it is not standard input.
    path: Option<PathBuf>,
    /// Whether it gives the same bytes when it is opened again.
    is_regular: bool,
    is_terminal: bool,
    source: Box<dyn Read>,
}

impl InputFile {
    /// Opens a file. Standard input stands for no path, and for `-`.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let (name, stdin) = ("standard input".to_owned(), io::stdin().lock());
            let is_terminal = stdin.is_terminal();
            return Ok(Self { name, path: None, is_regular: false, is_terminal, source: Box::new(stdin) });
        };
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::usage(format!("{name}: {}", output::reason(&error))))?;
        let is_regular = file.metadata().is_ok_and(|about| about.is_file());
        Ok(Self {
            name,
            path: Some(path.to_owned()),
            is_regular,
            is_terminal: file.is_terminal(),
            source: Box::new(file),
        })
    }

    /// Where it can be read again from its beginning.
    pub fn path_to_read_again(&self) -> Option<&Path> {
        self.path.as_deref().filter(|_| self.is_regular)
    }

    /// Whether a person types what it holds.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns the name for errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first bytes, at most this many. Later reads return them again.
    pub fn peek(&mut self, bytes: u64) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        let read = (&mut self.source).take(bytes).read_to_end(&mut head);
        read.map_err(|error| Error::other(format!("{}: {}", self.name, output::reason(&error))))?;
        let source = std::mem::replace(&mut self.source, Box::new(io::empty()));
        self.source = Box::new(io::Cursor::new(head.clone()).chain(source));
        Ok(head)
    }

    /// Whether it begins with this, of which `beginning` has been peeked. More is read only if it may be so: the rest may come late.
    pub fn begins_with(&mut self, beginning: &[u8], whole: &[u8]) -> Result<bool> {
        Ok(whole.starts_with(beginning) && self.peek(whole.len() as u64)? == whole)
    }

    /// Returns the name and the reader.
    pub fn into_parts(self) -> (String, Box<dyn Read>) {
        (self.name, self.source)
    }

    /// Reads the bytes that are there, at most as many as fit into `room`; returns 0 at the end.
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        loop {
            match self.source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    return read.map_err(|error| Error::other(format!("{}: {}", self.name, output::reason(&error))));
                }
            }
        }
    }
}
