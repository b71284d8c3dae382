//! Finds the next frame in what has arrived, through phases, over-long frames, damage and the end of the stream.
//!
//! Not here: the buffer for the bytes, which is the decoder's. Each call gets it.

use std::sync::Arc;
use std::time::Duration;

use crate::codec::{Codec, Context, Discard, FrameError, Step};
use crate::diagnose::{Evidence, INSPECTED, diagnose};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::fast_path::FastPath;
use crate::framing::AnyCodec;
use crate::phase::Phase;

use super::choice::Choice;
use super::damage::{Damage, Resync};

/// Finds where the frames of a stream lie: everything that a decoder knows except the bytes that have arrived.
#[derive(Debug)]
#[repr(C)] // The fields that every message needs come first: small offsets make short instructions.
pub(super) struct Finder {
    /// How much of the buffer has been taken.
    pub(super) pos: usize,
    /// Open only at the start of a frame that the codec has not looked at yet.
    pub(super) fast_path: FastPath,
    /// A message whose bytes are not in the buffer as they are.
    pub(super) scratch: Vec<u8>,
    /// Number of bytes of the stream before the first byte of the buffer.
    pub(super) before: u64,
    /// The frame that was found last: where it begins in the buffer, and its phase.
    pub(super) found: (usize, usize),
    /// Number of frames left in this phase; 0 in the last one.
    left: u64,
    phase: usize,
    /// The longest message of this phase, in bytes.
    max: usize,
    /// Whether the stream has ended, or failed, or an over-long frame or damage is being passed over.
    unusual: bool,
    ended: bool,
    pub(super) failed: Option<DecodeError>,
    pub(super) skip: Option<Skip>,
    pub(super) discarded: u64,
    /// How much of the stream had arrived when no further message could be found.
    pub(super) drained: u64,
    /// The search for the next frame after damaged bytes (`damaged=skip`).
    pub(super) resync: Resync,
    /// Who chooses the phases, before they are chosen.
    pub(super) choice: Option<Box<Choice>>,
    pub(super) phases: Arc<[Phase]>,
    pub(super) codec: AnyCodec,
}

/// An over-long frame that is being passed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skip {
    /// Number of its bytes that are still to come; `None` if only its end shows that.
    left: Option<u64>,
    /// Number of its bytes passed over so far.
    gone: u64,
}

/// Where a message lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    Input(usize, usize),
    Scratch,
}

impl Finder {
    pub(super) fn new(phases: Arc<[Phase]>) -> Self {
        let first = &phases[0];
        Self {
            codec: first.codec.clone(),
            max: first.max,
            pos: 0,
            before: 0,
            scratch: Vec::new(),
            found: (0, 0),
            left: first.times,
            phase: 0,
            unusual: false,
            fast_path: FastPath::CLOSED,
            ended: false,
            failed: None,
            skip: None,
            discarded: 0,
            resync: Resync::default(),
            drained: 0,
            choice: first.chooser.clone().map(|chooser| Box::new(Choice::new(chooser))),
            phases,
        }
    }

    /// See [`Decoder::start_at`](crate::Decoder).
    pub(super) fn start_at(&mut self, offset: u64, search: bool) -> bool {
        let last = self.phases.len() - 1;
        self.enter(last);
        self.before = offset;
        if !search {
            return true;
        }
        let can = self.codec.can_resync();
        if can {
            self.search_behind_damage("the bytes before it are missing".to_owned());
        }
        // Without boundaries, every byte is as good a beginning as any other.
        can || last == 0 && !self.phases[last].keeps_boundaries
    }

    /// Says that the stream has ended: what is searched from now on is the rest.
    pub(super) fn finish(&mut self) {
        self.ended = true;
        self.unusual = true;
        self.fast_path = FastPath::CLOSED;
    }

    /// Takes what was passed over as damaged, once that is known.
    pub(super) fn take_damage(&mut self, now: bool) -> Option<Damage> {
        self.resync.take_damage(now || self.ended)
    }

    /// Number of bytes of the stream already taken.
    pub(super) fn taken(&self) -> u64 {
        self.before + self.pos as u64
    }

    /// Where in the stream the frame under way begins.
    pub(super) fn frame_start(&self) -> u64 {
        self.taken() - self.skip.map_or(0, |skip| skip.gone)
    }

    /// How long nothing more has to come until that ends a message, or a framing has to be chosen; and whether that is known
    /// already. `None` where a silence means nothing.
    pub(super) fn silence(&self) -> Option<(Duration, bool)> {
        match (&self.codec, &self.choice) {
            (AnyCodec::Gap(gap), _) => Some((gap.silence, gap.quiet > 0)),
            (_, Some(choice)) => Some((choice.chooser.patience, choice.is_quiet)),
            _ => None,
        }
    }

    /// Nothing more has come for that long, behind these bytes of the frame under way.
    pub(super) fn fall_silent(&mut self, bytes: usize) {
        match (&mut self.codec, &mut self.choice) {
            (AnyCodec::Gap(gap), _) => gap.quiet = bytes,
            (_, Some(choice)) => choice.is_quiet = true,
            _ => {}
        }
    }

    /// Opens the fast path if there is one: at the start of a frame, in the last phase, with nothing unusual.
    fn open_lane(&mut self) {
        self.fast_path = if self.unusual || self.left > 0 { FastPath::CLOSED } else { self.codec.fast_path(self.max) };
    }

