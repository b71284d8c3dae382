//! `exec:COMMAND`: starts a process, whose standard input and output are the stream.
//!
//! The process ends with the connection: its input is closed, it gets a moment, and then it and its children are asked
//! to end. Its last output is read before its end is seen.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{oneshot, watch};

use super::options::Options;
use super::transport::{PeerAddrs, StreamRead, StreamTransport, StreamWrite};
use crate::error::{Error, Exited, Result};
use crate::limits;
use crate::process_group::{Group, shell};

/// How often this code checks a process while this program ends.
const LOOK: Duration = Duration::from_millis(5);

/// How long the grace given to one process counts as used up for the others too: a runtime that shuts down ends all
/// that it holds, one by one.
const TOGETHER: Duration = Duration::from_secs(1);

/// Starts the command through `sh -c`, when there is room for it.
pub(super) async fn connect(command: &str, options: &Options) -> Result<StreamTransport> {
    let failed = |error| Error::unreachable(format!("cannot run `{command}`"), error);
    let seat = options.processes.seat_within(options.connect_timeout).await.map_err(|error| {
        let what = format!("cannot run `{command}`: {error}");
        let refused = Error::unreachable(what, None);
        match error.advice() {
            Some(advice) => refused.with_advice(advice.clone()),
            None => refused,
        }
    })?;
    let mut shell = shell(command);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    shell.envs(options.environment.iter().map(|(name, value)| (name, value)));
    let mut group = seat.start(&mut shell).map_err(failed)?;
    let (Some(input), Some(output)) = (group.leader.stdin.take(), group.leader.stdout.take()) else {
        return Err(Error::other("a process has no standard streams"));
    };
    options.tell(|| format!("`{command}` is process {}", group.leader.id().unwrap_or_default()));
    let (gone, connection) = oneshot::channel();
    let (told, status) = watch::channel(None);
    tokio::spawn(mind(Process { group, done: false }, connection, told));
    let hold = Arc::new(Hold { _gone: gone });
    let exit = Box::pin(exit(command.to_owned(), status));
    let reader = Output { output, exit, _hold: Arc::clone(&hold) };
    let names = PeerAddrs::new(format!("exec:{command}"), "here");
    Ok(StreamTransport { reader: Box::new(reader), writer: Box::new(Input { input: Some(input), _hold: hold }), names })
}

/// Both halves hold this: when both are dropped, the connection is gone.
struct Hold {
    _gone: oneshot::Sender<()>,
}

/// Waits for the end of the connection and of the process. What the process has left running ends with the connection
/// too.
async fn mind(mut process: Process, mut connection: oneshot::Receiver<()>, told: watch::Sender<Option<ExitStatus>>) {
    tokio::select! {
        status = process.group.leader.wait() => {
            process.group.leader_is_over();
            if let Ok(status) = status {
                told.send_replace(Some(status));
            }
            let _ = connection.await;
        }
        _ = &mut connection => {}
    }
    process.end().await;
}

/// Waits for the end of the process; returns an error if it failed.
async fn exit(command: String, mut status: watch::Receiver<Option<ExitStatus>>) -> io::Result<()> {
    let lost = || io::Error::other("the process was lost");
    let status = status.wait_for(Option::is_some).await.map_err(|_| lost())?.ok_or_else(lost)?;
    if status.success() { Ok(()) } else { Err(io::Error::other(Exited::new(command, status))) }
}

/// The process, and whether it and all its children have ended.
struct Process {
    group: Group,
    done: bool,
}

impl Process {
    /// Gives it time to end on its own; then asks it to end, and at last kills it.
    async fn end(&mut self) {
        for signal in [Group::terminate, Group::kill] {
            self.done = self.group.gone_within(limits::EXEC_GRACE).await;
            if self.done {
                return;
            }
            signal(&mut self.group);
        }
        self.done = self.group.gone_within(limits::EXEC_GRACE).await;
    }
}

impl Drop for Process {
    /// Ends the process when the runtime ends first. All processes that the runtime holds share one moment of grace.
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let end = moment();
        while matches!(self.group.leader.try_wait(), Ok(None)) {
            if Instant::now() >= end {
                return self.group.terminate();
            }
            std::thread::sleep(LOOK);
        }
        self.group.leader_is_over();
        self.group.terminate();
    }
}

/// Returns when the moment of grace ends for processes whose runtime ends now.
fn moment() -> Instant {
    static GIVEN: Mutex<Option<Instant>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    match *given {
        Some(end) if now < end + TOGETHER => end,
        _ => *given.insert(now + limits::FINAL_FLUSH_TIMEOUT),
    }
}

/// The process's output, and how it ends.
struct Output {
    output: ChildStdout,
    exit: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
    _hold: Arc<Hold>,
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.output).poll_read(cx, buf))?;
        if buf.filled().len() > before || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // No more output will come; it remains to learn how the process ended.
        let ended = ready!(self.exit.as_mut().poll(cx));
        self.exit = Box::pin(std::future::ready(Ok(())));
        Poll::Ready(ended)
    }
}

impl StreamRead for Output {
    fn ends_both(&self) -> bool {
        true
    }
}

/// The process's input. Closing it is its end.
struct Input {
    input: Option<ChildStdin>,
    _hold: Arc<Hold>,
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

impl StreamWrite for Input {}
