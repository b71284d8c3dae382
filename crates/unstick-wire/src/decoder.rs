//! Decodes one direction of one stream: bytes in, messages out.

mod choice;
mod clip;
mod damage;
mod finder;
mod messages;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::Codec;
use crate::diagnose::guess_protocol;
use crate::dialogue::Dialogue;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::frame::{Frame, FrameLayout};
use crate::limits;
use crate::phase::{Phase, followed};

use clip::Clip;
use finder::{Finder, Span};

pub use damage::Damage;
pub use messages::Messages;

/// Finds the messages in one direction of one stream, however its bytes are cut.
///
/// Bytes come in with [`feed`](Self::feed), or are read straight into [`read_buf`](Self::read_buf). Messages come out either
/// as slices of the read buffer ([`next`](Self::next)), for hot loops, or owned ([`next_bytes`](Self::next_bytes)).
/// Memory grows with what has arrived, never with what a header announced.
///
/// After an error the boundaries are lost, and every later call returns the same error. With `damaged=skip` the decoder
/// passes over bytes that break the framing, up to the next frame: [`take_damage`](Self::take_damage) reports them.
#[derive(Debug)]
#[repr(C)] // The fields that every message needs come first: small offsets make short instructions.
pub struct Decoder {
    /// What has arrived; from the finder's `pos` on it is not taken yet. Empty while `shared` is not.
    buf: BytesMut,
    finder: Finder,
    /// The same as `buf`, once owned messages have been sliced off it.
    shared: Bytes,
    /// A copy of a part of it, which small owned messages are slices of.
    clip: Clip,
    clock: Clock,
}

/// The times that the caller passes in.
#[derive(Debug, Default)]
struct Clock {
    frame_timeout: Option<Duration>,
    /// When the frame under way was first seen, and where in the stream it begins.
    started: Option<(Instant, u64)>,
    /// When `tick` last saw that more had arrived, and how much had arrived by then.
    arrival: Option<(Instant, u64)>,
}

/// Number of bytes that [`Decoder::feed`] copies at a time. From about 2 KiB on, glibc copies with `rep movsb`. Before glibc
/// 2.39 it did so on AMD's Zen 3 and Zen 4 too, which are slow at it where source and destination lie badly in their
/// pages (glibc's bug 30994): to copy a read then took four times as long as to decode it.
const PIECE: usize = 1984;

impl Decoder {
    pub(crate) fn new(phases: Arc<[Phase]>) -> Self {
        Self {
            buf: BytesMut::new(),
            finder: Finder::new(phases),
            shared: Bytes::new(),
            clip: Clip::default(),
            clock: Clock::default(),
        }
    }

    /// Sets the longest time from a frame's first byte to its last; `None` (the default) waits without limit.
    pub fn set_frame_timeout(&mut self, timeout: Option<Duration>) {
        self.clock.frame_timeout = timeout.map(|time| time.min(limits::LONGEST_TIME));
    }

    /// Makes this a direction of a dialogue: the other direction's requests say how the responses end here.
    pub fn follow(&mut self, dialogue: &Dialogue) {
        self.finder.phases = followed(&self.finder.phases, dialogue);
        self.finder.codec.follow(dialogue);
    }

    /// Starts a fresh decoder in the middle of its stream, at this offset, in the last phase of the framing. With `search`
    /// a frame may be under way there: its rest is passed over as damaged. Returns false if this framing cannot tell
    /// where the next frame begins.
    pub(crate) fn start_at(&mut self, offset: u64, search: bool) -> bool {
        self.finder.start_at(offset, search)
    }

    /// Appends a segment.
    #[inline]
    pub fn feed(&mut self, segment: &[u8]) {
        let buf = self.read_buf(segment.len());
        for piece in segment.chunks(PIECE) {
            buf.extend_from_slice(piece);
        }
    }

    /// Returns the read buffer with room for `room` more bytes. The caller appends what it reads from the stream.
    ///
    /// What is in it already belongs to frames under way: only append. After an error the decoder keeps nothing in it.
    #[inline]
    pub fn read_buf(&mut self, room: usize) -> &mut BytesMut {
        if self.finder.failed.is_some() {
            self.finder.pos += self.pending().len();
        }
        self.finder.before += self.finder.pos as u64;
        if !self.shared.is_empty() {
            self.unshare(room);
        } else if self.finder.pos == self.buf.len() {
            self.buf.clear();
        } else {
            self.buf.advance(self.finder.pos);
        }
        self.finder.pos = 0;
        self.clip.drop_copy();
        self.buf.reserve(room);
        &mut self.buf
    }