    /// Finds the next frame in what has arrived and takes it, on the slow path that handles every case.
    #[cold] // So that the fast path's checks, which lead here, are compiled as branches that are not taken.
    #[inline(never)]
    pub(super) fn search(&mut self, arrived: &[u8]) -> Result<Option<Span>, DecodeError> {
        self.fast_path = FastPath::CLOSED;
        loop {
            if self.unusual && !self.pass_over(arrived)? {
                return Ok(None);
            }
            let input = &arrived[self.pos..];
            if input.is_empty() {
                self.drained = self.taken();
                return Ok(None);
            }
            if let Some(choice) = &mut self.choice
                && let Some(phases) = choice.make(input, self.ended)
            {
                self.choice = None;
                self.phases = phases;
                self.enter(0);
                continue;
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
                    self.found = (base, self.phase);
                    self.take(total, ends);
                    self.open_lane();
                    return Ok(Some(Span::Input(base + start, base + end)));
                }
                Ok(Step::Built { total }) => {
                    let ends = self.left > 0 && self.is_last(&self.scratch);
                    self.found = (self.pos, self.phase);
                    self.take(total, ends);
                    return Ok(Some(Span::Scratch));
                }
                Ok(Step::Blank { total }) => self.pos += total,
                Ok(Step::Need) if self.ended && self.skips_damage() => {
                    self.search_behind_damage("the stream ended inside a frame".to_owned());
                }
                Ok(Step::Need) if self.ended => return Err(self.fail_incomplete(arrived)),
                Ok(Step::Need) => {
                    self.drained = self.before + (self.pos + input.len()) as u64;
                    return Ok(None);
                }
                Err(fault) => self.refuse(fault, arrived)?,
            }
        }
    }

    /// Moves past a frame. `ends`: it was the last one of its phase.
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

    /// Whether a frame that begins with `input` belongs to this phase; `None` while that is not known.
    #[cold]
    fn holds_for(&self, input: &[u8]) -> Option<bool> {
        let prefix = self.phases[self.phase].if_prefix.as_ref();
        match prefix.map_or(Some(true), |mark| mark.stands_in(input)) {
            None if self.ended => Some(false),
            known => known,
        }
    }

    /// Ends the stream with a fault, or starts to pass over its frame where the spec says so.
    #[cold]
    fn refuse(&mut self, fault: FrameError, arrived: &[u8]) -> Result<(), DecodeError> {
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
            FrameError::TooLong { length, .. } => {
                Err(self.fail(DecodeErrorKind::TooLong { length, limit: self.max }, arrived))
            }
            FrameError::Broken(what) => Err(self.fail(DecodeErrorKind::Broken(what), arrived)),
        }
    }

    /// Whether bytes that break the framing are passed over.
    fn skips_damage(&self) -> bool {
        self.phases[self.phase].skips_damage
    }

    /// Starts the search for the next frame after damage, from the first byte of the frame under way on.
    #[cold]
    fn search_behind_damage(&mut self, what: String) {
        self.resync.start(self.taken(), what);
        self.unusual = true;
    }

    /// Passes over what is damaged. Returns true when a place was found where a frame can begin, or the stream has
    /// ended.
    #[cold]
    fn find_way(&mut self, arrived: &[u8]) -> bool {
        let at = self.taken();
        let input = &arrived[self.pos..];
        let passed = self.resync.pass(&mut self.codec, input, at, self.max, self.ended);
        self.pos += passed.bytes;
        self.drained = self.taken() + (arrived.len() - self.pos) as u64;
        if passed.found {
            self.unusual = self.ended;
            self.codec = self.phases[self.phase].codec.clone();
        }
        passed.found
    }

    /// Drops what has arrived of an over-long frame. Returns true when none is under way any more.
    #[cold]
    fn pass_over(&mut self, arrived: &[u8]) -> Result<bool, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.resync.is_searching() {
            return Ok(self.find_way(arrived));
        }
        let Some(skip) = self.skip else { return Ok(true) };
        let input = &arrived[self.pos..];
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
                self.drained = self.taken() + (arrived.len() - self.pos) as u64;
                if self.ended { Err(self.fail_incomplete(arrived)) } else { Ok(false) }
            }
            Err(fault) => self.refuse(fault, arrived).map(|()| false),
        }
    }

    #[cold]
    pub(super) fn fail_incomplete(&mut self, arrived: &[u8]) -> DecodeError {
        let got = self.taken() + (arrived.len() - self.pos) as u64 - self.frame_start();
        let of = match self.skip {
            Some(skip) => skip.left.map(|left| skip.gone.saturating_add(left)),
            None => self.codec.announced(&arrived[self.pos..]),
        };
        self.fail(DecodeErrorKind::Incomplete { got, of }, arrived)
    }

    #[cold]
    pub(super) fn fail(&mut self, kind: DecodeErrorKind, arrived: &[u8]) -> DecodeError {
        let head: &[u8] = if self.skip.is_some() { b"" } else { &arrived[self.pos..] };
        let head = &head[..head.len().min(INSPECTED)];
        let hint = diagnose(&Evidence { kind: &kind, head, shape: self.codec.shape() });
        let error = DecodeError::new(kind, hint, self.frame_start(), head);
        self.failed = Some(error.clone());
        self.unusual = true;
        error
    }
}
