//! Turns of the tasks that serve peers: how much one may do before the others have theirs.
//!
//! All peers of a run share a thread. A task whose peer always has more to say would never wait, and so never let another
//! task run.

use crate::limits;

/// What is left of a task's turn.
#[derive(Debug)]
pub(crate) struct Turn {
    messages: usize,
    bytes: usize,
}

impl Turn {
    /// A whole turn.
    pub(crate) fn new() -> Self {
        Self { messages: limits::TURN_MESSAGES, bytes: limits::TURN_BYTES }
    }

    /// Counts a message of this many bytes.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Counts a message of this many bytes that costs its bytes alone: one that is put in a queue, and neither answered nor shown.
    /// A write for every few of them would take longer than they do.
    #[inline]
    pub(crate) fn take_queued(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes + 1);
    }

    /// Whether it is the others' turn.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    /// Lets the others run where this turn is over, and begins another.
    ///
    /// Cancel safe.
    pub(crate) async fn pass(&mut self) {
        if self.is_over() {
            *self = Self::new();
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_ends_after_so_many_messages_or_bytes_and_another_begins() {
        let mut turn = Turn::new();
        for _ in 1..limits::TURN_MESSAGES {
            turn.take(1);
        }
        assert!(!turn.is_over());
        turn.take(0);
        assert!(turn.is_over());
        turn.pass().await;
        assert!(!turn.is_over());
        turn.take(limits::TURN_BYTES + 1);
        assert!(turn.is_over());
    }
}
