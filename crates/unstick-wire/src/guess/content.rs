//! What the messages of each preset hold, so that they can be told from other messages with the same cuts.
//!
//! Every function answers how many bits of the first messages are as the protocol has them, and `None` where something is not.

mod binary;
mod dialogue;
mod network;
mod text;

use super::trial::Frames;
use dialogue::Dialogue;

/// Bits that the content may count at most.
const MOST: f64 = 80.0;

/// Bits that the first messages of these connections have in common with a preset. `None` where there is nothing to compare,
/// or where too much contradicts.
pub(super) fn bits(preset: &str, connections: &[Frames]) -> Option<f64> {
    let tables = [binary::CONTENT, network::CONTENT, text::CONTENT];
    let (_, content) = tables.into_iter().flatten().find(|(name, _)| *name == preset)?;
    let verdicts: Vec<Option<f64>> = connections.iter().map(|frames| content(&Dialogue::new(frames))).collect();
    let against = verdicts.iter().filter(|verdict| verdict.is_none()).count();
    if against * 3 > verdicts.len() {
        return None;
    }
    let bits: f64 = verdicts.into_iter().flatten().sum();
    Some((bits - 12.0 * against as f64).min(MOST))
}

/// Whether connections begin with the head of a message of HTTP or its like: such text is not lines alone.
pub(super) fn has_heads(connections: &[Frames]) -> bool {
    connections.iter().any(|frames| Dialogue::new(frames).both().any(text::is_head))
}
