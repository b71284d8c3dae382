//! Runs a command and its children in their own process group, so that they can be ended together. Also keeps a list of
//! all groups that have not ended yet.

use std::io;
use std::time::Duration;
#[cfg(unix)]
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::process::{Child, Command};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// Builds a command that runs a line in the shell.
pub fn shell(line: &str) -> Command {
    if cfg!(windows) {
        let mut shell = Command::new("cmd");
        shell.args(["/C", line]);
        return shell;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", line]);
    shell
}

/// A running command and everything that it has started. On systems without process groups, only the command itself.
///
/// Dropping it ends nothing: `kill_all` reaches the group for as long as any of its processes runs.
pub struct Group {
    /// The command itself.
    pub leader: Child,
    #[cfg(unix)]
    number: Option<Pid>,
}

/// A group that is not known to have ended.
#[cfg(unix)]
struct Entry {
    /// Whether its leader has not been waited for yet. Until then, the group number is certainly ours. After that,
    /// another group may get the number once this group is empty.
    led: bool,
    /// Its permit among the commands that may run at once.
    _room: Option<OwnedSemaphorePermit>,
}

/// The groups of this whole process, so that ending the program can end them all. The key is the group number, which
/// stays ours while any process of the group exists.
#[cfg(unix)]
static GROUPS: Mutex<BTreeMap<i32, Entry>> = Mutex::new(BTreeMap::new());

#[cfg(unix)]
fn groups() -> MutexGuard<'static, BTreeMap<i32, Entry>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often this code checks whether an ending group has ended.
const LOOK: Duration = Duration::from_millis(10);

impl Group {
    /// Starts a command as the leader of a new group.
    pub fn start(command: &mut Command, room: Option<OwnedSemaphorePermit>) -> io::Result<Self> {
        #[cfg(unix)]
        command.process_group(0);
        let leader = command.spawn()?;
        #[cfg(unix)]
        {
            let number = leader.id().and_then(|id| Pid::from_raw(id.cast_signed()));
            if let Some(number) = number {
                groups().insert(number.as_raw_pid(), Entry { led: true, _room: room });
            }
            Ok(Self { leader, number })
        }
        #[cfg(not(unix))]
        {
            drop(room);
            Ok(Self { leader })
        }
    }

    /// Asks all processes of the group to end.
    pub fn terminate(&mut self) {
        #[cfg(unix)]
        self.signal(terminate);
        #[cfg(not(unix))]
        self.kill();
    }

    /// Kills all processes of the group.
    pub fn kill(&mut self) {
        #[cfg(unix)]
        self.signal(kill);
        #[cfg(not(unix))]
        let _ = self.leader.start_kill();
    }

    /// Records that the leader has been waited for. Processes that it left behind run on until all are ended.
    pub fn leader_is_over(&mut self) {
        #[cfg(unix)]
        if let Some(number) = self.number {
            let mut groups = groups();
            if let Some(entry) = groups.get_mut(&number.as_raw_pid()) {
                entry.led = false;
            }
            if !is_there(number) {
                groups.remove(&number.as_raw_pid());
                self.number = None;
            }
        }
    }

    /// Records that nothing of the group is left, or that it was ended and needs no more care.
    pub fn is_over(&mut self) {
        #[cfg(unix)]
        if let Some(number) = self.number.take() {
            groups().remove(&number.as_raw_pid());
        }
    }

    /// Waits until its leader and everything that it has started have ended. Returns true if that happens in time.
    pub async fn gone_within(&mut self, patience: Duration) -> bool {
        let gone = async {
            let _ = self.leader.wait().await;
            self.leader_is_over();
            while self.is_left() {
                sleep(LOOK).await;
                forget_ended();
            }
        };
        timeout(patience, gone).await.is_ok()
    }

    /// Whether a process of the group is known to exist.
    fn is_left(&self) -> bool {
        #[cfg(unix)]
        return self.number.is_some_and(|number| groups().contains_key(&number.as_raw_pid()));
        #[cfg(not(unix))]
        false
    }

    #[cfg(unix)]
    fn signal(&self, send: fn(Pid)) {
        let Some(number) = self.number else { return };
        let groups = groups();
        if groups.get(&number.as_raw_pid()).is_some_and(|entry| entry.led || is_ours(number)) {
            send(number);
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    /// Hands the leader to the runtime, which waits for it from now on.
    fn drop(&mut self) {
        if let Some(number) = self.number
            && let Some(entry) = groups().get_mut(&number.as_raw_pid())
        {
            entry.led = false;
        }
    }
}

/// Asks a group to end. If it has ended meanwhile, nothing happens.
#[cfg(unix)]
fn terminate(number: Pid) {
    let _ = kill_process_group(number, Signal::TERM);
}

/// Kills a group.
#[cfg(unix)]
fn kill(number: Pid) {
    let _ = kill_process_group(number, Signal::KILL);
}

/// Asks all groups to end, at the same time. On systems without groups, each command ends with its own handle.
pub(crate) fn terminate_all() {
    #[cfg(unix)]
    signal_all(terminate);
}

/// Kills all groups, at the same time.
pub(crate) fn kill_all() {
    #[cfg(unix)]
    signal_all(kill);
}

#[cfg(unix)]
fn signal_all(send: fn(Pid)) {
    for (number, entry) in &*groups() {
        let number = Pid::from_raw(*number);
        if let Some(number) = number.filter(|number| entry.led || is_ours(*number)) {
            send(number);
        }
    }
}

/// Forgets the groups that have no process left.
pub(crate) fn forget_ended() {
    #[cfg(unix)]
    groups().retain(|number, _| Pid::from_raw(*number).is_some_and(is_there));
}

/// Whether no group is left.
pub(crate) fn none_left() -> bool {
    #[cfg(unix)]
    return groups().is_empty();
    #[cfg(not(unix))]
    true
}

#[cfg(unix)]
fn is_there(number: Pid) -> bool {
    test_kill_process_group(number).is_ok()
}

/// Whether a group without a leader is still the one started here: all of its processes belong to our session. The
/// system reuses a number only after it has given out all others, and then most likely to another session.
///
/// This reads the session from /proc instead of calling `getsid`. In a container the session may come from outside, and
/// then `getsid` returns 0.
#[cfg(target_os = "linux")]
fn is_ours(number: Pid) -> bool {
    use std::path::Path;

    fn group_and_session(process: &Path) -> Option<(i32, i32)> {
        let stat = std::fs::read_to_string(process.join("stat")).ok()?;
        // After the name, which can contain anything: state, parent, group, session.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    }

    let Some((_, own)) = group_and_session(Path::new("/proc/self")) else { return false };
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes
        .filter_map(|process| group_and_session(&process.ok()?.path()))
        .filter(|(group, _)| *group == number.as_raw_pid())
        .all(|(_, session)| session == own)
}

/// Other systems have no way to tell.
#[cfg(all(unix, not(target_os = "linux")))]
fn is_ours(_number: Pid) -> bool {
    true
}
