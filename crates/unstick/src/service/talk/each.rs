//! Runs a process for each message: the message is its standard input, and its standard output is the reply.

use std::process::Stdio;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unstick_wire::limits::MAX_MESSAGE;

use super::super::run::PeerId;
use crate::endpoint::Request;
use crate::error::{Error, Result};
use crate::limits::EXEC_GRACE;
use crate::process_group::{Group, shell};
use crate::processes::Processes;

/// Runs a process for one message, when there is room for it. Its output, without the final LF, is the reply; no output
/// means no reply. If this future is dropped, the process is ended.
pub(super) async fn run(
    command: &str,
    processes: &Processes,
    (peer, from): (PeerId, &str),
    request: Option<&Request>,
    message: &[u8],
) -> Result<Option<Bytes>> {
    let failed = |error| Error::io("running the command for a message", error);
    let seat = processes.seat().await;
    let mut shell = shell(command);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    shell.env("UNSTICK_PEER", peer.to_string()).env("UNSTICK_FROM", from);
    shell.envs(request.map(Request::environment).unwrap_or_default());
    let mut running = Running(Some(seat.start(&mut shell).map_err(failed)?));
    let Some(group) = &mut running.0 else { return Ok(None) };
    let child = &mut group.leader;
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // A command that does not read its input is no error.
            let _ = input.write_all(message).await;
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

/// A shell and its children. They are ended when the peer's task ends, if they still run. What a shell that has ended
/// leaves in the background runs on until the program ends.
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
