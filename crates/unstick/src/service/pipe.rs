//! A raw pipe, as with nc: copies standard input to a peer, and the peer's bytes to standard output, unchanged.
//!
//! Not here: messages. Bytes move from descriptor to descriptor, without passing through this process where the kernel
//! can do that. The bytes of a transport that is not a socket pass through it (`streams`).

mod progress;
mod streams;

use std::fs::File;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::activity::{Activity, bounded, sleep_until};
use crate::endpoint::StreamTransport;
use crate::error::{Error, Result};
use crate::half_close::HalfClose;
use crate::limits;
use crate::service::run::{Elapsed, Timers};
use crate::stop::Stop;
use progress::{COPY, Closing, Done, EndOfInput, Failure, NOTE_PATIENCE, Progress};

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

/// Bytes moved in one call: a few calls fill any socket's buffer.
#[cfg(target_os = "linux")]
const CHUNK: usize = 1 << 20;

/// How often this code checks whether the threads have written what they have read.
const LOOK: Duration = Duration::from_millis(2);

/// Moves bytes until both directions have ended, or the configuration ends the run. It uses one thread for each
/// direction. A thread that waits for standard input stays behind, and ends with the process.
///
/// # Errors
///
/// If the connection is reset, or standard input or output fails.
pub async fn pipe(end: StreamTransport, mut rules: Config, filter: Option<Filter>) -> Result<Ended> {
    rules.idle = rules.idle.map(bounded);
    rules.deadline = rules.deadline.map(bounded);
    rules.linger = bounded(rules.linger);
    let failed = |error| Error::io("the pipe", error);
    let progress = Progress::new();
    let (report, reports) = mpsc::channel(2);
    let (close, closed) = oneshot::channel();
    let end_of_input = rules.input.then_some(EndOfInput { closing: closing(&rules), closed });
    let Some(socket) = end.writer.socket() else {
        let _directions = streams::start(end, &progress, report, filter, end_of_input, &rules.stop).await?;
        return watch(rules, &progress, reports, close, None).await;
    };
    let duplicate = || socket.try_clone_to_owned().map(File::from).map_err(failed);
    if let Some(end_of_input) = end_of_input {
        start(Flow::Out(end_of_input), duplicate()?, &progress, report.clone(), None).map_err(failed)?;
    }
    start(Flow::In, duplicate()?, &progress, report, filter).map_err(failed)?;
    watch(rules, &progress, reports, close, Some(duplicate()?)).await
}

fn closing(rules: &Config) -> Closing {
    Closing { half_close: rules.half_close, serve_on: rules.serve_on, wait: rules.wait }
}

enum Flow {
    Out(EndOfInput),
    In,
}

fn start(
    direction: Flow,
    socket: File,
    progress: &Arc<Progress>,
    report: mpsc::Sender<Done>,
    filter: Option<Filter>,
) -> io::Result<()> {
    use std::os::fd::AsFd;
    let progress = Arc::clone(progress);
    let duplicate = match direction {
        Flow::Out(_) => io::stdin().as_fd().try_clone_to_owned()?,
        Flow::In => io::stdout().as_fd().try_clone_to_owned()?,
    };
    let stdio = File::from(duplicate);
    widen(&stdio);
    let run = move || match direction {
        Flow::Out(end) => send(&stdio, &socket, &progress, &report, end),
        Flow::In => {
            let pump = Pump { from: &socket, to: &stdio, progress: &progress, moved: &progress.came, held_up: None };
            // If nobody receives this, the run is over.
            let _ = report.blocking_send(Done::Peer(pump.all(filter)));
        }
    };
    std::thread::Builder::new().name("pipe".into()).spawn(run).map(|_| ())
}

/// Sends all of the input, and ends the sending side when it is time.
fn send(stdio: &File, socket: &File, progress: &Progress, report: &mpsc::Sender<Done>, end: EndOfInput) {
    let held_up = Some(&progress.held_up);
    let result = Pump { from: stdio, to: socket, progress, moved: &progress.sent, held_up }.all(None);
    let sent = result.is_ok();
    let half_close = || {
        // A peer that has gone needs no end.
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
    };
    if sent {
        progress.sent_all.store(true, Ordering::Release);
    }
    let at_once = sent && end.closing.at_once(progress);
    if at_once {
        half_close();
    }
    // If nobody receives this, the run is over.
    let _ = report.blocking_send(Done::Input(result));
    if sent && !at_once && end.closed.blocking_recv().is_ok() {
        half_close();
    }
}

/// Waits for the ends of both directions and for the timeouts. Tells the sending direction when to end its side.
async fn watch(
    rules: Config,
    progress: &Progress,
    mut reports: mpsc::Receiver<Done>,
    close: oneshot::Sender<()>,
    socket: Option<File>,
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
                    wind_up(&socket, &rules.stop, progress, reports).await;
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
            && socket.is_some_and(|socket| is_reset(&socket)) =>
        {
            Err(Error::io("sending", io::ErrorKind::ConnectionReset.into()))
        }
        _ if close.is_none() && progress.came.noted().is_none() => Ok(Ended::NoAnswer),
        _ => Ok(Ended::InOrder),
    }
}

