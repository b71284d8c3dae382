//! The sending half of a link: messages are queued as frames here, and handed to the writer in [`super::outbox`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use unstick_wire::{Encoder, Framing};

use super::outbox::{Capacity, ReplyHint, SenderHandle};
use crate::endpoint::{Closing, Closings, LARGEST_RECORD, RECORD, SendDatagram, StreamWrite};
use crate::error::{Error, Result};

/// Sends whole messages. Clones send to the same peer; their messages never mix.
///
/// The connection ends when the last clone is dropped, after all sent messages have been written. A program that exits
/// sooner loses what waits: [`finish`](Self::finish) returns when all of it has been written.
#[derive(Clone)]
pub struct Sender {
    path: Path,
    /// Whether ending the sending side ends the whole conversation.
    ends_both: bool,
    /// How a WebSocket is closed.
    closings: Option<Arc<Closings>>,
}

#[derive(Clone)]
enum Path {
    Stream(SenderHandle),
    Datagram(Arc<Datagrams>),
}

struct Datagrams {
    outgoing: Arc<dyn SendDatagram>,
    finished: AtomicBool,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.path {
            Path::Stream(_) => "Sender(stream)",
            Path::Datagram(_) => "Sender(datagram)",
        })
    }
}

impl Sender {
    pub(crate) fn stream(writer: Box<dyn StreamWrite>, encoder: Encoder) -> Self {
        Self { path: Path::Stream(SenderHandle::new(writer, encoder)), ends_both: false, closings: None }
    }

    /// Makes the sender of a message transport: its queue holds the messages as records.
    pub(super) fn messages(
        writer: Box<dyn StreamWrite>,
        largest: usize,
        text_only: bool,
        closings: Arc<Closings>,
    ) -> Self {
        let largest = largest.min(LARGEST_RECORD as usize);
        let record = Framing::parse(&format!("u{}be,max={largest}", RECORD * 8)).expect("a length of whole bytes");
        let encoder = record.encoder().expect("an integer length can be written");
        let mailbox = SenderHandle::new(writer, encoder).of_records(text_only);
        Self { path: Path::Stream(mailbox), ends_both: true, closings: Some(closings) }
    }

    /// Returns the hint for the receiver of the same link.
    pub(super) fn turn(&self) -> Option<ReplyHint> {
        match &self.path {
            Path::Stream(mailbox) => Some(mailbox.turn()),
            Path::Datagram(_) => None,
        }
    }

    pub(crate) fn datagram(outgoing: Arc<dyn SendDatagram>) -> Self {
        Self {
            path: Path::Datagram(Arc::new(Datagrams { outgoing, finished: AtomicBool::new(false) })),
            ends_both: false,
            closings: None,
        }
    }

    /// Whether each message is a datagram: it may be lost, and the peer cannot see an end.
    pub fn is_datagram(&self) -> bool {
        matches!(&self.path, Path::Datagram(datagrams) if !datagrams.outgoing.ends())
    }

    /// Whether [`finish`](Self::finish) ends this direction alone: the transport has half-close. It is false for
    /// WebSocket, where it ends the whole conversation.
    pub fn has_half_close(&self) -> bool {
        !self.ends_both
    }

    /// Sets the code and reason with which [`finish`](Self::finish) closes a WebSocket. Returns false, and does
    /// nothing, if the transport has no such thing.
    pub fn set_closing(&self, closing: Closing) -> bool {
        self.closings.as_ref().is_some_and(|closings| {
            closings.set_ours(closing);
            true
        })
    }

    /// Sends one message. On a stream it is queued, and written as soon as the connection takes it. This waits while
    /// the queue is full ([`MAX_QUEUE`](crate::limits::MAX_QUEUE) bytes), so that a slow reader slows its writer.
    ///
    /// # Errors
    ///
    /// [`Error::is_message_rejected`] if the framing or a datagram cannot carry this message: nothing of it was sent
    /// and the link goes on. Any other error means that the connection is lost or its sending side has ended.
    ///
    /// Cancel safe: a message is queued whole or not at all.
    #[inline]
    pub async fn send(&self, message: &[u8]) -> Result<()> {
        if self.offer(message)? {
            return Ok(());
        }
        self.send_when_possible(message).await
    }

