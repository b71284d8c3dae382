//! A gate that a shell command waits at until the test opens it.

use std::fs;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::temporary;

/// A named pipe: `read _ < PATH` waits for it.
pub(crate) struct Gate {
    directory: TempDir,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        let gate = Gate { directory: temporary() };
        mknodat(CWD, gate.place(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a named pipe can be made");
        gate
    }

    fn place(&self) -> PathBuf {
        self.directory.path().join("gate")
    }

    pub(crate) fn path(&self) -> String {
        self.place().to_str().expect("temporary paths are text").to_owned()
    }

    /// Lets one command through, once it waits at the gate.
    pub(crate) fn open(&self) {
        fs::write(self.place(), "open\n").expect("the pipe is there");
    }
}
