//! Bytes in, messages out: the buffer of one direction of one stream, and where its frames lie.

mod damage;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::{Codec, Context, Discard, FrameError, Step};
use crate::diagnose::{Evidence, INSPECTED, diagnose, guess_protocol};
use crate::dialogue::Dialogue;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::fast_path::FastPath;
use crate::framing::AnyCodec;
use crate::limits;
use crate::phase::{Phase, followed};

use damage::Resync;

pub use damage::Damage;

/// Finds the messages in one direction of one stream, however its bytes are cut.
///
/// Bytes come in with [`feed`](Self::feed), or are read straight into [`read_buf`](Self::read_buf). Messages come out either
/// as slices of the read buffer ([`next`](Self::next)), for hot loops, or owned ([`next_bytes`](Self::next_bytes)).
/// Memory grows with what has arrived, never with what a header announced.
///
/// After an error the boundaries are lost, and every later call returns the same error. With `damaged=skip` the bytes that
/// break the framing are passed over instead, up to the next frame: [`take_damage`](Self::take_damage) tells of them.
#[derive(Debug)]
#[repr(C)] // What every message needs comes first: small offsets make short instructions.
pub struct Decoder {
    /// What has arrived, from `pos` on not yet taken. Empty while `shared` is not.
    buf: BytesMut,
    pos: usize,
    /// Open only at the start of a frame that the codec has not looked at yet.
    fast_path: FastPath,
    /// As `buf`, once owned messages have been sliced off it.
    shared: Bytes,
    scratch: Vec<u8>,
    /// Bytes of the stream before the buffer's first.
    before: u64,
    /// Frames left in this phase; 0 in the last one.
    left: u64,
    phase: usize,
    /// The longest message of this phase, in bytes.
    max: usize,
    /// The stream has ended, or failed, or an over-long frame is being passed over.
    unusual: bool,
    ended: bool,
    failed: Option<DecodeError>,
    skip: Option<Skip>,
    discarded: u64,
    /// How much of the stream had arrived when no further message could be had.
    drained: u64,
    /// The search for the next frame behind damaged bytes (`damaged=skip`).
    resync: Resync,
    clock: Clock,
    phases: Arc<[Phase]>,
    codec: AnyCodec,
}

/// An over-long frame that is being passed over.
#[derive(Debug, Clone, Copy)]
struct Skip {
    /// Bytes of it still to come; `None` where only its end tells.
    left: Option<u64>,
    /// Bytes of it gone by.
    gone: u64,
}

/// What is known of time: it is passed in.
#[derive(Debug, Default)]
struct Clock {
    frame_timeout: Option<Duration>,
    /// When the frame under way was first seen, and where in the stream it begins.
    started: Option<(Instant, u64)>,
    /// When more was last found to have arrived, and how much had by then.
    arrival: Option<(Instant, u64)>,
}

/// The longest message in bytes that [`Decoder::next_bytes`] copies. An allocation and a short copy cost about what the
/// two atomic operations of a slice do, and less where nothing else wants the processor.
const COPIED: usize = 128;

/// Where a message lies.
#[derive(Debug, Clone, Copy)]
enum Span {
    Input(usize, usize),
    Scratch,
}

impl Decoder {
    pub(crate) fn new(phases: Arc<[Phase]>) -> Self {
        let first = &phases[0];
        Self {
            codec: first.codec.clone(),
            max: first.max,
            buf: BytesMut::new(),
            shared: Bytes::new(),
            pos: 0,
            before: 0,
            scratch: Vec::new(),
            left: first.times,
            phase: 0,
            unusual: false,
            fast_path: FastPath::Closed,
            ended: false,
            failed: None,
            skip: None,
            discarded: 0,
            resync: Resync::default(),
            clock: Clock::default(),
            drained: 0,
            phases,
        }
    }

    /// Sets the longest time from a frame's first byte to its last; `None` (the default) waits for ever.
    pub fn set_frame_timeout(&mut self, timeout: Option<Duration>) {
        self.clock.frame_timeout = timeout.map(|time| time.min(limits::LONGEST_TIME));
    }