    #[cold]
    async fn send_when_possible(&self, message: &[u8]) -> Result<()> {
        match &self.path {
            Path::Stream(mailbox) => mailbox.wait(|queue| queue.push(message).transpose()).await,
            Path::Datagram(datagrams) => loop {
                datagrams.outgoing.writable().await.map_err(|e| Error::io("sending", e))?;
                if self.offer(message)? {
                    return Ok(());
                }
            },
        }
    }

    /// Sends one message if that needs no waiting. It needs no runtime: any thread can call it.
    ///
    /// ```
    /// # fn hurry(sender: &unstick::Sender, message: &[u8]) -> unstick::Result<bool> {
    /// match sender.try_send(message) {
    ///     Ok(()) => Ok(true),
    ///     Err(error) if error.is_full() => Ok(false), // the peer reads too slowly: nothing was sent
    ///     Err(error) => Err(error),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::is_full`] if it would have to wait: nothing was sent. Otherwise as [`send`](Self::send).
    pub fn try_send(&self, message: &[u8]) -> Result<()> {
        if self.offer(message)? { Ok(()) } else { Err(Error::full()) }
    }

    /// Sends one message if that needs no waiting; returns false if it does.
    #[inline]
    pub(crate) fn offer(&self, message: &[u8]) -> Result<bool> {
        match &self.path {
            Path::Stream(mailbox) => {
                let mut queue = mailbox.lock();
                let queued = queue.push(message)?.is_some();
                mailbox.unlock(queue)?;
                Ok(queued)
            }
            Path::Datagram(datagrams) => datagrams.offer(message),
        }
    }

    /// Sends one message as [`send`](Self::send) does, but as a binary message if the transport distinguishes these
    /// from text (WebSocket), even if it is valid text. So a message is passed on as the kind it arrived as.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). Cancel safe: a message is queued whole or not at all.
    pub async fn send_binary(&self, message: &[u8]) -> Result<()> {
        match &self.path {
            Path::Stream(mailbox) => mailbox.wait(|queue| queue.push_binary(message).transpose()).await,
            Path::Datagram(_) => self.send(message).await,
        }
    }

