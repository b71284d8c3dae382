//! A program on its own terminal. The test types keys and reads the screen, in rows and columns, as a person would.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

/// How long any one thing may take before a test fails: generous, for a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(20);

const ROWS: u16 = 24;

/// A running program and its terminal.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    shared: Arc<Shared>,
    /// Where the program keeps its state, a directory for each test if it is not shared by hand.
    state: Arc<TempDir>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    screen: Option<vt100::Parser>,
    bytes: Vec<u8>,
    ended: bool,
    /// Nobody reads what the program writes.
    unread: bool,
}

impl Terminal {
    /// Starts `unstick` with these arguments on a terminal of this many columns.
    pub(crate) fn unstick(arguments: &[&str], columns: u16) -> Terminal {
        Terminal::unstick_with(arguments, columns, &[], &Arc::new(super::temporary()))
    }

    /// The same with variables in its environment, and a directory for its state.
    pub(crate) fn unstick_with(
        arguments: &[&str],
        columns: u16,
        variables: &[(&str, &str)],
        state: &Arc<TempDir>,
    ) -> Terminal {
        let mut words = vec![env!("CARGO_BIN_EXE_unstick")];
        words.extend(arguments);
        Terminal::start(&words, columns, variables, state)
    }

    /// A shell with job control and the prompt `$ `. `$UNSTICK` is the program.
    pub(crate) fn shell(columns: u16) -> Terminal {
        let variables = [("PS1", "$ "), ("UNSTICK", env!("CARGO_BIN_EXE_unstick"))];
        let words = ["bash", "--norc", "--noprofile", "-i"];
        Terminal::start(&words, columns, &variables, &Arc::new(super::temporary()))
    }

    /// A zsh with the completions of a folder, and the prompt `zsh$ `.
    pub(crate) fn zsh(completions: &Path) -> Terminal {
        let start = format!("fpath=({} $fpath); autoload -Uz compinit; compinit -D -u", completions.display());
        std::fs::write(completions.join(".zshrc"), start + "; PS1='zsh$ '; setopt noautomenu nolistambiguous\n")
            .expect("the folder can be written to");
        let home = completions.to_str().expect("its path is text");
        Terminal::start(&["zsh", "-i"], 80, &[("ZDOTDIR", home)], &Arc::new(super::temporary()))
    }

    /// The same in the network namespace of a process, in a folder; its PATH has the program.
    pub(crate) fn shell_in_network(columns: u16, holder: u32, folder: &Path) -> Terminal {
        let program = Path::new(env!("CARGO_BIN_EXE_unstick")).parent().expect("it is in a folder").display();
        let path = format!("{program}:{}", std::env::var("PATH").expect("there is a PATH"));
        let variables = [("PS1", "$ "), ("PATH", &path)];
        let (holder, folder) = (format!("--target={holder}"), format!("--wd={}", folder.display()));
        let words = [
            "nsenter",
            &holder,
            "--user",
            "--net",
            "--preserve-credentials",
            &folder,
            "bash",
            "--norc",
            "--noprofile",
            "-i",
        ];
        Terminal::start(&words, columns, &variables, &Arc::new(super::temporary()))
    }

    /// Waits until the program writes, for a moment.
    pub(crate) fn may_change(&self) {
        let seen = self.shared.lock();
        drop(self.shared.changed.wait_timeout(seen, Duration::from_millis(20)));
    }

