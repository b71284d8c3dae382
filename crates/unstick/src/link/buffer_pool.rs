//! Keeps unused write buffers: idle connections hold none, and busy ones need not grow a new one.

use std::cell::RefCell;

use crate::limits;

/// Number of buffers that a thread keeps.
const KEPT: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Takes an empty buffer, already grown if the pool has one.
pub(super) fn take() -> Vec<u8> {
    // While a thread ends, its pool is already gone.
    SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Returns a buffer to the pool.
pub(super) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > 2 * limits::MAX_QUEUE {
        return;
    }
    buffer.clear();
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}
