//! A bridge that passes message by message: between unlike framings, between streams and datagrams.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use unstick_wire::faults::{Course, Next};

use super::tap::Watch;
use super::{Passed, PeerId, Reason, Side};
use crate::activity::{Activity, sleep_until};
use crate::error::Error;
use crate::link::{Link, Receiver, Sender};

/// One bridge.
pub(super) struct Messages {
    watch: Arc<dyn Watch>,
    peer: PeerId,
    /// What passes is shown.
    shown: bool,
    /// How long the other direction goes on when one has ended and datagrams cannot tell that.
    linger: Duration,
    /// When a message last passed.
    last: Activity,
    passed: [AtomicU64; 2],
    /// A datagram found nobody: said once.
    told: [AtomicBool; 2],
    /// What is to happen to either side's words.
    courses: Option<[Mutex<Course>; 2]>,
}

/// How one direction ended.
enum Ended {
    InOrder,
    /// Who sends is lost, or breaks its framing.
    Source(Error),
    /// Who receives is lost, or cannot be sent this.
    Target(Error),
    /// As was ordered.
    Fault(&'static str),
}

impl Messages {
    pub(super) fn new(
        watch: Arc<dyn Watch>,
        peer: PeerId,
        shown: bool,
        linger: Duration,
        courses: Option<[Course; 2]>,
    ) -> Self {
        let (last, passed, told) = (Activity::new(), Default::default(), Default::default());
        let courses = courses.map(|courses| courses.map(Mutex::new));
        Self { watch, peer, shown, linger, last, passed, told, courses }
    }

