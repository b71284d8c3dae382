//! The progress of a transfer: a bar on a terminal, or a line or an event every few seconds.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use unstick::wire::transfer::{Entry, Kind};

use crate::sanitize;
use crate::text_queue;
use crate::unpoisoned::unpoisoned;

/// How often a log gets a line, and how often a bar shows another file name.
const LOG: Duration = Duration::from_secs(5);
const NAME: Duration = Duration::from_millis(100);

/// How often a program gets an event.
const EVENT: Duration = Duration::from_secs(1);

/// How often a bar updates its time while nothing moves.
const TICK: Duration = Duration::from_millis(200);

const KNOWN: &str = "{bar:20} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta}  {wide_msg}";
const WAITING: &str = "{spinner} waiting for the other side ({elapsed})";
const UNKNOWN: &str = "{spinner} {binary_bytes}  {binary_bytes_per_sec}  {wide_msg}";

/// The same for a transfer, which may go on in the middle: its rate counts only what went over the connection.
const CONTINUED: &str = "{bar:20} {binary_bytes}/{binary_total_bytes}  {speed}  {left}  {wide_msg}";
const ENDLESS: &str = "{spinner} {binary_bytes}  {speed}  {wide_msg}";

/// How long a notice may wait for the terminal, so that the bar comes after it.
const PATIENCE: Duration = Duration::from_millis(200);

/// A progress bar for one file or a whole transfer, on standard error.
pub fn bar(size: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style(if size.is_some() { KNOWN } else { UNKNOWN }));
    bar.enable_steady_tick(TICK);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The rate at which bytes move: an average in which older bytes count less.
struct Speed {
    begun: Instant,
    /// The average when bytes last moved, before the correction for a short time.
    average: f64,
    at: Instant,
}

/// After this many seconds, bytes count 2.7 times less for the rate.
const MEMORY: f64 = 3.0;

impl Speed {
    fn new(now: Instant) -> Self {
        Self { begun: now, average: 0.0, at: now }
    }

    fn moved(&mut self, bytes: u64, now: Instant) {
        self.average = self.at(now) + bytes as f64 / MEMORY;
        self.at = now;
    }

    fn at(&self, now: Instant) -> f64 {
        self.average * (-now.saturating_duration_since(self.at).as_secs_f64() / MEMORY).exp()
    }

    /// Bytes a second.
    fn rate(&self, now: Instant) -> f64 {
        // At first the average covers less time than it will.
        let covered = 1.0 - (-now.saturating_duration_since(self.begun).as_secs_f64() / MEMORY).exp();
        if covered > 0.01 { self.at(now) / covered } else { 0.0 }
    }
}

/// Who reads the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person at a terminal.
    Terminal,
    /// Standard error goes to a file or pipe.
    Log,
    /// A program that reads events (`--json`).
    Program,
    Nobody,
}

/// The progress of a whole transfer.
pub struct Progress {
    audience: Audience,
    bar: ProgressBar,
    state: Mutex<State>,
    /// Read while the bar is drawn, so nobody may hold it and draw.
    speed: Arc<Mutex<Speed>>,
}

struct State {
    size: u64,
    moved: u64,
    /// Whether a stream is among the files, so that nobody knows the size.
    endless: bool,
    /// Whether there is no connection.
    waits: bool,
    /// Whether anything has moved, over this connection or an earlier one.
    has_moved: bool,
    told: Instant,
    /// Number of bytes that went over the connection since `told`.
    since: u64,
}

/// A report of the progress.
pub struct Step {
    pub moved: u64,
    /// `None` if a stream is among the files.
    pub size: Option<u64>,
    /// Rate since the last report, in bytes a second.
    pub rate: u64,
}

impl Step {
    /// Formats the report as a line of a log.
    pub fn line(&self, path: &[u8]) -> String {
        let (moved, rate) = (BinaryBytes(self.moved), BinaryBytes(self.rate));
        let (of, left) = match self.size {
            Some(size) => {
                let left = size.saturating_sub(self.moved).checked_div(self.rate);
                let left = left.map(|left| format!(", {} left", HumanDuration(Duration::from_secs(left))));
                (format!(" of {}", BinaryBytes(size)), left.unwrap_or_default())
            }
            None => (String::new(), String::new()),
        };
        format!("{moved}{of}, {rate}/s{left}: {}", sanitize::line_of_bytes(path))
    }
}

impl Progress {
    pub fn new(audience: Audience) -> Self {
        let bar = ProgressBar::hidden();
        let told = Instant::now();
        let state = State { size: 0, moved: 0, endless: false, waits: false, has_moved: false, told, since: 0 };
        Self { audience, bar, state: Mutex::new(state), speed: Arc::new(Mutex::new(Speed::new(Instant::now()))) }
    }

