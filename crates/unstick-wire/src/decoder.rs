//! Bytes in, messages out: the buffer of one direction of one stream, and where its frames lie.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{DecodeError, DecodeErrorKind};
use crate::framing::{Codec, Cx, Discard, Fault, Machine, Step};
use crate::recognise::recognise;
use crate::spec::Framing;

/// Finds the messages in one direction of one stream, however its bytes are cut.
///
/// Bytes come in with [`feed`](Self::feed), or are read straight into [`space`](Self::space). Messages come out either
/// as slices of the read buffer ([`next`](Self::next)), for hot loops, or owned ([`next_bytes`](Self::next_bytes)).
/// Memory grows with what has arrived, never with what a header announced.
///
/// After an error the boundaries are lost, and every later call returns the same error.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    codec: Machine,
    max: usize,
    /// What has arrived, from `pos` on not yet taken. Empty while `shared` is not.
    buf: BytesMut,
    /// The same, once owned messages have been sliced off it.
    shared: Bytes,
    pos: usize,
    scratch: Vec<u8>,
    phase: usize,
    /// Frames left in this phase; 0 in the last one.
    left: u64,
    /// Bytes of the stream already taken.
    taken: u64,
    ended: bool,
    /// An over-long frame is being passed over.
    discarding: Option<Skip>,
    discarded: u64,
    clock: Clock,
    failed: Option<Box<DecodeError>>,
}

/// How far an over-long frame goes.
#[derive(Debug, Clone, Copy)]
enum Skip {
    Bytes(u64),
    ToItsEnd,
}

/// What is known of time: it is passed in.
#[derive(Debug, Default)]
struct Clock {
    frame_timeout: Option<Duration>,
    /// When the frame under way was first seen.
    started: Option<Instant>,
    last_arrival: Option<Instant>,
    /// Bytes of the stream seen by the last tick.
    seen: u64,
    quiet: bool,
}

/// Where a message lies.
#[derive(Debug, Clone, Copy)]
enum Span {
    Input(usize, usize),
    Scratch,
}

impl Decoder {
    pub(crate) fn new(framing: &Framing) -> Self {
        let first = &framing.phases[0];
        Self {
            codec: first.codec.clone(),
            max: first.max,
            buf: BytesMut::new(),
            shared: Bytes::new(),
            pos: 0,
            scratch: Vec::new(),
            phase: 0,
            left: if framing.phases.len() > 1 { first.times } else { 0 },
            taken: 0,
            ended: false,
            discarding: None,
            discarded: 0,
            clock: Clock::default(),
            failed: None,
            framing: framing.clone(),
        }
    }

    /// Sets the longest time from a frame's first byte to its last; `None` (the default) waits for ever.
    pub fn set_frame_timeout(&mut self, timeout: Option<Duration>) {
        self.clock.frame_timeout = timeout;
    }

    /// Appends a segment.
    #[inline]
    pub fn feed(&mut self, segment: &[u8]) {
        self.space(segment.len()).extend_from_slice(segment);
    }

    /// The read buffer with room for `room` more bytes, to be appended to by whoever reads the stream.
    #[inline]
    pub fn space(&mut self, room: usize) -> &mut BytesMut {
        if !self.shared.is_empty() {
            self.unshare();
        }
        if self.pos == self.buf.len() {
            self.buf.clear();
        } else {
            self.buf.advance(self.pos);
        }
        self.pos = 0;
        self.buf.reserve(room);
        &mut self.buf
    }

    /// Gives the read buffer's memory back where nothing is in it: for streams that may be idle for long.
    pub fn release(&mut self) {
        if self.pending().is_empty() {
            self.buf = BytesMut::new();
            self.shared = Bytes::new();
            self.scratch = Vec::new();
            self.pos = 0;
        }
    }

    /// Takes the rest back from the buffer that messages were sliced off.
    fn unshare(&mut self) {
        let mut rest = std::mem::take(&mut self.shared);
        rest.advance(self.pos);
        self.pos = 0;
        self.buf = match rest.try_into_mut() {
            Ok(buf) => buf,
            Err(rest) => BytesMut::from(&rest[..]),
        };
    }

