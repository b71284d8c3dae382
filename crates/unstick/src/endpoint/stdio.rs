//! `-`: standard input and output as one stream.
//!
//! Not here: the prompt. It belongs to the program.

#[cfg(unix)]
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

#[cfg(unix)]
use tokio::{fs::File, io::AsyncWrite};

use super::{Names, StreamEnd, StreamRead, StreamWrite};
use crate::error::{Error, Result};

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
        writer: Box::new(Output(Some(output))),
        names: Names { remote: "-".into(), local: "-".into() },
    })
}

#[cfg(unix)]
impl StreamRead for File {}

/// Standard output. Its end is seen by who reads it only when this process has no descriptor of it left.
#[cfg(unix)]
struct Output(Option<File>);

#[cfg(unix)]
impl AsyncWrite for Output {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(file) => Pin::new(file).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(file) => Pin::new(file).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        if self.0.take().is_some() {
            // What is printed later goes nowhere, as to a reader that has gone.
            let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdout(&nowhere)?;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(unix)]
impl StreamWrite for Output {}

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
