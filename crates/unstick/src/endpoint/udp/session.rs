//! One peer's conversation on a socket that many peers share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use super::super::datagrams::{Batch, RecvDatagrams};
use super::super::inbox::Inbox;
use super::super::transport::{DatagramTransport, PeerAddrs, SendDatagram};
use super::packets::{self, Packet};
use super::port::{Key, Port};
use crate::error::Result;

/// The session's receiver and senders own it; the task of its socket holds only a weak reference. It ends when its
/// owners are dropped, or when it has been idle for too long.
pub(super) struct Session {
    port: Arc<Port>,
    key: Key,
    inbox: Inbox,
    /// When a datagram last came or went, in milliseconds since the port was opened.
    last: AtomicU64,
}

impl Session {
    pub(super) fn new(port: Arc<Port>, key: Key, age: u64) -> Self {
        Self { port, key, inbox: Inbox::default(), last: AtomicU64::new(age) }
    }

    /// Makes the two halves for the caller that accepts the session.
    pub(super) fn transport(session: &Arc<Self>) -> DatagramTransport {
        let (peer, local) = session.key;
        let port = session.port.address;
        let local = local.filter(|local| !local.ip.is_unspecified());
        let local = local.map_or(port, |local| SocketAddr::new(local.ip, port.port()));
        DatagramTransport {
            incoming: Box::new(Reader(Arc::clone(session))),
            outgoing: Arc::clone(session) as Arc<dyn SendDatagram>,
            names: PeerAddrs::of_sockets(peer, local),
        }
    }

    /// Records that a datagram came or went.
    pub(super) fn touch(&self, age: u64) {
        self.last.store(age, Ordering::Relaxed);
    }

    /// When a datagram last came or went.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Ends the session; its reader still gets what has arrived.
    pub(super) fn close(&self) {
        self.inbox.close();
    }

    /// Queues what has arrived for the reader; datagrams beyond the limits are dropped and counted.
    pub(super) fn deliver(&self, packet: &Packet<'_>) {
        self.inbox.deliver(&self.port.room.unread, packet.datagrams());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.port.leave(self.key);
    }
}

/// The receiving half.
struct Reader(Arc<Session>);

impl RecvDatagrams for Reader {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        self.0.inbox.poll_fill(&self.0.port.room.unread, cx, batch).map(Ok)
    }

    fn dropped(&self) -> u64 {
        self.0.inbox.dropped()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.inbox.abandon(&self.0.port.room.unread);
    }
}

impl SendDatagram for Session {
    fn try_send(&self, message: &[u8]) -> io::Result<()> {
        if self.inbox.is_closed() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the session has been idle for too long"));
        }
        self.touch(self.port.age());
        packets::send_from(&self.port.socket, self.key.1, self.key.0, message)
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(self.port.socket.writable())
    }
}
