//! The signals that end the program, unless whoever started it has switched them off: `nohup`, or a script for what it
//! runs in its background.

use tokio::signal::unix::{Signal, SignalKind, signal};
use unstick::{Error, Result};

use crate::report::Status;

/// Caught from now on.
pub struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    /// Begins to catch them. Needs a runtime.
    pub fn catch() -> Result<Self> {
        let off = switched_off();
        let catch = |kind: SignalKind| match off & bit(kind) {
            0 => signal(kind).map(Some).map_err(|e| Error::other(format!("signals: {e}"))),
            _ => Ok(None),
        };
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// Resolves when the program is to end.
    pub async fn come(&mut self) -> Status {
        tokio::select! {
            () = comes(&mut self.interrupt) => Status::Interrupted,
            () = comes(&mut self.terminate) => Status::Terminated,
            () = comes(&mut self.hangup) => Status::HungUp,
        }
    }
}

async fn comes(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

fn bit(kind: SignalKind) -> u64 {
    1 << (kind.as_raw_value() - 1)
}

/// A bit for each signal that this process was told to ignore: read where Linux shows it, elsewhere none.
fn switched_off() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
