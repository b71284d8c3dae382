//! Which framing is this? Guesses from bytes and the ends of the segments in which they came.
//!
//! That a spec decodes bytes without an error proves nothing: most specs find a length in anything. What tells is that segments end
//! where messages end, because programs mostly send whole messages, and that the messages hold what a protocol prescribes. Where
//! messages end and which protocol it is are two answers: the first can be certain without the second.

mod content;
mod first;
mod general;
mod looks;
mod sample;
mod trial;
mod watch;

use crate::preset::Preset;
use crate::spec::Framing;

use general::{General, Prefix};
use trial::Outcome;

pub use first::FirstFrame;
pub use looks::Looks;
pub use sample::Sample;
pub use watch::{Answer, Watch};

/// Candidates that are named.
const NAMED: usize = 3;

/// Bits from which a candidate is named at all.
const WORTH_NAMING: f64 = 8.0;

/// Bits at which a protocol is certain: one guess in a million would be wrong, if messages were random.
const CERTAIN: f64 = 26.0;

/// Bits of these that the content must have, unless the port is the usual one.
const CONTENT: f64 = 16.0;
const CONTENT_AT_PORT: f64 = 8.0;

/// Bits of ends at which cuts are certain without a name, in messages of so many different lengths at least.
const CERTAIN_CUTS: f64 = 30.0;
const DIFFERENT: usize = 3;

/// The same for lines of text.
const CERTAIN_LINES: f64 = 12.0;

/// Bits that are taken off if one side's segments end where no message does.
const ONE_SIDED: f64 = 30.0;

/// Bits by which a guess must be ahead of the next one that cuts at other places.
const AHEAD: f64 = 6.0;

/// Bits of ends that count at most, where a preset passes on what it does not frame.
const RAW_ENDS: f64 = 6.0;

/// What a sample may be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Guess {
    /// At most three framings, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// Whether the first of them is certain.
    pub certain: bool,
    /// What the bytes look like, whatever their framing is.
    pub looks: Looks,
    segmented: bool,
}

/// A framing that the sample may be in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The spec of the framing.
    pub spec: String,
    /// The protocol, if the messages hold what it prescribes.
    pub preset: Option<&'static Preset>,
    /// What speaks for it, as sentences without an end.
    pub evidence: Vec<String>,
    /// How strong it is, in bits: about what the base-2 logarithm of the odds is.
    pub bits: f64,
    /// The first messages.
    pub first: Vec<FirstFrame>,
    cuts: u64,
    different: usize,
    is_lines: bool,
}

impl Sample {
    /// Guesses the framing of this sample.
    pub fn guess(&self) -> Guess {
        let looks = looks::of(self);
        let mut candidates = presets(self);
        candidates.extend(generals(self, looks));
        candidates.sort_by(|a, b| b.bits.total_cmp(&a.bits));
        let certain = is_certain(&candidates, looks);
        // The same cuts again say nothing new, unless they have a name.
        // Beside a certain answer, a much weaker one is noise.
        let least = candidates.first().filter(|_| certain).map_or(WORTH_NAMING, |first| first.bits / 2.0);
        let mut seen: Vec<u64> = Vec::new();
        candidates.retain(|candidate| {
            let is_new = !seen.contains(&candidate.cuts);
            seen.push(candidate.cuts);
            is_new && candidate.bits >= least
        });
        candidates.truncate(NAMED);
        let segmented = self.connections.iter().any(|connection| connection.segmented);
        if !certain && !segmented && looks == Looks::Random {
            candidates.clear(); // In random bytes some length is always found.
        }
        Guess { candidates, certain, looks, segmented }
    }
}

/// Whether the first candidate is certain.
fn is_certain(candidates: &[Candidate], looks: Looks) -> bool {
    let Some(first) = candidates.first() else { return false };
    let other = candidates.iter().find(|other| other.cuts != first.cuts);
    let is_ahead = other.is_none_or(|other| first.bits - other.bits >= AHEAD);
    match first.preset {
        Some(_) => is_ahead && first.bits >= CERTAIN,
        None => {
            let is_framed = !matches!(looks, Looks::Unframed(_) | Looks::File(_) | Looks::Empty);
            let least = if first.is_lines { CERTAIN_LINES } else { CERTAIN_CUTS };
            is_ahead && is_framed && first.bits >= least && first.different >= DIFFERENT
        }
    }
}

