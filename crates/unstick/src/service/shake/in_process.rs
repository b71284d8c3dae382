//! A service inside a test: its stream gives exactly the segments of a case, with no socket between.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use unstick_wire::shake::{Direction, Knife, Proof, Step};

use super::outcome::Ending;
use super::script::Script;
use super::tape::Tape;

/// Bytes that are taken from the script at once.
const READ: usize = 64 << 10;

/// A service under test, made anew for each case.
pub(super) type Make = dyn Fn(Stream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// The connection of a service under test: each read returns at most one segment of the case.
#[derive(Debug)]
pub struct Stream {
    knife: Knife,
    script: Script,
    tape: Tape,
}

impl Stream {
    /// A client that sends what stands in this script.
    pub(super) fn new(knife: Knife, script: Script, tape: Tape) -> Self {
        Self { knife, script, tape }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match this.knife.step() {
                // Who reads again has read what was there.
                Step::Drain => this.knife.drained(Proof::Read),
                Step::Write(bytes) => {
                    let count = bytes.len().min(buf.remaining());
                    buf.put_slice(&bytes[..count]);
                    this.knife.wrote(count);
                    break;
                }
                Step::Input | Step::Hold => {
                    let mut more = vec![0; READ];
                    if let Some(count) = this.script.take(&mut more) {
                        this.tape.segment(Direction::ClientToServer, &more[..count]);
                        this.knife.push(&more[..count]);
                    } else {
                        // Nothing more will come: a join need not wait for it.
                        this.knife.end();
                    }
                }
                _ if this.script.ends() => break,
                // The client waits for the service to end.
                _ => return Poll::Pending,
            }
        }
        this.tape.open().tally[Direction::ClientToServer.index()] = this.knife.tally();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.tape.segment(Direction::ServerToClient, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tape.ended(Direction::ServerToClient, Ending::Fin);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.tape.ended(Direction::ServerToClient, Ending::Fin);
    }
}
