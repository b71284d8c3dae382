//! One direction of a bridge: copies bytes unchanged from one end to the other.
//!
//! Not here: what its end means for the other direction (`streams`), and how Linux moves bytes inside the kernel
//! (`splice`).

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::splice::{Moved, Splice};
use super::tap::Tap;
use crate::endpoint::{Lost, StreamRead, StreamWrite};
use crate::error::Exited;
use crate::limits;

/// Bytes moved before other tasks run.
pub(super) const TURN: u64 = 4 << 20;

thread_local! {
    /// The buffer for bytes on their way: one for each thread, however many bridges it serves.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::BRIDGE_READ].into());
}

/// How a direction ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The sender ended, and that end has been passed on.
    InOrder,
    /// The sender is lost.
    Source(io::Error),
    /// The receiver is lost.
    Target(io::Error),
}

/// Copies from one end to the other.
pub(super) struct CopyDirection {
    reader: Box<dyn StreamRead>,
    /// Whether the reader's end ends both directions; known even after the reader has been given away.
    ends_both: bool,
    writer: Box<dyn StreamWrite>,
    state: State,
    /// Bytes read, but not yet taken by the receiver. No memory is held while nothing waits.
    carried: Vec<u8>,
    /// How many of these have been sent.
    sent: usize,
    splice: Splice,
    tap: Option<Tap>,
    /// The error of a source that was a process and failed. It is an end like any other, but is reported.
    exited: Option<io::Error>,
    /// Number of bytes passed on so far.
    passed: u64,
    /// Number of bytes that were read and discarded.
    discarded: u64,
    /// Whether nothing more should be read.
    stopped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    /// Written bytes are flushed before more is read.
    Flushing,
    /// The source has ended; the end is being passed on.
    Ending,
    /// The receiver is lost: what still arrives is discarded.
    Discarding,
    Done,
}

impl CopyDirection {
    pub(super) fn new(reader: Box<dyn StreamRead>, writer: Box<dyn StreamWrite>, tap: Option<Tap>) -> Self {
        // Data that is shown has to pass through this process.
        let splice = Splice::new(tap.is_none() && Splice::can(&*reader, &*writer));
        Self {
            ends_both: reader.ends_both(),
            reader,
            writer,
            state: State::Passing,
            carried: Vec::new(),
            sent: 0,
            splice,
            tap,
            exited: None,
            passed: 0,
            discarded: 0,
            stopped: false,
        }
    }

    /// Number of bytes that have been passed on.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Number of bytes that were read and discarded.
    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Returns the error of the process that sent here, if it failed.
    pub(super) fn exited(&mut self) -> Option<io::Error> {
        self.exited.take()
    }

    /// Whether the end of this direction also ends the other one: nobody is left who could receive.
    pub(super) fn ends_both(&self) -> bool {
        self.ends_both
    }

    /// Returns what has passed of an unfinished message, if the direction is shown.
    pub(super) fn pending(&self) -> &[u8] {
        self.tap.as_ref().map_or(&[], Tap::pending)
    }

    /// Number of bytes that were passed on and that the receiver's system has not acknowledged, if that is known.
    pub(super) fn unacknowledged(&mut self) -> Option<u32> {
        self.writer.unacknowledged()
    }

    /// Makes the receiver see a reset.
    pub(super) fn reset_target(&mut self) {
        self.writer.reset();
    }

