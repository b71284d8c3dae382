//! The sending half of a link: one writer a connection, which drains its queue and flushes when the queue is empty.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use unstick_wire::Encoder;

use crate::endpoint::{SendDatagram, StreamWrite};
use crate::error::{Error, Result};
use crate::limits;

/// Sends whole messages. Clones send to the same peer; their messages never mix.
///
/// The connection ends when the last clone is dropped, after what was sent has been written.
#[derive(Clone)]
pub struct Sender {
    path: Path,
}

#[derive(Clone)]
enum Path {
    Stream(Arc<Handle>),
    Datagram(Arc<dyn SendDatagram>),
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.path {
            Path::Stream(_) => "Sender(stream)",
            Path::Datagram(_) => "Sender(datagram)",
        })
    }
}

/// Held by the clones of a sender and not by its writer, so that the last drop ends the queue.
struct Handle {
    outbox: Arc<Outbox>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.outbox.lock().finishing = true;
        self.outbox.work.notify_one();
    }
}

/// What senders and the writer share.
struct Outbox {
    queue: Mutex<Queue>,
    /// The writer has something to do.
    work: Notify,
    /// The queue has been taken by the writer, or written, or has failed.
    progress: Notify,
}

struct Queue {
    encoder: Encoder,
    /// Frames that wait.
    frames: Vec<u8>,
    /// The writer is writing what it took.
    writing: bool,
    finishing: bool,
    aborting: bool,
    /// The writer has ended: in order or with an error.
    ended: Option<Result<(), io::Error>>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn check_open(&self) -> Result<()> {
        match &self.ended {
            Some(Err(error)) => Err(Error::io("sending", clone(error))),
            Some(Ok(())) => Err(Error::closed()),
            None if self.finishing || self.aborting => Err(Error::closed()),
            None => Ok(()),
        }
    }
}

/// The same error again: senders ask more than once.
fn clone(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Sender {
    pub(crate) fn stream(writer: Box<dyn StreamWrite>, encoder: Encoder) -> Self {
        let queue =
            Queue { encoder, frames: Vec::new(), writing: false, finishing: false, aborting: false, ended: None };
        let outbox = Arc::new(Outbox { queue: Mutex::new(queue), work: Notify::new(), progress: Notify::new() });
        tokio::spawn(write_all(writer, Arc::clone(&outbox)));
        Self { path: Path::Stream(Arc::new(Handle { outbox })) }
    }

    pub(crate) fn datagram(outgoing: Arc<dyn SendDatagram>) -> Self {
        Self { path: Path::Datagram(outgoing) }
    }

    /// Sends one message: on a stream it is queued, and written as soon as the connection takes it; waits while the queue
    /// is full, so that a slow reader slows its writer.
    ///
    /// # Errors
    ///
    /// [`Error::is_message`] where the framing cannot carry this message: nothing of it was sent and the link goes on.
    /// Otherwise the connection is lost or its sending side has ended.
    ///
    /// Cancel safe: a message is queued whole or not at all.
    pub async fn send(&self, message: &[u8]) -> Result<()> {
        if self.try_send(message)? {
            return Ok(());
        }
        loop {
            // Made before the attempt, so that no wake-up between the two is missed.
            let progress = match &self.path {
                Path::Stream(handle) => Some(handle.outbox.progress.notified()),
                Path::Datagram(_) => None,
            };
            if self.try_send(message)? {
                return Ok(());
            }
            match (progress, &self.path) {
                (Some(progress), _) => progress.await,
                (None, Path::Datagram(outgoing)) => outgoing.writable().await.map_err(|e| Error::io("sending", e))?,
                (None, Path::Stream(_)) => {}
            }
        }
    }

    /// Sends one message if that needs no waiting; false if it does.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn try_send(&self, message: &[u8]) -> Result<bool> {
        match &self.path {
            Path::Stream(handle) => handle.outbox.push(message, limits::MAX_QUEUE),
            Path::Datagram(outgoing) => match outgoing.try_send(message) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(datagram_error(message, error)),
            },
        }
    }

    /// Whether messages go out as datagrams: they cannot be half-closed.
    pub fn is_datagram(&self) -> bool {
        matches!(self.path, Path::Datagram(_))
    }

    /// Whether senders have to wait.
    pub fn is_full(&self) -> bool {
        match &self.path {
            Path::Stream(handle) => handle.outbox.lock().frames.len() >= limits::MAX_QUEUE,
            Path::Datagram(_) => false,
        }
    }

    /// Waits until the queue has room: for callers that may put a little more into it than its limit.
    ///
    /// Cancel safe.
    pub async fn room(&self) {
        if let Path::Stream(handle) = &self.path {
            handle
                .outbox
                .wait(|queue| (queue.frames.len() < limits::MAX_QUEUE || queue.ended.is_some()).then_some(()))
                .await;
        }
    }

    /// Queues a message though the queue may be full: for callers that wait for [`room`](Self::room) before the next
    /// batch of them.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn push(&self, message: &[u8]) -> Result<()> {
        match &self.path {
            Path::Stream(handle) => handle.outbox.push(message, usize::MAX).map(|_| ()),
            Path::Datagram(_) => self.try_send(message).map(|_| ()),
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
        let Path::Stream(handle) = &self.path else { return Ok(()) };
        handle
            .outbox
            .wait(|queue| match &queue.ended {
                Some(Err(error)) => Some(Err(Error::io("sending", clone(error)))),
                Some(Ok(())) => Some(Ok(())),
                None => (queue.frames.is_empty() && !queue.writing).then_some(Ok(())),
            })
            .await
    }

    /// Ends the sending side once everything has been written: half-closes where the transport can. The other
    /// direction goes on.
    ///
    /// # Errors
    ///
    /// Where the connection was lost before that.
    ///
    /// Cancel safe: the end is on its way all the same.
    pub async fn finish(&self) -> Result<()> {
        let Path::Stream(handle) = &self.path else { return Ok(()) };
        handle.outbox.lock().finishing = true;
        handle.outbox.work.notify_one();
        handle
            .outbox
            .wait(|queue| match &queue.ended {
                Some(Err(error)) => Some(Err(Error::io("sending", clone(error)))),
                Some(Ok(())) => Some(Ok(())),
                None => None,
            })
            .await
    }

    /// Ends at once: what waits is thrown away, and a TCP peer sees a reset.
    pub fn abort(&self) {
        if let Path::Stream(handle) = &self.path {
            handle.outbox.lock().aborting = true;
            handle.outbox.work.notify_one();
        }
    }
}