    /// Says that the stream has ended: what [`next`](Self::next) finds from now on is its rest.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// What has arrived of the frame that is not whole yet.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] }
    }

    /// Messages passed over because they were too long (`oversize=discard`).
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    /// The next message, borrowed from the read buffer; `None` until more has been fed.
    ///
    /// # Errors
    ///
    /// Where the bytes are not what the framing says, a message is over `max`, or the stream ended inside a frame.
    #[inline]
    #[allow(clippy::should_implement_trait)] // It lends, which no Iterator can.
    pub fn next(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        Ok(match self.step()? {
            None => None,
            Some(Span::Scratch) => Some(&self.scratch),
            Some(Span::Input(start, end)) if self.shared.is_empty() => Some(&self.buf[start..end]),
            Some(Span::Input(start, end)) => Some(&self.shared[start..end]),
        })
    }

    /// The next message, owned: a slice of the read buffer that keeps it alive.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline]
    pub fn next_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        Ok(match self.step()? {
            None => None,
            Some(Span::Scratch) => Some(Bytes::copy_from_slice(&self.scratch)),
            Some(Span::Input(start, end)) => {
                if self.shared.is_empty() {
                    self.shared = self.buf.split().freeze();
                }
                Some(self.shared.slice(start..end))
            }
        })
    }

    /// Tells the time, after messages have been taken and whenever [`deadline`](Self::deadline) comes.
    ///
    /// # Errors
    ///
    /// Where a frame is not whole after the frame timeout.
    pub fn tick(&mut self, now: Instant) -> Result<(), DecodeError> {
        let arrived = self.taken + self.pending().len() as u64;
        let clock = &mut self.clock;
        if arrived != clock.seen {
            clock.seen = arrived;
            clock.last_arrival = Some(now);
        }
        if arrived == self.taken {
            clock.started = None;
            return Ok(());
        }
        let started = *clock.started.get_or_insert(now);
        if let (Machine::Gap(gap), Some(last)) = (&self.codec, clock.last_arrival) {
            clock.quiet = now.duration_since(last) >= gap.quiet;
        }
        match clock.frame_timeout {
            Some(after) if now.duration_since(started) >= after && !clock.quiet => {
                let got = self.pending().len();
                Err(self.fail(DecodeErrorKind::TimedOut { got, after }))
            }
            _ => Ok(()),
        }
    }

    /// When [`tick`](Self::tick) has to be called next; `None`: not before more has been fed.
    pub fn deadline(&self) -> Option<Instant> {
        if self.pending().is_empty() {
            return None;
        }
        let timeout = self.clock.frame_timeout.zip(self.clock.started).map(|(after, started)| started + after);
        let gap = match (&self.codec, self.clock.last_arrival) {
            (Machine::Gap(gap), Some(last)) => Some(last + gap.quiet),
            _ => None,
        };
        timeout.into_iter().chain(gap).min()
    }

    /// Finds the next frame and takes it.
    #[inline]
    fn step(&mut self) -> Result<Option<Span>, DecodeError> {
        loop {
            if (self.discarding.is_some() || self.failed.is_some()) && !self.pass_over()? {
                return Ok(None);
            }
            let input = if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] };
            if input.is_empty() {
                return Ok(None);
            }
            let mut cx = Cx { max: self.max, quiet: self.clock.quiet, scratch: &mut self.scratch };
            let found = match self.codec.decode(input, &mut cx) {
                Ok(Step::Need) if self.ended => self.codec.finish(input, &mut cx),
                other => other,
            };
            match found {
                Ok(Step::Frame { start, end, total }) => {
                    let base = self.pos;
                    self.take(total);
                    return Ok(Some(Span::Input(base + start, base + end)));
                }
                Ok(Step::Built { total }) => {
                    self.take(total);
                    return Ok(Some(Span::Scratch));
                }
                Ok(Step::Need) if self.ended => return Err(self.fail_incomplete()),
                Ok(Step::Need) => return Ok(None),
                Err(fault) => self.refuse(fault)?,
            }
        }
    }

    /// Moves past a frame.
    #[inline]
    fn take(&mut self, total: usize) {
        self.pos += total;
        self.taken += total as u64;
        self.clock.started = None;
        self.clock.quiet = false;
        if self.left > 0 {
            self.count_down();
        }
    }

    fn count_down(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.phase += 1;
            let phase = &self.framing.phases[self.phase];
            self.codec = phase.codec.clone();
            self.max = phase.max;
            self.left = if self.phase + 1 < self.framing.phases.len() { phase.times } else { 0 };
        }
    }

    /// A fault ends the stream, or where the spec says so its frame is passed over.
    #[cold]
    fn refuse(&mut self, fault: Fault) -> Result<(), DecodeError> {
        match fault {
            Fault::TooLong { skip, .. } if self.framing.phases[self.phase].discard => {
                self.discarding = Some(skip.map_or(Skip::ToItsEnd, Skip::Bytes));
                Ok(())
            }
            Fault::TooLong { length, .. } => Err(self.fail(DecodeErrorKind::TooLong { length, limit: self.max })),
            Fault::Broken(what) => Err(self.fail(DecodeErrorKind::Broken(what))),
        }
    }

    /// Throws away what has arrived of an over-long frame; true when it has wholly gone by.
    #[cold]
    fn pass_over(&mut self) -> Result<bool, DecodeError> {
        if let Some(error) = &self.failed {
            return Err((**error).clone());
        }
        let have = self.pending().len();
        let (gone, done) = match self.discarding {
            None => return Ok(true),
            Some(Skip::Bytes(left)) => {
                let gone = have.min(usize::try_from(left).unwrap_or(usize::MAX));
                self.discarding = Some(Skip::Bytes(left - gone as u64));
                (gone, gone as u64 == left)
            }
            Some(Skip::ToItsEnd) => {
                let input = if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] };
                match self.codec.discard(input) {
                    Discard::More(gone) => (gone, false),
                    Discard::Done(gone) => (gone, true),
                }
            }
        };
        if done {
            self.discarding = None;
            self.discarded += 1;
            self.take(gone);
        } else {
            self.pos += gone;
            self.taken += gone as u64;
            if self.ended {
                return Err(self.fail_incomplete());
            }
        }
        Ok(done)
    }

    #[cold]
    fn fail_incomplete(&mut self) -> DecodeError {
        let (got, of) = (self.pending().len(), self.codec.announced(self.pending()));
        self.fail(DecodeErrorKind::Incomplete { got, of })
    }

    #[cold]
    fn fail(&mut self, kind: DecodeErrorKind) -> DecodeError {
        let head = self.pending();
        let hint = recognise(&head[..head.len().min(64)], self.codec.shape());
        let error = DecodeError { kind, hint, offset: self.taken };
        self.failed = Some(Box::new(error.clone()));
        error
    }
}
