//! The halves of a recorded stream, and the writer of records of messages. They hide the socket, so that nothing passes without
//! them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::recorder::{Recorded, Tape, Way};
use crate::endpoint::transport::{LARGEST_RECORD, Lost, RECORD, StreamRead, StreamWrite};

pub(super) struct RecordedReader {
    inner: Box<dyn StreamRead>,
    tape: Arc<Tape>,
    /// Whether its end is recorded.
    ended: bool,
}

impl RecordedReader {
    pub(super) fn new(inner: Box<dyn StreamRead>, tape: Arc<Tape>) -> Self {
        Self { inner, tape, ended: false }
    }
}

/// Records that a connection has failed, in the direction in which that was seen.
fn failed(tape: &Tape, way: Way, error: &io::Error) {
    let is_reset = matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
    // Whoever wrote to a peer that had reset the connection: the peer reset it.
    tape.record(if is_reset { Recorded::Reset { way: Way::In } } else { Recorded::Failed { way, error } });
}

impl AsyncRead for RecordedReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, tape, ended } = &mut *self;
        let before = buf.filled().len();
        let read = ready!(Pin::new(inner).poll_read(cx, buf));
        match &read {
            Err(error) if !*ended => {
                *ended = true;
                failed(tape, Way::In, error);
            }
            Ok(()) if buf.filled().len() > before => {
                tape.record(Recorded::Segment { way: Way::In, bytes: &buf.filled()[before..] });
            }
            Ok(()) if buf.remaining() > 0 && !*ended => {
                *ended = true;
                tape.record(Recorded::End { way: Way::In, closing: None });
            }
            _ => {}
        }
        Poll::Ready(read)
    }
}

impl StreamRead for RecordedReader {
    fn ends_both(&self) -> bool {
        self.inner.ends_both()
    }

    fn lost(&mut self) -> Option<Lost<'_>> {
        let Self { inner, tape, .. } = self;
        let lost = inner.lost()?;
        Some(Box::pin(async move {
            let error = lost.await;
            failed(tape, Way::In, &error);
            error
        }))
    }

    fn reset(&mut self) {
        self.tape.record(Recorded::Reset { way: Way::Out });
        self.inner.reset();
    }

    fn unacknowledged(&self) -> Option<u32> {
        self.inner.unacknowledged()
    }
}

pub(super) struct RecordedWriter {
    inner: Box<dyn StreamWrite>,
    tape: Arc<Tape>,
    /// Records what was written.
    told: fn(&Tape, &[u8]),
    /// Whether its end is recorded.
    ended: bool,
}

/// Records bytes as they were written.
fn tell_bytes(tape: &Tape, bytes: &[u8]) {
    tape.record(Recorded::Segment { way: Way::Out, bytes });
}

/// Records the messages in whole records.
fn tell_messages(tape: &Tape, records: &[u8]) {
    let mut rest = records;
    while let Some((length, behind)) = rest.split_first_chunk::<RECORD>()
        && let Some((message, behind)) =
            behind.split_at_checked((u32::from_be_bytes(*length) & LARGEST_RECORD) as usize)
    {
        // The transport may choose between text and binary by the content: it is not known here.
        tape.record(Recorded::Message { way: Way::Out, message, binary: None, cut_short: false });
        rest = behind;
    }
}

impl RecordedWriter {
    pub(super) fn of_bytes(inner: Box<dyn StreamWrite>, tape: Arc<Tape>) -> Self {
        Self { inner, tape, told: tell_bytes, ended: false }
    }

    pub(super) fn of_messages(inner: Box<dyn StreamWrite>, tape: Arc<Tape>) -> Self {
        Self { inner, tape, told: tell_messages, ended: false }
    }

    /// Records what was written of `bytes`.
    fn note(&mut self, bytes: &[u8], written: &io::Result<usize>) {
        match written {
            Ok(0) => {}
            Ok(written) => (self.told)(&self.tape, &bytes[..*written]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if !self.ended => {
                self.ended = true;
                failed(&self.tape, Way::Out, error);
            }
            Err(_) => {}
        }
    }
}

impl AsyncWrite for RecordedWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes));
        self.note(bytes, &written);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = ready!(Pin::new(&mut self.inner).poll_shutdown(cx));
        if !std::mem::replace(&mut self.ended, true) && shut.is_ok() {
            self.tape.record(Recorded::End { way: Way::Out, closing: None });
        }
        Poll::Ready(shut)
    }
}

impl StreamWrite for RecordedWriter {
    fn reset(&mut self) {
        self.ended = true;
        self.tape.record(Recorded::Reset { way: Way::Out });
        self.inner.reset();
    }

    fn unacknowledged(&self) -> Option<u32> {
        self.inner.unacknowledged()
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.try_write(bytes);
        self.note(bytes, &written);
        written
    }
}