    /// Makes this a direction of an dialogue: what the other direction asks says how the responses end here.
    pub fn follow(&mut self, dialogue: &Dialogue) {
        self.phases = followed(&self.phases, dialogue);
        self.codec.follow(dialogue);
    }

    /// Appends a segment.
    #[inline]
    pub fn feed(&mut self, segment: &[u8]) {
        self.read_buf(segment.len()).extend_from_slice(segment);
    }

    /// The read buffer with room for `room` more bytes, to be appended to by whoever reads the stream.
    ///
    /// What is in it already belongs to frames under way: only append. After an error nothing is kept in it.
    #[inline]
    pub fn read_buf(&mut self, room: usize) -> &mut BytesMut {
        if self.failed.is_some() {
            self.pos += self.pending().len();
        }
        self.before += self.pos as u64;
        if !self.shared.is_empty() {
            self.unshare(room);
        } else if self.pos == self.buf.len() {
            self.buf.clear();
        } else {
            self.buf.advance(self.pos);
        }
        self.pos = 0;
        self.buf.reserve(room);
        &mut self.buf
    }

    /// Gives the read buffer's memory back where nothing is in it: for streams that may be idle for long.
    pub fn shrink(&mut self) {
        if self.pending().is_empty() {
            self.before += self.pos as u64;
            self.pos = 0;
            self.buf = BytesMut::new();
            self.shared = Bytes::new();
            self.scratch = Vec::new();
        }
    }

    /// Drops what has arrived of the unfinished frame, and gives its memory back: nothing more can be decoded of the stream.
    pub fn discard_pending(&mut self) {
        self.pos += self.pending().len();
        self.shrink();
    }

    /// Takes the rest back from the buffer that messages were sliced off: the whole buffer where no message is held
    /// any more, else a copy of the rest.
    fn unshare(&mut self, room: usize) {
        let mut rest = std::mem::take(&mut self.shared);
        rest.advance(self.pos);
        self.buf = match rest.try_into_mut() {
            Ok(buf) => buf,
            Err(rest) => {
                let mut buf = BytesMut::with_capacity(rest.len() + room);
                buf.extend_from_slice(&rest);
                buf
            }
        };
    }

    /// Says that the stream has ended: what [`next`](Self::next) finds from now on is its rest.
    pub fn finish(&mut self) {
        self.ended = true;
        self.unusual = true;
        self.fast_path = FastPath::Closed;
    }