    /// Sends as [`try_send`](Self::try_send) does, but as a binary message.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_binary(&self, message: &[u8]) -> Result<()> {
        if self.offer_binary(message)? { Ok(()) } else { Err(Error::full()) }
    }

    /// Sends as [`offer`](Self::offer) does, but as a binary message.
    pub(crate) fn offer_binary(&self, message: &[u8]) -> Result<bool> {
        match &self.path {
            Path::Stream(mailbox) => {
                let mut queue = mailbox.lock();
                let queued = queue.push_binary(message)?.is_some();
                mailbox.unlock(queue)?;
                Ok(queued)
            }
            Path::Datagram(datagrams) => datagrams.offer(message),
        }
    }

    /// Number of bytes that the system has taken so far; it grows while the peer reads. It is 0 for datagrams, of which
    /// nothing is known.
    pub fn taken(&self) -> u64 {
        match &self.path {
            Path::Stream(mailbox) => mailbox.taken(),
            Path::Datagram(_) => 0,
        }
    }

    /// Queues a message even if the queue is full: for callers that cannot wait in the middle of a batch. They wait for
    /// [`writable`](Self::writable) before the next one.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn force_send(&self, message: &[u8]) -> Result<()> {
        match &self.path {
            Path::Stream(mailbox) => {
                let mut queue = mailbox.lock();
                queue.room()?;
                queue.encode(message)?;
                mailbox.unlock(queue)
            }
            // The kernel's queue has a limit that nobody can exceed.
            Path::Datagram(datagrams) => match datagrams.offer(message)? {
                true => Ok(()),
                false => Err(Error::full()),
            },
        }
    }

    /// Whether senders have to wait.
    pub fn is_full(&self) -> bool {
        match &self.path {
            Path::Stream(mailbox) => matches!(mailbox.lock().room(), Ok(Capacity::None)),
            Path::Datagram(_) => false,
        }
    }

    /// Waits until the queue has room, or accepts nothing any more.
    ///
    /// Cancel safe.
    pub async fn writable(&self) {
        if let Path::Stream(mailbox) = &self.path {
            let _ = mailbox.wait(|queue| (!matches!(queue.room(), Ok(Capacity::None))).then_some(Ok(()))).await;
        }
    }

    /// Sends many messages in order, which is faster than one by one. `messages` must not itself send on this link.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), for the first message that fails; those before it were sent, those after it were not.
    ///
    /// If this is cancelled, the messages that were taken from `messages` have been sent, except the last one on UDP.
    pub async fn send_all<M: AsRef<[u8]>>(&self, messages: impl IntoIterator<Item = M>) -> Result<()> {
        let mut messages = messages.into_iter();
        match &self.path {
            Path::Stream(mailbox) => {
                mailbox
                    .wait(|queue| {
                        loop {
                            match queue.room() {
                                Ok(Capacity::Some) => {}
                                Ok(Capacity::None) => return None,
                                Err(error) => return Some(Err(error)),
                            }
                            match messages.next().map(|message| queue.encode(message.as_ref())) {
                                Some(Ok(())) => {}
                                Some(Err(error)) => return Some(Err(error)),
                                None => return Some(Ok(())),
                            }
                        }
                    })
                    .await
            }
            Path::Datagram(_) => {
                for message in messages {
                    self.send(message.as_ref()).await?;
                }
                Ok(())
            }
        }
    }

    /// Waits until the system has taken everything sent so far.
    ///
    /// # Errors
    ///
    /// If the connection was lost before that.
    ///
    /// Cancel safe.
    pub async fn flush(&self) -> Result<()> {
        let Path::Stream(mailbox) = &self.path else { return Ok(()) };
        let target = mailbox.lock().flushed_at();
        mailbox.wait(|queue| queue.outcome().or_else(|| queue.has_written(target).then_some(Ok(())))).await
    }

    /// Ends the sending side once everything has been written: half-closes if the transport can. The other direction
    /// goes on. A second call changes nothing.
    ///
    /// # Errors
    ///
    /// If the connection was lost before that.
    ///
    /// Cancel safe: the sending side ends anyway.
    pub async fn finish(&self) -> Result<()> {
        match &self.path {
            Path::Stream(mailbox) => {
                mailbox.finish();
                mailbox.wait(|queue| queue.outcome()).await
            }
            Path::Datagram(datagrams) => {
                datagrams.finish();
                Ok(())
            }
        }
    }

    /// Returns the error of a sent datagram that is known not to have arrived. It is reported once, here or by the
    /// receiver. `None` proves nothing: a datagram may be lost silently.
    pub(crate) fn failure(&self) -> Option<Error> {
        match &self.path {
            Path::Stream(_) => None,
            Path::Datagram(datagrams) => datagrams.outgoing.failure(),
        }
    }

    /// Ends as [`finish`](Self::finish) does, as long as the peer reads. If the peer takes nothing for `patience`, what
    /// waits is thrown away.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish); [`Error::is_timeout`] if the peer did not read.
    pub async fn finish_while_it_moves(&self, patience: Duration) -> Result<()> {
        let mut taken = self.taken();
        loop {
            if let Ok(finished) = tokio::time::timeout(patience, self.finish()).await {
                return finished;
            }
            if std::mem::replace(&mut taken, self.taken()) == taken {
                self.abort();
                return Err(Error::timed_out("waiting for the peer to read the rest", patience));
            }
        }
    }

    /// Starts what [`finish`](Self::finish) does, without waiting for its end.
    pub fn end(&self) {
        match &self.path {
            Path::Stream(mailbox) => mailbox.finish(),
            Path::Datagram(datagrams) => datagrams.finish(),
        }
    }

    /// Whether the system has taken all that was sent.
    pub fn is_flushed(&self) -> bool {
        match &self.path {
            Path::Stream(mailbox) => mailbox.lock().is_idle(),
            Path::Datagram(_) => true,
        }
    }

    /// Ends the connection at once: what waits is thrown away, and a TCP peer sees a reset.
    pub fn abort(&self) {
        match &self.path {
            Path::Stream(mailbox) => mailbox.abort(),
            Path::Datagram(datagrams) => datagrams.finish(),
        }
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Datagrams {
    fn finish(&self) {
        if !self.finished.swap(true, Ordering::Relaxed) {
            self.outgoing.finish();
        }
    }

    fn offer(&self, message: &[u8]) -> Result<bool> {
        if self.finished.load(Ordering::Relaxed) {
            return Err(Error::closed());
        }
        match self.outgoing.try_send(message) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(Error::datagram(message.len(), error, || self.outgoing.too_large())),
        }
    }
}
