//! A file that is read from front to back, or standard input in its place.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use unstick::{Error, Result};

use crate::output;

/// Where bytes are read from, with its name for errors.
pub struct InputFile {
    name: String,
    source: Box<dyn Read>,
}

impl InputFile {
    /// Opens a file. Standard input stands for no path, and for `-`.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self { name: "standard input".to_owned(), source: Box::new(io::stdin().lock()) });
        };
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::usage(format!("{name}: {}", output::reason(&error))))?;
        Ok(Self { name, source: Box::new(file) })
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
