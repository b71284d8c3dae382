//! The receiving half of a link.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::{Instant, Sleep};
use unstick_wire::{Damage, Decoder, Frame};

use super::outbox::ReplyHint;
use crate::budget::Share;
use crate::endpoint::{Batch, Closing, Closings, Lost, RecvDatagrams, StreamRead};
use crate::error::{Error, Result, plain};
use crate::limits;

/// Receives whole messages.
///
/// [`recv`](Self::recv) is all that most callers need. Hot loops wait with [`readable`](Self::readable) and then take
/// what has arrived with [`try_recv_ref`](Self::try_recv_ref), borrowed from the read buffer.
#[derive(Debug)]
pub struct Receiver {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// In a box, because it is large, and a link moves from one future into the next.
    Stream(Box<Stream>),
    Datagrams(Datagrams),
}

struct Stream {
    reader: Box<dyn StreamRead>,
    decoder: Decoder,
    /// Size of the next read in bytes; it grows while reads fill it.
    read_size: usize,
    /// Present where time matters: a frame has a deadline, or a silence ends it.
    timer: Option<Pin<Box<Sleep>>>,
    /// Tells the link's sender that something has been received.
    turn: Option<ReplyHint>,
    /// The share of the common budget that its unfinished frame holds.
    share: Share,
    /// Whether that frame was too much for the budget, and was discarded.
    evicted: bool,
    ended: bool,
}

thread_local! {
    /// The buffer for small reads: one for each thread.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::FIRST_READ].into());
}

struct Datagrams {
    incoming: Box<dyn RecvDatagrams>,
    /// Messages that have arrived and have not been taken.
    batch: Batch,
    ends_both: bool,
    closings: Option<Arc<Closings>>,
}

