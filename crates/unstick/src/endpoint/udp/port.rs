//! One socket that many peers share, and the state that all sockets of a listener share.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::super::notices::Notices;
use super::super::options::Options;
use super::super::transport::DatagramTransport;
use super::packets::Local;
use crate::error::Result;

/// The state that the listener, the tasks of its sockets and their sessions share.
pub(super) struct Shared {
    pub(super) options: Options,
    /// Sessions that wait to be accepted: [`UdpOptions::waiting_sessions`](super::super::options::UdpOptions).
    pub(super) arrivals: mpsc::Sender<Result<DatagramTransport>>,
    /// Whether the listener still exists and accepts new peers.
    pub(super) open: AtomicBool,
    /// Number of open sessions on all sockets.
    pub(super) sessions: AtomicUsize,
    /// Number of bytes in all sessions that no reader has taken yet.
    pub(super) unread: AtomicUsize,
    /// Number of datagrams from peers for which there was no room.
    pub(super) refused: AtomicU64,
    pub(super) notices: Arc<Notices>,
}

impl Shared {
    pub(super) fn new(options: &Options) -> (Arc<Self>, mpsc::Receiver<Result<DatagramTransport>>) {
        let (arrivals, incoming) = mpsc::channel(options.udp.waiting_sessions());
        let room = Self {
            options: options.clone(),
            arrivals,
            open: AtomicBool::new(true),
            sessions: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            notices: Arc::new(Notices::new(options.udp.max_sessions)),
        };
        (Arc::new(room), incoming)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// One socket and its sessions.
pub(super) struct Port {
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
    pub(super) room: Arc<Shared>,
    pub(super) begun: Instant,
    /// Sessions that have been dropped, and whose places can be freed.
    gone: Mutex<Vec<Key>>,
    /// Notified when a session or the listener has gone.
    pub(super) changed: Notify,
}

/// The key of a session: the peer's address, and the address of this machine that it sent to.
pub(super) type Key = (SocketAddr, Option<Local>);

impl Port {
    pub(super) fn new(socket: UdpSocket, room: &Arc<Shared>) -> io::Result<Arc<Self>> {
        let (address, room) = (socket.local_addr()?, Arc::clone(room));
        let (gone, changed) = (Mutex::default(), Notify::new());
        Ok(Arc::new(Self { socket, address, room, begun: Instant::now(), gone, changed }))
    }

    /// Milliseconds since this port was opened.
    pub(super) fn age(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Stops accepting new peers. The socket closes when its last session has gone.
    pub(super) fn close(&self) {
        self.room.open.store(false, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Frees the place of a session that has been dropped.
    pub(super) fn leave(&self, key: Key) {
        self.room.sessions.fetch_sub(1, Ordering::Relaxed);
        self.gone().push(key);
        self.changed.notify_one();
    }

    pub(super) fn gone(&self) -> MutexGuard<'_, Vec<Key>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
