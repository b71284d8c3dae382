//! What a framing has to be able to do, and how it declares itself.
//!
//! Not here: the table of framings and the enum that dispatches to them (`framing`), so that a framing knows this file and
//! not the table that it stands in.

use crate::args::Args;
use crate::dialogue::Dialogue;
use crate::error::{EncodeError, SpecError, Text};
use crate::fast_path::FastPath;

/// Where a frame was found in the input, or what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// No whole frame yet.
    Need,
    /// `input[start..end]` is a message; its frame takes up `input[..total]`.
    Frame { start: usize, end: usize, total: usize },
    /// The message was written to the scratch buffer (its bytes do not stand in the input as they are); its frame
    /// takes up `input[..total]`.
    Built { total: usize },
    /// `input[..total]` stands between frames and belongs to none.
    Blank { total: usize },
}

/// Why no message can be had from the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Over the limit. `skip` bytes of input, beyond what is there maybe, hold the frame; `None` where only reading
    /// on can tell.
    TooLong { length: Option<u64>, skip: Option<u64> },
    /// Bytes that no frame of this framing holds.
    Broken(Text),
}

impl FrameError {
    pub(crate) fn broken(what: impl Into<Text>) -> Self {
        Self::Broken(what.into())
    }
}

/// What a codec is given besides the input.
pub(crate) struct Context<'a> {
    /// The longest message, in bytes.
    pub(crate) max: usize,
    /// For messages whose bytes do not stand in the input as they are. Cleared by who writes.
    pub(crate) scratch: &'a mut Vec<u8>,
}

/// Bytes as an error names them.
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
/// that message in it; `wanted` says what it should have been.
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

/// How much of an over-long frame can be thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    /// These bytes belong to it, and more to come do too.
    More(usize),
    /// These bytes are its last.
    Done(usize),
}

/// One framing's rules, with the state of one direction of one stream.
///
/// `decode` is called with everything that has arrived from a boundary on, again and again with a longer `input` until
/// it finds a frame; it remembers how far it has looked, so that the whole is linear. State is reset by the frame found.
pub(crate) trait Codec: Clone + std::fmt::Debug {
    /// A quicker way to most of its frames, where they are so simple.
    fn fast_path(&self, _max: usize) -> FastPath {
        FastPath::CLOSED
    }

    /// Looks for the frame that starts at `input[0]`. `input` is not empty.
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError>;

    /// The stream has ended and `decode` needs more: is the rest a message? (`Need`: no.)
    fn finish(&mut self, _input: &[u8], _cx: &mut Context<'_>) -> Result<Step, FrameError> {
        Ok(Step::Need)
    }

    /// Appends `message` (not over `max`) as a frame. On failure the caller restores `out`.
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Whether how a message ends can depend on what the other direction has said: then `follow` tells it.
    fn depends_on_requests(&self) -> bool {
        false
    }

    /// From now on this is a direction of that dialogue.
    fn follow(&mut self, _dialogue: &Dialogue) {}

    /// Whether what can be sent depends on what has been: then `sent` is told of each message.
    fn is_stateful(&self) -> bool {
        false
    }

    /// A message has been sent.
    fn sent(&mut self, _message: &[u8]) {}

    /// Why nothing can be sent with this spec, if so.
    fn decode_only(&self) -> Option<SpecError> {
        None
    }

    /// Bytes in the frame that `input` begins, once its header tells.
    fn announced(&self, _input: &[u8]) -> Option<u64> {
        None
    }

    /// Whether a frame that is too long can be passed over without losing the next boundary.
    fn can_discard(&self) -> bool {
        false
    }

    /// Passes over a frame that is too long, where only its end tells how long it is. The first call gets the input
    /// that `decode` refused, later ones what has arrived since. `ended`: nothing will follow `input`.
    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, FrameError> {
        Ok(Discard::More(input.len()))
    }

    /// Whether the next frame can be found behind bytes that break the framing: then `resync` finds it.
    fn can_resync(&self) -> bool {
        false
    }

    /// From now on, a frame whose checksum is wrong is damaged: for framings that otherwise leave checksums to who reads the frames.
    fn check_sums(&mut self) {}

    /// Looks for the next place where a frame can begin. The first call (`first`) gets all that has arrived of the frame
    /// that is damaged, and passes over its first byte at least; later calls get what the last one kept, and what has
    /// arrived since. The state is whatever `decode` left, and is reset afterwards.
    ///
    /// The whole is to be linear: no byte is looked at, here and by `decode` from the places found on, more than a fixed
    /// number of times.
    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Discard::More(input.len())
    }

    /// Why no other phase can follow, if so: where a frame ends is not a matter of its bytes alone.
    fn must_be_last(&self) -> Option<&'static str> {
        None
    }

    /// What its headers look like, for recognising what a peer really speaks.
    fn shape(&self) -> Shape {
        Shape::Other
    }
}

/// The outward look of a framing, for [`crate::diagnose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A binary length of `width` bytes at `offset`.
    Binary {
        offset: usize,
        width: usize,
        little: bool,
        /// What is added to the value to get the bytes after it.
        adjust: i64,
        /// The value is a number of bytes as it stands: no mask, no unit.
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

/// One framing: its spec, and what it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct FramingInfo {
    /// The name, or the pattern of names, as the reference shows it.
    pub name: &'static str,
    /// How it is written, arguments included.
    pub syntax: &'static str,
    /// What a frame is, in half a sentence.
    pub frame: &'static str,
    /// Specs that parse: the first is quoted, all are tested.
    pub examples: &'static [&'static str],
    /// Whether boundaries are kept: false for `raw` and `gap`.
    pub keeps_boundaries: bool,
}

/// A row of the table of framings, as the framing's own file declares it: what is public of it, and its parser.
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
    /// What is public of it.
    pub(crate) const fn info(&self) -> FramingInfo {
        let Self { name, syntax, frame, examples, keeps_boundaries, .. } = *self;
        FramingInfo { name, syntax, frame, examples, keeps_boundaries }
    }
}