impl std::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datagrams").field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("decoder", &self.decoder).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Receiver {
    pub(super) fn stream(
        reader: Box<dyn StreamRead>,
        decoder: Decoder,
        timed: bool,
        turn: Option<ReplyHint>,
        share: Share,
    ) -> Self {
        let read_size = limits::FIRST_READ;
        let timer = timed.then(|| Box::pin(tokio::time::sleep(std::time::Duration::ZERO)));
        Self {
            source: Source::Stream(Box::new(Stream {
                reader,
                decoder,
                read_size,
                timer,
                turn,
                share,
                ended: false,
                evicted: false,
            })),
        }
    }

    pub(crate) fn datagram(incoming: Box<dyn RecvDatagrams>) -> Self {
        Self {
            source: Source::Datagrams(Datagrams {
                incoming,
                batch: Batch::default(),
                ends_both: false,
                closings: None,
            }),
        }
    }

    /// Makes the receiver of a message transport, whose end ends both directions.
    pub(super) fn messages(incoming: Box<dyn RecvDatagrams>, closings: Arc<Closings>) -> Self {
        let closings = Some(closings);
        Self { source: Source::Datagrams(Datagrams { incoming, batch: Batch::default(), ends_both: true, closings }) }
    }

    /// Whether a peer that has ended its side may still be listening: the transport has half-close. It is false for
    /// processes and WebSocket, whose end ends both directions.
    pub fn has_half_close(&self) -> bool {
        match &self.source {
            Source::Stream(stream) => !stream.reader.ends_both(),
            Source::Datagrams(datagrams) => !datagrams.ends_both,
        }
    }

    /// Returns the code and reason with which the peer closed a WebSocket, once it has.
    pub fn closing(&self) -> Option<Closing> {
        match &self.source {
            Source::Stream(_) => None,
            Source::Datagrams(datagrams) => datagrams.closings.as_ref()?.theirs(),
        }
    }

    /// Waits until the connection of a peer that has ended its side fails. Nobody reads from it any more, so no read
    /// would notice. `None` if the transport cannot tell.
    pub(crate) fn connection_lost(&mut self) -> Option<Lost<'_>> {
        match &mut self.source {
            Source::Stream(stream) => stream.reader.lost(),
            Source::Datagrams(_) => None,
        }
    }

    /// Makes the connection end in a reset, if the transport can, even after the sender has ended its side.
    pub(crate) fn reset(&mut self) {
        if let Source::Stream(stream) = &mut self.source {
            stream.reader.reset();
        }
    }

    /// Number of sent bytes that the peer's system has not acknowledged, if that is known.
    pub(crate) fn unacknowledged(&self) -> Option<u32> {
        match &self.source {
            Source::Stream(stream) => stream.reader.unacknowledged(),
            Source::Datagrams(_) => None,
        }
    }

    /// Receives the next message; `None` when the peer has ended.
    ///
    /// # Errors
    ///
    /// If the peer breaks the framing or ends inside a frame, or the connection is reset or cut (TLS without its
    /// `close_notify`). On UDP, [`Error::is_unreachable`] if a sent datagram reached nobody: this can be called again.
    ///
    /// Cancel safe: no byte is lost.
    pub async fn recv(&mut self) -> Result<Option<Bytes>> {
        let received = poll_fn(|cx| self.poll_recv(cx)).await;
        received.map_err(|error| error.with_unfinished(self.pending()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            if let Some(message) = self.try_recv()? {
                return Poll::Ready(Ok(Some(message)));
            }
            if !ready!(self.poll_readable(cx))? {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Waits until something has arrived: take it with [`try_recv_ref`](Self::try_recv_ref). Returns false when the
    /// peer has ended and everything has been taken.
    ///
    /// # Errors
    ///
    /// If the connection is reset, or a frame's deadline has passed. On UDP, if a sent datagram reached nobody; then
    /// this can be called again.
    ///
    /// Cancel safe: no byte is lost.
    pub async fn readable(&mut self) -> Result<bool> {
        let readable = poll_fn(|cx| self.poll_readable(cx)).await;
        readable.map_err(|error| error.with_unfinished(self.pending()))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        match &mut self.source {
            Source::Stream(stream) => stream.poll_fill(cx),
            Source::Datagrams(datagrams) if datagrams.batch.is_empty() => {
                datagrams.incoming.poll_fill(cx, &mut datagrams.batch)
            }
            Source::Datagrams(_) => Poll::Ready(Ok(true)),
        }
    }

    /// Takes the next message that has arrived, borrowed; `None` when another [`readable`](Self::readable) is needed.
    ///
    /// # Errors
    ///
    /// If the peer breaks the framing or ended inside a frame.
    #[inline]
    pub fn try_recv_ref(&mut self) -> Result<Option<&[u8]>> {
        match &mut self.source {
            Source::Stream(stream) => Ok(stream.decoder.next()?),
            Source::Datagrams(datagrams) => Ok(datagrams.batch.next()),
        }
    }

    /// As [`try_recv_ref`](Self::try_recv_ref), owned.
    ///
    /// # Errors
    ///
    /// As [`try_recv_ref`](Self::try_recv_ref).
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Bytes>> {
        match &mut self.source {
            Source::Stream(stream) => Ok(stream.decoder.next_bytes()?),
            Source::Datagrams(datagrams) => Ok(datagrams.batch.next_bytes()),
        }
    }

    /// As [`try_recv_ref`](Self::try_recv_ref), with the frame in which the message arrived: for programs that show bytes. A
    /// datagram and a message of a WebSocket are their own frames.
    ///
    /// # Errors
    ///
    /// As [`try_recv_ref`](Self::try_recv_ref).
    pub fn try_recv_frame(&mut self) -> Result<Option<Frame<'_>>> {
        match &mut self.source {
            Source::Stream(stream) => Ok(stream.decoder.next_frame()?),
            Source::Datagrams(datagrams) => Ok(datagrams.batch.next().map(Frame::bare)),
        }
    }

    /// Whether the next message came as a binary one (true) or as text (false). `None` if there is no message, or the
    /// transport makes no such difference: only WebSocket does.
    #[inline]
    pub fn next_is_binary(&self) -> Option<bool> {
        match &self.source {
            Source::Stream(_) => None,
            Source::Datagrams(datagrams) => datagrams.batch.next_is_binary(),
        }
    }

    /// Returns what has arrived of an unfinished frame.
    pub fn pending(&self) -> &[u8] {
        match &self.source {
            Source::Stream(stream) => stream.decoder.pending(),
            Source::Datagrams(_) => &[],
        }
    }

    /// Returns a question to the user if the first bytes are most probably not a message at all, such as a TLS client's
    /// on a `line` listener. Call it after the first [`readable`](Self::readable), before anything is taken. Nothing
    /// has failed.
    pub fn guess_protocol(&self) -> Option<Error> {
        let Source::Stream(stream) = &self.source else { return None };
        let question = stream.decoder.guess_protocol()?;
        Some(Error::protocol(question).with_hint("tls:// in front of the host speaks TLS"))
    }

    /// Number of messages that were lost on arrival: over-long ones that were skipped (`oversize=discard`), and
    /// datagrams that arrived faster than they were taken.
    pub fn dropped(&self) -> u64 {
        match &self.source {
            Source::Stream(stream) => stream.decoder.discarded(),
            Source::Datagrams(datagrams) => datagrams.incoming.dropped(),
        }
    }

    /// Returns the damaged bytes that were skipped (`damaged=skip`) since the last call, if any: after the next frame
    /// is found or the stream has ended, or in any case with `now`.
    pub fn take_damage(&mut self, now: bool) -> Option<Damage> {
        match &mut self.source {
            Source::Stream(stream) => stream.decoder.take_damage(now),
            Source::Datagrams(_) => None,
        }
    }

    /// Number of datagrams that arrived cut short.
    pub fn truncated(&self) -> u64 {
        match &self.source {
            Source::Stream(_) => 0,
            Source::Datagrams(datagrams) => datagrams.batch.truncated(),
        }
    }
}

/// The messages up to the peer's end. An error is the last item, except on UDP.
#[cfg(feature = "stream")]
impl futures_core::Stream for Receiver {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.get_mut().poll_recv(cx).map(Result::transpose)
    }
}

impl Stream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.ended {
            return Poll::Ready(Ok(false));
        }
        if self.evicted {
            return Poll::Ready(Err(self.share.over_budget()));
        }
        ready!(self.poll_hold(cx))?;
        if self.timer.is_some() {
            let now = Instant::now().into_std();
            let due = self.decoder.deadline().is_some_and(|deadline| deadline <= now);
            self.decoder.tick(now)?;
            if due {
                // The pending bytes may be a message now, and the timer that woke this task fires only once.
                return Poll::Ready(Ok(true));
            }
        }
        let arrived = match self.poll_read(cx) {
            Poll::Ready(arrived) => arrived.map_err(|error| self.broke_off(error))?,
            Poll::Pending => {
                // The read may have grown the buffer, which keeps its size until there is something to read.
                if let Poll::Ready(Err(over_budget)) = self.poll_hold(cx) {
                    return Poll::Ready(Err(over_budget));
                }
                return self.poll_deadline(cx).map_ok(|()| true);
            }
        };
        if let Some(turn) = &self.turn {
            turn.comes();
        }
        if arrived == 0 {
            self.ended = true;
            self.decoder.finish();
        } else if arrived == self.read_size {
            self.read_size = (self.read_size * 2).min(limits::LARGEST_READ);
        } else if arrived < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(limits::FIRST_READ);
        }
        Poll::Ready(Ok(true))
    }

    /// Counts the memory of the unfinished frame. If that is too much for the common budget, frees it.
    fn poll_hold(&mut self, cx: &Context<'_>) -> Poll<Result<()>> {
        self.share.poll_hold(self.decoder.held(), cx).map_err(|error| {
            let error = error.with_unfinished(self.decoder.pending());
            self.decoder.discard_pending();
            self.share.release();
            self.evicted = true;
            error
        })
    }

    /// Makes the error of a cut. A cut that the transport can tell from an end leaves a frame as incomplete as an end
    /// does.
    #[cold]
    fn broke_off(&mut self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof
            && let Err(incomplete) = self.decoder.finish_truncated()
        {
            return Error::from(incomplete).with_hint(plain(&error));
        }
        Error::io("receiving", error)
    }

    /// Waits until the decoder's deadline has passed. The pending bytes may be a message then.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some((timer, deadline)) = self.timer.as_mut().zip(self.decoder.deadline()) else { return Poll::Pending };
        if timer.deadline() != deadline.into() {
            timer.as_mut().reset(deadline.into());
        }
        ready!(timer.as_mut().poll(cx));
        self.decoder.tick(deadline)?;
        Poll::Ready(Ok(()))
    }

    /// Reads once into the decoder's buffer. While there is nothing to read and no frame in progress, no buffer is
    /// held: idle connections should cost next to nothing.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { reader, decoder, read_size, .. } = self;
        let read = if *read_size <= limits::FIRST_READ {
            // A small read goes into the shared buffer first: it often returns far less than it may.
            LANDING.with_borrow_mut(|landing| {
                let mut landing = ReadBuf::new(landing);
                let read = Pin::new(reader).poll_read(cx, &mut landing);
                read.map_ok(|()| {
                    decoder.feed(landing.filled());
                    landing.filled().len()
                })
            })
        } else {
            let mut space = decoder.read_buf(*read_size).limit(*read_size);
            pin!(reader.read_buf(&mut space)).poll(cx)
        };
        if read.is_pending() {
            decoder.shrink();
        }
        read
    }
}
