//! `mem:NAME`: a stream inside this process, for doctests, examples and simulated tests.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, PoisonError};

use tokio::io::{DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::transport::{Accept, PeerAddrs, StreamRead, StreamTransport, StreamWrite, Transport};
use crate::error::{Error, Result};

/// Number of bytes that one direction holds before the writer waits: as much as a pipe holds.
const PIPE: usize = 64 << 10;

/// Number of connections that may wait to be accepted.
const BACKLOG: usize = 128;

type Listeners = HashMap<String, mpsc::Sender<DuplexStream>>;

/// The listeners by name: one table for the process, as a machine has one table of ports.
static LISTENERS: LazyLock<Mutex<Listeners>> = LazyLock::new(Mutex::default);

fn listeners() -> std::sync::MutexGuard<'static, Listeners> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StreamRead for ReadHalf<DuplexStream> {}
impl StreamWrite for WriteHalf<DuplexStream> {}

fn transport(stream: DuplexStream, name: &str) -> StreamTransport {
    let (reader, writer) = tokio::io::split(stream);
    let name = format!("mem:{name}");
    StreamTransport { reader: Box::new(reader), writer: Box::new(writer), names: PeerAddrs::new(name.clone(), name) }
}

pub(super) fn connect(name: &str) -> Result<StreamTransport> {
    let nobody = || Error::unreachable(format!("nothing listens on mem:{name}"), None);
    let (near, far) = tokio::io::duplex(PIPE);
    let listener = listeners().get(name).cloned().ok_or_else(nobody)?;
    match listener.try_send(far) {
        Ok(()) => Ok(transport(near, name)),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(nobody()),
        Err(mpsc::error::TrySendError::Full(_)) => Err(Error::unreachable(format!("mem:{name} does not accept"), None)),
    }
}

pub(super) fn listen(name: &str) -> Result<Listener> {
    let mut listeners = listeners();
    if listeners.get(name).is_some_and(|other| !other.is_closed()) {
        return Err(Error::unreachable(format!("mem:{name} is in use"), None));
    }
    let (sender, incoming) = mpsc::channel(BACKLOG);
    listeners.insert(name.to_owned(), sender);
    Ok(Listener { name: name.to_owned(), addresses: [format!("mem:{name}")], incoming })
}

pub(super) struct Listener {
    name: String,
    addresses: [String; 1],
    incoming: mpsc::Receiver<DuplexStream>,
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        Box::pin(async {
            // The table holds a sender for as long as this listener exists.
            let stream = self.incoming.recv().await.ok_or_else(Error::closed)?;
            Ok(Transport::Stream(transport(stream, &self.name)))
        })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.incoming.close();
        let mut listeners = listeners();
        if listeners.get(&self.name).is_some_and(mpsc::Sender::is_closed) {
            listeners.remove(&self.name);
        }
    }
}