    /// Frees the read buffer's memory if nothing is in it: for streams that may be idle for long.
    pub fn shrink(&mut self) {
        if self.pending().is_empty() {
            self.finder.before += self.finder.pos as u64;
            self.finder.pos = 0;
            self.buf = BytesMut::new();
            self.shared = Bytes::new();
            self.clip.drop_copy();
            self.finder.scratch = Vec::new();
        }
    }

    /// Drops what has arrived of the unfinished frame, and frees its memory. Nothing more can be decoded from the
    /// stream.
    pub fn discard_pending(&mut self) {
        self.finder.pos += self.pending().len();
        self.shrink();
    }

    /// Takes the rest back from the buffer that messages were sliced off: the whole buffer if no message is held any
    /// more, else a copy of the rest.
    fn unshare(&mut self, room: usize) {
        let mut rest = std::mem::take(&mut self.shared);
        rest.advance(self.finder.pos);
        self.buf = match rest.try_into_mut() {
            Ok(buf) => buf,
            Err(rest) => {
                let mut buf = BytesMut::with_capacity(rest.len() + room);
                buf.extend_from_slice(&rest);
                buf
            }
        };
    }

    /// Says that the stream has ended: from now on [`next`](Self::next) finds what is left.
    pub fn finish(&mut self) {
        self.finder.finish();
    }

    /// Says that the stream broke off, where its transport can tell that from an end. What has arrived of a frame is
    /// then no message, even if an end would have made it one. Take the complete messages first.
    ///
    /// # Errors
    ///
    /// If a frame is under way.
    pub fn finish_truncated(&mut self) -> Result<(), DecodeError> {
        if let Some(error) = &self.finder.failed {
            return Err(error.clone());
        }
        self.finish();
        if self.finder.resync.is_searching() || self.pending().is_empty() && self.finder.skip.is_none() {
            Ok(())
        } else {
            let arrived = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
            Err(self.finder.fail_incomplete(arrived))
        }
    }

