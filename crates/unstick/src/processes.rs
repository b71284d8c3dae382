//! Runs commands: limits how many run at once, passes on their standard error, and ends them with the run.
//!
//! Not here: one command and its children (`process_group`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::advice::Advice;
use crate::error::{Error, Result};
use crate::limits;
use crate::process_group::{self, Group};

/// How often this code checks processes that nobody waits for, to see whether they have ended or leave room for others.
const LOOK: Duration = Duration::from_millis(10);

/// Receives a command's standard error, piece by piece; an empty piece is the end.
pub type Errors = Box<dyn FnMut(&[u8]) + Send>;

/// The commands that may run: [`Options::processes`](crate::Options::processes) for `exec:`,
/// [`Config::processes`](crate::service::talk::Config::processes) for commands that answer messages. Clones share the
/// limit.
#[derive(Clone)]
pub struct Processes {
    room: Arc<Semaphore>,
    most: usize,
    errors: Option<Arc<dyn Fn() -> Errors + Send + Sync>>,
}

impl Default for Processes {
    /// Allows [`MAX_PROCESSES`](limits::MAX_PROCESSES) commands, which share this program's standard error.
    fn default() -> Self {
        Self::at_most(limits::MAX_PROCESSES)
    }
}

impl std::fmt::Debug for Processes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Processes(at most {})", self.most)
    }
}

/// A place for one command. It is taken while the command, or anything that it started, runs.
pub(crate) struct Seat {
    permit: OwnedSemaphorePermit,
    errors: Option<Errors>,
}

impl Processes {
    /// Allows `most` commands at once, and at least one. What a command leaves running in the background counts while
    /// it runs.
    pub fn at_most(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(most)), most, errors: None }
    }

    /// Reads the standard error of each command and passes it to what `errors` returns. The command then cannot write
    /// to this program's standard error directly. This is for a terminal.
    #[must_use]
    pub fn errors_to(mut self, errors: impl Fn() -> Errors + Send + Sync + 'static) -> Self {
        self.errors = Some(Arc::new(errors));
        self
    }

    /// Waits for a free place. Cancel safe.
    pub(crate) async fn seat(&self) -> Seat {
        loop {
            let room = Arc::clone(&self.room).acquire_owned();
            match timeout(LOOK * 10, room).await {
                Ok(Ok(permit)) => return Seat { permit, errors: self.errors.as_ref().map(|errors| errors()) },
                // The semaphore is never closed.
                Ok(Err(_)) => std::future::pending().await,
                // Nothing reports the end of a background process.
                Err(_) => process_group::forget_ended(),
            }
        }
    }

    /// Waits for a free place for at most `patience`.
    ///
    /// # Errors
    ///
    /// [`Error::is_unreachable`] if no place is free by then.
    pub(crate) async fn seat_within(&self, patience: Duration) -> Result<Seat> {
        timeout(patience, self.seat()).await.map_err(|_| {
            let plural = if self.most == 1 { "process is" } else { "processes are" };
            let what = format!("{} {plural} running already", self.most);
            Error::unreachable(what, None).with_advice(Advice::AllowMoreProcesses)
        })
    }
}

impl Seat {
    /// Starts a command, and passes its standard error to the handler if there is one.
    pub(crate) fn start(self, command: &mut Command) -> io::Result<Group> {
        if self.errors.is_some() {
            command.stderr(std::process::Stdio::piped());
        }
        let mut group = Group::start(command, Some(self.permit))?;
        if let (Some(errors), Some(stderr)) = (self.errors, group.leader.stderr.take()) {
            tokio::spawn(pass_on(stderr, errors));
        }
        Ok(group)
    }
}

/// Passes on a standard error until its end, when the last process that holds it closes it.
async fn pass_on(mut stderr: ChildStderr, mut errors: Errors) {
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        errors(&buffer[..count]);
    }
    errors(&[]);
}

/// Ends all running commands that this library has started, with their children. Call it when the program is about to
/// end. Commands that end on their own have `courtesy` time for it. Then all get SIGTERM at once, and what is left
/// after [`PROCESS_GRACE`](limits::PROCESS_GRACE) gets SIGKILL.
///
/// A process that has left its process group (`setsid`, a shell's job control) is out of reach and runs on.
pub async fn end_processes(courtesy: Duration) {
    if all_gone_within(courtesy).await {
        return;
    }
    process_group::terminate_all();
    if !all_gone_within(limits::PROCESS_GRACE).await {
        process_group::kill_all();
        // The system may take a moment to end them, but it will.
        all_gone_within(limits::FINAL_FLUSH_TIMEOUT).await;
    }
}

/// Kills all these commands now (SIGKILL), without waiting: for a program that may not wait.
pub fn kill_processes() {
    process_group::kill_all();
}

async fn all_gone_within(patience: Duration) -> bool {
    let end = Instant::now() + patience;
    loop {
        process_group::forget_ended();
        if process_group::none_left() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(LOOK).await;
    }
}
