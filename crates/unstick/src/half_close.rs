//! When this end half-closes (shuts down its sending side), once it has nothing more to send.

use tokio::time::Instant;

use crate::limits::{ANSWER_PAUSE, HALF_CLOSE_PATIENCE};

/// When this end shuts down its sending side, once it has nothing more to send. Many servers take an end of file to
/// mean that the client has gone, and drop the answer they are making. Others (`sort`, `nc`) begin to answer only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfClose {
    /// At once.
    Now,
    /// If something was sent: once an answer has arrived and then paused for [`ANSWER_PAUSE`], or when nothing has
    /// arrived for [`HALF_CLOSE_PATIENCE`]. If nothing was sent: at once.
    #[default]
    Answered,
    /// Not before the conversation is over.
    Never,
}

impl HalfClose {
    /// When to end the sending side. `None` means not yet, and waiting does not change that. `sent` and `arrived` are
    /// the times of the last send and the last arrival.
    pub(crate) fn due(self, sent: Option<Instant>, arrived: Option<Instant>, now: Instant) -> Option<Instant> {
        match (self, sent) {
            (Self::Never, _) => None,
            (Self::Now, _) | (_, None) => Some(now),
            (Self::Answered, Some(sent)) => Some(match arrived {
                Some(arrived) if arrived >= sent => arrived + ANSWER_PAUSE,
                _ => sent + HALF_CLOSE_PATIENCE,
            }),
        }
    }
}
