//! `raw` and `gap`: streams taken as they come. Boundaries are not kept, and both say so.

use std::time::Duration;

use super::{Codec, Cx, Entry, Fault, Step};
use crate::error::EncodeError;

pub(super) const RAW: Entry = Entry {
    name: "raw",
    syntax: "raw",
    frame: "none: what one read returns (boundaries are not kept)",
    examples: &["raw"],
    keeps_boundaries: false,
    matches: |name| name == "raw",
    parse: |_| Ok(Raw.into()),
};

pub(super) const GAP: Entry = Entry {
    name: "gap",
    syntax: "gap:DURATION",
    frame: "ends when the peer has been quiet so long (a guess)",
    examples: &["gap:100ms"],
    keeps_boundaries: false,
    matches: |name| name == "gap",
    parse: |args| Ok(Gap { quiet: args.duration("how long the peer must be quiet, such as gap:100ms")? }.into()),
};

/// What one read returns.
#[derive(Debug, Clone)]
pub(crate) struct Raw;

impl Codec for Raw {
    fn decode(&mut self, input: &[u8], _: &mut Cx<'_>) -> Result<Step, Fault> {
        Ok(Step::Frame { start: 0, end: input.len(), total: input.len() })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(message);
        Ok(())
    }
}

/// What arrives before a silence.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    pub(crate) quiet: Duration,
}

impl Codec for Gap {
    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
        if input.len() > cx.max {
            return Err(Fault::TooLong { length: None, skip: None });
        }
        if cx.quiet { self.finish(input, cx) } else { Ok(Step::Need) }
    }

    fn finish(&mut self, input: &[u8], _: &mut Cx<'_>) -> Result<Step, Fault> {
        Ok(Step::Frame { start: 0, end: input.len(), total: input.len() })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(message);
        Ok(())
    }
}