    /// The rows of the screen up to the cursor's.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.shared.lock().rows()
    }

    fn start(words: &[&str], columns: u16, variables: &[(&str, &str)], state: &Arc<TempDir>) -> Terminal {
        // `setsid --ctty` makes the terminal the controlling one, as a shell's is.
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(words);
        command
            .env("TERM", "xterm-256color")
            .env("XDG_STATE_HOME", state.path())
            .env_remove("NO_COLOR")
            .env("UNSTICK_CONFIG", "");
        command.envs(variables.iter().copied());
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal is free");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("the terminal is ours");
        set_columns(&master, columns);
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let side = || Stdio::from(ioctl_tiocgptpeer(&master, flags).expect("the terminal has another side"));
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("setsid is installed");
        // With its copies of the other side, the terminal would never end.
        drop(command);
        let shared = Arc::new(Shared::default());
        shared.lock().screen = Some(vt100::Parser::new(size(ROWS), size(columns), 0));
        let master = File::from(master);
        collect(&shared, master.try_clone().expect("a descriptor is free"));
        Terminal { child, master, shared, state: Arc::clone(state) }
    }

    /// Types, as fast as the terminal takes it.
    pub(crate) fn types(&mut self, keys: impl AsRef<[u8]>) {
        self.master.write_all(keys.as_ref()).expect("the terminal takes keys");
    }

    /// Makes the window this many columns wide.
    pub(crate) fn resize(&self, columns: u16) {
        let mut seen = self.shared.lock();
        let screen = seen.screen.as_mut().expect("there is a screen from the start");
        screen.screen_mut().set_size(size(ROWS), size(columns));
        drop(seen);
        set_columns(&self.master, columns);
    }

    /// Waits until the text is somewhere on the screen.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(&format!("{text:?} on the screen"), |seen| {
            let contents = seen.screen().contents();
            contents.contains(text).then_some(contents)
        })
    }

    /// Waits until the word is on the screen, between blanks.
    pub(crate) fn shows_word(&self, word: &str) {
        self.until(&format!("{word:?} on the screen, as a word"), |seen| {
            seen.screen().contents().split_whitespace().any(|one| one == word).then_some(())
        });
    }

    /// Waits until the text is on the screen, in a row that does not contain the other text.
    pub(crate) fn shows_beside(&self, text: &str, other: &str) {
        self.until(&format!("{text:?} on the screen, and not beside {other:?}"), |seen| {
            let found = |row: &String| row.contains(text) && !row.contains(other);
            seen.rows().iter().any(found).then_some(())
        });
    }

    /// Waits until these are the last rows up to the cursor's, the row that is typed on.
    pub(crate) fn ends_with(&self, rows: &[&str]) {
        self.until(&format!("{rows:?} up to the cursor"), |seen| {
            let all = seen.rows();
            let last = &all[all.len().saturating_sub(rows.len())..];
            last.iter().eq(rows).then_some(())
        });
    }

    /// Everything that the program has written, once it contains this text.
    pub(crate) fn written_up_to(&self, text: &str) -> String {
        self.until(&format!("{text:?} written"), |seen| {
            let written = String::from_utf8_lossy(&seen.bytes);
            written.contains(text).then(|| written.into_owned())
        })
    }

    /// Whether the program has written this so far.
    pub(crate) fn has_written(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.shared.lock().bytes).contains(text)
    }

    /// Waits until the terminal takes whole lines and echoes, as it did at first (true), or single keys (false).
    pub(crate) fn takes_lines(&self) -> bool {
        let modes = tcgetattr(&self.master).expect("the terminal is there").local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Stops reading the program's output, or reads it again. A little more may have been read by then.
    pub(crate) fn is_read(&self, read: bool) {
        self.shared.lock().unread = !read;
        self.shared.changed.notify_all();
    }

    /// Waits for its end, whether or not its output is read.
    pub(crate) fn ends(&mut self) -> i32 {
        let status = self.child.wait().expect("a child can be waited for");
        status.code().unwrap_or_else(|| 128 + status.signal().expect("no code means a signal"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("an unreaped child can be signalled");
    }

    /// Waits for its end: the exit status, or 128 and the signal as a shell counts it.
    pub(crate) fn code(&mut self) -> i32 {
        self.until("its end", |seen| seen.ended.then_some(()));
        let status = self.child.wait().expect("a child can be waited for");
        status.code().unwrap_or_else(|| 128 + status.signal().expect("no code means a signal"))
    }

    /// Where the program keeps its state.
    pub(crate) fn state(&self) -> &Arc<TempDir> {
        &self.state
    }

    fn until<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        let mut seen = self.shared.lock();
        loop {
            if let Some(found) = look(&seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || seen.ended {
                let (screen, written) = (seen.screen().contents(), seen.bytes.escape_ascii().to_string());
                let last = &written[written.len().saturating_sub(2000)..];
                drop(seen);
                panic!("waited in vain for {what}; the screen:\n{screen}\n\nwritten last:\n{last}");
            }
            seen = self.shared.changed.wait_timeout(seen, left).expect("no holder of this lock panics").0;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder of this lock panics")
    }
}

impl Seen {
    fn screen(&self) -> &vt100::Screen {
        self.screen.as_ref().expect("there is a screen from the start").screen()
    }

    /// The rows from the top down to the cursor's, without the blanks at their ends.
    fn rows(&self) -> Vec<String> {
        let screen = self.screen();
        let (cursor, _) = screen.cursor_position();
        let (_, columns) = screen.size();
        let rows = screen.rows(0, columns.get()).take(usize::from(cursor) + 1);
        rows.map(|row| row.trim_end().to_owned()).collect()
    }
}

fn size(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a screen has room")
}

fn set_columns(terminal: impl std::os::fd::AsFd, columns: u16) {
    let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("a terminal has a size");
}

fn collect(shared: &Arc<Shared>, mut master: File) {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        loop {
            // An error is the end: nobody has the other side open any more.
            let count = master.read(&mut buffer).unwrap_or(0);
            let mut seen = shared.lock();
            while seen.unread {
                seen = shared.changed.wait(seen).expect("no holder of this lock panics");
            }
            seen.bytes.extend_from_slice(&buffer[..count]);
            if let Some(screen) = &mut seen.screen {
                screen.process(&buffer[..count]);
            }
            seen.ended = count == 0;
            shared.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}
