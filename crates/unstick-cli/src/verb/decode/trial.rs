//! Which of the presets of a port the first bytes of a connection fit.
//!
//! That bytes decode without an error proves little: a length is found in nearly everything. A preset fits once a segment ends
//! where a message ends, because programs mostly send whole messages.

use unstick::Result;
use unstick::recording::Sides;
use unstick::wire::limits::{MAX_GUESS_DIRECTION, MAX_GUESS_SEGMENTS};
use unstick::wire::{Piece, Role, Transcript};

/// Bytes and segments of a connection that are kept until a preset fits: a large request and its answer.
const MAX_TRIAL_BYTES: usize = 1 << 20;
const MAX_TRIAL_SEGMENTS: usize = 2048;

/// Segments in which a message ended in the middle only: behind that many, the messages are chance.
const MAX_MISSES: u32 = 4;

/// The presets that may still fit, and what has passed so far.
pub struct Trial {
    candidates: Vec<Candidate>,
    passed: Vec<Passed>,
    bytes: usize,
    /// Number of entries of `passed` that `news` has returned.
    told: usize,
}

/// What has passed in a connection.
pub struct Passed {
    pub from: Role,
    pub what: What,
    pub time: Option<u64>,
}

pub enum What {
    Bytes(Vec<u8>),
    /// This side has ended its direction.
    End,
}

/// What is known of the presets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// More has to pass.
    Open,
    Fits(&'static str),
    /// No preset fits.
    Nothing,
}

struct Candidate {
    name: &'static str,
    transcript: Transcript,
    /// Whether each side has sent a message.
    messages: [bool; 2],
    /// Number of segments in which a message ended, but not at their end.
    misses: u32,
}

impl Trial {
    /// Tries these presets. `whole`: the file shows the beginning of the connection.
    pub fn new(names: &[&'static str], whole: bool) -> Result<Self> {
        let candidate = |name: &&'static str| {
            let transcript = transcript(&Sides::parse(name)?, whole);
            Ok(Candidate { name, transcript, messages: [false; 2], misses: 0 })
        };
        let candidates = names.iter().map(candidate).collect::<Result<_>>()?;
        Ok(Self { candidates, passed: Vec::new(), bytes: 0, told: 0 })
    }

    /// Whether this preset may still fit.
    pub fn includes(&self, name: &str) -> bool {
        self.candidates.iter().any(|candidate| candidate.name == name)
    }

    /// Bytes of memory that it takes.
    pub fn held(&self) -> usize {
        let candidates: usize = self.candidates.iter().map(|candidate| candidate.transcript.held()).sum();
        candidates + self.bytes + self.passed.len() * size_of::<Passed>()
    }

    /// Takes what passes.
    pub fn take(&mut self, from: Role, what: What, time: Option<u64>) -> Verdict {
        let fits = |candidate: &mut Candidate| candidate.take(from, &what);
        let verdicts: Vec<Verdict> = self.candidates.iter_mut().map(fits).collect();
        let mut kept = verdicts.iter().map(|verdict| *verdict != Verdict::Nothing);
        self.candidates.retain(|_| kept.next().unwrap_or(false));
        if let What::Bytes(bytes) = &what {
            self.bytes += bytes.len();
        }
        self.passed.push(Passed { from, what, time });
        let fitting = verdicts.into_iter().find(|verdict| matches!(verdict, Verdict::Fits(_)));
        let is_over =
            self.candidates.is_empty() || self.bytes > MAX_TRIAL_BYTES || self.passed.len() > MAX_TRIAL_SEGMENTS;
        fitting.unwrap_or(if is_over { Verdict::Nothing } else { Verdict::Open })
    }

    /// Whether a guess looks at no more of the connection than has passed.
    pub fn is_full(&self) -> bool {
        self.bytes > 2 * MAX_GUESS_DIRECTION || self.passed.len() > MAX_GUESS_SEGMENTS
    }

    /// Whether `news` has returned nothing yet.
    pub fn is_new(&self) -> bool {
        self.told == 0
    }

    /// What has passed since the last call.
    pub fn news(&mut self) -> &[Passed] {
        let from = std::mem::replace(&mut self.told, self.passed.len());
        &self.passed[from..]
    }

    /// Everything that has passed.
    pub fn into_passed(self) -> Vec<Passed> {
        self.passed
    }
}

impl Candidate {
    fn take(&mut self, from: Role, what: &What) -> Verdict {
        match what {
            What::Bytes(bytes) => self.transcript.segment(from, bytes),
            What::End => self.transcript.finish(from),
        }
        let mut has_ended = false;
        while let Some(piece) = self.transcript.next(from) {
            let Piece::Message(frame) = piece else { return Verdict::Nothing };
            let is_first = !std::mem::replace(&mut self.messages[from as usize], true);
            if is_first && from == Role::Client && !is_of(self.name, frame.message) {
                return Verdict::Nothing;
            }
            has_ended = true;
        }
        let is_whole = self.messages[from as usize] && self.transcript.pending(from).is_empty();
        self.misses += u32::from(has_ended && !is_whole);
        match is_whole && (self.messages[Role::Client as usize] || !begins_with_its_name(self.name)) {
            true => Verdict::Fits(self.name),
            false if self.misses >= MAX_MISSES => Verdict::Nothing,
            false => Verdict::Open,
        }
    }
}

/// Whether the first message of a client names the preset, besides its frame.
fn begins_with_its_name(preset: &str) -> bool {
    ["http2", "websocket"].contains(&preset)
}

/// Whether the first message of a client may be of this preset: the frames of these three, which share a port, hold much.
fn is_of(preset: &str, message: &[u8]) -> bool {
    const UPGRADE: &[u8] = b"\nupgrade: websocket";
    let is_http2 = message.starts_with(b"PRI * HTTP/2");
    let upgrades = || message.windows(UPGRADE.len()).any(|part| part.eq_ignore_ascii_case(UPGRADE));
    match preset {
        "http2" => is_http2,
        "websocket" => upgrades(),
        "http" => !is_http2 && !upgrades(),
        _ => true,
    }
}

/// A transcript of a connection, whose beginning the file shows or not.
pub fn transcript(framing: &Sides, whole: bool) -> Transcript {
    let mut transcript = framing.transcript();
    if !whole {
        [Role::Client, Role::Server].into_iter().for_each(|role| transcript.begins_in_the_middle(role));
    }
    transcript
}
