//! Commands of a run: how many at once, where their errors go, and their end with the run.
//!
//! Not here: what one of them is and started (`process_group`).

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

/// How often processes are looked at that nobody waits for: until they have ended, or leave room for others.
const LOOK: Duration = Duration::from_millis(10);

/// Takes a command's standard error, piece by piece; an empty piece is its end.
pub type Errors = Box<dyn FnMut(&[u8]) + Send>;

/// Where commands run: [`Options::processes`](crate::Options::processes) for `exec:`,
/// [`Config::processes`](crate::service::talk::Config::processes) for an answer by command. Clones share the limit.
#[derive(Clone)]
pub struct Processes {
    room: Arc<Semaphore>,
    most: usize,
    errors: Option<Arc<dyn Fn() -> Errors + Send + Sync>>,
}

impl Default for Processes {
    /// As many as [`MAX_PROCESSES`](limits::MAX_PROCESSES), whose standard error is this program's.
    fn default() -> Self {
        Self::at_most(limits::MAX_PROCESSES)
    }
}

impl std::fmt::Debug for Processes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Processes(at most {})", self.most)
    }
}

/// Room for one command, for as long as it or what it has started runs.
pub(crate) struct Seat {
    permit: OwnedSemaphorePermit,
    errors: Option<Errors>,
}

impl Processes {
    /// So many commands at once, at least one. What a command leaves running in the background counts as long as it runs.
    pub fn at_most(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(most)), most, errors: None }
    }

    /// Reads the standard error of each command, and gives it to what `errors` returns, instead of letting the command write
    /// past this program to its own: for a terminal.
    #[must_use]
    pub fn errors_to(mut self, errors: impl Fn() -> Errors + Send + Sync + 'static) -> Self {
        self.errors = Some(Arc::new(errors));
        self
    }

    /// Waits for room. Cancel safe.
    pub(crate) async fn seat(&self) -> Seat {
        loop {
            let room = Arc::clone(&self.room).acquire_owned();
            match timeout(LOOK * 10, room).await {
                Ok(Ok(permit)) => return Seat { permit, errors: self.errors.as_ref().map(|errors| errors()) },
                // Never closed.
                Ok(Err(_)) => std::future::pending().await,
                // What runs in the background tells nobody when it ends.
                Err(_) => process_group::forget_ended(),
            }
        }
    }

    /// The same within a time.
    ///
    /// # Errors
    ///
    /// [`Error::is_unreachable`] where there is no room by then.
    pub(crate) async fn seat_within(&self, patience: Duration) -> Result<Seat> {
        timeout(patience, self.seat()).await.map_err(|_| {
            let plural = if self.most == 1 { "process is" } else { "processes are" };
            let what = format!("{} {plural} running already", self.most);
            Error::unreachable(what, None).with_advice(Advice::AllowMoreProcesses)
        })
    }
}

impl Seat {
    /// Starts a command. Its standard error goes where errors go.
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

/// To its end, which is that of the last process that holds it.
async fn pass_on(mut stderr: ChildStderr, mut errors: Errors) {
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        errors(&buffer[..count]);
    }
    errors(&[]);
}

/// Ends all commands that this library has started and that still run, with what they have started: for a program that is
/// about to end. All are told at once (SIGTERM) after `courtesy`, which is for those that end by themselves; what is left after
/// [`PROCESS_GRACE`](limits::PROCESS_GRACE) is made to (SIGKILL).
///
/// What has left its process group (`setsid`, a shell's job control) is out of reach and goes on.
pub async fn end_processes(courtesy: Duration) {
    if all_gone_within(courtesy).await {
        return;
    }
    process_group::terminate_all();
    if !all_gone_within(limits::PROCESS_GRACE).await {
        process_group::kill_all();
        // Whom the system does not end at once it will.
        all_gone_within(limits::FINAL_FLUSH_TIMEOUT).await;
    }
}

/// Ends them now (SIGKILL), without waiting: for a program that may not wait.
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
