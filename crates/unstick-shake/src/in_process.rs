//! Runs a service inside a test: its stream returns exactly the segments of a case, with no socket between.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use unstick_wire::shake::{Delivery, Direction, Segmenter, Step};

use super::hold::Hold;
use super::outcome::Ending;
use super::recorder::Recorder;
use super::script::Script;

/// Number of bytes that are taken from the script at once.
const READ: usize = 64 << 10;

/// A function that makes the service under test, again for each case.
pub(super) type Make = dyn Fn(Stream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// The connection of a service under test: each read returns at most one segment of the case.
#[derive(Debug)]
pub struct Stream {
    segmenter: Segmenter,
    script: Script,
    recorder: Recorder,
    /// When the client's side ends, if it does.
    hold: Option<Hold>,
    ends: bool,
    /// The sleep before the next check whether the client's side ends.
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// The time between two of these checks.
const LOOKS: Duration = Duration::from_millis(1);

impl Stream {
    /// Makes the stream of a client that sends this script.
    pub(super) fn new(
        segmenter: Segmenter,
        script: Script,
        recorder: Recorder,
        hold: Option<Hold>,
        ends: bool,
    ) -> Self {
        Self { segmenter, script, recorder, hold, ends, pause: None }
    }

    /// Polls the client's end, which is held back until the answer has come.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.hold.is_some_and(|hold| !hold.is_over(&self.recorder)) {
            self.recorder.wait(Direction::ClientToServer, true);
            let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOKS)));
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        self.recorder.wait(Direction::ClientToServer, false);
        self.hold = None;
        if !self.ends {
            return Poll::Pending; // The client waits for the service to end.
        }
        self.recorder.end_is_sent();
        Poll::Ready(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match this.segmenter.step() {
                // A service that reads again has read what was there.
                Step::Drain => this.segmenter.drained(Delivery::Read),
                Step::Write(bytes) => {
                    let count = bytes.len().min(buf.remaining());
                    buf.put_slice(&bytes[..count]);
                    this.segmenter.wrote(count);
                    this.recorder.sent();
                    break;
                }
                Step::Input | Step::Hold => {
                    let mut more = vec![0; READ];
                    if let Some(count) = this.script.take(&mut more) {
                        this.recorder.segment(Direction::ClientToServer, &more[..count]);
                        this.segmenter.push(&more[..count]);
                    } else {
                        // Nothing more will come: a join need not wait for it.
                        this.segmenter.end();
                    }
                }
                _ => {
                    ready!(this.poll_end(context));
                    break;
                }
            }
        }
        this.recorder.open().tally[Direction::ClientToServer.index()] = this.segmenter.tally();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.recorder.segment(Direction::ServerToClient, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.recorder.ended(Direction::ServerToClient, Ending::Fin);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The service read these bytes before it dropped the stream, so it read them apart from the bytes after them.
        if matches!(self.segmenter.step(), Step::Drain) {
            self.segmenter.drained(Delivery::Read);
        }
        self.recorder.open().tally[Direction::ClientToServer.index()] = self.segmenter.tally();
        self.recorder.ended(Direction::ServerToClient, Ending::Fin);
    }
}
