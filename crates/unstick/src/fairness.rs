//! Limits how much one peer's task may do before the other tasks run.
//!
//! All peers of a run share a thread. The task of a peer that always has more data would never wait, so no other task
//! would run.

use crate::limits;

/// The rest of a task's turn.
#[derive(Debug)]
pub(crate) struct Turn {
    messages: usize,
    bytes: usize,
}

impl Turn {
    /// Starts a full turn.
    pub(crate) fn new() -> Self {
        Self { messages: limits::TURN_MESSAGES, bytes: limits::TURN_BYTES }
    }

    /// Counts one message of `bytes` bytes.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Counts one message of `bytes` bytes by its bytes alone. Use it for a message that goes into a queue, and is
    /// neither answered nor shown. Ending the turn after every few of them would cost a write that takes longer than
    /// they do.
    #[inline]
    pub(crate) fn take_queued(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes + 1);
    }

    /// Whether the turn is over, and other tasks should run.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    /// If this turn is over, lets the other tasks run and starts a new turn.
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
