//! When unstick ends its side of a conversation: once the answer has come and settled, or is given up.
//!
//! An end right behind the last byte is no cut: many servers then drop an answer that they are still making.

use std::time::{Duration, Instant};

use unstick_wire::shake::Direction;

use super::outcome::Ending;
use super::recorder::Recorder;

use Direction::{ClientToServer, ServerToClient};

/// How long the end is held back, all reckoned from the last byte that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    /// Bytes of answer that come before the end.
    pub(super) expected: usize,
    /// How long the last of them takes.
    pub(super) answer: Duration,
    /// The silence behind it.
    pub(super) settle: Duration,
    /// How long an answer that does not come is waited for.
    pub(super) patience: Duration,
    /// How long an answer may go on that never pauses.
    pub(super) most: Duration,
    /// No answer is known yet: the first silence behind one ends the wait, and nothing but patience ends it without.
    pub(super) unknown: bool,
}

/// What a look at the conversation says.
enum Answer {
    Over,
    /// The answer has not come.
    GivenUp,
    /// It has come, and goes on without an end.
    Endless,
    /// Nothing changes before this, unless something is said.
    Wait(Duration),
}

impl Hold {
    /// Waits; says on the tape if the answer was given up.
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
                    // The run is late, and is ended: this time was the server's.
                    recorder.forget_wait(ClientToServer);
                    return std::future::pending().await;
                }
                Answer::Wait(time) => drop(tokio::time::timeout(time, change).await),
            }
        }
        recorder.wait(ClientToServer, false);
    }

    /// Whether the wait is over now: for who cannot wait in between.
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

/// Behind the end: resolves when as much as is expected has been said, and nothing more for a while.
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
