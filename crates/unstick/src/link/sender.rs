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
/// The connection ends when the last clone is dropped, after what was sent has been written. A program that ends sooner
/// than that loses what waits: [`finish`](Self::finish) says when all of it has been written.
#[derive(Clone)]
pub struct Sender {
    path: Path,
    /// The end of what is sent is the end of the conversation.
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

    /// To an end that takes messages: in its queue they stand as records.
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

    /// What the receiver of the same link is to have.
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

    /// Whether each message is a datagram: it may be lost, and there is no end that the peer could see.
    pub fn is_datagram(&self) -> bool {
        matches!(&self.path, Path::Datagram(datagrams) if !datagrams.outgoing.ends())
    }

    /// Whether [`finish`](Self::finish) ends this direction alone: the transport knows half-close. False of WebSocket, where it
    /// ends the whole conversation.
    pub fn has_half_close(&self) -> bool {
        !self.ends_both
    }

    /// Says with which code and reason a WebSocket is closed by [`finish`](Self::finish); false, and nothing happens, where the
    /// transport has no such thing.
    pub fn set_closing(&self, closing: Closing) -> bool {
        self.closings.as_ref().is_some_and(|closings| {
            closings.set_ours(closing);
            true
        })
    }

    /// Sends one message: on a stream it is queued, and written as soon as the connection takes it; waits while the queue
    /// is full ([`MAX_QUEUE`](crate::limits::MAX_QUEUE) bytes), so that a slow reader slows its writer.
    ///
    /// # Errors
    ///
    /// [`Error::is_message_rejected`] where the framing or a datagram cannot carry this message: nothing of it was sent and the
    /// link goes on. Otherwise the connection is lost or its sending side has ended.
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

    /// Sends one message if that needs no waiting. Needs no runtime around it: any thread can.
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
    /// [`Error::is_full`] where it would have to wait: nothing was sent. Otherwise as [`send`](Self::send).
    pub fn try_send(&self, message: &[u8]) -> Result<()> {
        if self.offer(message)? { Ok(()) } else { Err(Error::full()) }
    }

    /// Sends one message if that needs no waiting; false if it does.
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

    /// As [`send`](Self::send), of what is to go as a binary message where the transport tells these from text (WebSocket),
    /// even if it is text: what came so is passed on so.
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

    /// As [`try_send`](Self::try_send), of what is to go as a binary message.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_binary(&self, message: &[u8]) -> Result<()> {
        if self.offer_binary(message)? { Ok(()) } else { Err(Error::full()) }
    }

    /// As [`offer`](Self::offer), of what is to go as a binary message.
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

    /// Bytes that the system has taken so far: they grow while the peer reads. Nothing is known of datagrams.
    pub fn taken(&self) -> u64 {
        match &self.path {
            Path::Stream(mailbox) => mailbox.taken(),
            Path::Datagram(_) => 0,
        }
    }

    /// Queues a message though the queue may be full: for callers that cannot wait in the middle of a batch, and wait for
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
            // The kernel's queue has a limit that nobody goes over.
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

    /// Waits until the queue has room, or takes nothing any more.
    ///
    /// Cancel safe.
    pub async fn writable(&self) {
        if let Path::Stream(mailbox) = &self.path {
            let _ = mailbox.wait(|queue| (!matches!(queue.room(), Ok(Capacity::None))).then_some(Ok(()))).await;
        }
    }

    /// Sends many messages, in order, which is faster than one by one. `messages` must not send on this link itself.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), of the first message that fails; those before it were sent, those after it were not.
    ///
    /// Where this is cancelled, the messages that were taken from `messages` have been sent, but for the last on UDP.
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

    /// Waits until everything sent so far has been handed to the system.
    ///
    /// # Errors
    ///
    /// Where the connection was lost before that.
    ///
    /// Cancel safe.
    pub async fn flush(&self) -> Result<()> {
        let Path::Stream(mailbox) = &self.path else { return Ok(()) };
        let target = mailbox.lock().flushed_at();
        mailbox.wait(|queue| queue.outcome().or_else(|| queue.has_written(target).then_some(Ok(())))).await
    }

    /// Ends the sending side once everything has been written: half-closes where the transport can. The other
    /// direction goes on. Once is as good as twice.
    ///
    /// # Errors
    ///
    /// Where the connection was lost before that.
    ///
    /// Cancel safe: the end is on its way all the same.
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

    /// What is known by now of a datagram that was sent and did not arrive; told once, here or by the receiver. `None` says
    /// nothing: a datagram may be lost without a word.
    pub(crate) fn failure(&self) -> Option<Error> {
        match &self.path {
            Path::Stream(_) => None,
            Path::Datagram(datagrams) => datagrams.outgoing.failure(),
        }
    }

    /// As [`finish`](Self::finish), as long as the peer reads: where it takes nothing for `patience`, what waits is thrown away.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish); [`Error::is_timeout`] where the peer did not read.
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

    /// Begins what [`finish`](Self::finish) does, without waiting for its end.
    pub fn end(&self) {
        match &self.path {
            Path::Stream(mailbox) => mailbox.finish(),
            Path::Datagram(datagrams) => datagrams.finish(),
        }
    }

    /// Whether all that was sent has been handed to the system.
    pub fn is_flushed(&self) -> bool {
        match &self.path {
            Path::Stream(mailbox) => mailbox.lock().is_idle(),
            Path::Datagram(_) => true,
        }
    }

    /// Ends at once: what waits is thrown away, and a TCP peer sees a reset.
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
