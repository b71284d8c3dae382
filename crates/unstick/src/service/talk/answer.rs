//! Answers without a hand on them: an echo, a fixed reply, a process for each message.

use std::process::Stdio;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Answer, PeerId};
use crate::error::{Error, Result};
use crate::process_group::{Group, shell};
use unstick_wire::limits::MAX_MESSAGE;

/// A message to be answered.
pub(super) struct Asked<'a> {
    pub(super) peer: PeerId,
    pub(super) from: &'a str,
    pub(super) message: &'a Bytes,
}

/// The answer, if there is one.
pub(super) async fn to(answer: &Answer, asked: Asked<'_>) -> Result<Option<Bytes>> {
    match answer {
        Answer::Nothing => Ok(None),
        Answer::Echo => Ok(Some(asked.message.clone())),
        Answer::Reply(reply) => Ok(Some(reply.clone())),
        // Apart from the visit that waits for it: what only this needs would be held by every peer.
        Answer::Each(command) => Box::pin(each(command, asked)).await,
    }
}

/// Runs a process for one message. Its output is the reply, without the LF that ends it; no output is no reply.
async fn each(command: &str, asked: Asked<'_>) -> Result<Option<Bytes>> {
    let failed = |error| Error::io("running the command of --each", error);
    let mut shell = shell(command);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    shell.env("UNSTICK_PEER", asked.peer.to_string()).env("UNSTICK_FROM", asked.from);
    let mut running = Running(Group::start(&mut shell).map_err(failed)?);
    let child = &mut running.0.leader;
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // A command that does not read its input is no error.
            let _ = input.write_all(asked.message).await;
        }
    };
    let mut output = Vec::new();
    let collect = async {
        match child.stdout.take() {
            Some(stdout) => stdout.take(MAX_MESSAGE as u64 + 1).read_to_end(&mut output).await,
            None => Ok(0),
        }
    };
    let ((), read) = tokio::join!(feed, collect);
    read.map_err(failed)?;
    let status = child.wait().await.map_err(failed)?;
    running.0.is_over();
    if !status.success() {
        return Err(Error::command_failed(command, status));
    }
    if output.last() == Some(&b'\n') {
        output.pop();
    }
    Ok((!output.is_empty()).then(|| output.into()))
}

/// A shell and what it has started, which end with the conversation where they have not ended by themselves.
struct Running(Group);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill();
    }
}