    /// What was done to either side's words, for whoever wants to know.
    pub(super) fn tell_faults(&self, mut tell: impl FnMut(Side, u64, &[(&'static str, u64)])) {
        for (course, from) in self.courses.iter().flatten().zip([Side::Client, Side::Server]) {
            let course = lock(course);
            tell(from, course.taken(), &course.counts().collect::<Vec<_>>());
        }
    }

    /// Passes messages until both directions have ended.
    pub(super) async fn pass(&self, client: Link, server: Link) -> (Reason, Passed) {
        let ((client, client_says), (server, server_says)) = (client.split(), server.split());
        let datagrams = client.is_datagram() || server.is_datagram();
        let ended = Notify::new();
        let reason = tokio::select! {
            reason = self.both(&client, client_says, &server, server_says, &ended) => reason,
            () = self.quiet(datagrams, &ended) => Reason::Ended,
        };
        // Who is left learns it as it happened.
        let exited = matches!(&reason, Reason::Failed { error, .. } if error.exit_status().is_some());
        if matches!(reason, Reason::Failed { .. } | Reason::Fault("reset")) && !exited {
            client.abort();
            server.abort();
        }
        (reason, Passed { up: self.passed[0].load(Ordering::Relaxed), down: self.passed[1].load(Ordering::Relaxed) })
    }

    async fn both(
        &self,
        client: &Sender,
        client_says: Receiver,
        server: &Sender,
        server_says: Receiver,
        ended: &Notify,
    ) -> Reason {
        let mut up = std::pin::pin!(self.direction(Side::Client, client_says, server));
        let mut down = std::pin::pin!(self.direction(Side::Server, server_says, client));
        let (mut up_done, mut down_done) = (false, false);
        let mut lost = None;
        while !(up_done && down_done) {
            let (from, direction_ended) = tokio::select! {
                ended = &mut up, if !up_done => (Side::Client, ended),
                ended = &mut down, if !down_done => (Side::Server, ended),
            };
            ended.notify_one();
            let done = if from == Side::Client { &mut up_done } else { &mut down_done };
            match direction_ended {
                Ended::Fault(name) => return Reason::Fault(name),
                // A process that does not end in order has said all it had to say.
                Ended::Source(error) if error.exit_status().is_some() => {
                    drop(if from == Side::Client { server } else { client }.finish().await);
                    return Reason::Failed { side: from, error };
                }
                Ended::Source(error) => return Reason::Failed { side: from, error },
                // What cannot be sent on is not passed over: whoever reads the other messages would not know.
                Ended::Target(error) if error.is_message() => return Reason::Failed { side: from, error },
                Ended::InOrder => *done = true,
                Ended::Target(error) => {
                    *done = true;
                    lost.get_or_insert(Reason::Failed { side: from.other(), error });
                }
            }
        }
        lost.unwrap_or(Reason::Ended)
    }

    /// Ready when one direction has ended, its receiver could not be told, and the other has been quiet for a while.
    async fn quiet(&self, datagrams: bool, ended: &Notify) {
        if !datagrams {
            return std::future::pending().await;
        }
        ended.notified().await;
        self.until_quiet().await;
    }

    /// Ready when nothing has passed for `linger`, from now on.
    async fn until_quiet(&self) {
        let since = Instant::now();
        loop {
            let until = self.last.last().max(since) + self.linger;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    async fn direction(&self, from: Side, says: Receiver, to: &Sender) -> Ended {
        match &self.courses {
            Some(courses) => self.faulted(from, says, to, &courses[from as usize]).await,
            None => self.plain(from, says, to).await,
        }
    }

    /// One direction to which happens what was ordered.
    async fn faulted(&self, from: Side, mut says: Receiver, to: &Sender, course: &Mutex<Course>) -> Ended {
        let mut says_more = true;
        loop {
            let now = Instant::now();
            let next = lock(course).next(now.into_std());
            let until = match next {
                Next::Deliver(message) => {
                    let binary = lock(course).is_marked();
                    if let Err(error) = self.deliver(from, &message, binary, to).await {
                        return Ended::Target(error);
                    }
                    continue;
                }
                Next::Close => return Ended::Fault("close"),
                Next::Reset => return Ended::Fault("reset"),
                Next::End => break,
                Next::Wait(until) => Some(Instant::from_std(until)),
                Next::Input => None,
            };
            let takes_more = says_more && !lock(course).is_full();
            tokio::select! {
                arrived = says.arrival(), if takes_more => match arrived {
                    Ok(true) => {}
                    Ok(false) => {
                        says_more = false;
                        lock(course).end(Instant::now().into_std());
                        continue;
                    }
                    Err(error) if error.is_unreachable() => self.found_nobody(from, error),
                    Err(error) => return Ended::Source(error),
                },
                () = sleep_until(until) => continue,
            }
            let now = Instant::now().into_std();
            loop {
                let binary = says.next_is_binary() == Some(true);
                match says.try_next() {
                    Ok(Some(message)) => lock(course).take_marked(message, binary, now),
                    Ok(None) => break,
                    Err(error) => return Ended::Source(error),
                }
            }
        }
        self.finish(to).await
    }

    /// Sends on what a course lets through.
    async fn deliver(&self, from: Side, message: &[u8], binary: bool, to: &Sender) -> Result<(), Error> {
        if self.shown {
            if let Some(room) = self.watch.room() {
                room.await;
            }
            self.watch.passed(self.peer, from, message);
        }
        send(to, message, binary).await?;
        self.passed[from as usize].fetch_add(1, Ordering::Relaxed);
        self.note();
        Ok(())
    }

    /// Something has passed.
    fn note(&self) {
        self.last.note();
        self.watch.note();
    }

    /// A datagram of ours found nobody: the next may.
    fn found_nobody(&self, from: Side, error: Error) {
        if !self.told[from as usize].swap(true, Ordering::Relaxed) {
            self.watch.puzzled(self.peer, error);
        }
    }

    async fn plain(&self, from: Side, mut says: Receiver, to: &Sender) -> Ended {
        loop {
            match says.arrival().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.is_unreachable() => {
                    self.found_nobody(from, error);
                    continue;
                }
                Err(error) => return Ended::Source(error),
            }
            if self.shown
                && let Some(room) = self.watch.room()
            {
                room.await;
            }
            loop {
                let binary = says.next_is_binary() == Some(true);
                match says.try_next() {
                    Ok(Some(message)) => {
                        if self.shown {
                            self.watch.passed(self.peer, from, message);
                        }
                        if let Err(error) = send(to, message, binary).await {
                            return Ended::Target(error);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Ended::Source(error),
                }
                self.passed[from as usize].fetch_add(1, Ordering::Relaxed);
            }
            self.note();
        }
        self.finish(to).await
    }

    /// Passes the end on.
    async fn finish(&self, to: &Sender) -> Ended {
        if to.ends_both() {
            // Whom this ends altogether is given time for what it has to say still.
            self.until_quiet().await;
        }
        match to.finish().await {
            Ok(()) => Ended::InOrder,
            Err(error) => Ended::Target(error),
        }
    }
}

fn lock(course: &Mutex<Course>) -> MutexGuard<'_, Course> {
    course.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came as a binary message goes as one, where the other side has such a thing.
async fn send(to: &Sender, message: &[u8], binary: bool) -> Result<(), Error> {
    if binary {
        return to.send_binary(message).await;
    }
    match to.try_send(message)? {
        true => Ok(()),
        false => to.send(message).await,
    }
}
