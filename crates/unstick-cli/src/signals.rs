//! The signals that end the program, unless whoever started it has switched them off: `nohup`, or a script for what it
//! runs in its background. They are taken by threads of their own, which end the program whatever all others wait for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;
use unstick::{Error, Result};

use crate::output;
use crate::report::Status;

/// How long the run may take to see that it is to end: one that waits in a write, for a terminal that takes nothing, does not see it.
const HEARING: Duration = Duration::from_secs(1);

/// How long ending may take in all: what was taken is written ([`WIND_UP`]), to peers and then to standard output, and commands are
/// ended. The rest is for a machine that is busy.
const ENDING: Duration = Duration::from_secs(15);

static ENDED: OnceLock<watch::Sender<Option<Status>>> = OnceLock::new();

/// The run has seen that it is to end.
static SEEN: AtomicBool = AtomicBool::new(false);

fn ended() -> &'static watch::Sender<Option<Status>> {
    ENDED.get_or_init(|| watch::channel(None).0)
}

/// Told when the program is to end.
#[derive(Clone)]
pub struct Stop(watch::Receiver<Option<Status>>);

impl Stop {
    /// Begins to catch the signals.
    pub fn catch() -> Result<Self> {
        let off = switched_off();
        let on = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| off & (1 << (signal - 1)) == 0);
        let failed = |error| Error::other(format!("signals: {error}"));
        let mut signals = Signals::new(on).map_err(failed)?;
        let take = move || signals.forever().for_each(|signal| come(status(signal)));
        std::thread::Builder::new().name("signals".into()).spawn(take).map_err(failed)?;
        Ok(Self(ended().subscribe()))
    }

    /// Resolves when the program is to end.
    pub async fn comes(&mut self) -> Status {
        let status = self.0.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        match status {
            Some(status) => {
                SEEN.store(true, Ordering::Relaxed);
                status
            }
            // Nobody drops what it is told by.
            None => std::future::pending().await,
        }
    }
}

/// Ends the run as a signal does if it has not ended by itself after a moment: ^C at a prompt is a key, and no signal.
pub fn insist(status: Status) {
    after(HEARING, move || come(status));
}

/// The first asks the run to end, and sees to it that it does; another one ends it at once.
fn come(status: Status) {
    let first = ended().send_if_modified(|ended| {
        let first = ended.is_none();
        ended.get_or_insert(status);
        first
    });
    if !first {
        output::exit_at_once(status);
    }
    after(HEARING, move || {
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
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
