//! When unstick ends its side of a conversation: once the answer has come and settled, or is given up.
//!
//! An end right behind the last byte is no cut: many servers then drop an answer that they are still making.

use std::time::{Duration, Instant};

use unstick_wire::shake::Direction;

use super::outcome::Ending;
use super::tape::Tape;

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
    /// No answer is known yet: the first silence behind one ends the wait, and nothing but patience ends it without.
    pub(super) unknown: bool,
}

/// What a look at the conversation says.
enum Look {
    Over,
    /// The answer has not come.
    GivenUp,
    /// Nothing changes before this, unless something is said.
    Wait(Duration),
}

impl Hold {
    /// Waits; says on the tape if the answer was given up.
    pub(super) async fn wait(&self, tape: &Tape) {
        tape.wait(ClientToServer, true);
        loop {
            let change = tape.changed();
            match self.look(tape) {
                Look::Over => break,
                Look::GivenUp => {
                    tape.open().given_up = true;
                    break;
                }
                Look::Wait(time) => drop(tokio::time::timeout(time, change).await),
            }
        }
        tape.wait(ClientToServer, false);
    }

    /// Whether the wait is over now: for who cannot wait in between.
    pub(super) fn is_over(&self, tape: &Tape) -> bool {
        match self.look(tape) {
            Look::Over => true,
            Look::GivenUp => {
                tape.open().given_up = true;
                true
            }
            Look::Wait(_) => false,
        }
    }

    fn look(&self, tape: &Tape) -> Look {
        if tape.ending(ServerToClient) != Ending::Open {
            return Look::Over;
        }
        let said = tape.length(ServerToClient);
        let (since_sent, silence, answered) = tape.times();
        let come = said >= self.expected && (answered || !self.unknown);
        if !come && since_sent >= self.patience {
            return Look::GivenUp;
        }
        if !come {
            return Look::Wait(self.patience - since_sent);
        }
        let left = self.answer.saturating_sub(since_sent).max(self.settle.saturating_sub(silence));
        if left.is_zero() { Look::Over } else { Look::Wait(left) }
    }
}

/// Behind the end: resolves when as much as is expected has been said, and nothing more for a while.
pub(super) async fn settled(tape: &Tape, expected: usize, settle: Duration) {
    let begun = Instant::now();
    loop {
        let change = tape.changed();
        let (_, silence, _) = tape.times();
        let left = settle.saturating_sub(silence.min(begun.elapsed()));
        if tape.length(ServerToClient) < expected {
            change.await;
        } else if left.is_zero() {
            return;
        } else {
            let _ = tokio::time::timeout(left, change).await;
        }
    }
}
