//! A phase of a stream: a codec in its first state, its limits, and which frames it holds for.
//!
//! Every phase but the last holds for one frame; for `times=N`; while frames begin as `if=` says; up to the frame that
//! begins as `until=` says.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::args::{Args, parse_hex};
use crate::codec::Codec;
use crate::dialogue::Dialogue;
use crate::error::SpecError;
use crate::framing::{self, AnyCodec};
use crate::recipe::PhaseRecipe;
use crate::suggest::unknown;
use crate::{limits, quantity};

/// One phase of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) codec: AnyCodec,
    pub(crate) max: usize,
    pub(crate) discard: bool,
    /// Whether bytes that break the framing are passed over.
    pub(crate) skips_damage: bool,
    /// Number of frames that this phase holds for; 0 for the last phase, which holds for all that follow.
    pub(crate) times: u64,
    pub(crate) keeps_boundaries: bool,
    /// The phase holds only for frames that begin like this.
    pub(crate) if_prefix: Option<BytePattern>,
    /// The message that begins like this is the last of the phase.
    pub(crate) until: Option<BytePattern>,
    /// Chooses the phases that replace this one, which holds for no frame.
    pub(crate) chooser: Option<Chooser>,
}

/// Chooses the phases of streams from their first bytes.
pub(crate) trait ChoosePhases: Debug + Send + Sync {
    /// Returns a number for a stream.
    fn open(&self) -> u64;

    /// Looks at all that has arrived, of which the first `seen` bytes are known. `last`: nothing more comes for now.
    fn choose(&self, stream: u64, arrived: &[u8], seen: usize, last: bool) -> Option<Arc<[Phase]>>;

    /// The phases in which messages are sent, once they are known.
    fn known(&self) -> Option<Arc<[Phase]>>;
}

/// Who chooses, and how long nothing more has to come until the choice is made from what there is.
#[derive(Debug, Clone)]
pub(crate) struct Chooser {
    pub(crate) chooser: Arc<dyn ChoosePhases>,
    pub(crate) patience: Duration,
}

/// Bytes at a fixed place: any one of the runs may be there.
#[derive(Debug, Clone)]
pub(crate) struct BytePattern {
    offset: usize,
    runs: Box<[Box<[u8]>]>,
}

impl BytePattern {
    /// `HEX[+HEX ...]`, or `OFFSET:HEX[+HEX ...]`.
    fn parse(key: &str, text: &str) -> Result<Self, SpecError> {
        let wrong =
            || SpecError::new(format!("{key}={text}: bytes in hexadecimal, such as 53+4e, or after an offset, 1:15"));
        let (offset, runs) = text.split_once(':').unwrap_or(("0", text));
        let offset =
            quantity::parse_number(offset).filter(|offset| *offset <= limits::MAX_LENGTH_OFFSET).ok_or_else(wrong)?;
        let run = |hex| parse_hex(hex, limits::MAX_DELIMITER).map(Into::into);
        let runs = runs.split('+').map(run).collect::<Option<_>>().ok_or_else(wrong)?;
        Ok(Self { offset, runs })
    }

    /// The place, and the runs.
    pub(crate) fn parts(&self) -> (usize, Vec<Vec<u8>>) {
        (self.offset, self.runs.iter().map(|run| run.to_vec()).collect())
    }

    /// One of the runs, and its place.
    pub(crate) fn example(&self) -> (usize, Box<[u8]>) {
        (self.offset, self.runs.first().cloned().unwrap_or_default())
    }

    /// Whether one of the runs is in `bytes` at its place; `None` while that depends on bytes that have not arrived.
    pub(crate) fn stands_in(&self, bytes: &[u8]) -> Option<bool> {
        let at = bytes.get(self.offset..)?;
        if self.runs.iter().any(|run| at.starts_with(run)) {
            return Some(true);
        }
        let may_come = self.runs.iter().any(|run| run.starts_with(at));
        if may_come { None } else { Some(false) }
    }
}

