//! What can be typed of how much a peer may cost: memory, and time without a word.

use clap::Args;
use unstick::Options;
use unstick::service::talk::Rules;
use unstick::wire::quantity::parse_size;

/// Limits of peers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of peers")]
pub struct PeerLimits {
    /// Queue at most SIZE bytes for one of many peers that reads slowly; one that then reads nothing is closed [default:
    /// 8M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_queue: Option<usize>,
}

impl PeerLimits {
    /// What they mean for a conversation.
    pub fn apply(&self, rules: &mut Rules, _options: &mut Options) {
        rules.max_queue = self.max_queue.unwrap_or(rules.max_queue);
    }
}

fn size(text: &str) -> Result<usize, String> {
    let size = parse_size(text).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| *size > 0).ok_or_else(|| "a size is written 1000, 64K or 16M".to_owned())
}
