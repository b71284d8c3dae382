//! A raw pipe, as with nc: copies standard input to a peer, and the peer's bytes to standard output, unchanged.
//!
//! Not here: messages; and how bytes move. On Unix they move from descriptor to descriptor (`descriptors`). The bytes of a
//! transport that is not a socket pass through the runtime (`streams`), and on other systems those of every transport.

#[cfg(unix)]
mod descriptors;
#[cfg(not(unix))]
mod no_descriptors;
mod progress;
mod streams;

use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::activity::{bounded, sleep_until};
use crate::endpoint::StreamTransport;
use crate::error::{Error, Result};
use crate::half_close::HalfClose;
use crate::limits;
use crate::service::run::{Elapsed, Timers};
use crate::stop::Stop;
#[cfg(unix)]
use descriptors::Socket;
#[cfg(not(unix))]
use no_descriptors::Socket;
use progress::{Closing, Done, EndOfInput, Failure, NOTE_PATIENCE, Progress};

pub use progress::Filter;

/// When a pipe ends, apart from the end of both directions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Whether to wait for the peer's end after standard input has ended.
    pub wait: bool,
    /// How long standard input may be quiet after the peer has ended its side. Until then this end goes on sending,
    /// because the peer may still be listening.
    pub linger: Duration,
    /// When to end the sending side after standard input has ended.
    pub half_close: HalfClose,
    /// Whether standard input that ends without a byte (`</dev/null`) counts as no input: this end then does not
    /// half-close for it.
    pub serve_on: bool,
    /// Whether standard input is read.
    pub input: bool,
    /// Ends the pipe when no byte has moved for this time.
    pub idle: Option<Duration>,
    /// Ends the pipe after this time.
    pub deadline: Option<Duration>,
    /// Stops the run: nothing more is read, and what was read is still written, within
    /// [`FLUSH_TIMEOUT`](crate::limits::FLUSH_TIMEOUT).
    pub stop: Stop,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wait: true,
            linger: Duration::from_secs(1),
            half_close: HalfClose::default(),
            serve_on: false,
            input: true,
            idle: None,
            deadline: None,
            stop: Stop::default(),
        }
    }
}

/// How a pipe ended.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// In order.
    InOrder,
    /// In order, and without a byte from the peer: it was waited for as long as an end of input waits for an answer
    /// ([`HALF_CLOSE_PATIENCE`](crate::limits::HALF_CLOSE_PATIENCE)).
    NoAnswer,
    /// [`Config::stop`] stopped it.
    Stopped,
    /// Nobody reads standard output any more.
    OutputClosed,
    /// No byte moved for this time.
    Idle(Duration),
    /// The deadline passed.
    Deadline(Duration),
}

/// Moves bytes until both directions have ended, or the configuration ends the run. On Unix it uses one thread for
/// each direction. A thread that waits for standard input stays behind, and ends with the process.
///
/// # Errors
///
/// If the connection is reset, or standard input or output fails.
pub async fn pipe(end: StreamTransport, mut rules: Config, filter: Option<Filter>) -> Result<Ended> {
    rules.idle = rules.idle.map(bounded);
    rules.deadline = rules.deadline.map(bounded);
    rules.linger = bounded(rules.linger);
    let progress = Progress::new();
    let (report, reports) = mpsc::channel(2);
    let (close, closed) = oneshot::channel();
    let end_of_input = rules.input.then_some(EndOfInput { closing: closing(&rules), closed });
    #[cfg(unix)]
    if let Some(socket) = end.writer.socket() {
        let socket = Socket::start(socket, &progress, report, filter, end_of_input);
        return watch(rules, &progress, reports, close, Some(socket.map_err(|error| Error::io("the pipe", error))?))
            .await;
    }
    let _directions = streams::start(end, &progress, report, filter, end_of_input, &rules.stop).await?;
    watch(rules, &progress, reports, close, None).await
}

fn closing(rules: &Config) -> Closing {
    Closing { half_close: rules.half_close, serve_on: rules.serve_on, wait: rules.wait }
}