impl Phase {
    /// The only phase of a custom framing.
    pub(crate) fn of(codec: AnyCodec) -> Self {
        let max = limits::MAX_MESSAGE;
        Self {
            codec,
            max,
            discard: false,
            skips_damage: false,
            times: 0,
            keeps_boundaries: true,
            if_prefix: None,
            until: None,
            chooser: None,
        }
    }

    /// Describes how its frames are found; `None` if that cannot be described.
    pub(crate) fn recipe(&self) -> Option<PhaseRecipe> {
        let runs = |pattern: &Option<BytePattern>| pattern.as_ref().map(BytePattern::parts);
        let (only, last) = (runs(&self.if_prefix), runs(&self.until));
        let recipe = self.codec.recipe().filter(|_| !self.skips_damage && !self.discard)?;
        Some(PhaseRecipe { recipe, max: self.max, times: self.times, only, last })
    }

    /// Parses one phase of a spec.
    pub(crate) fn parse(text: &str, last: bool) -> Result<Self, SpecError> {
        let mut args = Args::split(text)?;
        let max = match args.value("max") {
            None => limits::MAX_MESSAGE,
            Some(size) => quantity::parse_size(size)
                .filter(|size| (1..=limits::LARGEST_MAX as u64).contains(size))
                .ok_or_else(|| SpecError::new(format!("max={size}: a size such as 64K or 16M, from 1 byte to 1024G")))?
                as usize,
        };
        let discard = match args.value("oversize") {
            None | Some("close") => false,
            Some("discard") => true,
            Some(other) => return Err(SpecError::new(format!("oversize={other}: close or discard"))),
        };
        let skips_damage = match args.value("damaged") {
            None | Some("close") => false,
            Some("skip") => true,
            Some(other) => return Err(SpecError::new(format!("damaged={other}: close or skip"))),
        };
        if skips_damage && !last {
            return Err(SpecError::new(
                "damaged=skip is for the last phase: after damage, the phase of a frame is unknown",
            ));
        }
        let times = args.number("times", 1..=u64::MAX)?;
        let if_prefix = args.value("if").map(|text| BytePattern::parse("if", text)).transpose()?;
        let until = args.value("until").map(|text| BytePattern::parse("until", text)).transpose()?;
        if last && (times.is_some() || if_prefix.is_some() || until.is_some()) {
            return Err(SpecError::new(
                "times=, if= and until= are for a phase that another follows, as in fixed:8,times=2/u32be",
            ));
        }
        args.max = max;
        let name = args.name();
        let (mut codec, keeps_boundaries) = framing::parse(&mut args).ok_or_else(|| unknown(name))??;
        if skips_damage {
            // A user who passes over damage wants the intact frames only.
            codec.check_sums();
        }
        args.nothing_left()?;
        if let (false, Some(why)) = (last, codec.must_be_last()) {
            return Err(SpecError::new(format!("no phase can follow `{text}`: {why}")));
        }
        if discard && !codec.can_discard() {
            return Err(SpecError::new(format!(
                "`{}` cannot pass over a message that is too long: the next boundary would be lost",
                args.name()
            )));
        }
        if skips_damage && !codec.can_resync() {
            let error = SpecError::new(format!(
                "`{}` cannot pass over damage: nothing in its frames tells where the next one begins",
                args.name()
            ));
            return Err(error.with_hint(
                "damaged=skip is for frames with a mark at their start or end, as line, slip and mllp have",
            ));
        }
        let times = match times {
            _ if last => 0,
            None if until.is_some() => u64::MAX,
            times => times.unwrap_or(1),
        };
        Ok(Self { codec, max, discard, skips_damage, times, keeps_boundaries, if_prefix, until, chooser: None })
    }
}

/// The same phases as a direction of a dialogue.
pub(crate) fn followed(phases: &[Phase], dialogue: &Dialogue) -> Arc<[Phase]> {
    let mut phases: Vec<Phase> = phases.to_vec();
    phases.iter_mut().for_each(|phase| phase.codec.follow(dialogue));
    phases.into()
}
