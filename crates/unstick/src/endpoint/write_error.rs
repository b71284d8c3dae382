//! Remembers the error of a failed write, so that a later read of the end reports that error.
//!
//! The system reports a reset once. If a write takes that report, the next read returns 0, as at the end of a stream. A
//! cut-off message would then look whole, and a bridge would pass the reset on as an orderly end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::is_too_large;

/// The failed write of a stream, known to both of its halves.
#[derive(Debug, Default)]
pub(crate) struct WriteError(Mutex<Option<Known>>);

/// What is kept of an error that is reported more than once.
#[derive(Debug, Clone, Copy)]
enum Known {
    Code(i32),
    Kind(io::ErrorKind),
}

impl WriteError {
    /// Writes, and remembers the error. It holds the lock meanwhile, so a read of the end at the same moment waits for
    /// the outcome. `write` must not block.
    pub(crate) fn during<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut known = self.lock();
        let written = write();
        if let Err(error) = &written {
            known.remember(error);
        }
        written
    }

    /// Records that a write has failed. A read at the same moment may not see it yet: [`during`](Self::during) has no
    /// such gap.
    pub(crate) fn note(&self, error: &io::Error) {
        self.lock().remember(error);
    }

    /// As [`during`](Self::during), for a write that may have to wait.
    pub(in crate::endpoint) fn poll_during<T>(
        &self,
        write: impl FnOnce() -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut known = self.lock();
        let written = write();
        if let Poll::Ready(Err(error)) = &written {
            known.remember(error);
        }
        written
    }

    /// Checks for a failed write. Call it after a read that returned 0.
    ///
    /// # Errors
    ///
    /// The error of the write that failed before: the peer did not end.
    pub(crate) fn at_end(&self) -> io::Result<()> {
        match *self.lock() {
            None => Ok(()),
            Some(Known::Code(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Known::Kind(kind)) => Err(kind.into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Remember {
    fn remember(&mut self, error: &io::Error);
}

impl Remember for Option<Known> {
    #[cold]
    fn remember(&mut self, error: &io::Error) {
        if self.is_none() && !goes_on(error) {
            *self = Some(error.raw_os_error().map_or_else(|| Known::Kind(error.kind()), Known::Code));
        }
    }
}

/// Whether the connection still works after this error, or has ended in order.
///
/// A broken pipe is no reset: the peer ended in order first, and the write came after that. (Linux reports a reset as
/// ECONNRESET before the peer's FIN, and as EPIPE after it; `tcp_reset` in net/ipv4/tcp_input.c.)
fn goes_on(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, Interrupted, InvalidInput, OutOfMemory, WouldBlock};
    matches!(error.kind(), BrokenPipe | Interrupted | InvalidInput | OutOfMemory | WouldBlock)
        || is_too_large(error)
        || is_short_of_buffers(error)
}

/// Returns the error of a failed socket whose end has been read. Linux then reports a reset as a broken pipe. If a
/// write has taken the report, that was a reset too.
pub(super) fn of_socket(taken: io::Result<Option<io::Error>>) -> io::Error {
    match taken {
        Ok(Some(error)) if error.kind() != io::ErrorKind::BrokenPipe => error,
        _ => io::ErrorKind::ConnectionReset.into(),
    }
}

/// Whether the system has no memory for this message now.
fn is_short_of_buffers(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error());
    #[cfg(not(unix))]
    return error.raw_os_error() == Some(10_055); // WSAENOBUFS
}

/// One half of a stream, which knows whether the other half's writes failed.
#[derive(Debug)]
pub struct Half<T> {
    half: T,
    failed: Arc<WriteError>,
    /// Maximum number of bytes of one write.
    most: usize,
}

/// Joins the two halves of one stream.
pub fn halves<R, W>(reader: R, writer: W) -> (Half<R>, Half<W>) {
    let failed = Arc::new(WriteError::default());
    let most = usize::MAX;
    (Half { half: reader, failed: Arc::clone(&failed), most }, Half { half: writer, failed, most })
}

impl<T> Half<T> {
    pub(crate) fn get(&self) -> &T {
        &self.half
    }

    pub(crate) fn failed(&self) -> &WriteError {
        &self.failed
    }

    /// Limits one write to `most` bytes.
    pub(super) fn writing_at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Returns how much of these bytes one write takes.
    pub(super) fn at_once<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[..bytes.len().min(self.most)]
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Half<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.half).poll_read(cx, buf))?;
        if buf.filled().len() == before && buf.remaining() > 0 {
            self.failed.at_end()?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Half<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = self.at_once(bytes);
        let Self { half, failed, .. } = &mut *self;
        failed.poll_during(|| Pin::new(half).poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { half, failed, .. } = &mut *self;
        failed.poll_during(|| Pin::new(half).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(cx)
    }
}
