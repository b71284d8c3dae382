//! The programs under test. Each runs in its own process group, its output is kept, and ending it ends everything that it
//! started.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::outcome::Exit;
use crate::limits;
use unstick::internal::{Group, shell as shell_command};
use unstick::{Error, Result};

/// A running program. Dropping it ends it and everything it has started.
pub(super) struct Program {
    group: Group,
    said: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// What happens to a program's standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// It is kept together with standard error.
    Said,
    /// It is handed to the caller, to be read as a stream.
    Stream,
}

impl Program {
    /// Starts a command.
    pub(super) fn start(mut command: Command, what: &str, output: Output) -> Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut group = Group::start(&mut command, None).map_err(|error| {
            let cannot = Error::other(format!("cannot start `{what}`: {}", unstick::internal::plain(&error)));
            match error.kind() {
                std::io::ErrorKind::NotFound => cannot.with_hint("is it spelt right, and on the PATH?"),
                _ => cannot,
            }
        })?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut readers = Vec::new();
        if let Some(stderr) = group.leader.stderr.take() {
            readers.push(tokio::spawn(keep(stderr, Arc::clone(&said))));
        }
        if output == Output::Said
            && let Some(stdout) = group.leader.stdout.take()
        {
            readers.push(tokio::spawn(keep(stdout, Arc::clone(&said))));
        }
        Ok(Self { group, said, readers })
    }

    /// Takes its standard output; `None` after the first call.
    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.group.leader.stdout.take()
    }

    /// Takes its standard input; `None` after the first call.
    pub(super) fn stdin(&mut self) -> Option<ChildStdin> {
        self.group.leader.stdin.take()
    }

    /// Waits until it ends.
    pub(super) async fn exit(&mut self) -> Exit {
        self.group.leader.wait().await.map_or(Exit::Never, exit)
    }

    /// How it ended, if it has ended already.
    pub(super) fn has_ended(&mut self) -> Option<Exit> {
        self.group.leader.try_wait().ok().flatten().map(exit)
    }

    /// Ends it, and returns the last lines that it printed.
    pub(super) async fn end(mut self) -> String {
        self.kill();
        let _ = self.group.leader.wait().await;
        for reader in std::mem::take(&mut self.readers) {
            // A process that has left the group may hold the pipe open: do not wait for it.
            let abort = reader.abort_handle();
            if tokio::time::timeout(Duration::from_millis(100), reader).await.is_err() {
                abort.abort();
            }
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).into_owned()
    }

    fn kill(&mut self) {
        self.group.kill();
        self.group.is_over();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        for reader in &self.readers {
            reader.abort();
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal);
    }
    Exit::Status(status.code().unwrap_or(-1))
}

/// Keeps the last bytes of what the program prints.
async fn keep(mut from: impl AsyncRead + Unpin, kept: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * limits::MAX_CAPTURED_OUTPUT {
            let surplus = kept.len() - limits::MAX_CAPTURED_OUTPUT;
            kept.drain(..surplus);
        }
    }
}

/// Reads an output to its end, and keeps as much as is compared.
pub(super) async fn read_output(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let room = limits::MAX_CAPTURED_OUTPUT - whole.len();
        whole.extend_from_slice(&buffer[..count.min(room)]);
    }
    whole
}

/// Makes a command of a command line for the shell.
pub(super) fn shell(line: &str) -> Command {
    let mut command = shell_command(line);
    command.stdin(Stdio::null());
    command
}
