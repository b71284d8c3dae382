//! The options that limit what a peer may use: memory, and time without data.

use std::time::Duration;

use clap::Args;
use unstick::service::bridge;
use unstick::service::talk::Config;
use unstick::wire::quantity::parse_size;

use crate::options::values::duration;
use unstick::{Error, Options, PendingBudget, Result};

/// Limits of peers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of peers")]
pub struct PeerLimits {
    /// Queue at most SIZE bytes for one of many peers that reads slowly; close it if it then reads nothing [default: 8M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_queue: Option<usize>,
    /// Hold at most SIZE bytes of unfinished messages of all peers together; beyond that, close the peer with the longest
    /// [default: 24M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_pending: Option<usize>,
    /// Close a peer with which no byte has passed in either direction for TIME, unless a command works on its answer [default:
    /// never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub peer_idle: Option<Duration>,
}

impl PeerLimits {
    /// Applies the limits to a conversation.
    pub fn apply(&self, rules: &mut Config, options: &mut Options) {
        rules.max_queue = self.max_queue.unwrap_or(rules.max_queue);
        rules.peer_idle = self.peer_idle;
        options.pending = self.pending();
    }
}

impl PeerLimits {
    /// Applies the limits to a bridge whose two ends are opened with these options.
    ///
    /// # Errors
    ///
    /// If a limit works only for a conversation at this end.
    pub fn apply_to_bridge(&self, rules: &mut bridge::Config, ends: [&mut Options; 2]) -> Result<()> {
        if self.max_queue.is_some() {
            let error = Error::usage("--max-queue is for messages from standard input, and with --to there are none");
            return Err(error.with_hint("leave out one of them"));
        }
        rules.peer_idle = self.peer_idle;
        let pending = self.pending();
        ends.into_iter().for_each(|end| end.pending = pending.clone());
        Ok(())
    }

    fn pending(&self) -> PendingBudget {
        self.max_pending.map_or_else(PendingBudget::default, PendingBudget::new)
    }
}

fn size(text: &str) -> Result<usize, String> {
    let size = parse_size(text).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| *size > 0).ok_or_else(|| "a size is written 1000, 64K or 16M".to_owned())
}
