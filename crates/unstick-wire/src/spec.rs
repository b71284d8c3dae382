//! Framing specs: `NAME[:ARGUMENT ...][,key=value ...]`, phases joined by `/`, parsed into a [`Framing`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::codec::Codec;
use crate::custom::{Custom, CustomFraming};
use crate::decoder::Decoder;
use crate::dialogue::Dialogue;
use crate::encoder::Encoder;
use crate::error::SpecError;
use crate::framing::AnyCodec;
use crate::limits;
use crate::phase::Phase;
use crate::preset::{self, Preset};
use crate::recipe::PhaseRecipe;
use crate::role::Role;

/// How messages become frames and back: a parsed framing spec.
///
/// Cheap to clone; holds no state of any stream.
///
/// # Specs
///
/// `NAME[:ARGUMENT ...][,key=value ...]`. Every framing takes `max=SIZE` (the longest message as the user sees it, in
/// both directions; 16 MiB) and `oversize=close|discard`. Framings whose next frame can be found by a mark also take
/// `damaged=close|skip`. Phases are joined by `/`. Every phase but the last holds for one frame, for `times=N`, while
/// frames begin as `if=HEX` says, or up to the message that begins as `until=HEX` says. The names are those of
/// [`crate::FRAMINGS`], and of the presets of [`crate::PRESETS`].
///
/// # Sides
///
/// A preset knows that a client and a server do not always send the same frames. Parsing gives the framing of what a
/// client sends; [`sent_by`](Self::sent_by) gives that of either side.
#[derive(Clone)]
pub struct Framing {
    text: Arc<str>,
    pub(crate) phases: Arc<[Phase]>,
    preset: Option<Arc<Sides>>,
}

/// What a framing with a preset knows besides its phases.
struct Sides {
    preset: &'static Preset,
    /// The side whose messages it frames, once that is decided.
    of: Option<Role>,
    client: Arc<[Phase]>,
    server: Arc<[Phase]>,
}

impl Framing {
    /// Describes what this side sends, phase by phase; `None` if a phase finds its frames in a way that cannot be described.
    #[doc(hidden)]
    pub fn recipes(&self, role: Role) -> Option<Vec<PhaseRecipe>> {
        self.sent_by(role).phases.iter().map(Phase::recipe).collect()
    }

    /// Parses a spec.
    ///
    /// # Errors
    ///
    /// When the spec has no meaning, with a hint at what was probably meant.
    pub fn parse(spec: &str) -> Result<Self, SpecError> {
        let Some(preset) = preset::named_in(spec) else {
            return Ok(Self { text: spec.into(), phases: parse_phases(spec)?.into(), preset: None });
        };
        let client: Arc<[Phase]> = parse_phases(&preset::written_out(spec, preset, Role::Client)?)?.into();
        let server = parse_phases(&preset::written_out(spec, preset, Role::Server)?)?.into();
        let phases = client.clone();
        Ok(Self { text: spec.into(), phases, preset: Some(Arc::new(Sides { preset, of: None, client, server })) })
    }

    /// Makes a framing of your own. `name` is shown to users; framings with the same name are equal.
    pub fn custom(name: &str, framing: impl CustomFraming) -> Self {
        Self::of_phases(name, [Phase::of(Custom::new(framing).into())].into())
    }

    /// A framing that no spec says.
    pub(crate) fn of_phases(name: &str, phases: Arc<[Phase]>) -> Self {
        Self { text: name.into(), phases, preset: None }
    }

    /// The framing of what this side sends. It differs between the sides if the spec names a preset whose sides
    /// differ.
    pub fn sent_by(&self, role: Role) -> Self {
        let Some(sides) = &self.preset else { return self.clone() };
        if sides.of.is_some() {
            return self.clone();
        }
        let (client, server) = (sides.client.clone(), sides.server.clone());
        let phases = if role == Role::Client { client.clone() } else { server.clone() };
        let sides = Sides { preset: sides.preset, of: Some(role), client, server };
        Self { text: self.text.clone(), phases, preset: Some(Arc::new(sides)) }
    }

