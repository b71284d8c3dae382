//! Text for people, on its way to standard error or to a terminal: queued here, and written by a thread of its own, so that
//! nothing else ever waits for whoever reads it. What finds no room is dropped and counted.
//!
//! Not here: what is printed for scripts (`output`), and the prompt's own drawing (`prompt`).

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::Notify;

use crate::unpoisoned::unpoisoned;

/// Bytes of text that wait for a reader. Notices beyond it are dropped, and messages that can wait do: a person reads
/// some pages at most.
pub const WAITING: usize = 256 << 10;

/// Bytes of messages that may wait beyond that while the reader is reading: all messages of one read, which are shown before
/// anybody can wait, with their numbers and colours.
pub const BURST: usize = 16 << 20;

/// How long a reader may take nothing before nobody waits for it any more. A terminal that is stopped (^S) is such a reader.
pub const SLOW_PEER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the end of the program waits for what was said last, in all: a reader that is slow, and reads.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Bytes of one write: a pipe takes so many whole or not at all, and each is seen to be taken.
const PIECE: usize = 4096;

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Standard output, which is a terminal.
    Output,
    /// Standard error.
    Errors,
}

/// The text that waits for one reader.
struct Screen {
    state: Mutex<State>,
    /// There is text to write, or some has been written.
    changed: Condvar,
    /// Some has been written.
    room: Notify,
}

struct State {
    waiting: VecDeque<(To, String)>,
    /// Bytes of these, and of what is being written.
    bytes: usize,
    /// Lines that found no room since the last that did, and where they were to go.
    dropped: u64,
    dropped_to: To,
    /// When the reader last took something, or had nothing to take.
    moved: Option<Instant>,
    /// Standard output has failed.
    failed: Option<Errno>,
    /// The thread runs.
    started: bool,
}

/// The screen that a text goes to: where both streams are terminals, they are one, and what is said keeps its order.
fn screen(to: To) -> &'static Screen {
    static BOTH: OnceLock<bool> = OnceLock::new();
    static SCREENS: [Screen; 2] = [Screen::new(), Screen::new()];
    let both = *BOTH.get_or_init(|| io::stdout().is_terminal() && io::stderr().is_terminal());
    &SCREENS[usize::from(to == To::Errors && !both)]
}

/// Says something that nobody has to read: whole lines. Never waits.
pub fn say(to: To, text: String) {
    screen(to).put(to, text, WAITING);
}

/// Shows messages on standard output, which is a terminal: whole lines. Never waits; [`room`] does.
///
/// # Errors
///
/// Where the terminal has failed.
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
    let _ = write(To::Output.descriptor(), text.as_bytes());
}

/// What to wait for before more is shown: a reader that reads slows down who writes, one that does not read does not.
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

/// Waits until everything has been written, but not for a reader that takes nothing for so long.
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
            // Without a thread there is nobody who writes: that is not worth an end.
            state.started = thread.is_ok();
        }
        state.put(to, text, most);
        drop(state);
        self.changed.notify_all();
    }

    /// The thread's work, to the end of the program.
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
                let written = write(to.descriptor(), piece);
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

    /// How long to wait for room, where there is something to wait for.
    fn wait(&self) -> Option<Duration> {
        let left = SLOW_PEER_TIMEOUT.saturating_sub(self.still_for());
        (self.bytes > WAITING && !left.is_zero()).then_some(left)
    }

    fn put(&mut self, to: To, text: String, most: usize) {
        let most = match self.dropped {
            // Once something is dropped, some room is made first: a note for every line would help nobody.
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

    /// Says in the place of what was dropped that it was.
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

/// Says in the place of lines that they were dropped.
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

    fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Self::Output => rustix::stdio::stdout(),
            Self::Errors => rustix::stdio::stderr(),
        }
    }
}

/// Writes all of it, past the standard library's buffer and its lock: nobody is to wait for that either.
fn write(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Whoever shares it has switched waiting off.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)?),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
