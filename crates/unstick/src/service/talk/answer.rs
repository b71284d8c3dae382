//! Automatic answers: an echo, a fixed reply, or a process for each message.

use super::super::run::PeerId;
use super::config::{AutoReply, Config};
use crate::endpoint::Request;
use crate::error::Result;
use bytes::Bytes;

/// A message that needs an answer.
pub(super) struct Asked<'a> {
    #[cfg_attr(not(feature = "exec"), expect(dead_code))]
    pub(super) peer: PeerId,
    #[cfg_attr(not(feature = "exec"), expect(dead_code))]
    pub(super) from: &'a str,
    /// What the client of a WebSocket asked for.
    #[cfg_attr(not(feature = "exec"), expect(dead_code))]
    pub(super) request: Option<&'a Request>,
    pub(super) message: &'a Bytes,
}

/// Returns the answer, if there is one.
pub(super) async fn to(rules: &Config, asked: Asked<'_>) -> Result<Option<Bytes>> {
    match &rules.answer {
        AutoReply::Nothing => Ok(None),
        AutoReply::Echo => Ok(Some(asked.message.clone())),
        AutoReply::Reply(reply) => Ok(Some(reply.clone())),
        #[cfg(feature = "exec")]
        // Kept in a box, apart from the peer's task that waits for it: otherwise every peer would hold the memory that
        // only this needs.
        AutoReply::Each(command) => {
            let peer = (asked.peer, asked.from);
            Box::pin(super::each::run(command, &rules.processes, peer, asked.request, asked.message)).await
        }
    }
}