/// The presets whose messages are as they prescribe.
fn presets(sample: &Sample) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut tried: Vec<(&str, &str, Outcome)> = Vec::new();
    for preset in Preset::all() {
        let known = tried.iter().position(|(client, server, _)| (*client, *server) == (preset.client, preset.server));
        let index = known.unwrap_or_else(|| {
            // Presets are valid specs: a test parses all.
            let Ok(framing) = Framing::parse(preset.name) else { return usize::MAX };
            tried.push((preset.client, preset.server, trial::run(&framing, sample)));
            tried.len() - 1
        });
        let Some((.., outcome)) = tried.get(index) else { continue };
        if outcome.frame_count() == 0 {
            continue;
        }
        let Some(content) = content::bits(preset.name, &outcome.frames) else { continue };
        let is_port = sample.port > 0 && sample.port == preset.port;
        let least = if is_port { CONTENT_AT_PORT } else { CONTENT };
        if content < least {
            continue;
        }
        let mut ends = outcome.bits();
        if preset.client.ends_with("/raw") || preset.server.ends_with("/raw") {
            ends = ends.min(RAW_ENDS);
        }
        let one_sided = if outcome.is_one_sided() { ONE_SIDED } else { 0.0 };
        let bits = ends + content + if is_port { 8.0 } else { 0.0 } - one_sided;
        let mut evidence = vec![outcome.words(sample)];
        evidence.push(format!("the first messages are as {} ({}) has them", preset.title, preset.document));
        if is_port {
            evidence.push(format!("port {} is its usual one", preset.port));
        }
        found.push(Candidate {
            spec: preset.name.to_owned(),
            preset: Some(preset),
            evidence,
            bits,
            first: outcome.first(),
            cuts: outcome.cuts,
            different: outcome.different(),
            is_lines: false,
        });
    }
    found
}

/// The framings without a name.
fn generals(sample: &Sample, looks: Looks) -> Vec<Candidate> {
    let try_one = |general: General| {
        let framing = Framing::parse(&general.spec).ok()?;
        let outcome = trial::run(&framing, sample);
        if outcome.frame_count() == 0 {
            return None;
        }
        let strict = general.strict * outcome.different().min(6) as f64;
        let lines = ["line", "crlf"].contains(&general.spec.as_str());
        // Text in which lines end is lines.
        let is_lines =
            lines && looks == Looks::Text && outcome.frame_count() > 2 && !content::has_heads(&outcome.frames);
        let one_sided = if outcome.is_one_sided() { ONE_SIDED } else { 0.0 };
        let bits = outcome.bits() + strict + if is_lines { 10.0 } else { 0.0 } - one_sided;
        let mut evidence = vec![outcome.words(sample)];
        evidence.extend(general.prefix.map(Prefix::words));
        let (first, cuts, different) = (outcome.first(), outcome.cuts, outcome.different());
        let different = if is_lines { different.max(DIFFERENT) } else { different };
        Some(Candidate { spec: general.spec, preset: None, evidence, bits, first, cuts, different, is_lines })
    };
    general::framings(sample).into_iter().filter_map(try_one).collect()
}

impl Guess {
    /// What a certain answer would need, as a sentence without an end.
    pub fn needs(&self) -> &'static str {
        match self.looks {
            Looks::Empty => "it would need a connection in which bytes have passed",
            Looks::Random => "it would need the bytes before they are encrypted or compressed",
            Looks::File(_) => "it would need the bytes of a conversation",
            _ if self.segmented => {
                "it would need more messages, of at least three different lengths, from the start of a connection"
            }
            _ => "it would need a capture: the ends of segments are mostly ends of messages",
        }
    }
}
