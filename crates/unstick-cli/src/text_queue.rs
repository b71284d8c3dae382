//! Queues text for people on its way to standard error or a terminal. A separate thread writes it, so nothing else
//! ever waits for the reader. Text that finds no room is dropped and counted.
//!
//! Not here: what is printed for scripts (`output`), and the prompt's own drawing (`prompt`).

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::unpoisoned::unpoisoned;
use direct::{Failure, write};

/// Bytes of text that may wait for a reader. Beyond it, notices are dropped, and so are messages that can wait: a
/// person reads some pages at most.
pub const WAITING: usize = 256 << 10;

/// Bytes of messages that may wait beyond that while the reader reads: all messages of one read, with their numbers and
/// colours. They are shown before anybody can wait.
pub const BURST: usize = 16 << 20;

/// How long a reader may take nothing before nobody waits for it any more. A terminal that is stopped (^S) is such a
/// reader.
pub const SLOW_PEER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the exit waits in all for the last text to be written, to a reader that is slow but reads.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Bytes of one write. A pipe takes this many as a whole or not at all, and each write that it takes is noticed.
const PIECE: usize = 4096;

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Standard output, which is a terminal.
    Output,
    /// Standard error.
    Errors,
}

/// The queue of text for one reader.
struct Screen {
    state: Mutex<State>,
    /// Signals that there is text to write, or that some has been written.
    changed: Condvar,
    /// Signals that some text has been written.
    room: Notify,
}

struct State {
    waiting: VecDeque<(To, String)>,
    /// Bytes of the waiting texts, and of the one that is being written.
    bytes: usize,
    /// Lines that found no room since the last line that did, and the stream that they were meant for.
    dropped: u64,
    dropped_to: To,
    /// When the reader last took something, or had nothing to take.
    moved: Option<Instant>,
    /// The error of standard output, once it has failed.
    failed: Option<Failure>,
    /// Whether the thread runs.
    started: bool,
}

/// Returns the queue for a stream. If both streams are terminals, they share one, so that texts keep their order.
fn screen(to: To) -> &'static Screen {
    static BOTH: OnceLock<bool> = OnceLock::new();
    static SCREENS: [Screen; 2] = [Screen::new(), Screen::new()];
    let both = *BOTH.get_or_init(|| io::stdout().is_terminal() && io::stderr().is_terminal());
    &SCREENS[usize::from(to == To::Errors && !both)]
}

/// Queues whole lines that nobody has to read. Never waits.
pub fn say(to: To, text: String) {
    screen(to).put(to, text, WAITING);
}

/// Queues messages for standard output, which is a terminal: whole lines. Never waits; [`room`] does.
///
/// # Errors
///
/// If the terminal has failed.
pub fn show(text: String) -> io::Result<()> {
    let screen = screen(To::Output);
    if let Some(error) = screen.lock().failed {
        return Err(error.into());
    }
    screen.put(To::Output, text, WAITING + BURST);
    Ok(())
}

/// Writes to standard output at once, as drawing does, and waits for the terminal: for a thread that does nothing else.
pub fn draw(text: &str) {
    // A terminal that is gone shows nothing anyway.
    let _ = write(To::Output, text.as_bytes());
}

/// Returns what to wait for before queueing more, if anything. A slow reader slows the writer down; a stalled one does
/// not.
pub fn room(to: To) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
    let screen = screen(to);
    screen.lock().wait()?;
    Some(Box::pin(async move {
        loop {
            let written = screen.room.notified();
            let Some(left) = screen.lock().wait() else { return };
            let _ = tokio::time::timeout(left, written).await;
        }
    }))
}

/// Waits until everything has been written, but gives up on a reader that takes nothing for `patience`.
pub fn flush(patience: Duration) {
    let end = Instant::now() + LAST_WORDS;
    for to in [To::Output, To::Errors] {
        let screen = screen(to);
        let mut state = screen.lock();
        while state.bytes > 0 || state.dropped > 0 {
            let now = Instant::now();
            let left = (state.moved.unwrap_or(now) + patience).min(end).saturating_duration_since(now);
            if left.is_zero() || !state.started {
                break;
            }
            state = unpoisoned(screen.changed.wait_timeout(state, left)).0;
        }
    }
}

