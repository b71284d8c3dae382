//! A command and what it starts: in a process group of their own, so that they are ended together.

use std::io;

use tokio::process::{Child, Command};

/// A command line for the shell.
pub(crate) fn shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]);
    shell
}

/// A process that runs, and what it has started. Where there are no such groups, it stands alone.
pub(crate) struct Group {
    pub(crate) leader: Child,
    #[cfg(unix)]
    number: Option<rustix::process::Pid>,
}

impl Group {
    /// Starts a command at the head of a group.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        command.process_group(0);
        let leader = command.spawn()?;
        Ok(Self {
            #[cfg(unix)]
            number: leader.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())),
            leader,
        })
    }

    /// Asks all of it to end. Nothing where it is [over](Self::is_over).
    pub(crate) fn terminate(&mut self) {
        #[cfg(unix)]
        self.signal(rustix::process::Signal::TERM);
        #[cfg(not(unix))]
        self.kill();
    }

    /// Ends all of it. Nothing where it is [over](Self::is_over).
    pub(crate) fn kill(&mut self) {
        #[cfg(unix)]
        self.signal(rustix::process::Signal::KILL);
        #[cfg(not(unix))]
        let _ = self.leader.start_kill();
    }

    /// Nothing of it is to be ended any more. Once its leader has been waited for and it is empty, its number may become
    /// somebody else's.
    pub(crate) fn is_over(&mut self) {
        #[cfg(unix)]
        {
            self.number = None;
        }
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(number) = self.number {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process_group(number, signal);
        }
    }
}
