//! The datagrams that have arrived for one peer's session and were not taken yet, on a socket that many share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::datagrams::Batch;
use crate::limits;

/// The datagrams of one session that wait for its reader. `unread` counts the bytes that wait in all sessions of a
/// listener.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    batch: Batch,
    reader: Option<Waker>,
    /// Whether the reader is gone: then nothing is kept.
    unread: bool,
    /// Whether the session has ended.
    closed: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session; its reader still gets what has arrived.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        wake(state);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Queues datagrams for the reader, each with whether it was cut short. Datagrams beyond the limits are dropped and
    /// counted.
    pub(super) fn deliver<'a>(&self, unread: &AtomicUsize, datagrams: impl Iterator<Item = (&'a [u8], bool)>) {
        let mut state = self.lock();
        if state.unread {
            return;
        }
        let before = state.batch.size();
        let most = limits::MAX_UNREAD.saturating_sub(unread.load(Ordering::Relaxed)) + before;
        let most = most.min(limits::MAX_SESSION_BYTES);
        for (datagram, cut_short) in datagrams {
            if state.batch.len() < limits::MAX_SESSION_QUEUE && state.batch.size() + datagram.len() <= most {
                state.batch.push(datagram, cut_short);
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        unread.fetch_add(state.batch.size() - before, Ordering::Relaxed);
        // Once it is awake, it takes all there is.
        wake(state);
    }

    /// Takes what has arrived into `batch`, which is empty; false when the session has ended.
    pub(super) fn poll_fill(&self, unread: &AtomicUsize, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<bool> {
        let mut state = self.lock();
        if !state.batch.is_empty() {
            unread.fetch_sub(state.batch.size(), Ordering::Relaxed);
            batch.clear();
            state.batch.swap(batch);
            return Poll::Ready(true);
        }
        if state.closed {
            return Poll::Ready(false);
        }
        state.batch.release();
        batch.release();
        if state.reader.as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Records that the reader has gone: throws away what waits for it, and what comes later.
    pub(super) fn abandon(&self, unread: &AtomicUsize) {
        let mut state = self.lock();
        state.unread = true;
        unread.fetch_sub(state.batch.size(), Ordering::Relaxed);
        state.batch.clear();
        state.batch.release();
    }

    /// Number of datagrams that arrived faster than they were taken.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Wakes the reader, after releasing the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}
