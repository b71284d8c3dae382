//! The modes of the terminal, as they were before the prompt, and the signal that they may have been lost.

use std::io;

use unstick::Result;

#[cfg(unix)]
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The modes of standard input. Elsewhere than on Unix, rustyline alone changes and restores them.
pub(super) struct Modes(#[cfg(unix)] Termios);

impl Modes {
    /// Returns the modes now.
    #[cfg_attr(not(unix), allow(clippy::unnecessary_wraps))]
    pub(super) fn of_terminal() -> io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self(tcgetattr(rustix::stdio::stdin())?));
        #[cfg(not(unix))]
        Ok(Self())
    }

    /// Restores them. An error could not be reported to anybody.
    pub(super) fn restore(&self) {
        #[cfg(unix)]
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Calls this whenever the program continues after a stop: a shell leaves the terminal in its own mode. Only Unix stops
/// programs. Call it within a runtime.
#[cfg(unix)]
pub(super) fn on_resumption(act: impl Fn() + Send + 'static) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let kind = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
    let mut resumed = signal(kind).map_err(|error| unstick::Error::other(format!("signals: {error}")))?;
    tokio::spawn(async move {
        while resumed.recv().await.is_some() {
            act();
        }
    });
    Ok(())
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
pub(super) fn on_resumption(_: impl Fn() + Send + 'static) -> Result<()> {
    Ok(())
}