    /// The preset that the spec names, if any.
    pub fn preset(&self) -> Option<&'static Preset> {
        self.preset.as_ref().map(|sides| sides.preset)
    }

    /// A decoder in its first state, for one direction of one stream.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(self.phases.clone())
    }

    /// An encoder in its first state, for one direction of one stream.
    ///
    /// # Errors
    ///
    /// When the spec can only be read: a header whose bytes around the length are unknown.
    pub fn encoder(&self) -> Result<Encoder, SpecError> {
        self.sendable()?;
        Ok(Encoder::new(self.phases.clone()))
    }

    /// Whether messages can be sent with this spec; checks what [`encoder`](Self::encoder) would.
    ///
    /// # Errors
    ///
    /// When the spec can only be read, with a hint at what would complete it.
    pub fn sendable(&self) -> Result<(), SpecError> {
        match self.phases.iter().find_map(|phase| phase.codec.decode_only()) {
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

    /// The content of a text file that is sent as one message. If messages are lines, the LF or CRLF at its end ends
    /// the last line and is not content. Under any other framing every byte is content.
    pub fn without_line_end<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let keeps_cr = match self.phases.last().map(|phase| &phase.codec) {
            Some(AnyCodec::Line(line)) => line.keeps_cr(),
            Some(AnyCodec::Delimited(delimited)) if delimited.ends_in_lf() => false,
            _ => return text,
        };
        match text {
            [content @ .., b'\r', b'\n'] if !keeps_cr => content,
            [content @ .., b'\n'] => content,
            _ => text,
        }
    }

    /// Whether the framing of each stream is chosen from its first bytes, see [`Framing::chosen`].
    pub fn is_chosen(&self) -> bool {
        self.phases[0].chooser.is_some()
    }

    /// Whether frames change their form within a conversation: `struct:i/raw`.
    pub fn has_phases(&self) -> bool {
        self.phases.len() > 1
    }

    /// Whether every message is a line of text that ends in LF: no message can hold an LF.
    pub fn is_lines(&self) -> bool {
        self.phases.iter().all(|phase| matches!(phase.codec, AnyCodec::Line(_)))
    }

    /// Whether bytes that break the framing are passed over (`damaged=skip`).
    pub fn skips_damage(&self) -> bool {
        self.phases.iter().any(|phase| phase.skips_damage)
    }

    /// Whether the end of a message can depend on what the other direction sent: an HTTP response to HEAD has no body.
    pub fn depends_on_requests(&self) -> bool {
        self.phases.iter().any(|phase| phase.codec.depends_on_requests())
    }

    /// Links the two directions of one conversation: this framing is one direction's, and `other` is the other's. `None` if no
    /// message's form depends on that.
    pub fn dialogue_with(&self, other: &Self) -> Option<(Dialogue, Dialogue)> {
        (self.depends_on_requests() || other.depends_on_requests()).then(Dialogue::pair)
    }

    /// Whether this is `raw` and nothing else.
    pub fn is_raw(&self) -> bool {
        matches!(&self.phases[..], [Phase { codec: AnyCodec::Raw(_), .. }])
    }
}

/// The phases of a spec that names no preset.
fn parse_phases(spec: &str) -> Result<Vec<Phase>, SpecError> {
    let texts: Vec<&str> = spec.split('/').collect();
    if texts.len() > limits::MAX_PHASES {
        return Err(SpecError::new(format!("a framing has at most {} phases", limits::MAX_PHASES)));
    }
    let last = texts.len() - 1;
    texts.iter().enumerate().map(|(i, text)| Phase::parse(text, i == last)).collect()
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
    /// Framings are equal when they are written the same, and are of the same side.
    fn eq(&self, other: &Self) -> bool {
        let side = |framing: &Self| framing.preset.as_ref().and_then(|sides| sides.of);
        self.text == other.text && side(self) == side(other)
    }
}

impl Eq for Framing {}
