//! The queue of a stream's frames, and its writer, which drains the queue and flushes when it is empty.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use unstick_wire::{EncodeError, Encoder};

use super::buffer_pool;
use crate::advice::{Advice, Advised};
use crate::endpoint::StreamWrite;
use crate::error::{Error, Result};
use crate::limits;

/// A sender's handle to the queue. When the last one is dropped, the writer writes what waits and ends the connection.
pub(super) struct SenderHandle {
    outbox: Arc<Outbox>,
}

/// A receiver's handle to the queue of the same link.
pub(super) struct ReplyHint {
    outbox: Arc<Outbox>,
}

/// What senders, the writer and the link's receiver share.
struct Outbox {
    queue: Mutex<Queue>,
    /// Notified when the writer takes the queue, or has written it, or fails.
    progress: Notify,
    mailboxes: AtomicUsize,
    /// Whether something has been received since the last send. A peer that answers is likely to send one message and
    /// wait for the next. So that message is written at once, without the detour over a task.
    turn: AtomicBool,
    /// Number of bytes that the system has taken.
    taken: AtomicU64,
    /// The runtime on which the writer runs.
    runtime: Handle,
}

/// Frames that wait to be written, and what is known of the connection.
pub(super) struct Queue {
    encoder: Encoder,
    frames: Vec<u8>,
    /// Whether frames are records for a message transport.
    records: bool,
    /// Whether messages that are not UTF-8 are refused.
    text_only: bool,
    /// The connection, while no task writes to it: the queue is then empty.
    idle: Option<Box<dyn StreamWrite>>,
    /// Wakes the writer while it waits for the peer to read.
    writer: Option<Waker>,
    /// Whether somebody waits for progress.
    watched: bool,
    /// Whether nothing more can be sent.
    shut: bool,
    aborting: bool,
    /// Number of batches that the writer has taken, and has written.
    taken: u64,
    written: u64,
    /// Set when the writer has ended: in order or with an error.
    ended: Option<Result<(), io::Error>>,
}

#[cold]
fn not_text() -> Error {
    Error::unfit("the message is not UTF-8, which text has to be").with_advice(Advice::AllowBinaryMessages)
}

/// Returns the error of a message that cannot be encoded. For records the limit is the transport's, and its framing has
/// no `max`.
#[cold]
fn unsendable(error: EncodeError, records: bool) -> Error {
    match error {
        EncodeError::TooLong { .. } if records => {
            Error::unfit(error.to_string()).with_advice(Advice::AllowLongerMessages)
        }
        error => error.into(),
    }
}

/// Whether the queue has room for another message.
pub(super) enum Capacity {
    Some,
    None,
}

impl Queue {
    /// Queues a message; `None` if the queue is full.
    #[inline]
    pub(super) fn push(&mut self, message: &[u8]) -> Result<Option<()>> {
        match self.room()? {
            Capacity::Some => Ok(Some(self.encode(message)?)),
            Capacity::None => Ok(None),
        }
    }

    /// Queues a message as a binary one, if the transport has such a kind; `None` if the queue is full.
    pub(super) fn push_binary(&mut self, message: &[u8]) -> Result<Option<()>> {
        let at = self.frames.len();
        let queued = self.push(message)?;
        if self.records && queued.is_some() {
            self.frames[at] |= 0x80;
        }
        Ok(queued)
    }

    #[inline]
    pub(super) fn room(&self) -> Result<Capacity> {
        if self.shut {
            return Err(self.refusal());
        }
        Ok(if self.frames.len() < limits::MAX_QUEUE { Capacity::Some } else { Capacity::None })
    }

    #[inline]
    pub(super) fn encode(&mut self, message: &[u8]) -> Result<()> {
        if self.frames.capacity() == 0 {
            self.frames = buffer_pool::take();
        }
        if self.text_only && std::str::from_utf8(message).is_err() {
            return Err(not_text());
        }
        self.encoder.encode(message, &mut self.frames).map_err(|error| unsendable(error, self.records))
    }

    #[cold]
    fn refusal(&self) -> Error {
        match &self.ended {
            Some(Err(error)) => Error::io("sending", again(error)),
            _ => Error::closed(),
        }
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.is_some() || self.ended.is_some()
    }

    /// How the writer ended, if it has.
    pub(super) fn outcome(&self) -> Option<Result<()>> {
        match &self.ended {
            Some(Err(error)) => Some(Err(Error::io("sending", again(error)))),
            Some(Ok(())) => Some(Ok(())),
            None => None,
        }
    }

