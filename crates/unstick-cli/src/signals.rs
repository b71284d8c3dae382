//! The signals that end the program, unless whoever started it has switched them off: `nohup`, or a script for what it
//! runs in its background. They are taken by threads of their own, which end the program whatever all others wait for.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use unstick::limits::FLUSH_TIMEOUT;
use unstick::{Error, Result, Stop, Stopper};

use crate::output;
use crate::status::Status;

/// How long the run may take to see that it is to end: one that waits in a write, for a terminal that takes nothing, does not see it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long ending may take in all: what was taken is written ([`FLUSH_TIMEOUT`]), to peers and then to standard output, and commands are
/// ended. The rest is for a machine that is busy.
const ENDING: Duration = Duration::from_secs(15);

/// Bytes of `/proc/self/status` that are read first: it mostly has some 1,400, and a page is quicker to get than many.
const USUAL_STATUS: usize = 4 << 10;

/// Bytes of it that are read for a user of very many groups.
const STATUS_ROOM: usize = 64 << 10;

/// Hexadecimal digits of a set of signals in it.
const SIGNALS_WIDTH: usize = 16;

/// The first signal that came, as the status to end with.
static ENDED: OnceLock<Status> = OnceLock::new();

/// Tells the services.
static STOPPER: LazyLock<Stopper> = LazyLock::new(Stopper::new);

/// The run has seen that it is to end.
static SEEN: AtomicBool = AtomicBool::new(false);

/// Begins to catch the signals.
pub fn catch() -> Result<()> {
    let off = switched_off();
    let on = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| off & (1 << (signal - 1)) == 0);
    let failed = |error| Error::other(format!("signals: {error}"));
    let mut signals = Signals::new(on).map_err(failed)?;
    let take = move || signals.forever().for_each(|signal| come(status(signal)));
    std::thread::Builder::new().name("signals".into()).spawn(take).map_err(failed)?;
    Ok(())
}

/// Told when the run is to end.
pub fn stop() -> Stop {
    STOPPER.of()
}

/// The status to end with, where the run was ended from outside.
pub fn status_of_end() -> Option<Status> {
    ENDED.get().copied()
}

/// Resolves when the run was to end and has had its time for it.
pub async fn overdue() {
    let stop = stop();
    stop.comes().await;
    SEEN.store(true, Ordering::Relaxed);
    // What was taken goes to peers, and then to standard output.
    tokio::time::sleep(2 * FLUSH_TIMEOUT).await;
}

/// What comes of something that has nothing to finish; `None` where it was ended.
pub async fn unless_ended<T>(doing: impl Future<Output = T>) -> Option<T> {
    let stop = stop();
    tokio::select! {
        done = doing => Some(done),
        () = stop.comes() => None,
    }
}

/// Ends the run as a signal does if it has not ended by itself after a moment: ^C at a prompt is a key, and no signal.
pub fn insist(status: Status) {
    after(DRAIN_TIMEOUT, move || come(status));
}

/// The first asks the run to end, and sees to it that it does; another one ends it at once.
fn come(status: Status) {
    if ENDED.set(status).is_err() {
        output::exit_at_once(status);
    }
    STOPPER.stop();
    after(DRAIN_TIMEOUT, move || {
        if !SEEN.load(Ordering::Relaxed) {
            output::exit_at_once(status);
        }
        std::thread::sleep(ENDING);
        output::exit_at_once(status);
    });
}

fn after(pause: Duration, act: impl FnOnce() + Send + 'static) {
    let wait = move || {
        std::thread::sleep(pause);
        act();
    };
    // Without a thread, a second signal still ends the program.
    let _ = std::thread::Builder::new().name("ending".into()).spawn(wait);
}

fn status(signal: i32) -> Status {
    match signal {
        SIGINT => Status::Interrupted,
        SIGHUP => Status::HungUp,
        _ => Status::Terminated,
    }
}

/// A bit for each signal that this process was told to ignore: read where Linux shows it, elsewhere none.
fn switched_off() -> u64 {
    // One read, not the eight of `read_to_string`: every run starts with it.
    let read = |room: usize| {
        let mut status = vec![0; room];
        let read = std::fs::File::open("/proc/self/status").and_then(|mut file| file.read(&mut status));
        status.truncate(read.unwrap_or(0));
        let status = String::from_utf8_lossy(&status);
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:").map(str::trim));
        // A line that was cut off is shorter.
        mask.filter(|mask| mask.len() == SIGNALS_WIDTH).and_then(|mask| u64::from_str_radix(mask, 16).ok())
    };
    read(USUAL_STATUS).or_else(|| read(STATUS_ROOM)).unwrap_or_default()
}
