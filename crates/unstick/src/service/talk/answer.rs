//! Answers without a hand on them: an echo, a fixed reply, a process for each message.

use std::process::Stdio;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::run::PeerId;
use super::config::{AutoReply, Config};
use crate::error::{Error, Result};
use crate::limits::EXEC_GRACE;
use crate::process_group::{Group, shell};
use crate::processes::Processes;
use unstick_wire::limits::MAX_MESSAGE;

/// A message to be answered.
pub(super) struct Asked<'a> {
    pub(super) peer: PeerId,
    pub(super) from: &'a str,
    pub(super) message: &'a Bytes,
}

/// The answer, if there is one.
pub(super) async fn to(rules: &Config, asked: Asked<'_>) -> Result<Option<Bytes>> {
    match &rules.answer {
        AutoReply::Nothing => Ok(None),
        AutoReply::Echo => Ok(Some(asked.message.clone())),
        AutoReply::Reply(reply) => Ok(Some(reply.clone())),
        // Apart from the visit that waits for it: what only this needs would be held by every peer.
        AutoReply::Each(command) => Box::pin(each(command, &rules.processes, asked)).await,
    }
}

/// Runs a process for one message, when there is room for it. Its output is the reply, without the LF that ends it; no output is
/// no reply. Where this is dropped, the process is ended.
async fn each(command: &str, processes: &Processes, asked: Asked<'_>) -> Result<Option<Bytes>> {
    let failed = |error| Error::io("running the command of --each", error);
    let seat = processes.seat().await;
    let mut shell = shell(command);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    shell.env("UNSTICK_PEER", asked.peer.to_string()).env("UNSTICK_FROM", asked.from);
    let mut running = Running(Some(seat.start(&mut shell).map_err(failed)?));
    let Some(group) = &mut running.0 else { return Ok(None) };
    let child = &mut group.leader;
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
    group.leader_is_over();
    running.0 = None;
    if !status.success() {
        return Err(Error::command_failed(command, status));
    }
    if output.last() == Some(&b'\n') {
        output.pop();
    }
    Ok((!output.is_empty()).then(|| output.into()))
}

/// A shell and what it has started, which end with who asked where they have not ended by themselves. What a shell that has ended
/// leaves in the background goes on until the program ends.
struct Running(Option<Group>);

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut group) = self.0.take() else { return };
        group.terminate();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                if !group.gone_within(EXEC_GRACE).await {
                    group.kill();
                }
            })),
            Err(_) => group.kill(),
        }
    }
}