impl Screen {
    const fn new() -> Self {
        Self { state: Mutex::new(State::NEW), changed: Condvar::new(), room: Notify::const_new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    fn put(&'static self, to: To, text: String, most: usize) {
        let mut state = self.lock();
        if !state.started {
            let thread = std::thread::Builder::new().name("screen".into()).spawn(|| self.write_all());
            // Without a thread nobody writes: that is no reason to exit.
            state.started = thread.is_ok();
        }
        state.put(to, text, most);
        drop(state);
        self.changed.notify_all();
    }

    /// The thread's work, until the program exits.
    fn write_all(&self) {
        let mut state = self.lock();
        loop {
            if state.bytes <= WAITING / 2 {
                state.tell_dropped();
            }
            let Some((to, text)) = state.waiting.pop_front() else {
                self.changed.notify_all();
                self.room.notify_waiters();
                state = unpoisoned(self.changed.wait(state));
                continue;
            };
            for piece in text.as_bytes().chunks(PIECE) {
                state.moved = Some(Instant::now());
                drop(state);
                let written = write(to, piece);
                state = self.lock();
                state.bytes -= piece.len();
                state.moved = Some(Instant::now());
                if let (To::Output, Err(error)) = (to, written) {
                    state.failed = Some(error);
                }
                self.changed.notify_all();
                self.room.notify_waiters();
            }
        }
    }
}

impl State {
    const NEW: Self = Self {
        waiting: VecDeque::new(),
        bytes: 0,
        dropped: 0,
        dropped_to: To::Errors,
        moved: None,
        failed: None,
        started: false,
    };

    fn still_for(&self) -> Duration {
        self.moved.map(|moved| moved.elapsed()).unwrap_or_default()
    }

    /// Whether the reader has taken nothing for too long.
    fn is_stalled(&self) -> bool {
        self.bytes > 0 && self.still_for() >= SLOW_PEER_TIMEOUT
    }

    /// Returns how long to wait for room, if there is a reason to wait.
    fn wait(&self) -> Option<Duration> {
        let left = SLOW_PEER_TIMEOUT.saturating_sub(self.still_for());
        (self.bytes > WAITING && !left.is_zero()).then_some(left)
    }

    fn put(&mut self, to: To, text: String, most: usize) {
        let most = match self.dropped {
            // After the first drop some room is made first: a note for every line would help nobody.
            1.. => WAITING / 2,
            0 if self.is_stalled() => WAITING,
            0 => most,
        };
        if self.bytes > 0 && self.bytes + text.len() > most {
            self.dropped += text.lines().count() as u64;
            self.dropped_to = to;
            return;
        }
        if self.bytes == 0 {
            self.moved = Some(Instant::now());
        }
        self.tell_dropped();
        self.bytes += text.len();
        self.waiting.push_back((to, text));
    }

    /// Queues a note in the place of dropped lines.
    fn tell_dropped(&mut self) {
        if self.dropped == 0 {
            return;
        }
        let (count, to) = (std::mem::take(&mut self.dropped), self.dropped_to);
        let text = dropped(count, to.name());
        self.bytes += text.len();
        self.waiting.push_back((to, text));
    }
}

/// Returns the note that replaces dropped lines.
pub fn dropped(count: u64, reader: &str) -> String {
    let were = if count == 1 { "line was" } else { "lines were" };
    format!("unstick: ... {count} {were} dropped: {reader} was not read\n")
}

impl To {
    fn name(self) -> &'static str {
        match self {
            Self::Output => "standard output",
            Self::Errors => "standard error",
        }
    }
}

/// Writes without the standard library's buffer and lock: nobody must wait for those either.
#[cfg(unix)]
mod direct {
    use std::os::fd::BorrowedFd;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::To;

    pub(super) use rustix::io::Errno as Failure;

    /// Writes all bytes.
    pub(super) fn write(to: To, mut bytes: &[u8]) -> Result<(), Failure> {
        let to: BorrowedFd<'_> = match to {
            To::Output => rustix::stdio::stdout(),
            To::Errors => rustix::stdio::stderr(),
        };
        while !bytes.is_empty() {
            match rustix::io::write(to, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(Failure::INTR) => {}
                // Another program that shares the stream has made it non-blocking.
                Err(Failure::AGAIN) => drop(poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)?),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Elsewhere the standard library writes: a console of Windows takes text, not bytes.
#[cfg(not(unix))]
mod direct {
    use std::io::{self, Write};

    use super::To;

    pub(super) use std::io::ErrorKind as Failure;

    /// Writes all bytes.
    pub(super) fn write(to: To, bytes: &[u8]) -> Result<(), Failure> {
        let written = match to {
            To::Output => {
                let mut output = io::stdout().lock();
                output.write_all(bytes).and_then(|()| output.flush())
            }
            To::Errors => io::stderr().lock().write_all(bytes),
        };
        written.map_err(|error| error.kind())
    }
}
