//! Controls a child process: writes to it, reads from it with deadlines, and ends it by its id when dropped.
//!
//! Not here: which program to start, and how to tell that it is ready (`peers`).

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, test_kill_process, waitid};

/// How long any one step may take before a test fails: generous, for a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// How long a program may take to end when told to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running program with its standard streams in the test's hands.
pub(crate) struct Process {
    name: String,
    stdin: Option<ChildStdin>,
    shared: Arc<Shared>,
    taken: [usize; 2],
    ending: Signal,
    limit: Duration,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    child: Child,
    status: Option<ExitStatus>,
    streams: [Stream; 2],
}

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    ended: bool,
}

const OUT: usize = 0;
const ERR: usize = 1;

impl Process {
    /// Starts the program, and collects everything that it writes from now on.
    pub(crate) fn start(command: &mut Command) -> Process {
        Process::start_into(command, Stdio::piped())
    }

    /// The same with its standard output where the test wants it.
    pub(crate) fn start_into(command: &mut Command, output: Stdio) -> Process {
        Process::start_on(command, output, Stdio::piped())
    }

    /// The same with both of its outputs where the test wants them.
    pub(crate) fn start_on(command: &mut Command, output: Stdio, errors: Stdio) -> Process {
        let name = format!("{:?} {:?}", command.get_program(), command.get_args());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let state = State { child, status: None, streams: Default::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        match stdout {
            Some(stdout) => collect(&shared, OUT, stdout),
            None => shared.lock().streams[OUT].ended = true,
        }
        match stderr {
            Some(stderr) => collect(&shared, ERR, stderr),
            None => shared.lock().streams[ERR].ended = true,
        }
        reap(&shared);
        Process { name, stdin, shared, taken: [0; 2], ending: Signal::TERM, limit: LIMIT }
    }

    /// Sets the signal that ends it on drop, instead of SIGTERM.
    pub(crate) fn ended_by(mut self, signal: Signal) -> Process {
        self.ending = signal;
        self
    }

    /// Sets how long any one step may take, for a program that has more to do than most.
    pub(crate) fn patient(mut self, limit: Duration) -> Process {
        self.limit = limit;
        self
    }

    /// Writes bytes to its standard input.
    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("the input was ended before");
        if let Err(error) = stdin.write_all(bytes.as_ref()).and_then(|()| stdin.flush()) {
            let story = self.shared.lock().story();
            panic!("{} does not take its input: {error}\n{story}", self.name);
        }
    }

