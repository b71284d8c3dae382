//! One socket, many peers: every pair of a peer's address and the address that it asked is a session of its own.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::super::{DatagramEnd, Notices, Options};
use super::kernel_drops::{self, NextLook};
use super::own::Own;
use super::packets::{Intake, Local, Packet};
use super::session::Session;
use crate::activity::{bounded, sleep_until};
use crate::error::{Error, Result};
use crate::limits;

/// What the listener, its sockets' tasks and their sessions share.
pub(super) struct Room {
    pub(super) options: Options,
    /// Sessions that wait to be accepted: [`waiting_sessions`].
    arrivals: mpsc::Sender<Result<DatagramEnd>>,
    /// The listener still stands: new peers are welcome.
    open: AtomicBool,
    /// Sessions at once, on all sockets.
    pub(super) sessions: AtomicUsize,
    /// Bytes that no reader has taken yet, of all sessions.
    pub(super) unread: AtomicUsize,
    /// Datagrams of peers that found no room.
    refused: AtomicU64,
    pub(super) notices: Arc<Notices>,
}

impl Room {
    pub(super) fn new(options: &Options) -> (Arc<Self>, mpsc::Receiver<Result<DatagramEnd>>) {
        let (arrivals, incoming) = mpsc::channel(waiting_sessions(options));
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

/// How many sessions may wait to be accepted: as many as may be open, within reason.
pub(in super::super) fn waiting_sessions(options: &Options) -> usize {
    options.udp.max_sessions.clamp(1, limits::MAX_SESSIONS)
}

/// One socket and who speaks on it.
pub(super) struct Port {
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
    pub(super) room: Arc<Room>,
    begun: Instant,
    /// Sessions that nobody holds any more.
    gone: Mutex<Vec<Key>>,
    /// A session has gone, or the listener has.
    changed: Notify,
}

/// Who speaks to which address of ours.
pub(super) type Key = (SocketAddr, Option<Local>);

impl Port {
    pub(super) fn new(socket: UdpSocket, room: &Arc<Room>) -> io::Result<Arc<Self>> {
        let (address, room) = (socket.local_addr()?, Arc::clone(room));
        let (gone, changed) = (Mutex::default(), Notify::new());
        Ok(Arc::new(Self { socket, address, room, begun: Instant::now(), gone, changed }))
    }

    /// Milliseconds of this port's life.
    pub(super) fn age(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Welcomes nobody new. The socket closes when its last session has gone.
    pub(super) fn close(&self) {
        self.room.open.store(false, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Takes back the place of a session that nobody holds any more.
    pub(super) fn leave(&self, key: Key) {
        self.room.sessions.fetch_sub(1, Ordering::Relaxed);
        self.gone().push(key);
        self.changed.notify_one();
    }

    fn gone(&self) -> MutexGuard<'_, Vec<Key>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task of a socket: takes what arrives and gives it to the session that it belongs to.
    pub(super) async fn serve(self: Arc<Self>) {
        let mut table = Table::new(Arc::clone(&self));
        let mut intake = Intake::new(self.address.is_ipv4(), self.room.options.udp.largest);
        let mut look = NextLook::default();
        let mut idle = pin!(tokio::time::sleep_until(table.next_check()));
        loop {
            tokio::select! {
                ready = self.socket.readable() => match ready.and_then(|()| table.take_batch(&mut intake)) {
                    Ok(false) => look.after_this(),
                    // Readers get their turn before the next batch, so that a flood does not fill their queues.
                    Ok(true) => {
                        look.after_this();
                        tokio::task::yield_now().await;
                    }
                    Err(error) => {
                        // Where there is no room, others wait already, and the error is seen again.
                        let _ = self.room.arrivals.try_send(Err(Error::io("receiving datagrams", error)));
                        tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                    }
                },
                () = self.changed.notified() => {}
                () = &mut idle => table.end_idle(),
                () = sleep_until(look.due()) => {}
            }
            if look.is_due() {
                intake.dropped_by_now(kernel_drops::count(&self.socket, self.address.is_ipv4()));
            }
            self.room.notices.lost(intake.take_lost());
            table.forget_gone();
            if table.sessions.is_empty() && !self.room.open.load(Ordering::Relaxed) {
                return;
            }
            if idle.deadline() != table.next_check() {
                idle.as_mut().reset(table.next_check());
            }
        }
    }
}

/// The sessions of a socket, known to its task alone.
struct Table {
    port: Arc<Port>,
    sessions: HashMap<Key, Place>,
    /// When to look next whether a session is still in use.
    checks: BTreeSet<(Instant, Key)>,
    /// When to look where there is no session.
    never: Instant,
    /// A refusal has been told and nobody has been welcomed since.
    told: bool,
    own: Own,
}

/// A session's place in the table.
struct Place {
    session: Weak<Session>,
    check: Instant,
}

impl Table {
    fn new(port: Arc<Port>) -> Self {
        let never = Instant::now() + 2 * bounded(Duration::MAX);
        let own = Own::new(port.address);
        Self { port, sessions: HashMap::new(), checks: BTreeSet::new(), never, told: false, own }
    }

    /// Takes what one system call brings; true where there may be more.
    fn take_batch(&mut self, intake: &mut Intake) -> io::Result<bool> {
        self.forget_gone();
        let age = self.port.age();
        let port = Arc::clone(&self.port);
        // Most batches are one peer's: what belongs together is looked up once.
        let mut last: Option<(Key, Arc<Session>)> = None;
        let result = intake.receive(&port.socket, |packet| {
            let key = (packet.peer, packet.local);
            if last.as_ref().is_none_or(|(known, _)| *known != key) {
                last = self.session(key, age).map(|session| (key, session));
            }
            match &last {
                Some((_, session)) => session.deliver(&packet),
                None => self.refuse(&packet),
            }
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            other => other,
        }
    }

    /// The session of a peer, perhaps a new one; `None` where there is no room for it.
    fn session(&mut self, key: Key, age: u64) -> Option<Arc<Session>> {
        if let Some(session) = self.sessions.get(&key).and_then(|place| place.session.upgrade()) {
            session.touch(age);
            return Some(session);
        }
        if self.own.is(key.0, key.1.map(|local| local.ip)) {
            return None;
        }
        let room = &self.port.room;
        if !room.open.load(Ordering::Relaxed) || room.sessions.load(Ordering::Relaxed) >= room.options.udp.max_sessions
        {
            return None;
        }
        let Ok(place) = room.arrivals.clone().try_reserve_owned() else { return None };
        room.sessions.fetch_add(1, Ordering::Relaxed);
        self.told = false;
        let session = Arc::new(Session::new(Arc::clone(&self.port), key, age));
        let check = Instant::now() + bounded(room.options.udp.session_idle);
        self.remove(&key);
        self.sessions.insert(key, Place { session: Arc::downgrade(&session), check });
        self.checks.insert((check, key));
        // Where the listener has just gone, the session goes with the message.
        place.send(Ok(Session::end(&session)));
        Some(session)
    }

    #[cold]
    fn refuse(&mut self, packet: &Packet<'_>) {
        let (room, peer, count) = (&self.port.room, packet.peer, packet.datagrams().count() as u64);
        if self.own.is(peer, packet.local.map(|local| local.ip)) {
            return room.notices.forged(count);
        }
        room.refused.fetch_add(count, Ordering::Relaxed);
        if room.open.load(Ordering::Relaxed) {
            room.notices.refused(count);
        }
        if !std::mem::replace(&mut self.told, true) {
            room.options.tell(|| match room.open.load(Ordering::Relaxed) {
                true => format!("{peer} refused: there are {} sessions", room.options.udp.max_sessions),
                false => format!("{peer} refused: nobody accepts any more"),
            });
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(place) = self.sessions.remove(key) {
            self.checks.remove(&(place.check, *key));
        }
    }

    fn forget_gone(&mut self) {
        let gone = std::mem::take(&mut *self.port.gone());
        for key in gone {
            if self.sessions.get(&key).is_some_and(|place| place.session.strong_count() == 0) {
                self.remove(&key);
            }
        }
    }

    fn next_check(&self) -> Instant {
        self.checks.first().map_or(self.never, |(at, _)| *at)
    }

    /// Ends the sessions that no datagram has come to or gone from for so long.
    fn end_idle(&mut self) {
        let now = Instant::now();
        while let Some((at, key)) = self.checks.first().copied().filter(|(at, _)| *at <= now) {
            self.checks.remove(&(at, key));
            let Some(place) = self.sessions.get_mut(&key) else { continue };
            let Some(session) = place.session.upgrade() else { continue };
            let ends = self.port.begun
                + Duration::from_millis(session.last())
                + bounded(self.port.room.options.udp.session_idle);
            if ends <= now {
                self.sessions.remove(&key);
                session.close();
            } else {
                place.check = ends;
                self.checks.insert((ends, key));
            }
        }
    }
}
