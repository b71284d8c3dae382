//! A server for a test: it plays a recording on a thread of its own, so that it fits tests with and without a runtime.

use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::event::{Event, Outcome};
use super::plan::Replay;
use crate::{Address, Error, Result, Stopper};

/// How long [`Mock::finish`] waits for clients that are still connected.
const GRACE: Duration = Duration::from_secs(1);

/// A server that plays a recording until it is dropped. See [the module](super) for an example.
#[derive(Debug)]
pub struct Mock {
    address: String,
    /// The server ends with it.
    stopper: StopOnDrop,
    outcome: oneshot::Receiver<Result<Outcome>>,
}

#[derive(Debug)]
struct StopOnDrop(Stopper);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Mock {
    /// Starts to serve on an address, such as `127.0.0.1:0` for a free port. Returns once clients can connect.
    ///
    /// # Errors
    ///
    /// If the address cannot be opened, or no thread can be started.
    pub fn start(mut replay: Replay, address: &str) -> Result<Self> {
        let address: Address = address.parse()?;
        let stopper = Stopper::new();
        replay.config.stop = stopper.of();
        replay.config.grace = replay.config.grace.max(GRACE);
        let (ready, listens) = mpsc::sync_channel(1);
        let (ended, mut outcome) = oneshot::channel();
        let told = ready.clone();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Error::io("starting a mock server", error))?;
            let tell = move |event: Event<'_>| {
                if let Event::Listening(addresses) = event {
                    let _ = told.try_send(addresses.first().cloned());
                }
                Ok(())
            };
            runtime.block_on(replay.serve(&address, tell))
        };
        let thread = std::thread::Builder::new().name("unstick-mock".to_owned());
        let thread = thread.spawn(move || {
            let _ = ended.send(serve());
            drop(ready); // Only now, so that its end says that the outcome is there.
        });
        thread.map_err(|error| Error::io("starting a mock server", error))?;
        match listens.recv() {
            Ok(address) => Ok(Self { address: address.unwrap_or_default(), stopper: StopOnDrop(stopper), outcome }),
            // It has ended before it listened.
            Err(_) => Err(outcome.try_recv().ok().and_then(Result::err).unwrap_or_else(not_running)),
        }
    }

    /// The address on which it listens, with its port: `tcp://127.0.0.1:40001`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the server, and returns what came of it. Clients that are still connected have a second to end.
    ///
    /// # Errors
    ///
    /// If the server failed.
    pub async fn finish(self) -> Result<Outcome> {
        drop(self.stopper);
        self.outcome.await.unwrap_or_else(|_| Err(not_running()))
    }

    /// As [`Self::finish`], for a test without a runtime.
    ///
    /// # Errors
    ///
    /// If the server failed.
    ///
    /// # Panics
    ///
    /// Inside a runtime, whose clients could not end meanwhile.
    pub fn finish_blocking(self) -> Result<Outcome> {
        drop(self.stopper);
        self.outcome.blocking_recv().unwrap_or_else(|_| Err(not_running()))
    }
}

fn not_running() -> Error {
    Error::other("the mock server has panicked")
}
