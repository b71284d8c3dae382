//! What the client of a recorded conversation waits for before each of its writes: as many messages as the server had sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use unstick::{Error, Result};
use unstick_wire::replay::Script;
use unstick_wire::shake::Direction;
use unstick_wire::{Framing, Piece, Role, Transcript};

use super::outcome::Ending;
use super::recorder::Recorder;

/// How long to wait for an answer when nothing is known of the server yet.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// What each write of a recorded client waits for.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    /// The framings of what the client and the server send.
    framings: [Framing; 2],
    /// Number of messages of the server before each write.
    answers: Arc<[usize]>,
}

impl Awaited {
    /// Returns what the client of a recorded connection wrote, and what it waited for.
    pub(super) fn of(script: &Script, framings: [Framing; 2]) -> Result<(Vec<Vec<u8>>, Self)> {
        let (mut writes, mut answers, mut heard) = (Vec::new(), Vec::new(), 0);
        for step in &script.steps {
            if step.frame.is_empty() {
                return Err(Error::usage(format!(
                    "connection {} was recorded as messages, and only bytes can be cut",
                    script.connection
                )));
            }
            if step.from == Role::Server {
                heard += 1;
                continue;
            }
            writes.push(step.frame.to_vec());
            answers.push(heard);
        }
        if writes.is_empty() {
            return Err(Error::usage(format!("the client of connection {} sent no message", script.connection)));
        }
        Ok((writes, Self { framings, answers: answers.into() }))
    }

    /// Makes the gate of one run. `patience`: how long an answer may take, if that is known.
    pub(super) fn gate(&self, recorder: &Recorder, patience: Option<Duration>) -> Gate {
        let [client, server] = &self.framings;
        Gate {
            transcript: Transcript::of_sides(client.sent_by(Role::Client), server.sent_by(Role::Server)),
            recorder: recorder.clone(),
            answers: Arc::clone(&self.answers),
            write: 0,
            fed: 0,
            heard: 0,
            patience: patience.unwrap_or(FIRST_PATIENCE),
        }
    }
}

/// Holds each write back until its answers have come.
#[derive(Debug)]
pub(super) struct Gate {
    transcript: Transcript,
    recorder: Recorder,
    answers: Arc<[usize]>,
    /// The number of the next write.
    write: usize,
    /// Number of bytes of the server that were looked at.
    fed: usize,
    /// Number of its messages.
    heard: usize,
    patience: Duration,
}

impl Gate {
    /// Waits for the next write's answers. If they do not come in time, the client goes on. Cancel safe.
    pub(super) async fn opens(&mut self) {
        let begun = Instant::now();
        loop {
            let change = self.recorder.changed();
            if self.is_open() {
                return;
            }
            let left = self.patience.saturating_sub(begun.elapsed());
            if left.is_zero() || tokio::time::timeout(left, change).await.is_err() {
                return;
            }
        }
    }

    /// The next write is sent: the form of its answer may depend on it.
    pub(super) fn writes(&mut self, bytes: &[u8]) {
        self.transcript.segment(Role::Client, bytes);
        while self.transcript.next(Role::Client).is_some() {}
        self.write += 1;
    }

    fn is_open(&mut self) -> bool {
        let written = self.recorder.open();
        let side = written.exchange.of(Direction::ServerToClient);
        let is_over = side.ending != Ending::Open || written.overflowed;
        let new = side.recording.bytes[self.fed..].to_vec();
        drop(written);
        self.fed += new.len();
        self.transcript.segment(Role::Server, &new);
        while let Some(piece) = self.transcript.next(Role::Server) {
            self.heard += usize::from(matches!(piece, Piece::Message(_)));
        }
        let expected = self.answers.get(self.write).copied().unwrap_or_default();
        self.heard >= expected || is_over || self.transcript.is_stopped(Role::Server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unstick_wire::replay::Step;

    fn script(messages: &[(Role, &'static str)]) -> Script {
        let step = |(from, text): &(Role, &'static str)| Step::new(*from, *text, *text, Duration::ZERO);
        Script { connection: 1, steps: messages.iter().map(step).collect(), server_ends_first: false }
    }

    #[tokio::test]
    async fn a_write_waits_for_the_messages_before_it() {
        let line = Framing::parse("line").unwrap();
        let recorded = [(Role::Server, "hi\n"), (Role::Client, "a\n"), (Role::Client, "b\n"), (Role::Server, "1\n2\n")];
        let more = [(Role::Server, "x\n"), (Role::Client, "c\n")];
        let (writes, awaited) = Awaited::of(&script(&[&recorded[..], &more].concat()), [line.clone(), line]).unwrap();
        assert_eq!(writes, [b"a\n", b"b\n", b"c\n"]);
        assert_eq!(*awaited.answers, [1, 1, 3]);
        let recorder = Recorder::default();
        let mut gate = awaited.gate(&recorder, None);
        assert!(!gate.is_open(), "the greeting has not come");
        recorder.segment(Direction::ServerToClient, b"hi\n1");
        assert!(gate.is_open());
        gate.writes(b"a\n");
        assert!(gate.is_open());
        gate.writes(b"b\n");
        assert!(!gate.is_open(), "one message and a half");
        recorder.segment(Direction::ServerToClient, b"\n");
        assert!(!gate.is_open());
        recorder.segment(Direction::ServerToClient, b"2\n");
        gate.opens().await;
        gate.writes(b"c\n");
        recorder.ended(Direction::ServerToClient, Ending::Fin);
        assert!(gate.is_open(), "nothing more comes");
    }

    #[test]
    fn what_has_no_bytes_to_cut_is_refused() {
        let line = || [Framing::parse("line").unwrap(), Framing::parse("line").unwrap()];
        let error = Awaited::of(&script(&[(Role::Server, "hi\n")]), line()).unwrap_err();
        assert_eq!(error.to_string(), "the client of connection 1 sent no message");
        let mut messages = script(&[(Role::Client, "hi")]);
        messages.steps[0].frame.clear();
        let error = Awaited::of(&messages, line()).unwrap_err();
        assert_eq!(error.to_string(), "connection 1 was recorded as messages, and only bytes can be cut");
    }
}