    /// Says that the stream broke off, where its transport can tell that from an end: what has arrived of a frame is no
    /// message, not even where an end would have made it one. Take the messages that are whole before.
    ///
    /// # Errors
    ///
    /// Where a frame is under way.
    pub fn finish_truncated(&mut self) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.finish();
        if self.resync.is_searching() || self.pending().is_empty() && self.skip.is_none() {
            Ok(())
        } else {
            Err(self.fail_incomplete())
        }
    }

    /// What has arrived of the frame that is not whole yet.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] }
    }

    /// Bytes of memory that the unfinished frame keeps: the buffer's room too, of which more may be reserved than has arrived.
    pub fn held(&self) -> usize {
        if self.pending().is_empty() { 0 } else { self.buf.capacity() + self.shared.len() + self.scratch.capacity() }
    }

    /// A question about what the stream begins with, for as long as no message has been taken: the framing makes messages
    /// of it, but who sent it most probably speaks something else. Nothing has failed.
    pub fn guess_protocol(&self) -> Option<Cow<'static, str>> {
        if self.taken() > 0 || self.failed.is_some() {
            return None;
        }
        guess_protocol(self.pending(), self.codec.shape())
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
    #[inline(always)]
    #[allow(clippy::should_implement_trait)] // It lends, which no Iterator can.
    pub fn next(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        // The fast path is tried on the buffer alone: it is empty where messages have been sliced off.
        if let Some(frame) = self.fast_path.bounds(&self.buf, self.pos)
            && frame.is_in(&self.buf)
        {
            self.pos = frame.next;
            return Ok(Some(&self.buf[frame.start..frame.end]));
        }
        Ok(match self.search()? {
            None => None,
            Some(Span::Scratch) => Some(&self.scratch),
            Some(Span::Input(start, end)) if self.shared.is_empty() => Some(&self.buf[start..end]),
            Some(Span::Input(start, end)) => Some(&self.shared[start..end]),
        })
    }

    /// The next message, owned: a slice of the read buffer that keeps it alive, or for a small message a copy, so that
    /// one that is held for long does not hold a whole buffer.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline(always)]
    pub fn next_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let input = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
        if let Some(frame) = self.fast_path.bounds(input, self.pos)
            && frame.is_in(input)
        {
            self.pos = frame.next;
            let message = &input[frame.start..frame.end];
            if message.len() <= COPIED {
                return Ok(Some(Bytes::copy_from_slice(message)));
            }
            return Ok(Some(self.slice(frame.start, frame.end)));
        }
        Ok(match self.search()? {
            None => None,
            Some(Span::Scratch) => Some(Bytes::copy_from_slice(&self.scratch)),
            Some(Span::Input(start, end)) => {
                let input = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
                if end - start <= COPIED {
                    return Ok(Some(Bytes::copy_from_slice(&input[start..end])));
                }
                Some(self.slice(start, end))
            }
        })
    }

    fn slice(&mut self, start: usize, end: usize) -> Bytes {
        if self.shared.is_empty() {
            self.shared = std::mem::take(&mut self.buf).freeze();
            if self.pos == self.shared.len() && end == self.pos {
                return self.hand_over(start);
            }
        }
        self.shared.slice(start..end)
    }

    /// The whole buffer, which one frame has filled from `start` on: a message that comes alone is shared with nobody.
    fn hand_over(&mut self, start: usize) -> Bytes {
        self.before += self.pos as u64;
        self.pos = 0;
        let mut message = std::mem::take(&mut self.shared);
        message.advance(start);
        message
    }

    /// Tells the time, after messages have been taken and whenever [`deadline`](Self::deadline) comes.
    ///
    /// As long as messages wait to be taken no time is counted: a slow reader is not the peer's fault.
    ///
    /// # Errors
    ///
    /// Where a frame is not whole after the frame timeout.
    pub fn tick(&mut self, now: Instant) -> Result<(), DecodeError> {
        let start = self.frame_start();
        let arrived = self.taken() + self.pending().len() as u64;
        let clock = &mut self.clock;
        if clock.arrival.is_none_or(|(_, seen)| seen != arrived) {
            clock.arrival = Some((now, arrived));
        }
        if arrived == start || arrived != self.drained || self.resync.is_searching() {
            clock.started = None;
            return Ok(());
        }
        let (began, _) = *match &mut clock.started {
            Some(frame) if frame.1 == start => frame,
            other => other.insert((now, start)),
        };
        if let (AnyCodec::Gap(gap), Some((last, _))) = (&mut self.codec, clock.arrival)
            && now.duration_since(last) >= gap.silence
        {
            gap.quiet = (arrived - start) as usize;
            return Ok(());
        }
        match clock.frame_timeout {
            Some(after) if now.duration_since(began) >= after => {
                Err(self.fail(DecodeErrorKind::TimedOut { got: arrived - start, after }))
            }
            _ => Ok(()),
        }
    }

    /// When [`tick`](Self::tick) has to be called next; `None`: not before more has been fed.
    pub fn deadline(&self) -> Option<Instant> {
        if self.pending().is_empty() && self.skip.is_none() || self.failed.is_some() {
            return None;
        }
        let began = self.clock.started.filter(|(_, at)| *at == self.frame_start()).map(|(began, _)| began);
        let timeout = self.clock.frame_timeout.zip(began).map(|(after, began)| began + after);
        let gap = match (&self.codec, self.clock.arrival) {
            (AnyCodec::Gap(gap), Some((last, _))) if gap.quiet == 0 => Some(last + gap.silence),
            _ => None,
        };
        timeout.into_iter().chain(gap).min()
    }

    /// Bytes of the stream already taken.
    fn taken(&self) -> u64 {
        self.before + self.pos as u64
    }

    /// Where in the stream the frame under way begins.
    fn frame_start(&self) -> u64 {
        self.taken() - self.skip.map_or(0, |skip| skip.gone)
    }

    /// Opens the fast path where there is one: at the start of a frame, in the last phase, with nothing unusual.
    fn open_lane(&mut self) {
        self.fast_path = if self.unusual || self.left > 0 { FastPath::Closed } else { self.codec.fast_path(self.max) };
    }

    /// Finds the next frame and takes it, whatever it needs.
    #[cold] // So that the fast path's checks, which lead here, are compiled as branches that are not taken.
    #[inline(never)]
    fn search(&mut self) -> Result<Option<Span>, DecodeError> {
        self.fast_path = FastPath::Closed;
        loop {
            if self.unusual && !self.pass_over()? {
                return Ok(None);
            }
            let input = if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] };
            if input.is_empty() {
                self.drained = self.taken();
                return Ok(None);
            }
            if self.left > 0 && self.phases[self.phase].if_prefix.is_some() {
                match self.holds_for(input) {
                    Some(true) => {}
                    Some(false) => {
                        self.enter(self.phase + 1);
                        continue;
                    }
                    None => {
                        self.drained = self.before + (self.pos + input.len()) as u64;
                        return Ok(None);
                    }
                }
            }
            let mut cx = Context { max: self.max, scratch: &mut self.scratch };
            let found = match self.codec.decode(input, &mut cx) {
                Ok(Step::Need) if self.ended => self.codec.finish(input, &mut cx),
                other => other,
            };
            match found {
                Ok(Step::Frame { start, end, total }) => {
                    let (base, ends) = (self.pos, self.left > 0 && self.is_last(&input[start..end]));
                    self.take(total, ends);
                    self.open_lane();
                    return Ok(Some(Span::Input(base + start, base + end)));
                }
                Ok(Step::Built { total }) => {
                    let ends = self.left > 0 && self.is_last(&self.scratch);
                    self.take(total, ends);
                    return Ok(Some(Span::Scratch));
                }
                Ok(Step::Blank { total }) => self.pos += total,
                Ok(Step::Need) if self.ended && self.skips_damage() => {
                    self.search_behind_damage("the stream ended inside a frame".to_owned());
                }
                Ok(Step::Need) if self.ended => return Err(self.fail_incomplete()),
                Ok(Step::Need) => {
                    self.drained = self.before + (self.pos + input.len()) as u64;
                    return Ok(None);
                }
                Err(fault) => self.refuse(fault)?,
            }
        }
    }

    /// Moves past a frame. `ends`: it was the last of its phase.
    fn take(&mut self, total: usize, ends: bool) {
        self.pos += total;
        if self.left > 0 {
            self.left = if ends { 0 } else { self.left - 1 };
            if self.left == 0 {
                self.enter(self.phase + 1);
            }
        }
    }

    /// Whether a message is the last of its phase, as `until=` says.
    fn is_last(&self, message: &[u8]) -> bool {
        self.phases[self.phase].until.as_ref().is_some_and(|mark| mark.stands_in(message) == Some(true))
    }

    fn enter(&mut self, at: usize) {
        let phase = &self.phases[at];
        self.codec = phase.codec.clone();
        self.max = phase.max;
        self.left = phase.times;
        self.phase = at;
    }

    /// Whether a frame that begins with `input` is one of this phase; `None` while that cannot be told.
    #[cold]
    fn holds_for(&self, input: &[u8]) -> Option<bool> {
        let prefix = self.phases[self.phase].if_prefix.as_ref();
        match prefix.map_or(Some(true), |mark| mark.stands_in(input)) {
            None if self.ended => Some(false),
            known => known,
        }
    }

    /// A fault ends the stream, or where the spec says so its frame is passed over.
    #[cold]
    fn refuse(&mut self, fault: FrameError) -> Result<(), DecodeError> {
        match fault {
            FrameError::TooLong { skip, .. } if self.phases[self.phase].discard => {
                self.skip = Some(Skip { left: skip, gone: 0 });
                self.unusual = true;
                Ok(())
            }
            FrameError::TooLong { .. } if self.skips_damage() => {
                self.search_behind_damage(format!(
                    "a message is longer than {}",
                    crate::quantity::size(self.max as u64)
                ));
                Ok(())
            }
            FrameError::Broken(what) if self.skips_damage() => {
                self.search_behind_damage(what.to_string());
                Ok(())
            }
            FrameError::TooLong { length, .. } => Err(self.fail(DecodeErrorKind::TooLong { length, limit: self.max })),
            FrameError::Broken(what) => Err(self.fail(DecodeErrorKind::Broken(what))),
        }
    }

    /// What has been passed over as damaged since this was last called (`damaged=skip`), if anything: once the next frame
    /// is found or the stream has ended, or with `now`, in any case.
    pub fn take_damage(&mut self, now: bool) -> Option<Damage> {
        self.resync.take_damage(now || self.ended)
    }

    /// Whether bytes that break the framing are passed over.
    fn skips_damage(&self) -> bool {
        self.phases[self.phase].skips_damage
    }

    /// The frame under way is damaged: from its first byte on, the next frame is searched for.
    #[cold]
    fn search_behind_damage(&mut self, what: String) {
        self.resync.start(self.taken(), what);
        self.unusual = true;
    }

    /// Passes over what is damaged; true when a place has been found where a frame can begin, or the stream has ended.
    #[cold]
    fn find_way(&mut self) -> bool {
        let at = self.taken();
        let input = if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] };
        let passed = self.resync.pass(&mut self.codec, input, at, self.max, self.ended);
        self.pos += passed.bytes;
        self.drained = self.taken() + self.pending().len() as u64;
        if passed.found {
            self.unusual = self.ended;
            self.codec = self.phases[self.phase].codec.clone();
        }
        passed.found
    }

    /// Throws away what has arrived of an over-long frame; true when none is under way any more.
    #[cold]
    fn pass_over(&mut self) -> Result<bool, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.resync.is_searching() {
            return Ok(self.find_way());
        }
        let Some(skip) = self.skip else { return Ok(true) };
        let input = if self.shared.is_empty() { &self.buf[self.pos..] } else { &self.shared[self.pos..] };
        let passed = match skip.left {
            Some(left) if input.len() as u64 >= left => Ok(Discard::Done(left as usize)),
            Some(_) => Ok(Discard::More(input.len())),
            None => self.codec.discard(input, self.ended),
        };
        match passed {
            Ok(Discard::Done(gone)) => {
                self.skip = None;
                self.unusual = self.ended;
                self.discarded += 1;
                self.take(gone, false);
                Ok(true)
            }
            Ok(Discard::More(gone)) => {
                self.pos += gone;
                let (left, gone) = (skip.left.map(|left| left - gone as u64), skip.gone + gone as u64);
                self.skip = Some(Skip { left, gone });
                self.drained = self.taken() + self.pending().len() as u64;
                if self.ended { Err(self.fail_incomplete()) } else { Ok(false) }
            }
            Err(fault) => self.refuse(fault).map(|()| false),
        }
    }

    #[cold]
    fn fail_incomplete(&mut self) -> DecodeError {
        let got = self.taken() + self.pending().len() as u64 - self.frame_start();
        let of = match self.skip {
            Some(skip) => skip.left.map(|left| skip.gone.saturating_add(left)),
            None => self.codec.announced(self.pending()),
        };
        self.fail(DecodeErrorKind::Incomplete { got, of })
    }

    #[cold]
    fn fail(&mut self, kind: DecodeErrorKind) -> DecodeError {
        let head: &[u8] = if self.skip.is_some() { b"" } else { self.pending() };
        let head = &head[..head.len().min(INSPECTED)];
        let hint = diagnose(&Evidence { kind: &kind, head, shape: self.codec.shape() });
        let error = DecodeError::new(kind, hint, self.frame_start());
        self.failed = Some(error.clone());
        self.unusual = true;
        error
    }
}