#[cold]
fn datagram_error(message: &[u8], error: io::Error) -> Error {
    let failed = Error::io("sending a datagram", error);
    if message.len() > 65_507 {
        return failed.with_hint(format!("it has {} bytes; a UDP datagram carries at most 65507", message.len()));
    }
    failed
}

impl Outbox {
    /// Queues a message unless so many bytes wait already.
    #[inline]
    fn push(&self, message: &[u8], most: usize) -> Result<bool> {
        let mut queue = self.lock();
        queue.check_open()?;
        if queue.frames.len() >= most {
            return Ok(false);
        }
        let first = queue.frames.is_empty() && !queue.writing;
        let Queue { encoder, frames, .. } = &mut *queue;
        encoder.encode(message, frames)?;
        drop(queue);
        if first {
            self.work.notify_one();
        }
        Ok(true)
    }

    async fn wait<T>(&self, mut ready: impl FnMut(&Queue) -> Option<T>) -> T {
        loop {
            let progress = self.progress.notified();
            if let Some(result) = ready(&self.lock()) {
                return result;
            }
            progress.await;
        }
    }
}

/// The writer's task: takes all frames that wait, writes them, and again; when none are left the system has them all.
async fn write_all(mut writer: Box<dyn StreamWrite>, outbox: Arc<Outbox>) {
    let result = drain(&mut writer, &outbox).await;
    outbox.lock().ended = Some(result);
    outbox.progress.notify_waiters();
}

/// Bytes of an empty queue that are kept for the next messages: idle connections are to cost next to nothing.
const KEPT: usize = 1 << 10;

async fn drain(writer: &mut Box<dyn StreamWrite>, outbox: &Outbox) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        outbox.work.notified().await;
        loop {
            let aborting = {
                let mut queue = outbox.lock();
                std::mem::swap(&mut queue.frames, &mut batch);
                queue.writing = !batch.is_empty();
                queue.aborting
            };
            if aborting {
                writer.reset();
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            outbox.progress.notify_waiters();
            if batch.is_empty() {
                break;
            }
            tokio::select! {
                written = write_batch(writer, &batch) => written?,
                () = aborted(outbox) => {}
            }
            batch.clear();
        }
        let finishing = {
            let mut queue = outbox.lock();
            if queue.frames.capacity() > KEPT {
                queue.frames.shrink_to(KEPT);
            }
            queue.finishing && queue.frames.is_empty()
        };
        batch.shrink_to(KEPT);
        if finishing {
            return writer.shutdown().await;
        }
    }
}

async fn write_batch(writer: &mut Box<dyn StreamWrite>, batch: &[u8]) -> io::Result<()> {
    writer.write_all(batch).await?;
    writer.flush().await
}

/// Resolves when the connection is to be thrown away while a write waits for its reader.
async fn aborted(outbox: &Outbox) {
    loop {
        outbox.work.notified().await;
        let queue = outbox.lock();
        if queue.aborting {
            return;
        }
    }
}
