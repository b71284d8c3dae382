//! What a framing must be able to do, and how it declares itself.
//!
//! Not here: the table of framings and the enum that dispatches to them (`framing`). So a framing knows this file, but
//! not the table that lists it.

use crate::args::Args;
use crate::dialogue::Dialogue;
use crate::error::{EncodeError, SpecError, Text};
use crate::fast_path::FastPath;
use crate::recipe::Recipe;

/// Where a frame was found in the input, or what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// No whole frame yet.
    Need,
    /// `input[start..end]` is a message; its frame takes up `input[..total]`.
    Frame { start: usize, end: usize, total: usize },
    /// The message was written to the scratch buffer, because its bytes are not in the input as they are. Its frame
    /// takes up `input[..total]`.
    Built { total: usize },
    /// `input[..total]` stands between frames and belongs to none.
    Blank { total: usize },
}

/// Why the input yields no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// The message is over the limit. `skip` bytes of input, perhaps more than have arrived, hold the frame; `None`
    /// if only reading on can tell.
    TooLong { length: Option<u64>, skip: Option<u64> },
    /// Bytes that no frame of this framing holds.
    Broken(Text),
}

impl FrameError {
    pub(crate) fn broken(what: impl Into<Text>) -> Self {
        Self::Broken(what.into())
    }
}

/// What a codec gets besides the input.
pub(crate) struct Context<'a> {
    /// The longest message, in bytes.
    pub(crate) max: usize,
    /// The buffer for messages whose bytes are not in the input as they are. The codec that writes to it clears it.
    pub(crate) scratch: &'a mut Vec<u8>,
}

/// Formats bytes for an error.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    match bytes {
        b"\n" => "LF".into(),
        b"\r" => "CR".into(),
        b"\r\n" => "CRLF".into(),
        b"\0" => "a zero byte".into(),
        text if text.iter().all(|b| (b' '..=b'~').contains(b)) => format!("\"{}\"", String::from_utf8_lossy(text)),
        other => other.iter().map(|b| format!("{b:02x}")).collect(),
    }
}

/// Appends a message that holds its own header, and what ends its frame, if a decoder in its first state finds exactly
/// that message in it. `wanted` says what it should have been.
pub(crate) fn encode_as_it_stands(
    mut codec: impl Codec,
    message: &[u8],
    end: &[u8],
    wanted: &str,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let from = out.len();
    out.extend_from_slice(message);
    out.extend_from_slice(end);
    let frame = &out[from..];
    let mut cx = Context { max: message.len(), scratch: &mut Vec::new() };
    let found = if frame.is_empty() { Ok(Step::Need) } else { codec.decode(frame, &mut cx) };
    match found {
        Ok(Step::Frame { start: 0, end, total }) if end == message.len() && total == frame.len() => Ok(()),
        Err(FrameError::Broken(what)) => Err(EncodeError::unfit(format!("the message is not {wanted}: {what}"))),
        _ => Err(EncodeError::unfit(format!("the message is not {wanted}"))),
    }
}

/// How much of an over-long frame can be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    /// These bytes belong to it, and so do more that follow.
    More(usize),
    /// These bytes are its last.
    Done(usize),
}

/// The rules of one framing, with the state of one direction of one stream.
///
/// `decode` gets everything that has arrived from a boundary on, repeatedly and with a longer `input`, until it finds a
/// frame. It remembers how far it has looked, so that the whole is linear. Finding a frame resets the state.
pub(crate) trait Codec: Clone + std::fmt::Debug {
    /// A faster decoder for most frames, if they are simple enough.
    fn fast_path(&self, _max: usize) -> FastPath {
        FastPath::CLOSED
    }

    /// Looks for the frame that starts at `input[0]`. `input` is not empty.
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError>;

    /// Whether the rest is a message, when the stream has ended and `decode` needs more. (`Need`: no.)
    fn finish(&mut self, _input: &[u8], _cx: &mut Context<'_>) -> Result<Step, FrameError> {
        Ok(Step::Need)
    }

    /// Appends `message` (not over `max`) as a frame. On failure the caller restores `out`.
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Whether the end of a message can depend on what the other direction has sent: then `follow` gives it that.
    fn depends_on_requests(&self) -> bool {
        false
    }

