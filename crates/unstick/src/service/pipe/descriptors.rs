//! The pipe from descriptor to descriptor: a thread for each direction. Bytes do not pass through this process where
//! the kernel can move them.
//!
//! Not here: when it ends ([`super::watch`]).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::progress::{COPY, Done, EndOfInput, Failure, Filter, NOTE_PATIENCE, Progress};
use crate::activity::Activity;
use crate::limits;
use crate::stop::Stop;

/// Bytes moved in one call: a few calls fill any socket's buffer.
#[cfg(target_os = "linux")]
const CHUNK: usize = 1 << 20;

/// How often this code checks whether the threads have written what they have read.
const LOOK: Duration = Duration::from_millis(2);

/// The socket of a pipe that has been started.
pub(super) struct Socket(File);

impl Socket {
    /// Starts both directions.
    pub(super) fn start(
        socket: BorrowedFd<'_>,
        progress: &Arc<Progress>,
        report: mpsc::Sender<Done>,
        filter: Option<Filter>,
        input: Option<EndOfInput>,
    ) -> io::Result<Self> {
        let duplicate = || socket.try_clone_to_owned().map(File::from);
        if let Some(end_of_input) = input {
            start(Flow::Out(end_of_input), duplicate()?, progress, report.clone(), None)?;
        }
        start(Flow::In, duplicate()?, progress, report, filter)?;
        duplicate().map(Self)
    }

    /// Lets the threads write what they have read, because nothing can interrupt them while they wait for more. Then the
    /// peer sees an end, and has a moment to end too. Closing with unread bytes would be a reset, which throws away what
    /// has not arrived yet.
    pub(super) async fn wind_up(&self, stop: &Stop, progress: &Progress, mut reports: mpsc::Receiver<Done>) {
        let end = Instant::now() + stop.left();
        let carrying = || progress.carrying.load(Ordering::Acquire) > 0;
        while carrying() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write);
        let both = async { while reports.recv().await.is_some_and(|done| !matches!(done, Done::Peer(_))) {} };
        let _ = tokio::time::timeout(limits::FINAL_FLUSH_TIMEOUT, both).await;
        while carrying() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether a connection has failed, and nobody has read its error yet.
    pub(super) fn is_reset(&self) -> bool {
        let mut socket = [PollFd::new(&self.0, PollFlags::empty())];
        poll(&mut socket, Some(&rustix::event::Timespec::default())).is_ok()
            && socket[0].revents().contains(PollFlags::ERR)
    }
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
