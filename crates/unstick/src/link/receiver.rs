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
/// [`recv`](Self::recv) is all that most need. Hot loops wait with [`readable`](Self::readable) and then take what there is
/// with [`try_recv_ref`](Self::try_recv_ref), borrowed from the read buffer.
#[derive(Debug)]
pub struct Receiver {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// In a box: it is large, and a link is moved from one future into the next.
    Stream(Box<Stream>),
    Datagrams(Datagrams),
}

struct Stream {
    reader: Box<dyn StreamRead>,
    decoder: Decoder,
    /// Bytes of the next read; grows while reads fill it.
    read_size: usize,
    /// Where time matters: a frame has a deadline, or its end is a silence.
    timer: Option<Pin<Box<Sleep>>>,
    /// Tells the link's sender that something has been received.
    turn: Option<ReplyHint>,
    /// What its unfinished frame holds of the budget of many.
    share: Share,
    /// That frame was too much for it, and is gone.
    evicted: bool,
    ended: bool,
}

thread_local! {
    /// Where small reads land: one for each thread.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::FIRST_READ].into());
}

struct Datagrams {
    incoming: Box<dyn RecvDatagrams>,
    /// Arrived and not yet taken.
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

    /// From an end that takes messages, whose end is that of both directions.
    pub(super) fn messages(incoming: Box<dyn RecvDatagrams>, closings: Arc<Closings>) -> Self {
        let closings = Some(closings);
        Self { source: Source::Datagrams(Datagrams { incoming, batch: Batch::default(), ends_both: true, closings }) }
    }

    /// Whether a peer that has ended may still be listening: the transport knows half-close. False of processes and of
    /// WebSocket, whose end is that of both directions.
    pub fn has_half_close(&self) -> bool {
        match &self.source {
            Source::Stream(stream) => !stream.reader.ends_both(),
            Source::Datagrams(datagrams) => !datagrams.ends_both,
        }
    }

    /// The code and the reason with which the peer closed a WebSocket, once it has.
    pub fn closing(&self) -> Option<Closing> {
        match &self.source {
            Source::Stream(_) => None,
            Source::Datagrams(datagrams) => datagrams.closings.as_ref()?.theirs(),
        }
    }