    /// Returns the number of batches that will have been written once everything that waits now is written.
    pub(super) fn flushed_at(&self) -> u64 {
        self.taken + u64::from(!self.frames.is_empty())
    }

    pub(super) fn has_written(&self, batches: u64) -> bool {
        self.written >= batches
    }
}

/// Copies an error, because senders ask for it more than once.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => match Advised::of(error) {
            Some(advised) => io::Error::new(error.kind(), advised.clone()),
            None => io::Error::new(error.kind(), error.to_string()),
        },
    }
}

impl SenderHandle {
    /// Creates the queue. The writer will run on the runtime that calls this.
    pub(super) fn new(writer: Box<dyn StreamWrite>, encoder: Encoder) -> Self {
        let queue = Queue {
            encoder,
            frames: Vec::new(),
            records: false,
            text_only: false,
            idle: Some(writer),
            writer: None,
            watched: false,
            shut: false,
            aborting: false,
            taken: 0,
            written: 0,
            ended: None,
        };
        let outbox = Outbox {
            queue: Mutex::new(queue),
            progress: Notify::new(),
            mailboxes: AtomicUsize::new(1),
            turn: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            runtime: Handle::current(),
        };
        Self { outbox: Arc::new(outbox) }
    }

    /// Makes the queue hold records, for a message transport.
    pub(super) fn of_records(self, text_only: bool) -> Self {
        let mut queue = self.lock();
        (queue.records, queue.text_only) = (true, text_only);
        drop(queue);
        self
    }

    pub(super) fn turn(&self) -> ReplyHint {
        ReplyHint { outbox: Arc::clone(&self.outbox) }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.outbox.lock()
    }

    /// Releases the queue, and makes sure that its content is written.
    ///
    /// # Errors
    ///
    /// If the connection is lost.
    #[inline]
    pub(super) fn unlock(&self, queue: MutexGuard<'_, Queue>) -> Result<()> {
        if queue.idle.is_some() && !queue.frames.is_empty() { self.write(queue) } else { Ok(()) }
    }

    /// Calls `ready` after each step of the writer, until it returns an answer.
    pub(super) async fn wait<T>(&self, mut ready: impl FnMut(&mut Queue) -> Option<Result<T>>) -> Result<T> {
        loop {
            // Created before the check, so that no step between the two is missed.
            let progress = self.outbox.progress.notified();
            if let Some(answer) = self.look(&mut ready) {
                return answer;
            }
            progress.await;
        }
    }

    fn look<T>(&self, ready: &mut impl FnMut(&mut Queue) -> Option<Result<T>>) -> Option<Result<T>> {
        let mut queue = self.lock();
        let answer = ready(&mut queue);
        queue.watched |= answer.is_none();
        self.unlock(queue).err().map(Err).or(answer)
    }

    /// Number of bytes that the system has taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.outbox.taken.load(Ordering::Relaxed)
    }

    /// Accepts no more messages; what waits is written, and then the sending side ends.
    pub(super) fn finish(&self) {
        let mut queue = self.lock();
        queue.shut = true;
        self.start(queue);
    }

    /// Throws away what waits, and ends the connection.
    pub(super) fn abort(&self) {
        let mut queue = self.lock();
        queue.shut = true;
        queue.aborting = true;
        let writer = queue.writer.take();
        self.start(queue);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Writes what has just been put into an empty queue, or lets a task do it.
    #[inline(never)]
    fn write(&self, mut queue: MutexGuard<'_, Queue>) -> Result<()> {
        if !self.outbox.turn.swap(false, Ordering::Relaxed) {
            self.start(queue);
            return Ok(());
        }
        let Queue { idle: Some(writer), frames, .. } = &mut *queue else { return Ok(()) };
        match writer.try_write(frames) {
            Ok(written) if written == frames.len() => {
                queue.taken += 1;
                queue.rest();
                self.outbox.tell(queue);
            }
            Ok(written) => {
                frames.drain(..written);
                self.outbox.taken.fetch_add(written as u64, Ordering::Relaxed);
                self.start(queue);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.start(queue),
            Err(error) => {
                queue.idle = None;
                queue.end(Err(again(&error)));
                self.outbox.tell(queue);
                return Err(Error::io("sending", error));
            }
        }
        Ok(())
    }

    /// Starts the writer, if it is not running and has not ended.
    fn start(&self, mut queue: MutexGuard<'_, Queue>) {
        if let Some(writer) = queue.idle.take() {
            drop(queue);
            self.outbox.runtime.spawn(write_all(writer, Writing { outbox: Arc::clone(&self.outbox), done: false }));
        }
    }
}

impl Clone for SenderHandle {
    fn clone(&self) -> Self {
        self.outbox.mailboxes.fetch_add(1, Ordering::Relaxed);
        Self { outbox: Arc::clone(&self.outbox) }
    }
}

impl Drop for SenderHandle {
    fn drop(&mut self) {
        if self.outbox.mailboxes.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish();
        }
    }
}