/// Lets the threads write what they have read, because nothing can interrupt them while they wait for more. Then the
/// peer sees an end, and has a moment to end too. Closing with unread bytes would be a reset, which throws away what
/// has not arrived yet.
async fn wind_up(socket: &File, stop: &Stop, progress: &Progress, mut reports: mpsc::Receiver<Done>) {
    let end = Instant::now() + stop.left();
    let carrying = || progress.carrying.load(Ordering::Acquire) > 0;
    while carrying() && Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
    let both = async { while reports.recv().await.is_some_and(|done| !matches!(done, Done::Peer(_))) {} };
    let _ = tokio::time::timeout(limits::FINAL_FLUSH_TIMEOUT, both).await;
    while carrying() && Instant::now() < end {
        tokio::time::sleep(LOOK).await;
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

/// Makes a pipe hold more, so that its two ends wake each other less often.
fn widen(stdio: &File) {
    #[cfg(target_os = "linux")]
    {
        // The system refuses this if it is not a pipe, and beyond the user's share: the pipe then stays as it is.
        let _ = rustix::pipe::fcntl_setpipe_size(stdio, CHUNK);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stdio;
}

/// Moves everything from one descriptor to another.
struct Pump<'a> {
    from: &'a File,
    to: &'a File,
    progress: &'a Progress,
    /// Records each move.
    moved: &'a Activity,
    /// Set while the peer does not take the bytes to be written. Present only in the direction to the socket.
    held_up: Option<&'a AtomicBool>,
}

impl Pump<'_> {
    /// Moves everything until the source ends.
    fn all(&self, filter: Option<Filter>) -> Result<(), Failure> {
        #[cfg(target_os = "linux")]
        if filter.is_none() && self.splice()? {
            return Ok(());
        }
        self.copy(filter)
    }

    /// Lets the kernel move the bytes; returns false if it cannot, because neither end is a pipe.
    ///
    /// The socket stays non-blocking, and this waits for it outside the call. While a splice waits for a socket it
    /// holds the lock of its pipe, and a reader of that pipe would not get what is already in it.
    #[cfg(target_os = "linux")]
    fn splice(&self) -> Result<bool, Failure> {
        use rustix::io::Errno;
        use rustix::pipe::{SpliceFlags, splice};
        loop {
            let moved = splice(self.from, None, self.to, None, CHUNK, SpliceFlags::MOVE).map_err(io::Error::from);
            match self.moved(moved).map_err(|error| (Errno::from_io_error(&error), error)) {
                Ok(0) => return self.at_end().map(|()| true),
                Ok(_) => self.moved.note(),
                Err((Some(Errno::INTR), _)) => {}
                Err((Some(Errno::AGAIN), _)) => {
                    wait(self.from, PollFlags::IN).map_err(Failure::Reading)?;
                    self.wait_to_write().map_err(Failure::Writing)?;
                }
                Err((Some(Errno::INVAL), _)) => return Ok(false),
                Err((Some(Errno::PIPE), error)) => return Err(Failure::Writing(error)),
                // One side is a pipe, which cannot fail in any other way: this is the socket's error.
                Err((_, error)) if self.held_up.is_some() => return Err(Failure::Writing(error)),
                Err((_, error)) => return Err(Failure::Reading(error)),
            }
        }
    }

    fn copy(&self, mut filter: Option<Filter>) -> Result<(), Failure> {
        let mut buffer = vec![0; COPY];
        loop {
            let n = self.read(&mut buffer).map_err(Failure::Reading)?;
            self.progress.carrying.fetch_add(1, Ordering::AcqRel);
            let written = match &mut filter {
                Some(filter) => self.write_all(&filter(&buffer[..n])),
                None => self.write_all(&buffer[..n]),
            };
            self.progress.carrying.fetch_sub(1, Ordering::AcqRel);
            written.map_err(Failure::Writing)?;
            if n == 0 {
                return self.at_end();
            }
            if self.held_up.is_some() && self.progress.stopped.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }

    /// Records the error of a write to the socket, for the thread that reads from it.
    fn moved<T>(&self, moved: io::Result<T>) -> io::Result<T> {
        if let (Some(_), Err(error)) = (self.held_up, &moved) {
            self.progress.failed.note(error);
        }
        moved
    }

    /// Handles a read that returned 0. On the socket that is the peer's end only if no write to it has failed.
    fn at_end(&self) -> Result<(), Failure> {
        let Progress { failed, sent_all, .. } = self.progress;
        if self.held_up.is_some() {
            return Ok(());
        }
        let begun = std::time::Instant::now();
        // A write has failed, but its thread has not recorded it yet.
        while failed.at_end().is_ok() && !sent_all.load(Ordering::Acquire) && is_lost(self.from) {
            if begun.elapsed() > NOTE_PATIENCE {
                break;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        failed.at_end().map_err(Failure::Reading)
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut from = self.from;
        loop {
            match from.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(from, PollFlags::IN)?,
                other => return other,
            }
        }
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut to = self.to;
        while !bytes.is_empty() {
            match self.moved(to.write(bytes)) {
                Ok(n) => {
                    bytes = &bytes[n..];
                    self.moved.note();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_to_write()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait_to_write(&self) -> io::Result<()> {
        let held_up = |is| {
            if let Some(held_up) = self.held_up {
                held_up.store(is, Ordering::Relaxed);
            }
        };
        held_up(true);
        let waited = wait(self.to, PollFlags::OUT);
        held_up(false);
        waited
    }
}

/// Whether a socket is closed in both directions, and its error has been taken.
fn is_lost(socket: &File) -> bool {
    let mut socket = [PollFd::new(socket, PollFlags::IN)];
    let polled = poll(&mut socket, Some(&rustix::event::Timespec::default()));
    let flags = socket[0].revents();
    polled.is_ok() && flags.contains(PollFlags::HUP) && !flags.contains(PollFlags::ERR)
}

/// Whether a connection has failed, and nobody has read its error yet.
fn is_reset(socket: &File) -> bool {
    let mut socket = [PollFd::new(socket, PollFlags::empty())];
    poll(&mut socket, Some(&rustix::event::Timespec::default())).is_ok() && socket[0].revents().contains(PollFlags::ERR)
}

/// Waits until a descriptor can be read or written, or has failed.
fn wait(file: &File, what: PollFlags) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(file, what)], None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
