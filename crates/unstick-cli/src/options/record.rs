//! The options for recording what passes.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use unstick::{Error, Options, Result};

use crate::options::values::size_from_one;
use crate::recorder::{About, Recording, recorder};

/// A recording of what passes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recording")]
pub struct RecordArgs {
    /// Write everything that passes to FILE, as it happens, for `unstick decode`; to FILE.pcapng as packets, for Wireshark. A recording
    /// holds all secrets that pass: its owner alone may read it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// When FILE has SIZE bytes, rename it to FILE.1 and begin another one [default: never]
    #[arg(long, value_name = "SIZE", value_parser = size_from_one, requires = "record")]
    pub record_max: Option<u64>,
}

impl RecordArgs {
    /// Records everything that passes over connections that are opened with these options.
    ///
    /// # Errors
    ///
    /// If FILE is not a file.
    pub fn apply(&self, about: About, options: &mut Options) -> Result<()> {
        let Some(path) = &self.record else { return Ok(()) };
        if path == Path::new("-") {
            let error = Error::usage("--record writes to a file, and standard output is for messages");
            return Err(error.with_hint("./- is a file of that name"));
        }
        options.recorder = Some(recorder(Recording { path: path.clone(), max: self.record_max, about }));
        Ok(())
    }
}