impl ReplyHint {
    /// Records that something has been received.
    #[inline]
    pub(super) fn comes(&self) {
        self.outbox.turn.store(true, Ordering::Relaxed);
    }
}

impl Queue {
    /// Records that all has been written, and returns the buffer to the pool: idle connections should cost next to
    /// nothing.
    fn rest(&mut self) {
        self.written = self.taken;
        buffer_pool::give(std::mem::take(&mut self.frames));
    }

    fn end(&mut self, result: io::Result<()>) {
        self.shut = true;
        self.frames = Vec::new();
        self.ended = Some(result);
    }
}

impl Outbox {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the writer its next batch, in exchange for the last one, which has been written. If there is nothing to
    /// do, takes the connection back.
    fn take(&self, writer: &mut Option<Box<dyn StreamWrite>>, batch: &mut Vec<u8>) -> Next {
        batch.clear();
        let mut queue = self.lock();
        queue.written = queue.taken;
        queue.writer = None;
        let next = if queue.aborting {
            Next::Abort
        } else if !queue.frames.is_empty() {
            queue.taken += 1;
            std::mem::swap(&mut queue.frames, batch);
            Next::Write
        } else if queue.shut {
            Next::Finish
        } else {
            queue.rest();
            queue.idle = writer.take();
            Next::Rest
        };
        self.tell(queue);
        next
    }

    /// Releases the queue, and wakes those who wait for progress.
    fn tell(&self, mut queue: MutexGuard<'_, Queue>) {
        let watched = std::mem::take(&mut queue.watched);
        drop(queue);
        if watched {
            self.progress.notify_waiters();
        }
    }

    /// Waits until the connection is to be aborted, while a write waits for the peer to read.
    fn poll_aborted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.lock();
        if queue.aborting {
            return Poll::Ready(());
        }
        queue.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What the writer does next.
enum Next {
    Write,
    Rest,
    Finish,
    Abort,
}

/// A writer's handle to the queue. If its runtime ends before the writer does, those who wait get an error.
struct Writing {
    outbox: Arc<Outbox>,
    done: bool,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.done {
            let mut queue = self.outbox.lock();
            queue.end(Err(io::ErrorKind::ConnectionAborted.into()));
            self.outbox.tell(queue);
        }
    }
}

/// The writer's task: takes all frames that wait, writes them, and repeats. It ends when no frame is left and the
/// system has taken them all.
async fn write_all(writer: Box<dyn StreamWrite>, mut writing: Writing) {
    let outbox = &*writing.outbox;
    let mut writer = Some(writer);
    let mut batch = Vec::new();
    let result = loop {
        let next = outbox.take(&mut writer, &mut batch);
        let Some(writer) = &mut writer else { break None };
        match next {
            Next::Write => match write_batch(writer, &batch, outbox).await {
                Ok(()) => {}
                error => break Some(error),
            },
            Next::Finish => break Some(writer.shutdown().await),
            Next::Abort => {
                writer.reset();
                // A transport that has no reset at least ends.
                poll_fn(|cx| Poll::Ready(Pin::new(&mut *writer).poll_shutdown(cx).is_ready())).await;
                break Some(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Next::Rest => {}
        }
    };
    // The connection is closed before anybody is told, because what they do next may depend on it.
    drop(writer);
    if let Some(result) = result {
        let mut queue = outbox.lock();
        queue.end(result);
        outbox.tell(queue);
    }
    buffer_pool::give(batch);
    writing.done = true;
}

/// Writes all of a batch, unless the connection is aborted meanwhile.
async fn write_batch(writer: &mut Box<dyn StreamWrite>, mut rest: &[u8], outbox: &Outbox) -> io::Result<()> {
    poll_fn(|cx| {
        let mut writer = Pin::new(&mut *writer);
        let mut written = || -> Poll<io::Result<()>> {
            while !rest.is_empty() {
                match ready!(writer.as_mut().poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => {
                        rest = &rest[count..];
                        outbox.taken.fetch_add(count as u64, Ordering::Relaxed);
                    }
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
