//! A memory budget for the unfinished frames of many links. If they hold more, the link with the longest frame fails.
//! The other links wait for it to free that memory before they read more.
//!
//! A link uses the budget only while its frame is longer than [`PENDING_FREE`](limits::PENDING_FREE), once a read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::{Error, Result};
use crate::limits;

/// Number of bytes that the unfinished frames of many links may hold together. Clones share it.
///
/// One link alone may hold more: its framing has its own limit (`max=`).
#[derive(Clone, Debug)]
pub struct PendingBudget(Arc<Mutex<Budget>>);

#[derive(Debug)]
struct Budget {
    most: usize,
    /// Bytes held by links that have not been evicted.
    total: usize,
    /// Bytes that evicted links still hold.
    leaving: usize,
    next: u64,
    shares: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    /// Wakes the link's receiver, which waits for the rest of its frame.
    waker: Waker,
    /// Whether the link must fail.
    evicted: bool,
}

/// What one link holds of a budget.
#[derive(Debug)]
pub(crate) struct Share {
    budget: PendingBudget,
    id: Option<u64>,
    /// Whether the link has yielded once to let evicted links free their memory.
    stood_back: bool,
}

impl Default for PendingBudget {
    fn default() -> Self {
        Self::new(limits::MAX_PENDING)
    }
}

impl PendingBudget {
    /// Creates a budget of `most` bytes.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Budget { most, total: 0, leaving: 0, next: 0, shares: BTreeMap::new() })))
    }

    /// Number of bytes held now.
    pub fn held(&self) -> usize {
        self.lock().total
    }

    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), id: None, stood_back: false }
    }

    fn lock(&self) -> MutexGuard<'_, Budget> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Records that the link holds `bytes` for its unfinished frame. The receiver reads on once this is ready. If
    /// evicted links still hold needed memory, this yields once so that their tasks run first. It never waits longer
    /// for a task that does not run.
    ///
    /// # Errors
    ///
    /// If all frames together are over the budget and this one is the longest. The receiver then frees the memory, and
    /// calls [`release`](Self::release).
    #[inline]
    pub(crate) fn poll_hold(&mut self, bytes: usize, cx: &Context<'_>) -> Poll<Result<()>> {
        if self.id.is_none() && bytes <= limits::PENDING_FREE { Poll::Ready(Ok(())) } else { self.change(bytes, cx) }
    }

    /// Records that the link has freed its memory.
    pub(crate) fn release(&mut self) {
        if let Some(id) = self.id.take() {
            self.budget.lock().release(id);
        }
    }

    /// Returns the error of an evicted link.
    pub(crate) fn over_budget(&self) -> Error {
        Error::over_budget(self.budget.lock().most)
    }

    #[cold]
    fn change(&mut self, bytes: usize, cx: &Context<'_>) -> Poll<Result<()>> {
        let mut budget = self.budget.lock();
        if bytes <= limits::PENDING_FREE {
            let evicted = self.id.take().is_some_and(|id| budget.release(id));
            return Poll::Ready(if evicted { Err(Error::over_budget(budget.most)) } else { Ok(()) });
        }
        let id = *self.id.get_or_insert_with(|| budget.begin(cx.waker()));
        budget.set(id, bytes, cx.waker());
        budget.make_room();
        let is_full = budget.leaving > 0 && budget.total + budget.leaving > budget.most;
        if budget.shares.get(&id).is_some_and(|held| held.evicted) {
            return Poll::Ready(Err(Error::over_budget(budget.most)));
        }
        self.stood_back = is_full && !self.stood_back;
        if self.stood_back {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

impl Budget {
    fn begin(&mut self, waker: &Waker) -> u64 {
        self.next += 1;
        self.shares.insert(self.next, Held { bytes: 0, waker: waker.clone(), evicted: false });
        self.next
    }

    fn set(&mut self, id: u64, bytes: usize, waker: &Waker) {
        if let Some(held) = self.shares.get_mut(&id).filter(|held| !held.evicted) {
            self.total = self.total - held.bytes + bytes;
            held.bytes = bytes;
            held.waker.clone_from(waker);
        }
    }

    /// Removes a link, and returns whether it had been evicted.
    fn release(&mut self, id: u64) -> bool {
        let Some(held) = self.shares.remove(&id) else { return false };
        if held.evicted {
            self.leaving -= held.bytes;
        } else {
            self.total -= held.bytes;
        }
        held.evicted
    }

    /// Evicts the longest frames until the others fit. It never evicts the last one: a link alone has its own limit.
    fn make_room(&mut self) {
        while self.total > self.most {
            let holding = || self.shares.iter().filter(|(_, held)| !held.evicted);
            if holding().nth(1).is_none() {
                return;
            }
            let Some(longest) = holding().max_by_key(|(_, held)| held.bytes).map(|(id, _)| *id) else { return };
            if let Some(held) = self.shares.get_mut(&longest) {
                self.total -= held.bytes;
                self.leaving += held.bytes;
                held.evicted = true;
                held.waker.wake_by_ref();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_frame_gives_way() {
        let cx = Context::from_waker(Waker::noop());
        let free = limits::PENDING_FREE;
        let budget = PendingBudget::new(10 * free);
        let [mut small, mut long, mut late] = [(); 3].map(|()| budget.share());
        assert!(small.poll_hold(2 * free, &cx).is_ready());
        assert!(long.poll_hold(6 * free, &cx).is_ready());
        assert_eq!(budget.held(), 8 * free);
        assert!(late.poll_hold(3 * free, &cx).is_pending(), "the evicted one gives its memory back first");
        assert_eq!(budget.held(), 5 * free, "the longest is not counted any more");
        assert!(late.poll_hold(3 * free, &cx).is_ready(), "nobody waits for a task that does not run");
        assert!(is_over_budget(&long.poll_hold(6 * free, &cx)));
        long.release();
        assert_eq!(budget.held(), 5 * free);
        assert!(late.poll_hold(3 * free, &cx).is_ready(), "that memory is free");
        assert!(small.poll_hold(0, &cx).is_ready());
        assert_eq!(budget.held(), 3 * free, "a frame that has ended holds nothing");
        assert!(late.poll_hold(20 * free, &cx).is_ready());
        assert!(small.poll_hold(2 * free, &cx).is_pending());
        assert!(is_over_budget(&late.poll_hold(20 * free, &cx)));
    }

    fn is_over_budget(polled: &Poll<Result<()>>) -> bool {
        matches!(polled, Poll::Ready(Err(error)) if error.is_over_budget())
    }

    #[test]
    fn one_link_alone_may_hold_what_its_framing_allows() {
        let budget = PendingBudget::new(1);
        let held = budget.share().poll_hold(16 << 20, &Context::from_waker(Waker::noop()));
        assert!(matches!(held, Poll::Ready(Ok(()))));
    }
}
