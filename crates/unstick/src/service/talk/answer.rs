//! Answers without a hand on them: an echo, a fixed reply, a process for each message.

use std::process::Stdio;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::{Answer, PeerId};
use crate::error::{Error, Result};
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
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    shell.env("UNSTICK_PEER", asked.peer.to_string()).env("UNSTICK_FROM", asked.from);
    #[cfg(unix)]
    shell.process_group(0);
    let mut child = shell.spawn().map_err(failed)?;
    let mut group = Group::of(&child);
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
    group.is_done();
    if !status.success() {
        return Err(Error::command_failed(command, status));
    }
    if output.last() == Some(&b'\n') {
        output.pop();
    }
    Ok((!output.is_empty()).then(|| output.into()))
}

/// A shell and what it has started, which end with the conversation where they have not ended by themselves.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        #[cfg(not(unix))]
        let _ = child;
        Self {
            #[cfg(unix)]
            leader: child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())),
        }
    }

    fn is_done(&mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // The leader has not been waited for, so that its number is nobody else's.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}
