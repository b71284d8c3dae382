//! Decides when unstick ends its side of a conversation: once the answer has come and settled, or is given up.
//!
//! An end right after the last byte is not a cut: many servers then drop an answer that they are still making.

use std::time::{Duration, Instant};

use unstick_wire::shake::Direction;

use super::outcome::Ending;
use super::recorder::Recorder;

use Direction::{ClientToServer, ServerToClient};

/// How long the end is held back. All times count from the last byte that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    /// Number of bytes of the answer that come before the end.
    pub(super) expected: usize,
    /// How long the last of these bytes takes.
    pub(super) answer: Duration,
    /// The silence after the answer.
    pub(super) settle: Duration,
    /// How long to wait for an answer that does not come.
    pub(super) patience: Duration,
    /// How long an answer that never pauses may go on.
    pub(super) most: Duration,
    /// Whether no answer is known yet. Then the first silence after one ends the wait; without one only patience ends
    /// it.
    pub(super) unknown: bool,
}

/// What one check of the conversation shows.
enum Answer {
    Over,
    /// The answer has not arrived.
    GivenUp,
    /// It has begun, and goes on without an end.
    Endless,
    /// Nothing changes for this long, unless bytes arrive.
    Wait(Duration),
}

impl Hold {
    /// Waits; records it if the answer was given up.
    pub(super) async fn wait(&self, recorder: &Recorder) {
        recorder.wait(ClientToServer, true);
        loop {
            let change = recorder.changed();
            match self.look(recorder) {
                Answer::Over => break,
                Answer::GivenUp => {
                    recorder.open().given_up = true;
                    break;
                }
                Answer::Endless => {
                    // The run is late, and will be stopped: the server took this time, not unstick.
                    recorder.forget_wait(ClientToServer);
                    return std::future::pending().await;
                }
                Answer::Wait(time) => drop(tokio::time::timeout(time, change).await),
            }
        }
        recorder.wait(ClientToServer, false);
    }

    /// Whether the wait is over now: for callers that cannot await.
    pub(super) fn is_over(&self, recorder: &Recorder) -> bool {
        match self.look(recorder) {
            Answer::Over => true,
            Answer::GivenUp => {
                recorder.open().given_up = true;
                true
            }
            Answer::Wait(_) | Answer::Endless => false,
        }
    }

    fn look(&self, recorder: &Recorder) -> Answer {
        if recorder.ending(ServerToClient) != Ending::Open {
            return Answer::Over;
        }
        let said = recorder.length(ServerToClient);
        let (since_sent, silence, answered) = recorder.times();
        let come = said >= self.expected && (answered || !self.unknown);
        if !come && since_sent >= self.patience {
            return Answer::GivenUp;
        }
        if !come {
            return Answer::Wait(self.patience - since_sent);
        }
        let left = self.answer.saturating_sub(since_sent).max(self.settle.saturating_sub(silence));
        match left.is_zero() {
            true => Answer::Over,
            false if since_sent >= self.most => Answer::Endless,
            false => Answer::Wait(left.min(self.most - since_sent)),
        }
    }
}

/// Resolves after the end once as many bytes as expected have come, and nothing more for a while.
pub(super) async fn settled(recorder: &Recorder, expected: usize, settle: Duration) {
    let begun = Instant::now();
    loop {
        let change = recorder.changed();
        let (_, silence, _) = recorder.times();
        let left = settle.saturating_sub(silence.min(begun.elapsed()));
        if recorder.length(ServerToClient) < expected {
            change.await;
        } else if left.is_zero() {
            return;
        } else {
            let _ = tokio::time::timeout(left, change).await;
        }
    }
}
