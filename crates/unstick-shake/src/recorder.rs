//! Records what happens while a conversation runs: bytes, segments, ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use unstick_wire::shake::{Direction, Tally};

use super::outcome::{Ending, Exchange, Timing};
use crate::limits;

/// The record of one connection, written by both of its directions.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder {
    written: Arc<Mutex<Written>>,
    change: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct Written {
    pub(super) exchange: Exchange,
    /// How the cuts and joins of each direction were delivered.
    pub(super) tally: [Tally; 2],
    /// When the connection began, or when the last bytes were sent to the server.
    sent: Instant,
    /// When the last bytes came from the server. If later than `sent`, they answer what was sent last.
    heard: Option<Instant>,
    /// When the client's end was passed on.
    ended: Option<Instant>,
    /// Whether an answer did not come in time.
    pub(super) given_up: bool,
    /// Whether everything was sent, and the answer has come or was given up.
    pub(super) concluded: bool,
    timing: Timing,
    /// Who sent last, and when.
    last: Option<(Direction, Instant)>,
    /// The longest silence of a sender between two of its segments, while the other side sent nothing.
    pub(super) pause: Duration,
    /// Whether more was sent than is kept.
    pub(super) overflowed: bool,
    /// Time spent waiting for cuts and joins, which does not count as the program's.
    pub(super) waited: Duration,
    waiting: [Option<Instant>; 2],
}

impl Default for Written {
    fn default() -> Self {
        Self {
            exchange: Exchange::default(),
            tally: Default::default(),
            sent: Instant::now(),
            heard: None,
            ended: None,
            given_up: false,
            concluded: false,
            timing: Timing::default(),
            last: None,
            pause: Duration::ZERO,
            overflowed: false,
            waited: Duration::ZERO,
            waiting: [None; 2],
        }
    }
}

impl Recorder {
    pub(super) fn open(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when bytes arrive or a direction ends, after this call.
    pub(super) fn changed(&self) -> std::pin::Pin<Box<OwnedNotified>> {
        let mut change = Box::pin(Arc::clone(&self.change).notified_owned());
        change.as_mut().enable();
        change
    }

    /// Records that bytes were passed on to the server.
    pub(super) fn sent(&self) {
        self.open().sent = Instant::now();
    }

    /// Records that the client's end is passed on.
    pub(super) fn end_is_sent(&self) {
        let mut written = self.open();
        let now = Instant::now();
        written.ended = Some(now);
        written.last = Some((Direction::ClientToServer, now));
        let side = written.exchange.of(Direction::ServerToClient);
        let (before_end, ended_before) = (side.recording.bytes.len(), side.ending != Ending::Open);
        written.timing = Timing { before_end, ended_before, ..written.timing };
    }

    /// The time since the last bytes were sent to the server; the time since anything was sent; and whether the server
    /// has answered since.
    pub(super) fn times(&self) -> (Duration, Duration, bool) {
        let written = self.open();
        let answered = written.heard.is_some_and(|heard| heard >= written.sent);
        let last = written.heard.map_or(written.sent, |heard| heard.max(written.sent));
        (written.sent.elapsed(), last.elapsed(), answered)
    }

    /// The timing of the answer.
    pub(super) fn timing(&self) -> Timing {
        let written = self.open();
        let mut timing = written.timing;
        if written.ended.is_none() {
            let side = written.exchange.of(Direction::ServerToClient);
            timing.before_end = side.recording.bytes.len();
            timing.ended_before = side.ending != Ending::Open;
        }
        timing.given_up = written.given_up;
        timing.ended = written.ended.is_some();
        timing
    }

    /// Records a segment.
    pub(super) fn segment(&self, way: Direction, bytes: &[u8]) {
        let mut written = self.open();
        let now = Instant::now();
        let last = written.last.replace((way, now));
        if way == Direction::ServerToClient {
            written.heard = Some(now);
            if written.ended.is_none() {
                written.timing.answer = now - written.sent;
                written.timing.answered = true;
            }
            self.change.notify_waiters();
        } else {
            written.timing.answered = false;
        }
        let side = written.exchange.of_mut(way);
        let at = side.recording.bytes.len() as u64;
        if at > 0 {
            side.recording.segments.push(at);
        }
        let room = limits::MAX_RECORDED.saturating_sub(side.recording.bytes.len());
        side.recording.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if room < bytes.len() {
            written.overflowed = true;
        }
        if let Some((who, when)) = last
            && who == way
        {
            written.pause = written.pause.max(now - when);
        }
    }

    /// Records that a direction has ended.
    pub(super) fn ended(&self, way: Direction, ending: Ending) {
        self.open().exchange.of_mut(way).ending = ending;
        self.change.notify_waiters();
    }

    /// How a direction has ended up to now.
    pub(super) fn ending(&self, way: Direction) -> Ending {
        self.open().exchange.of(way).ending
    }

    /// Number of bytes of a direction up to now.
    pub(super) fn length(&self, way: Direction) -> usize {
        self.open().exchange.of(way).recording.bytes.len()
    }

    /// Records that a direction waits for a cut or a join from now on, or no longer.
    pub(super) fn wait(&self, way: Direction, waits: bool) {
        let mut written = self.open();
        let now = Instant::now();
        if let Some(since) = written.waiting[way.index()].take() {
            written.waited += now - since;
        }
        if waits {
            written.waiting[way.index()] = Some(now);
        }
    }

    /// Drops the current wait of a direction: it was not for a cut or a join.
    pub(super) fn forget_wait(&self, way: Direction) {
        self.open().waiting[way.index()] = None;
    }

    /// Time spent waiting for cuts and joins.
    pub(super) fn waited(&self) -> Duration {
        let written = self.open();
        let under_way = written.waiting.iter().flatten().map(Instant::elapsed);
        written.waited + under_way.sum::<Duration>()
    }
}

/// The records of a client's connections, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorders(Arc<Mutex<Vec<Recorder>>>);

impl Recorders {
    fn open(&self) -> MutexGuard<'_, Vec<Recorder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record for the next connection.
    pub(super) fn next(&self) -> Recorder {
        let recorder = Recorder::default();
        self.open().push(recorder.clone());
        recorder
    }

    /// The records of all connections.
    pub(super) fn all(&self) -> Vec<Recorder> {
        self.open().clone()
    }

    /// Number of bytes that have gone one way up to now.
    pub(super) fn length(&self, way: Direction) -> usize {
        self.open().iter().map(|recorder| recorder.length(way)).sum()
    }

    /// Time spent waiting for cuts and joins.
    fn waited(&self) -> Duration {
        self.open().iter().map(Recorder::waited).sum()
    }

    /// Runs a future to its end; `None` where it takes longer than `total`, not counting the wait for cuts and joins.
    pub(super) async fn in_time<T>(&self, total: Duration, work: impl Future<Output = T>) -> Option<T> {
        let begun = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            let left = (total + self.waited()).saturating_sub(begun.elapsed());
            if left.is_zero() {
                return None;
            }
            if let Ok(done) = tokio::time::timeout(left, &mut work).await {
                return Some(done);
            }
        }
    }
}