/// Waits for the ends of both directions and for the timeouts. Tells the sending direction when to end its side.
async fn watch(
    rules: Config,
    progress: &Progress,
    mut reports: mpsc::Receiver<Done>,
    close: oneshot::Sender<()>,
    socket: Option<Socket>,
) -> Result<Ended> {
    let mut stopped = pin!(rules.stop.comes());
    let timers = Timers::start(rules.deadline, rules.idle);
    let (closing, mut close) = (closing(&rules), Some(close));
    let (mut input_done, mut peer_done) = ((!rules.input).then(|| (Ok(()), Instant::now())), None);
    while input_done.is_none() || peer_done.is_none() {
        let quiet = lingers_until(&rules, progress, input_done.as_ref(), peer_done);
        let end = close.as_ref().filter(|_| input_done.is_some()).and_then(|_| closing.due(progress));
        // An answer may come meanwhile, which does not wake this task.
        let end = end.map(|at| at.min(Instant::now() + limits::ANSWER_PAUSE));
        let next = timers.next(|| progress.last()).into_iter().chain(quiet).chain(end).min();
        tokio::select! {
            done = reports.recv() => match done {
                Some(Done::Input(Ok(()))) if !rules.wait => return Ok(Ended::InOrder),
                Some(Done::Input(result)) => input_done = Some((result, Instant::now())),
                Some(Done::Peer(Ok(()))) => peer_done = Some(Instant::now()),
                Some(Done::Peer(Err(failure))) => return ended_by(failure),
                None => break,
            },
            () = &mut stopped, if !progress.stopped.load(Ordering::Relaxed) => {
                progress.stopped.store(true, Ordering::Relaxed);
                if let Some(socket) = socket {
                    socket.wind_up(&rules.stop, progress, reports).await;
                    return Ok(Ended::Stopped);
                }
            }
            () = rules.stop.overdue() => return Ok(Ended::Stopped),
            () = sleep_until(next) => {
                let now = Instant::now();
                if end.is_some() && closing.due(progress).is_some_and(|at| now >= at)
                    && let Some(close) = close.take()
                {
                    // If the direction that would close it has gone, so has the connection.
                    let _ = close.send(());
                }
                let elapsed = timers.check(now, || progress.last());
                if let Some(Elapsed::Deadline(after)) = elapsed {
                    return Ok(Ended::Deadline(after));
                }
                if lingers_until(&rules, progress, input_done.as_ref(), peer_done).is_some_and(|at| now >= at) {
                    break;
                }
                if let Some(Elapsed::Idle(after)) = elapsed {
                    return Ok(Ended::Idle(after));
                }
            }
        }
    }
    match input_done {
        _ if rules.stop.has_come() => Ok(Ended::Stopped),
        Some((Err(Failure::Reading(error)), _)) => Err(Error::io("standard input", error)),
        Some((Err(Failure::Writing(error)), _)) => Err(Error::io("sending", error)),
        // The peer has gone in order, and has answered what it was sent after that with a reset. Its end is noted late.
        _ if peer_done.is_some_and(|at| progress.sent.noted().is_some_and(|sent| sent + NOTE_PATIENCE > at))
            && socket.is_some_and(|socket| socket.is_reset()) =>
        {
            Err(Error::io("sending", io::ErrorKind::ConnectionReset.into()))
        }
        _ if close.is_none() && progress.came.noted().is_none() => Ok(Ended::NoAnswer),
        _ => Ok(Ended::InOrder),
    }
}

/// Returns the outcome when the direction from the peer has failed.
fn ended_by(failure: Failure) -> Result<Ended> {
    match failure {
        Failure::Writing(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ended::OutputClosed),
        Failure::Writing(error) => Err(Error::io("standard output", error)),
        Failure::Reading(error) => Err(Error::io("receiving", error)),
    }
}

/// Returns until when one direction goes on although the other has ended.
fn lingers_until(
    rules: &Config,
    progress: &Progress,
    input_done: Option<&(Result<(), Failure>, Instant)>,
    peer_done: Option<Instant>,
) -> Option<Instant> {
    let since = match (input_done, peer_done) {
        // What the peer sent before writing to it failed can still be read.
        (Some((Err(_), since)), None) => *since,
        // Input that the peer takes slowly is not quiet, although nothing moves.
        (None, Some(_)) if progress.held_up.load(Ordering::Relaxed) => Instant::now(),
        (None, Some(since)) => since,
        _ => return None,
    };
    Some(since.max(progress.last()) + rules.linger)
}
