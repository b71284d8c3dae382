//! One direction of a bridge: bytes as they are, from one end to the other.
//!
//! Not here: what its end means for the other direction (`streams`), and how Linux moves them by itself (`splice`).

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

/// Bytes moved before others get their turn.
pub(super) const TURN: u64 = 4 << 20;

thread_local! {
    /// Where bytes land on their way: one for each thread, however many bridges it serves.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::BRIDGE_READ].into());
}

/// How a direction ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With the end of who sends, which has been passed on.
    InOrder,
    /// Who sends is lost.
    Source(io::Error),
    /// Who receives is lost.
    Target(io::Error),
}

/// From one end to the other.
pub(super) struct CopyDirection {
    reader: Box<dyn StreamRead>,
    /// Of the reader, also when it has been given away.
    ends_both: bool,
    writer: Box<dyn StreamWrite>,
    state: State,
    /// Read, and not yet taken by the receiver. Nothing is held while nothing waits.
    carried: Vec<u8>,
    /// Of these.
    sent: usize,
    splice: Splice,
    tap: Option<Tap>,
    /// The source was a process that did not end in order: an end like any other, but to be told.
    exited: Option<io::Error>,
    /// Bytes so far.
    passed: u64,
    /// Bytes that were read for nobody.
    discarded: u64,
    /// Nothing more is to be read.
    stopped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    /// What was written is to leave, before more is read.
    Flushing,
    /// The source has ended; the end is on its way.
    Ending,
    /// The receiver is lost: what is still said is for nobody.
    Discarding,
    Done,
}

impl CopyDirection {
    pub(super) fn new(reader: Box<dyn StreamRead>, writer: Box<dyn StreamWrite>, tap: Option<Tap>) -> Self {
        // What is to be seen has to pass through this process.
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

    /// Bytes that have been passed on.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Bytes that were read for nobody.
    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    /// How the process ended that spoke here, where that was not in order.
    pub(super) fn exited(&mut self) -> Option<io::Error> {
        self.exited.take()
    }

    /// Whether the end of this direction is that of the other one too: nobody is there who could hear.
    pub(super) fn ends_both(&self) -> bool {
        self.ends_both
    }

    /// What has passed of a message that has not ended, where somebody looks.
    pub(super) fn pending(&self) -> &[u8] {
        self.tap.as_ref().map_or(&[], Tap::pending)
    }

    /// Bytes that were passed on and that the receiver's system has not acknowledged, where that is known.
    pub(super) fn unacknowledged(&mut self) -> Option<u32> {
        self.writer.unacknowledged()
    }

    /// Makes the receiver see a reset.
    pub(super) fn reset_target(&mut self) {
        self.writer.reset();
    }

    /// Ready when the source fails, whose end has been passed on: nobody reads it who would see that. `None` where it cannot tell.
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

    /// From now on nothing is read; what was read is passed on, and then an end.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// From now on the source is read for nobody, so that its end is seen, and that closing it is no reset.
    pub(super) fn discard(&mut self) {
        self.state = State::Discarding;
        self.splice = Splice::new(false);
        self.carried = Vec::new();
    }

    /// Passes on what there is; ready at the end, once.
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
                        // Nothing moves: nothing is held.
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
                    // A receiver that has gone needs no end.
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

    /// Some bytes; `None` where it goes on.
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

    /// Writes what the receiver takes at once, and carries the rest.
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

    /// Writes what waits for the receiver; the error where that fails.
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

/// Writing nothing is no way to go on.
fn some(written: usize) -> io::Result<usize> {
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}
