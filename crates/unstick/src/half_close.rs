//! When this end half-closes: shuts down its sending side, once it has no more to send.

use tokio::time::Instant;

use crate::limits::{ANSWER_PAUSE, HALF_CLOSE_PATIENCE};

/// When this end shuts down its sending side, once it has no more to send. Many servers take an end of file for a client
/// that has gone, and drop the answer they are making; others (`sort`, `nc`) begin to answer only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfClose {
    /// At once.
    Now,
    /// Where something was sent: once an answer has come and pauses for [`ANSWER_PAUSE`], or when nothing has come for
    /// [`HALF_CLOSE_PATIENCE`]. Where nothing was sent, at once.
    #[default]
    Answered,
    /// Not before the conversation is over.
    Never,
}

impl HalfClose {
    /// When the sending side is to end; `None`: not yet, and not by the passing of time. `sent` and `arrived` are the last
    /// times at which something was.
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
