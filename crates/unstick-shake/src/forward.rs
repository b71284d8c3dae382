//! Forwards one direction of a connection under test: from its sender, through the segmenter, to its receiver.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use unstick_wire::shake::{Direction, Segmenter, Step};

use super::hold::Hold;
use super::outcome::Ending;
use super::recorder::Recorder;
use super::script::Sender;
use super::sink::Sink;
use crate::limits;

/// Size of the buffer of one read.
const READ: usize = 64 << 10;

/// How one direction is forwarded.
pub(super) struct Forwarder<'a> {
    pub(super) way: Direction,
    pub(super) recorder: &'a Recorder,
    /// How long a sender may be silent before a join is given up.
    pub(super) quiet: Duration,
    /// How long the receiver may take to read what comes first.
    pub(super) first_read: Duration,
    /// Whether to spare a server that has closed the wait for its port.
    pub(super) spare: bool,
    /// If unstick is the client: when its side ends, if it does.
    pub(super) hold: Option<Hold>,
    pub(super) ends: bool,
}

impl Forwarder<'_> {
    /// Forwards bytes until the sender has ended and the receiver knows, or the receiver has closed.
    pub(super) async fn run(&self, mut segmenter: Segmenter, from: &mut impl Sender, to: &mut Sink) {
        let mut buffer = vec![0; READ];
        let mut held = 0;
        let mut patience = self.first_read;
        loop {
            match segmenter.step() {
                Step::Write(bytes) => match to.write(bytes).await {
                    Ok(count @ 1..) => {
                        segmenter.wrote(count);
                        held = 0;
                        if self.way == Direction::ClientToServer {
                            self.recorder.sent();
                        }
                    }
                    _ => {
                        // The receiver has closed; its answer may not have been read yet.
                        if let Some(hold) = self.hold {
                            hold.wait(self.recorder).await;
                        }
                        break;
                    }
                },
                Step::Drain => {
                    self.recorder.wait(self.way, true);
                    let proof = to.drained(segmenter.sent(), patience).await;
                    patience = limits::CUT_PATIENCE;
                    self.recorder.wait(self.way, false);
                    segmenter.drained(proof);
                }
                Step::Hold if held > limits::MAX_JOINED => segmenter.quiet(),
                step @ (Step::Input | Step::Hold) => {
                    let holding = step == Step::Hold;
                    if !holding && from.waits() && segmenter.sent() > 0 {
                        self.recorder.wait(self.way, true);
                        to.drained(segmenter.sent(), patience).await;
                        patience = limits::CUT_PATIENCE;
                        self.recorder.wait(self.way, false);
                    }
                    let Some(read) = self.read(from, &mut buffer, holding).await else {
                        segmenter.quiet();
                        continue;
                    };
                    match read {
                        Ok(0) => {
                            self.recorder.ended(self.way, Ending::Fin);
                            segmenter.end();
                        }
                        Ok(count) => {
                            self.recorder.segment(self.way, &buffer[..count]);
                            segmenter.push(&buffer[..count]);
                            held += count;
                        }
                        Err(_) => {
                            self.recorder.ended(self.way, Ending::Reset);
                            to.reset();
                            break;
                        }
                    }
                }
                Step::End => {
                    self.end(to).await;
                    segmenter.closed();
                }
                Step::Done => break,
            }
            self.recorder.open().tally[self.way.index()] = segmenter.tally();
        }
        self.recorder.open().tally[self.way.index()] = segmenter.tally();
    }

    /// Forwards the end of the stream; if unstick is the client, only once the answer has come.
    async fn end(&self, to: &mut Sink) {
        if let Some(hold) = self.hold {
            hold.wait(self.recorder).await;
        }
        self.recorder.open().concluded = true;
        if !self.ends {
            return;
        }
        self.recorder.end_is_sent();
        if self.spare && to.is_deaf() {
            self.spare(to).await;
        } else {
            to.end().await;
        }
    }

    /// Resets a server that has closed, so that its port is not kept for a minute (TIME-WAIT). Waits first until
    /// everything that it has sent is recorded, its end too, so that nothing is lost.
    async fn spare(&self, to: &mut Sink) {
        let begun = Instant::now();
        while self.recorder.ending(other(self.way)) == Ending::Open && begun.elapsed() < limits::CUT_PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        to.reset();
    }

    /// Reads; `None` if bytes are held back and the sender was silent.
    async fn read(&self, from: &mut impl Sender, buffer: &mut [u8], holding: bool) -> Option<io::Result<usize>> {
        if !holding {
            return Some(from.next(buffer).await);
        }
        self.recorder.wait(self.way, true);
        let read = tokio::time::timeout(self.quiet, from.next(buffer)).await.ok();
        self.recorder.wait(self.way, false);
        read
    }
}

fn other(way: Direction) -> Direction {
    match way {
        Direction::ClientToServer => Direction::ServerToClient,
        Direction::ServerToClient => Direction::ClientToServer,
    }
}

/// Reads a direction that is not cut, to its end.
pub(super) async fn listen(recorder: &Recorder, way: Direction, from: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = vec![0; READ];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => return recorder.ended(way, Ending::Fin),
            Ok(count) => recorder.segment(way, &buffer[..count]),
            Err(_) => return recorder.ended(way, Ending::Reset),
        }
    }
}
