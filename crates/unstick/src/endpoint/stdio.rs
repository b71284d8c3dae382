//! `-`: standard input and output as one stream.
//!
//! Not here: the prompt. It belongs to the program.

use tokio::fs::File;

use super::{Names, StreamEnd, StreamRead, StreamWrite};
use crate::error::{Error, Result};

impl StreamRead for File {}
impl StreamWrite for File {}

/// Opens duplicates of the process's own descriptors, so that none of the standard library's buffers stand between.
///
/// A read under way when the runtime is dropped blocks it: shut the runtime down in the background.
#[cfg(unix)]
pub(super) fn open() -> Result<StreamEnd> {
    use std::os::fd::AsFd;
    let duplicate = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map(|fd| File::from_std(fd.into()));
    let input = duplicate(std::io::stdin().as_fd()).map_err(|e| Error::io("standard input", e))?;
    let output = duplicate(std::io::stdout().as_fd()).map_err(|e| Error::io("standard output", e))?;
    Ok(StreamEnd {
        reader: Box::new(input),
        writer: Box::new(output),
        names: Names { remote: "-".into(), local: "-".into() },
    })
}

/// Standard input and output through tokio's own threads.
#[cfg(not(unix))]
pub(super) fn open() -> Result<StreamEnd> {
    Ok(StreamEnd {
        reader: Box::new(tokio::io::stdin()),
        writer: Box::new(tokio::io::stdout()),
        names: Names { remote: "-".into(), local: "-".into() },
    })
}

#[cfg(not(unix))]
impl StreamRead for tokio::io::Stdin {}
#[cfg(not(unix))]
impl StreamWrite for tokio::io::Stdout {}
