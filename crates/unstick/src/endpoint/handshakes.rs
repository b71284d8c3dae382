//! Clients that shake hands before they are peers: each beside all others, for a bounded time, so that none who is slow
//! holds up another.

use std::future::Future;
use std::pin::Pin;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::{Accept, End, tcp};
use crate::error::{Error, Result};
use crate::limits;

/// A listener whose clients shake hands.
pub(super) struct Handshakes {
    addresses: Vec<String>,
    serves_one: bool,
    ready: mpsc::Receiver<Result<End>>,
    task: AbortHandle,
}

impl Handshakes {
    /// Lets clients of `inner` in as `shake` does.
    pub(super) fn new<S, F>(inner: tcp::Listener, shake: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = Result<End>> + Send + 'static,
    {
        let (addresses, serves_one) = (inner.addresses().to_vec(), inner.serves_one());
        // Whoever is ready beyond this waits in the place of a handshake: those are bounded.
        let (sender, ready) = mpsc::channel(1);
        let task = tokio::spawn(let_in(inner, shake, sender)).abort_handle();
        Self { addresses, serves_one, ready, task }
    }

    /// Has the addresses end in a path.
    pub(super) fn with_path(mut self, path: &str) -> Self {
        self.addresses.iter_mut().for_each(|address| address.push_str(path));
        self
    }
}

/// Takes connections as long as there is room for another handshake; later ones wait in the kernel.
async fn let_in<S, F>(mut inner: tcp::Listener, shake: S, ready: mpsc::Sender<Result<End>>)
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = Result<End>> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = under_way.join_next() => {}
            accepted = inner.accept_stream(), if under_way.len() < limits::MAX_HANDSHAKES => match accepted {
                Ok(stream) => {
                    under_way.spawn(bounded(whom(&stream), shake(stream), ready.clone()));
                }
                // Nobody is left to be told where the listener has gone: its end comes with it.
                Err(error) => drop(ready.send(Err(error)).await),
            },
        }
    }
}

fn whom(stream: &TcpStream) -> String {
    tcp::names(stream).map_or_else(|_| "a client".to_owned(), |names| names.remote)
}

async fn bounded(whom: String, shake: impl Future<Output = Result<End>>, ready: mpsc::Sender<Result<End>>) {
    let outcome = timeout(limits::HANDSHAKE_TIMEOUT, shake).await.unwrap_or_else(|_| {
        let what = format!("{whom} has not finished its handshake after {:?}", limits::HANDSHAKE_TIMEOUT);
        Err(Error::handshake(what))
    });
    let _ = ready.send(outcome).await;
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Accept for Handshakes {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<End>> + Send + '_>> {
        // The task ends only when it is aborted, or with its runtime.
        Box::pin(async { self.ready.recv().await.ok_or_else(Error::closed)? })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        self.serves_one
    }
}
