//! Messages in, frames out.

use crate::error::EncodeError;
use crate::framing::{Codec, Machine};
use crate::spec::Framing;

/// Makes frames for one direction of one stream.
#[derive(Debug, Clone)]
pub struct Encoder {
    framing: Framing,
    codec: Machine,
    max: usize,
    phase: usize,
    /// Frames left in this phase; 0 in the last one.
    left: u64,
}

impl Encoder {
    pub(crate) fn new(framing: &Framing) -> Self {
        let first = &framing.phases[0];
        let left = if framing.phases.len() > 1 { first.times } else { 0 };
        Self { codec: first.codec.clone(), max: first.max, phase: 0, left, framing: framing.clone() }
    }

    /// Appends `message` as one frame to `out`.
    ///
    /// # Errors
    ///
    /// Where this framing cannot carry the message unchanged: it is over `max`, longer than its length field can say,
    /// or contains its own delimiter. `out` is then as it was, and the next message can be encoded.
    #[inline]
    pub fn encode(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if message.len() > self.max {
            return Err(EncodeError::TooLong { length: message.len(), limit: self.max });
        }
        let from = out.len();
        if let Err(error) = self.codec.encode(message, out) {
            out.truncate(from);
            return Err(error);
        }
        if self.left > 0 {
            self.count_down();
        }
        Ok(())
    }

    fn count_down(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.phase += 1;
            let phase = &self.framing.phases[self.phase];
            self.codec = phase.codec.clone();
            self.max = phase.max;
            self.left = if self.phase + 1 < self.framing.phases.len() { phase.times } else { 0 };
        }
    }
}