    /// Returns its standard input, for another thread to write to.
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.stdin.take().expect("the input was ended before")
    }

    /// Closes its standard input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let state = self.shared.lock();
        let ended = state.status.is_some();
        if !ended {
            kill_process(state.pid(), signal).expect("an unreaped child can be signalled");
        }
        let story = state.story();
        drop(state);
        assert!(!ended, "{} has ended already\n{story}", self.name);
    }

    /// Returns the next line of its standard output, without its LF.
    pub(crate) fn line(&mut self) -> String {
        self.take(OUT, "a line on stdout", |rest, _| rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1))
            .trim_end_matches('\n')
            .to_owned()
    }

    /// Returns the next line of its standard output, or none if that has ended.
    pub(crate) fn line_or_end(&mut self) -> Option<String> {
        let line = self.take(OUT, "a line on stdout, or its end", |rest, ended| {
            let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            end.or(ended.then_some(rest.len()))
        });
        (!line.is_empty()).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// Waits for this text on standard output, and takes everything up to the text's end.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        self.take(OUT, &format!("{text:?} on stdout"), |rest, _| end_of(rest, text))
    }

    /// Returns the next whole line of standard error that holds this text.
    pub(crate) fn error_line_with(&mut self, text: &str) -> String {
        let taken = self.take(ERR, &format!("a line with {text:?} on stderr"), |rest, _| {
            let found = end_of(rest, text)?;
            let more = rest[found..].iter().position(|byte| *byte == b'\n')?;
            Some(found + more + 1)
        });
        taken.lines().last().unwrap_or_default().to_owned()
    }

    /// Returns the rest of its standard output, once that has ended.
    pub(crate) fn rest(&mut self) -> String {
        self.take(OUT, "the end of stdout", |rest, ended| ended.then_some(rest.len()))
    }

    /// Returns the rest of its standard error, once that has ended.
    pub(crate) fn errors(&mut self) -> String {
        self.take(ERR, "the end of stderr", |rest, ended| ended.then_some(rest.len()))
    }

    /// Waits for its end. Returns the exit status, or 128 and the signal as a shell counts it.
    pub(crate) fn code(&mut self) -> i32 {
        let status = self.wait("its end", |state| state.status);
        status.code().unwrap_or_else(|| 128 + status.signal().expect("no code means a signal"))
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.lock().status.is_some()
    }

    /// Returns the rest of its standard output as bytes, once that has ended.
    pub(crate) fn rest_bytes(&mut self) -> Vec<u8> {
        self.take_bytes(OUT, "the end of stdout", |rest, ended| ended.then_some(rest.len()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.shared.lock().child.id()
    }

    /// Returns how many bytes of memory it holds now.
    pub(crate) fn memory(&self) -> usize {
        self.status_of("VmRSS:")
    }

    /// Returns the most bytes of memory that it has held so far.
    pub(crate) fn peak_memory(&self) -> usize {
        self.status_of("VmHWM:")
    }

    fn status_of(&self, key: &str) -> usize {
        let pid = self.shared.lock().pid().as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the status has its memory");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("memory is a number") * 1024
    }

    /// Waits until it has written this text anywhere (true), or has ended without (false).
    pub(super) fn ready(&self, text: &str) -> bool {
        self.wait(&format!("{text:?}, or its end"), |state| {
            let said = state.streams.iter().any(|stream| end_of(&stream.bytes, text).is_some());
            let ended = state.status.is_some() && state.streams.iter().all(|stream| stream.ended);
            if said { Some(true) } else { ended.then_some(false) }
        })
    }

    /// Takes as many bytes of a stream as `find` returns, as soon as it returns a number.
    fn take(&mut self, which: usize, what: &str, find: impl Fn(&[u8], bool) -> Option<usize>) -> String {
        String::from_utf8_lossy(&self.take_bytes(which, what, find)).into_owned()
    }

    fn take_bytes(&mut self, which: usize, what: &str, find: impl Fn(&[u8], bool) -> Option<usize>) -> Vec<u8> {
        let from = self.taken[which];
        let bytes = self.wait(what, |state| {
            let stream = &state.streams[which];
            let rest = &stream.bytes[from..];
            find(rest, stream.ended).map(|length| rest[..length].to_vec())
        });
        self.taken[which] += bytes.len();
        bytes
    }

    fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + self.limit;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let over = state.status.is_some() && state.streams.iter().all(|stream| stream.ended);
            if left.is_zero() || over {
                let story = state.story();
                drop(state);
                panic!("{}: waited in vain for {what}\n{story}", self.name);
            }
            state = self.shared.wait(state, left);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        for signal in [self.ending, Signal::KILL] {
            let deadline = Instant::now() + GRACE;
            let mut state = self.shared.lock();
            if state.status.is_none() {
                // An unreaped child still owns its id, and reaping needs the lock that is held here.
                let _ = kill_process(state.pid(), signal);
            }
            while state.status.is_none() && Instant::now() < deadline {
                state = self.shared.wait(state, deadline.saturating_duration_since(Instant::now()));
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Describes the process for a failing test.
    fn story(&self) -> String {
        let end = self.status.map_or("still running".to_owned(), |status| status.to_string());
        let [out, err] = &self.streams;
        format!("{end}\nstdout: {:?}\nstderr: {}", Text(&out.bytes), Text(&err.bytes))
    }
}

/// Bytes for a failure's message.
struct Text<'a>(&'a [u8]);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

/// Returns where the first occurrence of a text ends.
fn end_of(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).map(|at| at + text.len())
}

fn collect(shared: &Arc<Shared>, which: usize, mut pipe: impl Read + Send + 'static) {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        loop {
            let count = pipe.read(&mut buffer).unwrap_or(0);
            let stream = &mut shared.lock().streams[which];
            stream.bytes.extend_from_slice(&buffer[..count]);
            stream.ended = count == 0;
            shared.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}

/// Waits for the child without the lock and without reaping it, then reaps it under the lock: whoever holds the lock
/// and finds no status may signal the child's id.
fn reap(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let pid = shared.lock().pid();
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        let mut state = shared.lock();
        state.status = Some(state.child.wait().expect("an ended child can be waited for"));
        shared.changed.notify_all();
    });
}

/// Waits until a process has ended. Nobody may have reaped it yet.
#[track_caller]
pub(crate) fn is_gone(id: &str) {
    let id = id.trim().parse().ok().and_then(Pid::from_raw).expect("the id of a process");
    let deadline = Instant::now() + LIMIT;
    let zombie = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while test_kill_process(id).is_ok() && !zombie() {
        assert!(Instant::now() < deadline, "{id:?} is still there");
        thread::yield_now();
    }
}
