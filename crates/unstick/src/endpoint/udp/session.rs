//! One peer's conversation on a socket that many share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::super::datagrams::{Batch, RecvDatagrams};
use super::super::{DatagramEnd, Names, SendDatagram, shown};
use super::packets::{self, Packet};
use super::sessions::{Key, Port};
use crate::error::Result;
use crate::limits;

/// Held by the session's receiver and senders, and weakly by its socket's task: it ends when all of them are dropped, or
/// when it has been idle for too long.
pub(super) struct Session {
    port: Arc<Port>,
    key: Key,
    inbox: Mutex<Inbox>,
    dropped: AtomicU64,
    /// When a datagram last came or went, in milliseconds of the port's life.
    last: AtomicU64,
}

/// What has arrived and was not taken yet.
#[derive(Default)]
struct Inbox {
    batch: Batch,
    reader: Option<Waker>,
    /// The reader is gone: nothing is kept.
    unread: bool,
    /// The session has ended.
    closed: bool,
}

impl Session {
    pub(super) fn new(port: Arc<Port>, key: Key, age: u64) -> Self {
        let (inbox, dropped, last) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(age));
        Self { port, key, inbox, dropped, last }
    }

    /// The two halves for whoever accepts it.
    pub(super) fn end(session: &Arc<Self>) -> DatagramEnd {
        let (peer, local) = session.key;
        let port = session.port.address;
        let local = local.filter(|local| !local.ip.is_unspecified());
        let local = local.map_or(port, |local| SocketAddr::new(local.ip, port.port()));
        DatagramEnd {
            incoming: Box::new(Reader(Arc::clone(session))),
            outgoing: Arc::clone(session) as Arc<dyn SendDatagram>,
            names: Names { remote: shown(peer), local: shown(local) },
        }
    }

    /// A datagram has come or gone.
    pub(super) fn touch(&self, age: u64) {
        self.last.store(age, Ordering::Relaxed);
    }

    /// When one last did.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Ends the session; its reader still gets what has arrived.
    pub(super) fn close(&self) {
        let mut inbox = self.inbox();
        inbox.closed = true;
        let reader = inbox.reader.take();
        drop(inbox);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Queues what has arrived for the reader; what is too much is dropped and counted.
    pub(super) fn deliver(&self, packet: &Packet<'_>) {
        let mut inbox = self.inbox();
        if inbox.unread {
            return;
        }
        let room = &self.port.room;
        let before = inbox.batch.size();
        let most = limits::MAX_UNREAD.saturating_sub(room.unread.load(Ordering::Relaxed)) + before;
        let most = most.min(limits::MAX_SESSION_BYTES);
        for (datagram, cut_short) in packet.datagrams() {
            if inbox.batch.len() < limits::MAX_SESSION_QUEUE && inbox.batch.size() + datagram.len() <= most {
                inbox.batch.push(datagram, cut_short);
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        room.unread.fetch_add(inbox.batch.size() - before, Ordering::Relaxed);
        // Once it is awake, it takes all there is.
        let reader = inbox.reader.take();
        drop(inbox);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.port.leave(self.key);
    }
}

/// The reading half.
struct Reader(Arc<Session>);

impl RecvDatagrams for Reader {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        let mut inbox = self.0.inbox();
        if !inbox.batch.is_empty() {
            self.0.port.room.unread.fetch_sub(inbox.batch.size(), Ordering::Relaxed);
            batch.clear();
            inbox.batch.swap(batch);
            return Poll::Ready(Ok(true));
        }
        if inbox.closed {
            return Poll::Ready(Ok(false));
        }
        inbox.batch.release();
        batch.release();
        if inbox.reader.as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
            inbox.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inbox = self.0.inbox();
        inbox.unread = true;
        self.0.port.room.unread.fetch_sub(inbox.batch.size(), Ordering::Relaxed);
        inbox.batch.clear();
        inbox.batch.release();
    }
}

impl SendDatagram for Session {
    fn try_send(&self, message: &[u8]) -> io::Result<()> {
        if self.inbox().closed {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the session has been idle for too long"));
        }
        self.touch(self.port.age());
        packets::send_from(&self.port.socket, self.key.1, self.key.0, message)
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(self.port.socket.writable())
    }
}
