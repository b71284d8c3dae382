//! Encodes one direction of one stream: messages in, frames out.

use std::sync::Arc;

use crate::codec::Codec;
use crate::dialogue::Dialogue;
use crate::error::EncodeError;
use crate::framing::AnyCodec;
use crate::phase::{Phase, followed};

/// Makes frames for one direction of one stream.
#[derive(Debug, Clone)]
pub struct Encoder {
    phases: Arc<[Phase]>,
    codec: AnyCodec,
    max: usize,
    phase: usize,
    /// Number of frames left in this phase; 0 in the last one.
    left: u64,
    /// Whether the framing will still change, or depends on what was sent.
    unusual: bool,
}

impl Encoder {
    pub(crate) fn new(phases: Arc<[Phase]>) -> Self {
        let first = &phases[0];
        let unusual = first.times > 0 || first.codec.is_stateful() || first.chooser.is_some();
        Self { codec: first.codec.clone(), max: first.max, phase: 0, left: first.times, unusual, phases }
    }

    /// Makes this a direction of a dialogue: the other direction then knows the requests that it sends, or that its
    /// responses answer.
    pub fn follow(&mut self, dialogue: &Dialogue) {
        self.phases = followed(&self.phases, dialogue);
        self.codec.follow(dialogue);
        self.unusual |= self.codec.is_stateful();
    }

    /// Appends `message` as one frame to `out`.
    ///
    /// # Errors
    ///
    /// When this framing cannot carry the message unchanged: it is over `max`, longer than its length field can say,
    /// or contains its own delimiter. `out` is then unchanged, and the next message can be encoded.
    #[inline]
    pub fn encode(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.unusual {
            return self.encode_in_phases(message, out);
        }
        encode(&self.codec, self.max, message, out)
    }

    /// The same, if more than this message decides how it is encoded.
    fn encode_in_phases(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(chooser) = &self.phases[0].chooser {
            const HINT: &str = "it is chosen from what the peer sends; name the framing to send first";
            let unknown = || EncodeError::unfit_but("the framing is not known yet", HINT);
            *self = Self::new(chooser.chooser.known().ok_or_else(unknown)?);
            return self.encode(message, out);
        }
        let at = self.phase_of(message);
        if at > self.phase {
            let phase = &self.phases[at];
            encode(&phase.codec, phase.max, message, out)?;
            self.enter(at);
        } else {
            encode(&self.codec, self.max, message, out)?;
        }
        self.codec.sent(message);
        let ends = self.phases[at].until.as_ref().is_some_and(|mark| mark.stands_in(message) == Some(true));
        if self.left > 0 {
            self.left = if ends { 0 } else { self.left - 1 };
            if self.left == 0 {
                self.enter(at + 1);
            }
        }
        self.unusual = self.left > 0 || self.codec.is_stateful();
        Ok(())
    }

    /// The first phase, from this one on, that holds for a message.
    fn phase_of(&self, message: &[u8]) -> usize {
        let passed_over =
            |phase: &&Phase| phase.if_prefix.as_ref().is_some_and(|mark| mark.stands_in(message) != Some(true));
        self.phase + self.phases[self.phase..].iter().take_while(passed_over).count()
    }

    fn enter(&mut self, at: usize) {
        let phase = &self.phases[at];
        self.codec = phase.codec.clone();
        self.max = phase.max;
        self.left = phase.times;
        self.phase = at;
    }
}

#[inline(always)]
fn encode(codec: &AnyCodec, max: usize, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if message.len() > max {
        return Err(EncodeError::TooLong { length: message.len(), limit: max });
    }
    let from = out.len();
    let result = codec.encode(message, out);
    if result.is_err() {
        out.truncate(from);
    }
    result
}
