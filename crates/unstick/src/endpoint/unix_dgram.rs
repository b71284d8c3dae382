//! `unix-dgram:PATH` and `unix-dgram:@NAME`: datagrams on this machine. Every peer with a name has its own session.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{SocketAddrUnix, sendto};
use socket2::Type;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::datagrams::{Batch, RecvDatagrams};
use super::inbox::Inbox;
use super::notices::Notices;
use super::options::Options;
use super::transport::{Accept, DatagramTransport, PeerAddrs, SendDatagram, Transport};
use super::unix_file::{self, SocketFile};
use super::unix_name;
use super::unix_packets;
use crate::activity::bounded;
use crate::address::{Address, SocketName};
use crate::error::{Error, Result};
use crate::limits;

/// How long until a datagram is tried again that found its peer's queue full: the system does not signal when there is
/// room.
const FULL: Duration = Duration::from_millis(1);

/// Opens a socket with its own name, so that it can get answers, and connects it.
pub(super) async fn connect(name: &SocketName, options: &Options) -> Result<DatagramTransport> {
    let at = Address::UnixDgram(name.clone());
    let socket = super::resolve::retrying(options, || unix_file::connect(Type::DGRAM, &at, name, options)).await?;
    unix_packets::transport(socket, false).map_err(|e| Error::io("the socket", e))
}

/// Binds the name.
pub(super) fn listen(name: &SocketName, options: &Options) -> Result<Listener> {
    let at = Address::UnixDgram(name.clone());
    let (socket, file) = unix_file::bind(Type::DGRAM, &at, name, options)?;
    let socket = unix_packets::readied(socket).map_err(|e| Error::io("the socket", e))?;
    let (arrivals, incoming) = mpsc::channel(options.udp.waiting_sessions());
    let room = Arc::new(Shared {
        socket,
        name: name.to_string(),
        options: options.clone(),
        begun: Instant::now(),
        sessions: Mutex::default(),
        unread: AtomicUsize::new(0),
        refused: AtomicU64::new(0),
        notices: Arc::new(Notices::new(options.udp.max_sessions)),
        own: unix_name::own_name(name),
        open: AtomicBool::new(true),
        changed: Notify::new(),
        _file: file,
    });
    tokio::spawn(Arc::clone(&room).serve(arrivals));
    Ok(Listener { room, incoming, addresses: [at.to_string()] })
}

/// The socket and its sessions.
struct Shared {
    socket: UnixDatagram,
    name: String,
    options: Options,
    begun: Instant,
    /// The sessions, by the bytes of the peer's name. Peers without a name share a session, which cannot be answered.
    /// At most `max_sessions`.
    sessions: Mutex<HashMap<Option<SocketAddrUnix>, Weak<Session>>>,
    /// Number of bytes in all sessions that no reader has taken yet.
    unread: AtomicUsize,
    /// Number of datagrams from peers for which there was no room.
    refused: AtomicU64,
    notices: Arc<Notices>,
    /// The name that this socket is bound to: an answer to a sender with that name would arrive here.
    own: Option<SocketAddrUnix>,
    /// Whether the listener still exists.
    open: AtomicBool,
    /// Notified when a session or the listener has gone.
    changed: Notify,
    _file: Option<SocketFile>,
}

/// Sessions that wait to be accepted.
type Arrivals = mpsc::Sender<Result<DatagramTransport>>;