    /// Waits until the source, whose end has been passed on, fails. Nobody reads from it any more, so no read would
    /// notice. `None` if it cannot tell.
    pub(super) fn lost(&mut self) -> Option<Lost<'static>> {
        drop(self.reader.lost()?);
        let mut reader = std::mem::replace(&mut self.reader, Box::new(Read));
        Some(Box::pin(async move {
            match reader.lost() {
                Some(lost) => lost.await,
                None => std::future::pending().await,
            }
        }))
    }

    /// Stops reading from now on; what was read is passed on, and then an end.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Reads and discards the source from now on, so that its end is seen, and closing it is no reset.
    pub(super) fn discard(&mut self) {
        self.state = State::Discarding;
        self.splice = Splice::new(false);
        self.carried = Vec::new();
    }

    /// Passes on what has arrived; ready once, at the end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let polled = self.poll_on(cx);
        if let Some(tap) = self.tap.as_mut().filter(|_| polled.is_pending()) {
            tap.hold(cx);
        }
        polled
    }

    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let most = self.passed + TURN;
        loop {
            if self.passed > most {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let ended = match self.state {
                State::Passing => match self.poll_pass(cx) {
                    Poll::Ready(ended) => ended,
                    Poll::Pending => {
                        // While nothing moves, nothing is held.
                        self.splice.rest();
                        return Poll::Pending;
                    }
                },
                State::Flushing => {
                    self.state = State::Passing;
                    match Pin::new(&mut self.writer).poll_flush(cx) {
                        Poll::Ready(Ok(())) => None,
                        Poll::Ready(Err(error)) => Some(Ended::Target(error)),
                        Poll::Pending => {
                            self.state = State::Flushing;
                            return Poll::Pending;
                        }
                    }
                }
                State::Ending => {
                    // A receiver that has gone needs no half-close.
                    let _ = ready!(Pin::new(&mut self.writer).poll_shutdown(cx));
                    Some(Ended::InOrder)
                }
                State::Discarding => Some(ready!(self.poll_discard(cx))),
                State::Done => return Poll::Pending,
            };
            if let Some(ended) = ended {
                self.state = State::Done;
                return Poll::Ready(ended);
            }
        }
    }

    /// Passes on some bytes; `None` if it goes on.
    fn poll_pass(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        if let Some(tap) = self.tap.as_mut().filter(|_| !self.stopped) {
            ready!(tap.poll_room(cx));
        }
        if let Some(error) = ready!(self.poll_carried(cx)) {
            return Poll::Ready(Some(Ended::Target(error)));
        }
        if self.stopped && !self.splice.holds() {
            self.state = State::Ending;
            return Poll::Ready(None);
        }
        if self.splice.is_on() {
            return self.poll_splice(cx);
        }
        LANDING.with_borrow_mut(|landing| {
            let mut read = ReadBuf::new(landing);
            match ready!(Pin::new(&mut self.reader).poll_read(cx, &mut read)) {
                Ok(()) => {}
                Err(error) if Exited::of(&error).is_some() => self.exited = Some(error),
                Err(error) => return Poll::Ready(Some(Ended::Source(error))),
            }
            let bytes = read.filled();
            self.splice.note(bytes.len());
            if let Some(tap) = &mut self.tap {
                tap.passes(bytes);
            }
            if bytes.is_empty() {
                self.state = State::Ending;
                return Poll::Ready(None);
            }
            self.state = State::Flushing;
            Poll::Ready(self.write(cx, bytes).err().map(Ended::Target))
        })
    }

    /// Writes what the receiver takes at once, and keeps the rest.
    fn write(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match Pin::new(&mut self.writer).poll_write(cx, bytes) {
                Poll::Ready(written) => {
                    let written = some(written?)?;
                    self.passed += written as u64;
                    bytes = &bytes[written..];
                }
                Poll::Pending => {
                    self.carried.extend_from_slice(bytes);
                    self.state = State::Passing;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes what waits for the receiver; returns the error if that fails.
    fn poll_carried(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        while self.sent < self.carried.len() {
            let written = ready!(Pin::new(&mut self.writer).poll_write(cx, &self.carried[self.sent..]));
            match written.and_then(some) {
                Ok(written) => {
                    self.passed += written as u64;
                    self.sent += written;
                }
                Err(error) => return Poll::Ready(Some(error)),
            }
        }
        if self.sent > 0 {
            (self.carried, self.sent) = (Vec::new(), 0);
            self.state = State::Flushing;
        }
        Poll::Ready(None)
    }

    fn poll_splice(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        Poll::Ready(match ready!(self.splice.poll(cx, &*self.reader, &*self.writer)) {
            Moved::Some(bytes) => {
                self.passed += bytes;
                None
            }
            Moved::End => {
                self.state = State::Ending;
                None
            }
            Moved::SourceFailed(error) => Some(Ended::Source(error)),
            Moved::TargetFailed(error) => Some(Ended::Target(error)),
        })
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        LANDING.with_borrow_mut(|landing| {
            loop {
                let mut read = ReadBuf::new(landing);
                match ready!(Pin::new(&mut self.reader).poll_read(cx, &mut read)) {
                    Ok(()) if read.filled().is_empty() => return Poll::Ready(Ended::InOrder),
                    Ok(()) => self.discarded += read.filled().len() as u64,
                    Err(error) => return Poll::Ready(Ended::Source(error)),
                }
            }
        })
    }
}

/// A source that has been read to its end.
struct Read;

impl AsyncRead for Read {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl StreamRead for Read {}

/// Makes a write of 0 bytes an error, because it makes no progress.
fn some(written: usize) -> io::Result<usize> {
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}