    /// What has arrived of the frame that is not complete.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        if self.shared.is_empty() { &self.buf[self.finder.pos..] } else { &self.shared[self.finder.pos..] }
    }

    /// Number of bytes of memory that the unfinished frame keeps: the buffer's capacity too, which may be more than has
    /// arrived.
    pub fn held(&self) -> usize {
        if self.pending().is_empty() {
            0
        } else {
            self.buf.capacity() + self.shared.len() + self.finder.scratch.capacity()
        }
    }

    /// Guesses the protocol from the first bytes of the stream, as a question, as long as no message was taken. The
    /// framing makes messages of these bytes, but the sender most probably speaks something else. Nothing has failed.
    pub fn guess_protocol(&self) -> Option<Cow<'static, str>> {
        if self.finder.taken() > 0 || self.finder.failed.is_some() {
            return None;
        }
        guess_protocol(self.pending(), self.finder.codec.shape())
    }

    /// Number of messages passed over because they were too long (`oversize=discard`).
    pub fn discarded(&self) -> u64 {
        self.finder.discarded
    }

    /// Returns the next message, borrowed from the read buffer; `None` until more is fed.
    ///
    /// # Errors
    ///
    /// When the bytes are not what the framing says, a message is over `max`, or the stream ended inside a frame.
    #[inline(always)]
    #[allow(clippy::should_implement_trait)] // It lends, which no Iterator can.
    pub fn next(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        // The fast path is tried on `buf` alone, which is empty once messages have been sliced off.
        if let Some(frame) = self.finder.fast_path.bounds(&self.buf, self.finder.pos)
            && frame.is_in(&self.buf)
        {
            self.finder.pos = frame.next;
            return Ok(Some(&self.buf[frame.start..frame.end]));
        }
        let arrived = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
        Ok(match self.finder.search(arrived)? {
            None => None,
            Some(Span::Scratch) => Some(&self.finder.scratch),
            Some(Span::Input(start, end)) => Some(&arrived[start..end]),
        })
    }

    /// Returns the next message with the frame in which it arrived: for programs that show bytes. Slower than
    /// [`next`](Self::next); both may be called in turn.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, DecodeError> {
        let arrived = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
        let Some(span) = self.finder.search(arrived)? else { return Ok(None) };
        let (at, phase) = self.finder.found;
        let bytes = &arrived[at..self.finder.pos];
        let (message, lies) = match span {
            Span::Scratch => (&self.finder.scratch[..], None),
            Span::Input(start, end) => (&arrived[start..end], Some(start - at..end - at)),
        };
        let layout = FrameLayout::new(&self.finder.phases[phase].codec, bytes, lies);
        Ok(Some(Frame { message, bytes, layout, offset: self.finder.before + at as u64 }))
    }

    /// Returns a cursor over the messages that have arrived, one after the other, as [`next`](Self::next) gives them:
    /// for loops over many small ones. It writes the decoder's position back once, when it is dropped, and not for
    /// every message.
    #[inline]
    pub fn messages(&mut self) -> Messages<'_> {
        let arrived = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
        Messages::new(arrived, &mut self.finder)
    }

    /// Returns the next message, owned: a slice of the read buffer that keeps it alive. Small messages are slices of a
    /// copy of 2 KiB at most, so that one that is held for long does not hold a whole buffer.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline]
    pub fn next_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let input = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
        if let Some(frame) = self.finder.fast_path.bounds(input, self.finder.pos)
            && frame.is_in(input)
        {
            self.finder.pos = frame.next;
            if Clip::takes(frame.end - frame.start) {
                return Ok(Some(self.clip.slice(input, frame.start, frame.end)));
            }
            return Ok(Some(self.slice(frame.start, frame.end)));
        }
        Ok(match self.finder.search(input)? {
            None => None,
            Some(Span::Scratch) => Some(Bytes::copy_from_slice(&self.finder.scratch)),
            Some(Span::Input(start, end)) => {
                if Clip::takes(end - start) {
                    return Ok(Some(self.clip.slice(input, start, end)));
                }
                Some(self.slice(start, end))
            }
        })
    }

    fn slice(&mut self, start: usize, end: usize) -> Bytes {
        if self.shared.is_empty() {
            self.shared = std::mem::take(&mut self.buf).freeze();
            if self.finder.pos == self.shared.len() && end == self.finder.pos {
                return self.hand_over(start);
            }
        }
        self.shared.slice(start..end)
    }

    /// Hands over the whole buffer, which one frame has filled from `start` on: a message that comes alone is shared
    /// with nobody.
    fn hand_over(&mut self, start: usize) -> Bytes {
        self.finder.before += self.finder.pos as u64;
        self.finder.pos = 0;
        self.clip.drop_copy();
        let mut message = std::mem::take(&mut self.shared);
        message.advance(start);
        message
    }

    /// Tells the decoder the time. Call it after messages were taken, and whenever [`deadline`](Self::deadline) comes.
    ///
    /// No time is counted while messages wait to be taken: a slow reader is not the peer's fault.
    ///
    /// # Errors
    ///
    /// When a frame is not complete after the frame timeout.
    pub fn tick(&mut self, now: Instant) -> Result<(), DecodeError> {
        let start = self.finder.frame_start();
        let arrived = self.finder.taken() + self.pending().len() as u64;
        let clock = &mut self.clock;
        if clock.arrival.is_none_or(|(_, seen)| seen != arrived) {
            clock.arrival = Some((now, arrived));
        }
        if arrived == start || arrived != self.finder.drained || self.finder.resync.is_searching() {
            clock.started = None;
            return Ok(());
        }
        let (began, _) = *match &mut clock.started {
            Some(frame) if frame.1 == start => frame,
            other => other.insert((now, start)),
        };
        if let (Some((silence, _)), Some((last, _))) = (self.finder.silence(), clock.arrival)
            && now.duration_since(last) >= silence
        {
            self.finder.fall_silent((arrived - start) as usize);
            return Ok(());
        }
        match clock.frame_timeout {
            Some(after) if now.duration_since(began) >= after => {
                let bytes = if self.shared.is_empty() { &self.buf[..] } else { &self.shared[..] };
                Err(self.finder.fail(DecodeErrorKind::TimedOut { got: arrived - start, after }, bytes))
            }
            _ => Ok(()),
        }
    }

    /// When [`tick`](Self::tick) must be called next; `None`: not before more is fed.
    pub fn deadline(&self) -> Option<Instant> {
        if self.pending().is_empty() && self.finder.skip.is_none() || self.finder.failed.is_some() {
            return None;
        }
        let began = self.clock.started.filter(|(_, at)| *at == self.finder.frame_start()).map(|(began, _)| began);
        let timeout = self.clock.frame_timeout.zip(began).map(|(after, began)| began + after);
        let silence = match (self.finder.silence(), self.clock.arrival) {
            (Some((silence, false)), Some((last, _))) => Some(last + silence),
            _ => None,
        };
        timeout.into_iter().chain(silence).min()
    }

    /// Takes what was passed over as damaged since the last call (`damaged=skip`), if anything. It is ready once the
    /// next frame is found or the stream has ended; with `now`, in any case.
    pub fn take_damage(&mut self, now: bool) -> Option<Damage> {
        self.finder.take_damage(now)
    }
}
