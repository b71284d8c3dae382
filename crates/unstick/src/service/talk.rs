//! A conversation in messages: this end's input and output on one side, one or many peers on the other.
//!
//! Not here: prompts, pipes and JSON. The program implements them as an [`Input`] and an [`Output`].

mod ahead;
mod allowance;
mod answer;
mod backlog;
mod commands;
mod config;
#[cfg(feature = "exec")]
mod each;
mod event;
mod hub;
mod idle;
mod input;
mod peer;
mod post;
mod reconnect;
mod run;

use std::future::Future;
use std::pin::Pin;

use crate::activity::bounded;
use hub::Hub;
use input::AnyInput;

pub use super::run::PeerId;
pub use config::{AutoReply, Command, Config, Peers, Recipient, Reconnect};
pub use event::{Event, Outcome, Output, Reason};
pub use input::{Input, NoInput};

/// Holds a conversation until it ends.
///
/// Cancel safe: nothing goes on afterwards, but messages on their way may be lost.
pub async fn talk(party: Peers, input: impl Input, output: impl Output, rules: Config) -> Outcome {
    hold(party, Box::new(input), Box::new(output), rules).await
}

/// The conversation, whatever its input and output are: its code is compiled in this crate, once.
fn hold<'a>(
    party: Peers,
    input: Box<dyn AnyInput + 'a>,
    output: Box<dyn Output>,
    mut rules: Config,
) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
    rules.idle = rules.idle.map(bounded);
    rules.peer_idle = rules.peer_idle.map(bounded);
    rules.deadline = rules.deadline.map(bounded);
    rules.linger = bounded(rules.linger);
    rules.pending_after = bounded(rules.pending_after);
    Box::pin(Hub::new(output, rules).run(party, input))
}
