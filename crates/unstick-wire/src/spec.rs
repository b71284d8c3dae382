//! Framing specs: `NAME[:ARGUMENT ...][,key=value ...]`, phases joined by `/`, parsed into a [`Framing`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::args::Args;
use crate::error::SpecError;
use crate::framing::{Codec, ENTRIES, Machine};
use crate::{Decoder, Encoder, limits, quantity};

/// How messages become frames and back: a parsed framing spec.
///
/// Cheap to clone; holds no state of any stream.
///
/// # Specs
///
/// `NAME[:ARGUMENT ...][,key=value ...]`. Every framing takes `max=SIZE` (the longest message as the user sees it, both
/// ways; 16 MiB) and `oversize=close|discard`. Phases are joined by `/`: every phase but the last holds for one frame,
/// or for `times=N`. The names are those of [`crate::ENTRIES`].
#[derive(Clone)]
pub struct Framing {
    text: Arc<str>,
    pub(crate) phases: Arc<[Phase]>,
}

/// One phase of a stream: a codec in its first state, and its limits.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) codec: Machine,
    pub(crate) max: usize,
    pub(crate) discard: bool,
    /// Frames that this phase holds for; the last phase's does not count.
    pub(crate) times: u64,
    pub(crate) keeps_boundaries: bool,
}

impl Framing {
    /// Reads a spec.
    ///
    /// # Errors
    ///
    /// Where the spec means nothing, with a hint at what was probably meant.
    pub fn parse(spec: &str) -> Result<Self, SpecError> {
        let texts: Vec<&str> = spec.split('/').collect();
        if texts.len() > limits::MAX_PHASES {
            return Err(SpecError::new(format!("a framing has at most {} phases", limits::MAX_PHASES)));
        }
        let last = texts.len() - 1;
        let phases =
            texts.iter().enumerate().map(|(i, text)| parse_phase(text, i == last)).collect::<Result<_, _>>()?;
        Ok(Self { text: spec.into(), phases })
    }

    /// A decoder in its first state, for one direction of one stream.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(self)
    }

    /// An encoder in its first state, for one direction of one stream.
    ///
    /// # Errors
    ///
    /// Where the spec can only be read: a header whose bytes around the length are unknown.
    pub fn encoder(&self) -> Result<Encoder, SpecError> {
        self.sendable()?;
        Ok(Encoder::new(self))
    }

    /// Whether messages can be sent with this spec; checks what [`encoder`](Self::encoder) would.
    ///
    /// # Errors
    ///
    /// Where the spec can only be read, with a hint at what would make it whole.
    pub fn sendable(&self) -> Result<(), SpecError> {
        match self.phases.iter().find_map(|phase| phase.codec.unsendable()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Whether messages arrive as they were sent: not so for `raw` and `gap`.
    pub fn keeps_boundaries(&self) -> bool {
        self.phases.iter().all(|phase| phase.keeps_boundaries)
    }

    /// The spec, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is `raw` and nothing else.
    pub fn is_raw(&self) -> bool {
        matches!(&self.phases[..], [Phase { codec: Machine::Raw(_), .. }])
    }
}

impl FromStr for Framing {
    type Err = SpecError;

    fn from_str(spec: &str) -> Result<Self, SpecError> {
        Self::parse(spec)
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Framing({})", self.text)
    }
}

impl PartialEq for Framing {
    /// Framings are equal when they are written the same.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Framing {}

fn parse_phase(text: &str, last: bool) -> Result<Phase, SpecError> {
    let mut args = Args::split(text)?;
    let Some(entry) = ENTRIES.iter().find(|entry| (entry.matches)(args.name())) else {
        return Err(unknown(args.name()));
    };
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
    let times = args.number("times", 1..=u64::MAX)?;
    if last && times.is_some() {
        return Err(SpecError::new("times= is for a phase that another follows, as in fixed:8,times=2/u32be"));
    }
    args.max = max;
    let codec = (entry.parse)(&mut args)?;
    args.nothing_left()?;
    if let (false, Some(why)) = (last, codec.unfollowable()) {
        return Err(SpecError::new(format!("no phase can follow `{text}`: {why}")));
    }
    if discard && !codec.can_discard() {
        return Err(SpecError::new(format!(
            "`{}` cannot pass over a message that is too long: the next boundary would be lost",
            args.name()
        )));
    }
    Ok(Phase { codec, max, discard, times: times.unwrap_or(1), keeps_boundaries: entry.keeps_boundaries })
}

/// What others call some framings.
const ELSEWHERE: &[(&str, &str)] = &[
    ("lf", "line"),
    ("newline", "line"),
    ("ndjson", "line"),
    ("jsonl", "line"),
    ("nul", "null"),
    ("lsp", "headers"),
    ("dap", "headers"),
    ("content-length", "headers"),
    ("protobuf", "varint"),
    ("leb128", "varint"),
    ("asn1", "ber"),
    ("syslog", "octet-count"),
    ("hl7", "mllp"),
    ("lengthprefixed", "u32be"),
];

#[cold]
fn unknown(name: &str) -> SpecError {
    let error = SpecError::new(format!("there is no framing `{name}`"));
    let wanted = name.to_ascii_lowercase();
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == wanted) {
        return error.with_hint(format!("did you mean `{ours}`?"));
    }
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let known = ENTRIES.iter().map(|entry| entry.name).filter(plain);
    match known.map(|known| (distance(&wanted, known), known)).min() {
        Some((far, known)) if far <= 2 => error.with_hint(format!("did you mean `{known}`?")),
        _ => error.with_hint("`unstick framings` lists them"),
    }
}

/// How many letters differ: insertions, deletions, replacements.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