impl Shared {
    /// Milliseconds since the socket was bound.
    fn age(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Option<SocketAddrUnix>, Weak<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket's task: takes datagrams and gives each to its session. The socket closes when the listener and the
    /// last session have gone.
    async fn serve(self: Arc<Self>, arrivals: Arrivals) {
        // Often enough that a session ends at most a quarter too late.
        let mut sweep =
            tokio::time::interval((bounded(self.options.udp.session_idle) / 4).max(Duration::from_millis(1)));
        loop {
            tokio::select! {
                // Sessions that have gone come first: their places are free for the next peers.
                biased;
                () = self.changed.notified() => {}
                _ = sweep.tick() => self.end_idle(),
                ready = self.socket.readable() => {
                    match ready.and_then(|()| self.socket.try_io(Interest::READABLE, || self.take(&arrivals))) {
                        // Readers run before the next batch, so that a flood does not fill their queues.
                        Ok(()) => tokio::task::yield_now().await,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => {
                            // If there is no room, others wait already, and the error will show again.
                            let _ = arrivals.try_send(Err(Error::io("receiving datagrams", error)));
                            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                        }
                    }
                    // A datagram is no reason to check every session.
                    continue;
                }
            }
            let mut sessions = self.sessions();
            sessions.retain(|_, session| session.strong_count() > 0);
            if sessions.is_empty() && !self.open.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Takes one datagram: the sender may differ from one to the next.
    fn take(self: &Arc<Self>, arrivals: &Arrivals) -> io::Result<()> {
        unix_packets::take_from(&self.socket, |message, cut_short, from| {
            if from.is_some() && self.own == from {
                return self.notices.forged(1);
            }
            match self.session(from, arrivals) {
                Some(session) => {
                    session.last.store(self.age(), Ordering::Relaxed);
                    session.inbox.deliver(&self.unread, std::iter::once((message, cut_short)));
                }
                None => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    if self.open.load(Ordering::Relaxed) {
                        self.notices.refused(1);
                    }
                }
            }
        })
    }

    /// Returns the session of a peer, perhaps a new one; `None` if there is no room for it.
    fn session(self: &Arc<Self>, from: Option<SocketAddrUnix>, arrivals: &Arrivals) -> Option<Arc<Session>> {
        let mut sessions = self.sessions();
        if let Some(session) = sessions.get(&from).and_then(Weak::upgrade) {
            return Some(session);
        }
        if !self.open.load(Ordering::Relaxed) || sessions.len() >= self.options.udp.max_sessions {
            return None;
        }
        let Ok(place) = arrivals.clone().try_reserve_owned() else { return None };
        let (inbox, last) = (Inbox::default(), AtomicU64::new(self.age()));
        let name = from.as_ref().and_then(unix_name::display_sender);
        let peer = from.clone().filter(|_| name.is_some());
        let remote = name.unwrap_or_else(|| "a peer without a name".to_owned());
        let session = Arc::new(Session { room: Arc::clone(self), peer, inbox, last });
        sessions.insert(from, Arc::downgrade(&session));
        let names = PeerAddrs::new(remote, self.name.clone());
        let outgoing = Arc::clone(&session) as Arc<dyn SendDatagram>;
        let end = DatagramTransport { incoming: Box::new(Reader(Arc::clone(&session))), outgoing, names };
        // If the listener has gone, the session ends with its last holder.
        place.send(Ok(end));
        Some(session)
    }

    /// Ends the sessions that have had no datagram in either direction for `session_idle`.
    fn end_idle(&self) {
        let idle = u64::try_from(self.options.udp.session_idle.as_millis()).unwrap_or(u64::MAX);
        let now = self.age();
        self.sessions().retain(|_, session| {
            let Some(session) = session.upgrade() else { return false };
            let stays = session.last.load(Ordering::Relaxed).saturating_add(idle) > now;
            if !stays {
                session.inbox.close();
            }
            stays
        });
    }
}

pub(super) struct Listener {
    room: Arc<Shared>,
    incoming: mpsc::Receiver<Result<DatagramTransport>>,
    addresses: [String; 1],
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        Box::pin(async { self.incoming.recv().await.ok_or_else(Error::closed)?.map(Transport::Datagram) })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn refused(&self) -> u64 {
        self.room.refused.load(Ordering::Relaxed)
    }

    fn notices(&self) -> Option<Arc<Notices>> {
        Some(Arc::clone(&self.room.notices))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.incoming.close();
        self.room.open.store(false, Ordering::Relaxed);
        self.room.changed.notify_one();
    }
}

/// One peer's conversation.
struct Session {
    room: Arc<Shared>,
    /// The name to which answers go; a peer without a name cannot be answered.
    peer: Option<SocketAddrUnix>,
    inbox: Inbox,
    /// When a datagram last came or went, in milliseconds since the socket was bound.
    last: AtomicU64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.room.changed.notify_one();
    }
}

impl SendDatagram for Session {
    fn try_send(&self, message: &[u8]) -> io::Result<()> {
        if self.inbox.is_closed() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the session is over"));
        }
        let Some(peer) = &self.peer else {
            let what = "the peer has no name of its own, so it cannot be answered";
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what));
        };
        self.last.store(self.room.age(), Ordering::Relaxed);
        let sent =
            sendto(&self.room.socket, message, unix_packets::at_once(), peer).map(|_| ()).map_err(io::Error::from);
        if sent.as_ref().is_err_and(is_gone) {
            self.inbox.close();
        }
        sent
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(async {
            tokio::time::sleep(FULL).await;
            Ok(())
        })
    }

    fn too_large(&self) -> String {
        unix_packets::too_large()
    }
}

/// Whether the peer's socket is gone.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

struct Reader(Arc<Session>);

impl RecvDatagrams for Reader {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        self.0.inbox.poll_fill(&self.0.room.unread, cx, batch).map(Ok)
    }

    fn dropped(&self) -> u64 {
        self.0.inbox.dropped()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.inbox.abandon(&self.0.room.unread);
    }
}
