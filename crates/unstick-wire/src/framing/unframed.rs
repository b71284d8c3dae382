//! `raw` and `gap`: streams without boundaries, delivered as they arrive. Both report that boundaries are not kept.

use std::time::Duration;

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;
use crate::recipe::Recipe;

pub(super) const RAW: Row<Raw> = Row {
    name: "raw",
    syntax: "raw",
    frame: "none: what one read returns (boundaries are not kept)",
    examples: &["raw"],
    keeps_boundaries: false,
    matches: |name| name == "raw",
    parse: |_| Ok(Raw),
};

pub(super) const GAP: Row<Gap> = Row {
    name: "gap",
    syntax: "gap:DURATION",
    frame: "ends when the peer has been silent for DURATION (a guess)",
    examples: &["gap:100ms"],
    keeps_boundaries: false,
    matches: |name| name == "gap",
    parse: |args| {
        let silence = args.duration("how long the peer must be quiet, such as gap:100ms")?;
        Ok(Gap { silence, quiet: 0 })
    },
};

/// What one read returns.
#[derive(Debug, Clone)]
pub(crate) struct Raw;

impl Codec for Raw {
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe::new("rest"))
    }

    #[inline]
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let end = input.len().min(cx.max);
        Ok(Step::Frame { start: 0, end, total: end })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(message);
        Ok(())
    }

    fn must_be_last(&self) -> Option<&'static str> {
        Some("`raw` does not end")
    }
}

/// What arrives before a silence.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    /// How long the silence must be.
    pub(crate) silence: Duration,
    /// Number of bytes that had arrived when the silence had lasted long enough, else 0. The caller that has the clock
    /// sets it.
    pub(crate) quiet: usize,
}

impl Codec for Gap {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        // Bytes that came after the silence belong to the next message.
        let end = std::mem::take(&mut self.quiet);
        match end {
            0 if input.len() > cx.max => Err(FrameError::TooLong { length: None, skip: None }),
            0 => Ok(Step::Need),
            _ => Ok(Step::Frame { start: 0, end, total: end }),
        }
    }

    fn finish(&mut self, input: &[u8], _: &mut Context<'_>) -> Result<Step, FrameError> {
        Ok(Step::Frame { start: 0, end: input.len(), total: input.len() })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(message);
        Ok(())
    }

    fn must_be_last(&self) -> Option<&'static str> {
        Some("`gap` only guesses where a message ends")
    }
}