    /// Makes this a direction of that dialogue.
    fn follow(&mut self, _dialogue: &Dialogue) {}

    /// Whether what can be sent depends on what was sent before: then `sent` gets each message.
    fn is_stateful(&self) -> bool {
        false
    }

    /// Learns of a message that was sent.
    fn sent(&mut self, _message: &[u8]) {}

    /// The error if nothing can be sent with this spec.
    fn decode_only(&self) -> Option<SpecError> {
        None
    }

    /// Number of bytes in the frame at the start of `input`, once its header shows it.
    fn announced(&self, _input: &[u8]) -> Option<u64> {
        None
    }

    /// Whether a frame that is too long can be passed over without losing the next boundary.
    fn can_discard(&self) -> bool {
        false
    }

    /// Skips a frame that is too long, if only its end shows how long it is. The first call gets the input that `decode`
    /// refused, later ones get what has arrived since. `ended`: nothing follows `input`.
    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        Ok(Discard::More(input.len()))
    }

    /// Whether the next frame can be found after bytes that break the framing: then `resync` finds it.
    fn can_resync(&self) -> bool {
        false
    }

    /// Counts a frame with a wrong checksum as damaged from now on: for framings that otherwise leave checksums to the
    /// reader of the frames.
    fn check_sums(&mut self) {}

    /// Looks for the next place where a frame can begin. The first call (`first`) gets everything that has arrived of
    /// the damaged frame, and passes over at least its first byte. Later calls get what the last one kept, and what has
    /// arrived since. The state is as `decode` left it, and is reset afterwards.
    ///
    /// The whole must be linear: here and in `decode` from the places found on, no byte is looked at more than a fixed
    /// number of times.
    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Discard::More(input.len())
    }

    /// The reason if no other phase can follow: the end of a frame does not depend on its bytes alone.
    fn must_be_last(&self) -> Option<&'static str> {
        None
    }

    /// How its frames are found, as data; `None` if that cannot be described.
    fn recipe(&self) -> Option<Recipe> {
        None
    }

    /// What its headers look like, to recognise what a peer really speaks.
    fn shape(&self) -> Shape {
        Shape::Other
    }
}

/// What the frames of a framing look like, for [`crate::diagnose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A binary length of `width` bytes at `offset`.
    Binary {
        offset: usize,
        width: usize,
        little: bool,
        /// What is added to the value to get the bytes after it.
        adjust: i64,
        /// Whether the value is a plain number of bytes: no mask, no unit.
        simple: bool,
    },
    /// A length, or a header, in text.
    TextHeader,
    /// Messages of HTTP itself.
    Http,
    /// Messages that end in LF or CRLF.
    Line { crlf: bool },
    /// JSON values.
    Json,
    /// Anything else.
    Other,
}

/// One framing: its spec, and what its frames look like.
#[derive(Debug)]
#[non_exhaustive]
pub struct FramingInfo {
    /// The name, or the pattern of names, as the reference shows it.
    pub name: &'static str,
    /// The syntax, with its arguments.
    pub syntax: &'static str,
    /// A short description of a frame.
    pub frame: &'static str,
    /// Specs that parse: the first is quoted, all are tested.
    pub examples: &'static [&'static str],
    /// Whether boundaries are kept: false for `raw` and `gap`.
    pub keeps_boundaries: bool,
}

/// A row of the table of framings, as the framing's own file declares it: its public part, and its parser.
pub(crate) struct Row<C> {
    pub(crate) name: &'static str,
    pub(crate) syntax: &'static str,
    pub(crate) frame: &'static str,
    pub(crate) examples: &'static [&'static str],
    pub(crate) keeps_boundaries: bool,
    /// Whether this is the framing that a spec names.
    pub(crate) matches: fn(&str) -> bool,
    pub(crate) parse: fn(&mut Args<'_>) -> Result<C, SpecError>,
}

impl<C> Row<C> {
    /// The public part.
    pub(crate) const fn info(&self) -> FramingInfo {
        let Self { name, syntax, frame, examples, keeps_boundaries, .. } = *self;
        FramingInfo { name, syntax, frame, examples, keeps_boundaries }
    }
}
