//! Catches the signals that end the program, unless its parent switched them off: `nohup`, or a script for a program in
//! its background. Separate threads catch them, and end the program whatever all other threads wait for.

#[cfg(unix)]
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use unstick::limits::FLUSH_TIMEOUT;
use unstick::{Error, Result, Stop, Stopper};

use crate::output;
use crate::status::Status;

/// How long the run may take to notice that it must end. A run that waits in a write to a stopped terminal does not
/// notice.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long ending may take in all. The program writes what it has accepted ([`FLUSH_TIMEOUT`]), to peers and then to
/// standard output, and ends its commands. The rest is a reserve for a busy machine.
const ENDING: Duration = Duration::from_secs(15);

/// Bytes of `/proc/self/status` to read first. It mostly has some 1,400, and reading one page is quicker than many.
#[cfg(unix)]
const USUAL_STATUS: usize = 4 << 10;

/// Bytes of it to read for a user with very many groups.
#[cfg(unix)]
const STATUS_ROOM: usize = 64 << 10;

/// Number of hexadecimal digits of a set of signals in it.
#[cfg(unix)]
const SIGNALS_WIDTH: usize = 16;

/// The exit status for the first signal that arrived.
static ENDED: OnceLock<Status> = OnceLock::new();

/// Tells the services to stop.
static STOPPER: LazyLock<Stopper> = LazyLock::new(Stopper::new);

/// Whether the run has noticed that it must end.
static SEEN: AtomicBool = AtomicBool::new(false);

/// Starts to catch the signals.
#[cfg(unix)]
pub fn catch() -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    let status = |signal| match signal {
        SIGINT => Status::Interrupted,
        SIGHUP => Status::HungUp,
        _ => Status::Terminated,
    };
    let off = switched_off();
    let on = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| off & (1 << (signal - 1)) == 0);
    let failed = |error| Error::other(format!("signals: {error}"));
    let mut signals = Signals::new(on).map_err(failed)?;
    let take = move || signals.forever().for_each(|signal| come(status(signal)));
    std::thread::Builder::new().name("signals".into()).spawn(take).map_err(failed)?;
    Ok(())
}

/// Starts to catch what the console of Windows sends: ^C, ^Break, and that its window is closed.
#[cfg(windows)]
pub fn catch() -> Result<()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
    let failed = |error| Error::other(format!("signals: {error}"));
    // A runtime of its own: the other one may be busy.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let within = runtime.enter();
    let (mut interrupts, mut breaks, mut closings) =
        (ctrl_c().map_err(failed)?, ctrl_break().map_err(failed)?, ctrl_close().map_err(failed)?);
    drop(within);
    let take = move || {
        runtime.block_on(async {
            loop {
                let status = tokio::select! {
                    Some(()) = interrupts.recv() => Status::Interrupted,
                    Some(()) = breaks.recv() => Status::Terminated,
                    Some(()) = closings.recv() => Status::HungUp,
                    else => return,
                };
                come(status);
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(take).map_err(failed)?;
    Ok(())
}

/// Returns the [`Stop`] that tells when the run must end.
pub fn stop() -> Stop {
    STOPPER.of()
}

/// Returns the exit status, if a signal ended the run.
pub fn status_of_end() -> Option<Status> {
    ENDED.get().copied()
}

/// Resolves when the run had to end and has used up its time for that.
pub async fn overdue() {
    let stop = stop();
    stop.comes().await;
    SEEN.store(true, Ordering::Relaxed);
    // Accepted messages go to peers, and then to standard output.
    tokio::time::sleep(2 * FLUSH_TIMEOUT).await;
}

/// Returns the output of something that has nothing to finish; `None` if a signal ended the run.
pub async fn unless_ended<T>(doing: impl Future<Output = T>) -> Option<T> {
    let stop = stop();
    tokio::select! {
        done = doing => Some(done),
        () = stop.comes() => None,
    }
}

/// Ends the run as a signal does, unless it ends by itself within a moment. At a prompt ^C is a key, not a signal.
pub fn insist(status: Status) {
    after(DRAIN_TIMEOUT, move || come(status));
}

/// Handles a signal. The first one asks the run to end, and makes sure that it does; another one ends it at once.
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

/// Returns a bit for each signal that this process must ignore. Only Linux shows them; elsewhere there are none.
#[cfg(unix)]
fn switched_off() -> u64 {
    // One read instead of the eight of `read_to_string`, because every run starts with it.
    let read = |room: usize| {
        let mut status = vec![0; room];
        let read = std::fs::File::open("/proc/self/status").and_then(|mut file| file.read(&mut status));
        status.truncate(read.unwrap_or(0));
        let status = String::from_utf8_lossy(&status);
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:").map(str::trim));
        // A shorter line was cut off.
        mask.filter(|mask| mask.len() == SIGNALS_WIDTH).and_then(|mask| u64::from_str_radix(mask, 16).ok())
    };
    read(USUAL_STATUS).or_else(|| read(STATUS_ROOM)).unwrap_or_default()
}
