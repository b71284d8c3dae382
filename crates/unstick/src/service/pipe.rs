//! nc's pipe: the bytes of standard input to a peer, the peer's bytes to standard output, as they are.
//!
//! Not here: messages. Bytes move from descriptor to descriptor, where the kernel can without passing through this
//! process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::endpoint::StreamEnd;
use crate::error::{Error, Result};

/// When a pipe ends, besides at the end of both directions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rules {
    /// The peer's end is the end, as it is for nc when it listens.
    pub ends_with_peer: bool,
    /// When standard input has ended, wait for the peer's end.
    pub wait: bool,
    /// A peer that has ended may still be listening: what standard input goes on delivering is sent until it has been
    /// quiet for so long.
    pub linger: Duration,
    /// End when no byte has moved for so long.
    pub idle: Option<Duration>,
    /// End after so long.
    pub deadline: Option<Duration>,
}

/// What arrives passes through this before it is written, piece by piece; an empty piece is the end. For terminals.
pub type Filter = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

impl Default for Rules {
    fn default() -> Self {
        Self { ends_with_peer: false, wait: true, linger: Duration::from_secs(1), idle: None, deadline: None }
    }
}

/// How a pipe ended.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// As it should.
    InOrder,
    /// Nobody reads standard output any more.
    OutputClosed,
    /// No byte moved for so long.
    Idle(Duration),
    /// The deadline passed.
    Deadline(Duration),
}

/// One direction has ended.
enum Done {
    Input(io::Result<()>),
    Peer(io::Result<()>),
}

/// Bytes moved in one call: a few of them fill any socket's buffer.
const CHUNK: usize = 1 << 20;

/// Bytes read and written at a time where the kernel cannot move them by itself.
const COPY: usize = 256 << 10;

/// Moves bytes until both directions have ended, or the rules say so. Uses a thread a direction; one that waits for
/// standard input stays behind, and ends with the process.
///
/// # Errors
///
/// Where the connection is reset, or standard input or output fails.
pub async fn pipe(end: StreamEnd, rules: Rules, filter: Option<Filter>) -> Result<Ended> {
    let socket = end.writer.socket().ok_or_else(|| Error::usage("this transport has no descriptor to pipe through"))?;
    let failed = |error| Error::io("the pipe", error);
    let duplicate = || socket.try_clone_to_owned().map(File::from).map_err(failed);
    let moved = Arc::new(AtomicU64::new(0));
    let (report, reports) = mpsc::channel(2);
    start(Direction::Out, duplicate()?, &moved, report.clone(), None).map_err(failed)?;
    start(Direction::In, duplicate()?, &moved, report, filter).map_err(failed)?;
    watch(rules, &moved, reports).await
}

#[derive(Clone, Copy)]
enum Direction {
    Out,
    In,
}

fn start(
    direction: Direction,
    socket: File,
    moved: &Arc<AtomicU64>,
    report: mpsc::Sender<Done>,
    filter: Option<Filter>,
) -> io::Result<()> {
    use std::os::fd::AsFd;
    let moved = Arc::clone(moved);
    let duplicate = match direction {
        Direction::Out => io::stdin().as_fd().try_clone_to_owned()?,
        Direction::In => io::stdout().as_fd().try_clone_to_owned()?,
    };
    let stdio = File::from(duplicate);
    widen(&stdio);
    let run = move || {
        let done = match direction {
            Direction::Out => {
                let result = pump(&stdio, &socket, &moved, None);
                if result.is_ok() {
                    // A peer that has gone needs no end.
                    let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Write);
                }
                Done::Input(result)
            }
            Direction::In => Done::Peer(pump(&socket, &stdio, &moved, filter)),
        };
        // Nobody waits any more: the run is over.
        let _ = report.blocking_send(done);
    };
    std::thread::Builder::new().name("pipe".into()).spawn(run).map(|_| ())
}

/// Waits for the ends of both directions, and for the limits of time.
async fn watch(rules: Rules, moved: &AtomicU64, mut reports: mpsc::Receiver<Done>) -> Result<Ended> {
    let deadline = rules.deadline.map(|after| Instant::now() + after);
    let (mut input_done, mut peer_done) = (false, false);
    let (mut seen, mut since) = (0, Instant::now());
    while !(input_done && peer_done) {
        let quiet = [rules.idle, peer_done.then_some(rules.linger)].into_iter().flatten().min();
        let next = deadline.into_iter().chain(quiet.map(|quiet| since + quiet)).min();
        tokio::select! {
            done = reports.recv() => match done {
                Some(Done::Input(result)) => {
                    result.map_err(|e| Error::io("sending", e))?;
                    input_done = true;
                    if !rules.wait {
                        return Ok(Ended::InOrder);
                    }
                }
                Some(Done::Peer(Err(error))) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Ended::OutputClosed),
                Some(Done::Peer(result)) => {
                    result.map_err(|e| Error::io("receiving", e))?;
                    (peer_done, since) = (true, Instant::now());
                    if rules.ends_with_peer {
                        return Ok(Ended::InOrder);
                    }
                }
                None => return Ok(Ended::InOrder),
            },
            () = sleep_until(next) => {
                if let (Some(at), Some(after)) = (deadline, rules.deadline) && Instant::now() >= at {
                    return Ok(Ended::Deadline(after));
                }
                let now = moved.load(Ordering::Relaxed);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                } else if peer_done {
                    return Ok(Ended::InOrder);
                } else if let Some(after) = rules.idle {
                    return Ok(Ended::Idle(after));
                }
            }
        }
    }
    Ok(Ended::InOrder)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Makes a pipe hold more, so that its two ends wake each other less often.
fn widen(stdio: &File) {
    #[cfg(target_os = "linux")]
    {
        // Refused for what is no pipe, and beyond the user's share: the pipe then stays as it is.
        let _ = rustix::pipe::fcntl_setpipe_size(stdio, CHUNK);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stdio;
}

/// Moves everything from one descriptor to another, until the first ends.
fn pump(from: &File, to: &File, moved: &AtomicU64, filter: Option<Filter>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if filter.is_none() && splice_all(from, to, moved)? {
        return Ok(());
    }
    copy(from, to, moved, filter)
}

/// Lets the kernel move the bytes; false where it cannot, because neither end is a pipe.
///
/// The socket stays non-blocking, and is waited for outside the call: while a splice waits for a socket it holds the lock
/// of its pipe, and whoever reads that pipe would not get what is already in it.
#[cfg(target_os = "linux")]
fn splice_all(from: &File, to: &File, moved: &AtomicU64) -> io::Result<bool> {
    use rustix::io::Errno;
    use rustix::pipe::{SpliceFlags, splice};
    loop {
        match splice(from, None, to, None, CHUNK, SpliceFlags::MOVE) {
            Ok(0) => return Ok(true),
            Ok(n) => drop(moved.fetch_add(n as u64, Ordering::Relaxed)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                wait(from, PollFlags::IN)?;
                wait(to, PollFlags::OUT)?;
            }
            Err(Errno::INVAL) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
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

fn copy(mut from: &File, to: &File, moved: &AtomicU64, mut filter: Option<Filter>) -> io::Result<()> {
    let mut buffer = vec![0; COPY];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return filter.map_or(Ok(()), |mut filter| write_all(to, &filter(&[]))),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(from, PollFlags::IN)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        match &mut filter {
            Some(filter) => write_all(to, &filter(&buffer[..n]))?,
            None => write_all(to, &buffer[..n])?,
        }
        moved.fetch_add(n as u64, Ordering::Relaxed);
    }
}

fn write_all(mut to: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(to, PollFlags::OUT)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