    /// Ready when the connection fails of a peer whose end has been received: nobody reads who would see that. `None` where the
    /// transport cannot tell.
    pub(crate) fn connection_lost(&mut self) -> Option<Lost<'_>> {
        match &mut self.source {
            Source::Stream(stream) => stream.reader.lost(),
            Source::Datagrams(_) => None,
        }
    }

    /// Makes the connection end in a reset, where the transport can, also when the sender has ended its side.
    pub(crate) fn reset(&mut self) {
        if let Source::Stream(stream) = &mut self.source {
            stream.reader.reset();
        }
    }

    /// Bytes of what was sent that the peer's system has not acknowledged, where that is known.
    pub(crate) fn unacknowledged(&self) -> Option<u32> {
        match &self.source {
            Source::Stream(stream) => stream.reader.unacknowledged(),
            Source::Datagrams(_) => None,
        }
    }

    /// The next message; `None` when the peer has ended.
    ///
    /// # Errors
    ///
    /// Where the peer breaks the framing, ends inside a frame, or the connection is reset or cut (TLS without its
    /// `close_notify`). On UDP,
    /// [`Error::is_unreachable`] where a datagram that was sent found nobody: this can be called again.
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

    /// Waits until something has arrived: take it with [`try_recv_ref`](Self::try_recv_ref). False when the peer has ended and
    /// everything has been taken.
    ///
    /// # Errors
    ///
    /// Where the connection is reset, or a frame's deadline passed; on UDP, where a datagram that was sent found nobody,
    /// after which this can be called again.
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

    /// The next message of those that have arrived, borrowed; `None` when another [`readable`](Self::readable) is needed.
    ///
    /// # Errors
    ///
    /// Where the peer breaks the framing or ended inside a frame.
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

    /// Whether the message that is to be taken next came as a binary one (true) or as text (false); `None` where there is
    /// none, and where the transport knows no such thing: it is WebSocket that does.
    #[inline]
    pub fn next_is_binary(&self) -> Option<bool> {
        match &self.source {
            Source::Stream(_) => None,
            Source::Datagrams(datagrams) => datagrams.batch.next_is_binary(),
        }
    }

    /// What has arrived of a frame that has not ended.
    pub fn pending(&self) -> &[u8] {
        match &self.source {
            Source::Stream(stream) => stream.decoder.pending(),
            Source::Datagrams(_) => &[],
        }
    }

    /// A question about what has come first, where that is most probably no message at all: what a TLS client says to a
    /// `line`. To be asked after the first [`readable`](Self::readable), before anything is taken. Nothing has failed.
    pub fn guess_protocol(&self) -> Option<Error> {
        let Source::Stream(stream) = &self.source else { return None };
        let question = stream.decoder.guess_protocol()?;
        Some(Error::protocol(question).with_hint("tls:// in front of the host speaks TLS"))
    }

    /// Messages that were lost on the way in: over-long ones passed over (`oversize=discard`), datagrams that arrived
    /// faster than they were taken.
    pub fn dropped(&self) -> u64 {
        match &self.source {
            Source::Stream(stream) => stream.decoder.discarded(),
            Source::Datagrams(datagrams) => datagrams.incoming.dropped(),
        }
    }

    /// What was passed over as damaged since this was last called (`damaged=skip`), if anything: once the next frame has been
    /// found or the stream has ended, or with `now`, in any case.
    pub fn take_damage(&mut self, now: bool) -> Option<Damage> {
        match &mut self.source {
            Source::Stream(stream) => stream.decoder.take_damage(now),
            Source::Datagrams(_) => None,
        }
    }

    /// Datagrams that arrived cut short.
    pub fn truncated(&self) -> u64 {
        match &self.source {
            Source::Stream(_) => 0,
            Source::Datagrams(datagrams) => datagrams.batch.truncated(),
        }
    }
}

/// The messages up to the peer's end. An error is the last item, but on UDP.
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
                // What was pending may be a message now, and the timer that has woken this task comes once.
                return Poll::Ready(Ok(true));
            }
        }
        let arrived = match self.poll_read(cx) {
            Poll::Ready(arrived) => arrived.map_err(|error| self.broke_off(error))?,
            Poll::Pending => {
                // The read has made room, which stays until there is something to read.
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

    /// Counts the memory of the unfinished frame; where it is too much for the budget of many, gives it back.
    fn poll_hold(&mut self, cx: &Context<'_>) -> Poll<Result<()>> {
        self.share.poll_hold(self.decoder.held(), cx).map_err(|error| {
            let error = error.with_unfinished(self.decoder.pending());
            self.decoder.discard_pending();
            self.share.release();
            self.evicted = true;
            error
        })
    }

    /// A cut that the transport tells from an end leaves a frame as incomplete as an end does.
    #[cold]
    fn broke_off(&mut self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof
            && let Err(incomplete) = self.decoder.finish_truncated()
        {
            return Error::from(incomplete).with_hint(plain(&error));
        }
        Error::io("receiving", error)
    }

    /// Ready when the decoder's deadline has passed, which may have made what is pending a message.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some((timer, deadline)) = self.timer.as_mut().zip(self.decoder.deadline()) else { return Poll::Pending };
        if timer.deadline() != deadline.into() {
            timer.as_mut().reset(deadline.into());
        }
        ready!(timer.as_mut().poll(cx));
        self.decoder.tick(deadline)?;
        Poll::Ready(Ok(()))
    }

    /// One read into the decoder's buffer. While there is nothing to read and nothing under way, no buffer is held:
    /// idle connections are to cost next to nothing.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { reader, decoder, read_size, .. } = self;
        let read = if *read_size <= limits::FIRST_READ {
            // A small read lands elsewhere first: what it brings is often smaller by far than what it may bring.
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