    /// Starts a connection that has `size` bytes to move.
    pub fn begin(&self, size: u64) {
        let mut state = unpoisoned(self.state.lock());
        let (has_moved, told) = (state.has_moved, Instant::now());
        *state = State { size, moved: 0, endless: false, waits: false, has_moved, told, since: 0 };
        *unpoisoned(self.speed.lock()) = Speed::new(Instant::now());
        self.show();
        self.bar.set_message("");
        self.bar.set_style(self.style(CONTINUED));
        self.bar.set_length(size);
        self.bar.set_position(0);
    }

    /// A style whose keys `speed` and `left` count only what goes over the connection.
    fn style(&self, template: &str) -> ProgressStyle {
        let rate = |speed: &Mutex<Speed>| unpoisoned(speed.lock()).rate(Instant::now());
        let (speed, left) = (Arc::clone(&self.speed), Arc::clone(&self.speed));
        let write_rate = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            // A line that cannot be drawn is drawn again soon.
            let _ = write!(out, "{}/s", BinaryBytes(rate(&speed) as u64));
        };
        let write_left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let bytes = state.len().unwrap_or_default().saturating_sub(state.pos());
            let _ = match bytes.checked_div(rate(&left) as u64) {
                Some(seconds) => write!(out, "{:#}", HumanDuration(Duration::from_secs(seconds))),
                None => write!(out, "-"),
            };
        };
        style(template).with_key("speed", write_rate).with_key("left", write_left)
    }

    fn show(&self) {
        if self.audience == Audience::Terminal && self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Shows that there is no connection, and since when.
    pub fn wait(&self) {
        if !std::mem::replace(&mut unpoisoned(self.state.lock()).waits, true) {
            self.bar.reset_elapsed();
            self.bar.set_style(style(WAITING));
            self.show();
        }
    }

    /// Counts bytes that need not go over the connection, because they are there already.
    pub fn there(&self, bytes: u64) {
        let mut state = unpoisoned(self.state.lock());
        state.moved += bytes;
        self.bar.set_position(state.moved);
    }

    /// Counts bytes that have moved; `offset` is the offset in the file after them. Returns a report if one is due.
    pub fn moved(&self, bytes: u64, entry: &Entry, offset: u64) -> Option<Step> {
        let mut state = unpoisoned(self.state.lock());
        let state = &mut *state;
        (state.moved, state.since) = (state.moved + bytes, state.since + bytes);
        state.has_moved = true;
        if entry.kind == Kind::Stream && !state.endless {
            state.endless = true;
            self.bar.set_style(self.style(ENDLESS));
        }
        unpoisoned(self.speed.lock()).moved(bytes, Instant::now());
        let every = match self.audience {
            Audience::Terminal => NAME,
            Audience::Log => LOG,
            Audience::Program => EVENT,
            Audience::Nobody => return None,
        };
        self.bar.set_position(state.moved);
        let (now, rate) = (Instant::now(), state.since as f64 / state.told.elapsed().as_secs_f64());
        if now.saturating_duration_since(state.told) < every {
            return None;
        }
        (state.told, state.since) = (now, 0);
        if self.audience == Audience::Terminal {
            let percent = (offset * 100).checked_div(entry.size).map(|percent| format!(" {percent}%"));
            let name = sanitize::line_of_bytes(&entry.path);
            self.bar.set_message(format!("{name}{}", percent.unwrap_or_default()));
            return None;
        }
        let size = Some(state.size).filter(|_| !state.endless);
        Some(Step { moved: state.moved, size, rate: rate as u64 })
    }

    /// Whether anything has moved over any connection.
    pub fn has_moved(&self) -> bool {
        unpoisoned(self.state.lock()).has_moved
    }

    /// Hides the bar while `print` runs.
    pub fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(|| {
            print();
            if self.audience == Audience::Terminal {
                text_queue::flush(PATIENCE);
            }
        });
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_right_at_once_and_falls_when_nothing_moves() {
        let begun = Instant::now();
        let (mut speed, after) = (Speed::new(begun), |tenth: u64| begun + Duration::from_millis(100 * tenth));
        assert_eq!(speed.rate(begun), 0.0);
        for tenth in 1..=100 {
            speed.moved(1000, after(tenth));
            let rate = speed.rate(after(tenth));
            assert!((9_900.0..10_400.0).contains(&rate), "{rate} after {tenth} tenths of a second");
        }
        assert!((2_000.0..5_000.0).contains(&speed.rate(after(130))), "{}", speed.rate(after(130)));
        assert!(speed.rate(after(400)) < 1.0);
    }

    #[test]
    fn a_line_of_a_log_has_what_a_person_wants_to_know() {
        let step = Step { moved: 5 << 20, size: Some(15 << 20), rate: 2 << 20 };
        assert_eq!(step.line(b"a/\x1b"), "5.00 MiB of 15.00 MiB, 2.00 MiB/s, 5 seconds left: a/\\x1b");
        let step = Step { moved: 5 << 20, size: None, rate: 0 };
        assert_eq!(step.line(b"stdin"), "5.00 MiB, 0 B/s: stdin");
        let step = Step { moved: 0, size: Some(1), rate: 0 };
        assert_eq!(step.line(b"a"), "0 B of 1 B, 0 B/s: a");
    }
}
