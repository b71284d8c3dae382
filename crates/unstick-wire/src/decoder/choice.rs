//! The choice of a stream's framing, while its first bytes arrive.

use std::sync::Arc;

use crate::phase::{Chooser, Phase};

/// A stream whose framing is not chosen yet.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) chooser: Chooser,
    /// Whether nothing more has come for as long as the chooser is patient.
    pub(super) is_quiet: bool,
    /// The number of the stream, once something has arrived.
    stream: Option<u64>,
    /// Number of bytes that the chooser has seen.
    seen: usize,
}

impl Choice {
    pub(super) fn new(chooser: Chooser) -> Self {
        Self { chooser, is_quiet: false, stream: None, seen: 0 }
    }

    /// Chooses from all that has arrived. `ended`: nothing more comes.
    pub(super) fn make(&mut self, input: &[u8], ended: bool) -> Option<Arc<[Phase]>> {
        let last = std::mem::take(&mut self.is_quiet) || ended;
        let chooser = &self.chooser.chooser;
        let stream = *self.stream.get_or_insert_with(|| chooser.open());
        let seen = std::mem::replace(&mut self.seen, input.len());
        if seen == input.len() && !last { None } else { chooser.choose(stream, input, seen, last) }
    }
}
