//! Answers without a hand on them: an echo, a fixed reply, a process for each message.

use super::super::run::PeerId;
use super::config::{AutoReply, Config};
use crate::endpoint::Request;
use crate::error::Result;
use bytes::Bytes;

/// A message to be answered.
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

/// The answer, if there is one.
pub(super) async fn to(rules: &Config, asked: Asked<'_>) -> Result<Option<Bytes>> {
    match &rules.answer {
        AutoReply::Nothing => Ok(None),
        AutoReply::Echo => Ok(Some(asked.message.clone())),
        AutoReply::Reply(reply) => Ok(Some(reply.clone())),
        #[cfg(feature = "exec")]
        // Apart from the visit that waits for it: what only this needs would be held by every peer.
        AutoReply::Each(command) => {
            let peer = (asked.peer, asked.from);
            Box::pin(super::each::run(command, &rules.processes, peer, asked.request, asked.message)).await
        }
    }
}
