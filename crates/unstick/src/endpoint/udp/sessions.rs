//! The sessions of one socket with many peers. A session is a pair: the peer's address, and the address that the peer
//! sent to.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::own::Own;
use super::packets::{Intake, Packet};
use super::port::{Key, Port};
use super::session::Session;
use crate::activity::bounded;

/// The sessions of a socket. Only its task has access to them.
pub(super) struct Table {
    port: Arc<Port>,
    pub(super) sessions: HashMap<Key, Place>,
    /// When to check next whether a session is still in use.
    checks: BTreeSet<(Instant, Key)>,
    /// A time in the far future, used when there is no session to check.
    never: Instant,
    /// Whether a refusal has been reported since the last new session.
    told: bool,
    own: Own,
}

/// A session's place in the table.
pub(super) struct Place {
    session: Weak<Session>,
    check: Instant,
}

impl Table {
    pub(super) fn new(port: Arc<Port>) -> Self {
        let never = Instant::now() + 2 * bounded(Duration::MAX);
        let own = Own::new(port.address);
        Self { port, sessions: HashMap::new(), checks: BTreeSet::new(), never, told: false, own }
    }

    /// Takes what one system call brings; returns true if there may be more.
    pub(super) fn take_batch(&mut self, intake: &mut Intake) -> io::Result<bool> {
        self.forget_gone();
        let age = self.port.age();
        let port = Arc::clone(&self.port);
        // Most batches come from one peer, so the session is looked up only when the sender changes.
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

    /// Returns the session of a peer, perhaps a new one; `None` if there is no room for it.
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
        // If the listener has just gone, the session is dropped with the message.
        place.send(Ok(Session::transport(&session)));
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
                false => format!("{peer} refused: the listener has stopped accepting"),
            });
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(place) = self.sessions.remove(key) {
            self.checks.remove(&(place.check, *key));
        }
    }

    pub(super) fn forget_gone(&mut self) {
        let gone = std::mem::take(&mut *self.port.gone());
        for key in gone {
            if self.sessions.get(&key).is_some_and(|place| place.session.strong_count() == 0) {
                self.remove(&key);
            }
        }
    }

    pub(super) fn next_check(&self) -> Instant {
        self.checks.first().map_or(self.never, |(at, _)| *at)
    }

    /// Ends the sessions that have had no datagram in either direction for `session_idle`.
    pub(super) fn end_idle(&mut self) {
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
