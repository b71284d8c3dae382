//! The queue of a stream's frames and its writer, which drains it and flushes when it is empty.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use unstick_wire::{EncodeError, Encoder};

use super::spare;
use crate::endpoint::StreamWrite;
use crate::error::{Error, Result};
use crate::limits;

/// A sender's hold on the queue. When the last is dropped, the writer ends the connection after what waits.
pub(super) struct Mailbox {
    outbox: Arc<Outbox>,
}

/// What senders and the writer share.
struct Outbox {
    queue: Mutex<Queue>,
    /// The queue has been taken by the writer, or written, or has failed.
    progress: Notify,
    mailboxes: AtomicUsize,
}

/// Frames that wait to be written, and what is known of the connection.
pub(super) struct Queue {
    encoder: Encoder,
    frames: Vec<u8>,
    /// The writer looks at the queue again before it sleeps.
    awake: bool,
    /// Wakes the writer where it sleeps, or waits for its reader.
    writer: Option<Waker>,
    /// Somebody waits for progress.
    watched: bool,
    /// Nothing more can be sent.
    shut: bool,
    aborting: bool,
    /// Batches that the writer has taken, and written.
    taken: u64,
    written: u64,
    /// The connection, and where its writer is to run, until there is something to write: most peers of a server never
    /// get a message.
    resting: Option<(Box<dyn StreamWrite>, Handle)>,
    /// The writer has ended: in order or with an error.
    ended: Option<Result<(), io::Error>>,
}

/// Whether the queue takes another message.
pub(super) enum Room {
    Some,
    None,
}

impl Queue {
    /// Queues a message; `None` where the queue is full.
    #[inline]
    pub(super) fn push(&mut self, message: &[u8]) -> Result<Option<()>> {
        match self.room()? {
            Room::Some => Ok(Some(self.encode(message)?)),
            Room::None => Ok(None),
        }
    }

    #[inline]
    pub(super) fn room(&self) -> Result<Room> {
        if self.shut {
            return Err(self.refusal());
        }
        Ok(if self.frames.len() < limits::MAX_QUEUE { Room::Some } else { Room::None })
    }

    #[inline]
    pub(super) fn encode(&mut self, message: &[u8]) -> Result<(), EncodeError> {
        if self.frames.capacity() == 0 {
            self.frames = spare::take();
        }
        self.encoder.encode(message, &mut self.frames)
    }

    #[cold]
    fn refusal(&self) -> Error {
        match &self.ended {
            Some(Err(error)) => Error::io("sending", again(error)),
            _ => Error::closed(),
        }
    }

    /// How the writer ended, if it has.
    pub(super) fn outcome(&self) -> Option<Result<()>> {
        match &self.ended {
            Some(Err(error)) => Some(Err(Error::io("sending", again(error)))),
            Some(Ok(())) => Some(Ok(())),
            None => None,
        }
    }

    /// How many batches will have been written when all that waits now has been.
    pub(super) fn flushed_at(&self) -> u64 {
        self.taken + u64::from(!self.frames.is_empty())
    }

    pub(super) fn has_written(&self, batches: u64) -> bool {
        self.written >= batches
    }
}

