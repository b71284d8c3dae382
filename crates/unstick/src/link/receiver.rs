//! The receiving half of a link.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::buf::{BufMut, Limit};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::Instant;
use unstick_wire::Decoder;

use crate::endpoint::{Batch, RecvDatagrams, StreamRead};
use crate::error::{Error, Result};
use crate::limits;

/// Receives whole messages.
///
/// [`recv`](Self::recv) is all that most need. Hot loops wait with [`arrival`](Self::arrival) and then take what there is
/// with [`try_next`](Self::try_next), borrowed from the read buffer.
#[derive(Debug)]
pub struct Receiver {
    source: Source,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the larger one is the common one, and hot loops go through it")]
enum Source {
    Stream(Stream),
    Datagrams(Datagrams),
}

struct Stream {
    reader: Box<dyn StreamRead>,
    decoder: Decoder,
    /// Bytes of the next read; grows while reads fill it.
    read_size: usize,
    /// Time matters: a frame has a deadline, or its end is a silence.
    timed: bool,
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
    pub(crate) fn stream(reader: Box<dyn StreamRead>, decoder: Decoder, timed: bool) -> Self {
        let read_size = limits::FIRST_READ;
        Self { source: Source::Stream(Stream { reader, decoder, read_size, timed, ended: false }) }
    }

    pub(crate) fn datagram(incoming: Box<dyn RecvDatagrams>) -> Self {
        Self { source: Source::Datagrams(Datagrams { incoming, batch: Batch::default() }) }
    }

    /// The next message; `None` when the peer has ended.
    ///
    /// # Errors
    ///
    /// Where the peer breaks the framing, ends inside a frame, or the connection is reset. On UDP,
    /// [`Error::is_unreachable`] where a datagram that was sent found nobody: this can be called again.
    ///
    /// Cancel safe: no byte is lost.
    pub async fn recv(&mut self) -> Result<Option<Bytes>> {
        loop {
            let message = self.try_next_bytes()?;
            if message.is_some() {
                return Ok(message);
            }
            if !self.arrival().await? {
                return Ok(None);
            }
        }
    }

    /// Waits until something has arrived: take it with [`try_next`](Self::try_next). False when the peer has ended and
    /// everything has been taken.
    ///
    /// # Errors
    ///
    /// Where the connection is reset, or a frame's deadline passed; on UDP, where a datagram that was sent found nobody,
    /// after which this can be called again.
    ///
    /// Cancel safe: no byte is lost.
    pub async fn arrival(&mut self) -> Result<bool> {
        match &mut self.source {
            Source::Stream(stream) => stream.fill().await,
            Source::Datagrams(datagrams) => datagrams.fill().await,
        }
    }

    /// The next message of those that have arrived, borrowed; `None` when another [`arrival`](Self::arrival) is needed.
    ///
    /// # Errors
    ///
    /// Where the peer breaks the framing or ended inside a frame.
    #[inline]
    pub fn try_next(&mut self) -> Result<Option<&[u8]>> {
        match &mut self.source {
            Source::Stream(stream) => Ok(stream.decoder.next()?),
            Source::Datagrams(datagrams) => Ok(datagrams.batch.next()),
        }
    }

    /// As [`try_next`](Self::try_next), owned.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    #[inline]
    pub fn try_next_bytes(&mut self) -> Result<Option<Bytes>> {
        match &mut self.source {
            Source::Stream(stream) => Ok(stream.decoder.next_bytes()?),
            Source::Datagrams(datagrams) => Ok(datagrams.batch.next_bytes()),
        }
    }

    /// What has arrived of a frame that has not ended.
    pub fn pending(&self) -> &[u8] {
        match &self.source {
            Source::Stream(stream) => stream.decoder.pending(),
            Source::Datagrams(_) => &[],
        }
    }

    /// Messages that were lost on the way in: over-long ones passed over (`oversize=discard`), datagrams that arrived
    /// faster than they were taken.
    pub fn lost(&self) -> u64 {
        match &self.source {
            Source::Stream(stream) => stream.decoder.discarded(),
            Source::Datagrams(datagrams) => datagrams.incoming.dropped(),
        }
    }

    /// Datagrams that arrived cut short.
    pub fn cut_short(&self) -> u64 {
        match &self.source {
            Source::Stream(_) => 0,
            Source::Datagrams(datagrams) => datagrams.batch.cut_short(),
        }
    }
}

impl Stream {
    async fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let arrived = if self.timed { self.read_in_time().await? } else { Some(self.read().await?) };
        match arrived {
            // A deadline passed, which may have made what is pending a message.
            None => {}
            Some(0) => {
                self.ended = true;
                self.decoder.end();
            }
            Some(arrived) if arrived == self.read_size => {
                self.read_size = (self.read_size * 2).min(limits::LARGEST_READ);
            }
            Some(arrived) if arrived < self.read_size / 4 => {
                self.read_size = (self.read_size / 2).max(limits::FIRST_READ);
            }
            Some(_) => {}
        }
        Ok(true)
    }

    /// One read, unless the decoder's deadline comes first.
    async fn read_in_time(&mut self) -> Result<Option<usize>> {
        self.decoder.tick(Instant::now().into_std())?;
        let Some(deadline) = self.decoder.deadline() else { return self.read().await.map(Some) };
        match tokio::time::timeout_at(deadline.into(), self.read()).await {
            Ok(arrived) => arrived.map(Some),
            Err(_) => {
                self.decoder.tick(deadline)?;
                Ok(None)
            }
        }
    }

    /// One read into the decoder's buffer. While there is nothing to read and nothing under way, no buffer is held:
    /// idle connections are to cost next to nothing.
    async fn read(&mut self) -> Result<usize> {
        poll_fn(|cx| self.poll_read(cx)).await.map_err(|e| Error::io("receiving", e))
    }

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
            let mut space = decoder.space(*read_size).limit(*read_size);
            tokio_read(reader, cx, &mut space)
        };
        if read.is_pending() {
            decoder.release();
        }
        read
    }
}

fn tokio_read(
    reader: &mut Box<dyn StreamRead>,
    cx: &mut Context<'_>,
    space: &mut Limit<&mut BytesMut>,
) -> Poll<io::Result<usize>> {
    pin!(reader.read_buf(space)).poll(cx)
}

impl Datagrams {
    async fn fill(&mut self) -> Result<bool> {
        if !self.batch.is_empty() {
            return Ok(true);
        }
        poll_fn(|cx| self.incoming.poll_fill(cx, &mut self.batch)).await
    }
}
