//! The stream below a WebSocket's frame codec: what the peer sends passes through [`Frames`] before the codec sees it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::write_error::WriteError;
use super::carrier::Carrier;
use super::frames::Frames;

/// Number of bytes to read off the stream at once.
pub(super) const READ: usize = 16 << 10;

thread_local! {
    /// The buffer that reads use: one for each thread.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// A stream whose frames keep the limits.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    below: S,
    pub(super) frames: Frames,
    /// Bytes that were read and not passed on yet. It holds no memory while nothing comes.
    held: BytesMut,
    /// The error of a failed write.
    failed: WriteError,
}

impl<S: Carrier> Guarded<S> {
    /// `rest`: the bytes that the peer has sent already.
    pub(super) fn new(below: S, rest: &[u8], frames: Frames) -> Self {
        Self { below, frames, held: BytesMut::from(rest), failed: WriteError::default() }
    }

    /// Ends the connection in a reset.
    pub(super) fn reset(&self) {
        self.below.reset();
    }

    /// Passes on the bytes in `held`.
    fn pass_held(&mut self, out: &mut ReadBuf<'_>) -> io::Result<()> {
        let taken = self.frames.pass(&self.held, out).map_err(io::Error::other)?;
        self.held.advance(taken);
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        Ok(())
    }

    /// Reads once, and passes on what came. Returns whether that was the end.
    fn poll_more(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        LANDING.with_borrow_mut(|landing| {
            let mut landing = ReadBuf::new(landing);
            let read = ready!(Pin::new(&mut self.below).poll_read(cx, &mut landing));
            let arrived = landing.filled();
            // If a write has taken the system's report of a reset, this end of TCP or TLS is that reset.
            match &read {
                Ok(()) if arrived.is_empty() => self.failed.at_end()?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.failed.at_end()?,
                _ => {}
            }
            read?;
            if self.held.is_empty() {
                let taken = self.frames.pass(arrived, out);
                // If the check failed, the same error comes again when `held` is checked.
                self.held.extend_from_slice(&arrived[taken.unwrap_or(0)..]);
            } else {
                self.held.extend_from_slice(arrived);
            }
            Poll::Ready(Ok(arrived.is_empty()))
        })
    }
}

impl<S: Carrier> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        loop {
            // Bytes that come before an error are passed on before it is reported.
            if out.filled().len() == before && !self.held.is_empty() {
                self.pass_held(out)?;
            }
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if self.frames.take_turn() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if ready!(self.poll_more(cx, out))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Carrier> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { below, failed, frames, .. } = &mut *self;
        let written = ready!(failed.poll_during(|| Pin::new(below).poll_write(cx, bytes)))?;
        frames.written(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { below, failed, .. } = &mut *self;
        failed.poll_during(|| Pin::new(below).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}