/// The same error again: senders ask more than once.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Mailbox {
    /// The writer will run on the runtime that this is called on.
    pub(super) fn new(writer: Box<dyn StreamWrite>, encoder: Encoder) -> Self {
        let queue = Queue {
            encoder,
            frames: Vec::new(),
            awake: false,
            writer: None,
            watched: false,
            shut: false,
            aborting: false,
            taken: 0,
            written: 0,
            resting: Some((writer, Handle::current())),
            ended: None,
        };
        let outbox = Outbox { queue: Mutex::new(queue), progress: Notify::new(), mailboxes: AtomicUsize::new(1) };
        Self { outbox: Arc::new(outbox) }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.outbox.lock()
    }

    /// Lets go of the queue, and wakes its writer where there is something to write.
    #[inline]
    pub(super) fn unlock(&self, queue: MutexGuard<'_, Queue>) {
        if !queue.awake && !queue.frames.is_empty() {
            self.wake(queue);
        }
    }

    /// Looks at the queue after each step of its writer, until there is an answer.
    pub(super) async fn wait<T>(&self, mut ready: impl FnMut(&mut Queue) -> Option<T>) -> T {
        loop {
            // Made before the look, so that no step between the two is missed.
            let progress = self.outbox.progress.notified();
            if let Some(answer) = self.look(&mut ready) {
                return answer;
            }
            progress.await;
        }
    }

    fn look<T>(&self, ready: &mut impl FnMut(&mut Queue) -> Option<T>) -> Option<T> {
        let mut queue = self.lock();
        let answer = ready(&mut queue);
        queue.watched |= answer.is_none();
        self.unlock(queue);
        answer
    }

    /// Nothing more can be sent; what waits is written, and then the sending side ends.
    pub(super) fn finish(&self) {
        let mut queue = self.lock();
        queue.shut = true;
        if queue.ended.is_none() {
            self.wake(queue);
        }
    }

    /// What waits is thrown away.
    pub(super) fn abort(&self) {
        let mut queue = self.lock();
        queue.shut = true;
        queue.aborting = true;
        if queue.ended.is_none() {
            self.wake(queue);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        queue.awake = true;
        let (resting, writer) = (queue.resting.take(), queue.writer.take());
        drop(queue);
        if let Some((writer, runtime)) = resting {
            runtime.spawn(write_all(writer, Arc::clone(&self.outbox)));
        }
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

impl Clone for Mailbox {
    fn clone(&self) -> Self {
        self.outbox.mailboxes.fetch_add(1, Ordering::Relaxed);
        Self { outbox: Arc::clone(&self.outbox) }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        if self.outbox.mailboxes.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish();
        }
    }
}

impl Outbox {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the writer its next batch, in exchange for the last one, which has been written. Where there is nothing to
    /// do, all buffers are given back and the writer sleeps.
    fn poll_take(&self, cx: &mut Context<'_>, batch: &mut Vec<u8>) -> Poll<Next> {
        batch.clear();
        let mut queue = self.lock();
        queue.written = queue.taken;
        let next = if queue.aborting {
            Poll::Ready(Next::Abort)
        } else if !queue.frames.is_empty() {
            queue.taken += 1;
            std::mem::swap(&mut queue.frames, batch);
            Poll::Ready(Next::Write)
        } else if queue.shut {
            Poll::Ready(Next::Finish)
        } else {
            queue.awake = false;
            queue.writer = Some(cx.waker().clone());
            // Idle connections are to cost next to nothing.
            spare::give(std::mem::take(&mut queue.frames));
            spare::give(std::mem::take(batch));
            Poll::Pending
        };
        self.tell(queue);
        next
    }

    /// Wakes those who wait for progress.
    fn tell(&self, mut queue: MutexGuard<'_, Queue>) {
        let watched = std::mem::take(&mut queue.watched);
        drop(queue);
        if watched {
            self.progress.notify_waiters();
        }
    }

    /// Whether the connection is to be thrown away, while a write waits for its reader.
    fn poll_aborted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.lock();
        if queue.aborting {
            return Poll::Ready(());
        }
        queue.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What the writer is to do.
enum Next {
    Write,
    Finish,
    Abort,
}

/// The writer's task: takes all frames that wait, writes them, and again; when none are left the system has them all.
async fn write_all(mut writer: Box<dyn StreamWrite>, outbox: Arc<Outbox>) {
    let result = drain(&mut writer, &outbox).await;
    let mut queue = outbox.lock();
    queue.shut = true;
    queue.frames = Vec::new();
    queue.ended = Some(result);
    outbox.tell(queue);
}

async fn drain(writer: &mut Box<dyn StreamWrite>, outbox: &Outbox) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        match poll_fn(|cx| outbox.poll_take(cx, &mut batch)).await {
            Next::Write => write_batch(writer, &batch, outbox).await?,
            Next::Finish => return writer.shutdown().await.map_err(lost),
            Next::Abort => {
                writer.reset();
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

/// Writes all of a batch, unless the connection is thrown away meanwhile.
async fn write_batch(writer: &mut Box<dyn StreamWrite>, mut rest: &[u8], outbox: &Outbox) -> io::Result<()> {
    poll_fn(|cx| {
        let mut writer = Pin::new(&mut *writer);
        let mut written = || -> Poll<io::Result<()>> {
            while !rest.is_empty() {
                match ready!(writer.as_mut().poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => rest = &rest[count..],
                }
            }
            writer.as_mut().poll_flush(cx)
        };
        match written() {
            Poll::Pending => outbox.poll_aborted(cx).map(Ok),
            written => written,
        }
    })
    .await
}

/// Where the peer has reset the connection already, some systems only say that there is none.
fn lost(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotConnected { io::ErrorKind::ConnectionReset.into() } else { error }
}
