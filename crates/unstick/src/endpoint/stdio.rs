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

use super::transport::{PeerAddrs, StreamRead, StreamTransport, StreamWrite};
#[cfg(unix)]
use crate::error::Error;
use crate::error::Result;

/// Opens its own descriptors, so that none of the standard library's buffers are in between.
///
/// If they are files or terminals, a read in progress blocks the runtime when it is dropped: shut the runtime down in
/// the background.
#[cfg(unix)]
pub(super) fn open() -> Result<StreamTransport> {
    let reader = reader().map_err(|e| Error::io("standard input", e))?;
    let writer = writer().map_err(|e| Error::io("standard output", e))?;
    Ok(StreamTransport { reader, writer, names: PeerAddrs::new("-", "-") })
}

#[cfg(unix)]
fn reader() -> io::Result<Box<dyn StreamRead>> {
    use std::os::fd::AsFd;
    #[cfg(target_os = "linux")]
    if let Some(pipe) = pipes::input() {
        return Ok(Box::new(pipe));
    }
    Ok(Box::new(File::from_std(io::stdin().as_fd().try_clone_to_owned()?.into())))
}

#[cfg(unix)]
fn writer() -> io::Result<Box<dyn StreamWrite>> {
    use std::os::fd::AsFd;
    #[cfg(target_os = "linux")]
    if let Some(pipe) = pipes::output() {
        return Ok(Box::new(Output(Some(pipe))));
    }
    let output = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if is_prompt(&output) {
        return Ok(Box::new(Output(Some(Direct(output)))));
    }
    Ok(Box::new(Output(Some(File::from_std(output)))))
}

/// Pipes without a thread and a buffer in between: the runtime waits for them as for sockets.
///
/// A descriptor that is shared with other programs shares its non-blocking mode with them. The same pipe, opened again,
/// has its own mode. This works only for pipes without a name: a reader that reopens a named pipe whose writers are all
/// gone would not see the end.
#[cfg(target_os = "linux")]
mod pipes {
    use std::io;
    use std::os::fd::AsFd;

    use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

    use super::super::transport::{StreamRead, StreamWrite};
    use crate::limits;

    impl StreamRead for Receiver {}

    impl StreamWrite for super::Output<Sender> {
        fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match &self.0 {
                Some(pipe) => pipe.try_write(bytes),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    pub(super) fn input() -> Option<Receiver> {
        let path = "/proc/self/fd/0";
        let pipe = is_unnamed(path).then(|| OpenOptions::new().open_receiver(path).ok()).flatten()?;
        widen(&pipe);
        Some(pipe)
    }

    pub(super) fn output() -> Option<Sender> {
        let path = "/proc/self/fd/1";
        let pipe = is_unnamed(path).then(|| OpenOptions::new().open_sender(path).ok()).flatten()?;
        widen(&pipe);
        Some(pipe)
    }

    fn is_unnamed(path: &str) -> bool {
        std::fs::read_link(path).is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"pipe:["))
    }

    /// Makes a pipe hold a whole read, so that its two ends wake each other less often.
    fn widen(pipe: impl AsFd) {
        let small = rustix::pipe::fcntl_getpipe_size(&pipe).is_ok_and(|size| size < limits::LARGEST_READ);
        if small {
            // The system refuses this beyond the user's share: the pipe then stays as it is.
            let _ = rustix::pipe::fcntl_setpipe_size(&pipe, limits::LARGEST_READ);
        }
    }
}

#[cfg(unix)]
impl StreamRead for File {}

/// Standard output. Its reader sees its end only when this process has no descriptor of it left.
#[cfg(unix)]
struct Output<W>(Option<W>);

#[cfg(unix)]
impl<W: AsyncWrite + Unpin> AsyncWrite for Output<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(output) => Pin::new(output).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(output) => Pin::new(output).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        if self.0.take().is_some() {
            // Later output goes nowhere, as to a reader that has gone.
            let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdout(&nowhere)?;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(unix)]
impl StreamWrite for Output<File> {}

/// A file, written without a thread: the system takes the bytes into its memory at once.
#[cfg(unix)]
struct Direct(std::fs::File);

/// Whether writes are taken at once: by a file, or by nobody (`/dev/null`).
#[cfg(unix)]
fn is_prompt(output: &std::fs::File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let null = || std::fs::metadata("/dev/null").map(|null| null.rdev());
    output.metadata().is_ok_and(|output| output.is_file() || null().is_ok_and(|null| null == output.rdev()))
}

#[cfg(unix)]
impl AsyncWrite for Direct {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(io::Write::write(&mut self.0, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(unix)]
impl StreamWrite for Output<Direct> {}

/// Standard input and output through tokio's own threads.
#[cfg(not(unix))]
pub(super) fn open() -> Result<StreamTransport> {
    Ok(StreamTransport {
        reader: Box::new(tokio::io::stdin()),
        writer: Box::new(tokio::io::stdout()),
        names: PeerAddrs::new("-", "-"),
    })
}

#[cfg(not(unix))]
impl StreamRead for tokio::io::Stdin {}
#[cfg(not(unix))]
impl StreamWrite for tokio::io::Stdout {}
