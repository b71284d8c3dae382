//! A bridge that passes message by message: between different framings, or between streams and datagrams.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use unstick_wire::Role;
use unstick_wire::faults::{FaultInjector, Next};

use super::super::run::PeerId;
use super::event::{Passed, Reason};
use super::streams::LONGEST_PAUSE;
use super::tap::Watch;
use crate::activity::{Activity, sleep_until};
use crate::endpoint::{Closing, Lost};
use crate::error::Error;
use crate::fairness::Turn;
use crate::limits;
use crate::link::{Link, Receiver, Sender};

/// One bridge.
pub(super) struct MessageBridge {
    watch: Arc<dyn Watch>,
    peer: PeerId,
    look: Reporting,
    /// How long the other direction goes on when one has ended and datagrams cannot signal that.
    linger: Duration,
    /// When a message last passed.
    last: Activity,
    passed: [AtomicU64; 2],
    /// The side that sent the last message, as its number plus one; 0 before the first.
    last_from: AtomicUsize,
    /// Whether it was reported that a datagram reached nobody: once for each side.
    told: [AtomicBool; 2],
    /// The faults for each side's messages.
    injectors: Option<[Mutex<FaultInjector>; 2]>,
}

/// How the bridge is reported.
pub(super) struct Reporting {
    /// Whether what passes is shown.
    pub(super) shown: bool,
    /// Messages are shown with their frames.
    pub(super) frames: bool,
    /// Whether what passes is counted in bytes: what looks like messages here is only what reads and faults made of the
    /// bytes.
    pub(super) bytes: bool,
}

/// How one direction ended.
pub(super) enum Ended {
    InOrder,
    /// The sender is lost, or breaks its framing.
    Source(Error),
    /// The receiver is lost, or the message cannot be sent to it.
    Target(Error),
    /// An injected fault ended it.
    Fault(&'static str),
}

/// One direction that runs to its end, and then gives back the receiver that it read from.
type Direction<'a> = Pin<Box<dyn Future<Output = (Ended, &'a mut Receiver)> + Send + 'a>>;

impl MessageBridge {
    pub(super) fn new(
        watch: Arc<dyn Watch>,
        peer: PeerId,
        look: Reporting,
        linger: Duration,
        injectors: Option<[FaultInjector; 2]>,
    ) -> Self {
        let (last, passed, last_from, told) =
            (Activity::new(), Default::default(), AtomicUsize::new(0), Default::default());
        let injectors = injectors.map(|injectors| injectors.map(Mutex::new));
        Self { watch, peer, look, linger, last, passed, last_from, told, injectors }
    }

    /// Reports the faults injected into each side's messages.
    pub(super) fn tell_faults(&self, mut tell: impl FnMut(Role, u64, &[(&'static str, u64)])) {
        for (injector, from) in self.injectors.iter().flatten().zip([Role::Client, Role::Server]) {
            let injector = lock(injector);
            tell(from, injector.taken(), &injector.counts().collect::<Vec<_>>());
        }
    }

    /// Passes messages until both directions have ended.
    pub(super) async fn pass(&self, client: Link, server: Link, idle: Option<Duration>) -> (Reason, Passed) {
        let ((client, mut client_says), (server, mut server_says)) = (client.split(), server.split());
        let datagrams = client.is_datagram() || server.is_datagram();
        let is_process = |sends: &Sender, says: &Receiver| !says.has_half_close() && sends.has_half_close();
        let processes = [is_process(&client, &client_says), is_process(&server, &server_says)];
        let ended = Notify::new();
        let (reason, gone) = tokio::select! {
            ended = self.both(&client, &mut client_says, &server, &mut server_says, &ended) => ended,
            () = self.quiet(datagrams, &ended) => (Reason::Ended, false),
            after = self.idle(idle, processes) => (Reason::Idle(after), false),
        };
        let stopped = self.watch.stop().has_come();
        if gone && !stopped {
            // Of two processes the other one ends on its own, as after a shell's `|`.
            let patient = processes == [true, true];
            self.drain(&mut server_says, patient).await;
        }
        // The remaining side learns what happened in the same form.
        let exited = matches!(&reason, Reason::Failed { error, .. } if error.exit_status().is_some());
        // A Close of one WebSocket is passed on to the other.
        let closed = match &reason {
            Reason::Failed { side: Role::Client, .. } => pass_closing(client_says.closing(), &server).await,
            Reason::Failed { side: Role::Server, .. } => pass_closing(server_says.closing(), &client).await,
            _ => false,
        };
        if matches!(reason, Reason::Failed { .. } | Reason::Fault("reset")) && !exited && !closed {
            if let Reason::Failed { side, .. } = &reason {
                // What was sent before the failure should arrive, if anybody takes it.
                let (to, says) = match side {
                    Role::Client => (&server, &mut server_says),
                    Role::Server => (&client, &mut client_says),
                };
                drop(tokio::time::timeout(limits::FLUSH_TIMEOUT, arrive(to, says)).await);
            }
            client.abort();
            server.abort();
            // If the sending side had already ended, `abort` had no effect.
            client_says.reset();
            server_says.reset();
        } else if stopped {
            let both = async { tokio::join!(discarded(&mut client_says), discarded(&mut server_says)) };
            drop(tokio::time::timeout(limits::FINAL_FLUSH_TIMEOUT, both).await);
        } else {
            // Closing with unread data would be a reset, which throws away what has not arrived yet.
            unread(&mut client_says).await;
            unread(&mut server_says).await;
        }
        let reason = if stopped && matches!(reason, Reason::Ended) { Reason::Closed } else { reason };
        (reason, self.passed())
    }

    /// Returns what has passed so far.
    pub(super) fn passed(&self) -> Passed {
        Passed { up: self.passed[0].load(Ordering::Relaxed), down: self.passed[1].load(Ordering::Relaxed) }
    }

    /// Runs both directions to the end. Also returns whether the client is gone altogether while the server may still
    /// have to read.
    async fn both(
        &self,
        client: &Sender,
        client_says: &mut Receiver,
        server: &Sender,
        server_says: &mut Receiver,
        ended: &Notify,
    ) -> (Reason, bool) {
        let leaves = [!client_says.has_half_close(), !server_says.has_half_close()];
        let mut up = self.direction(Role::Client, client_says, server);
        let mut down = self.direction(Role::Server, server_says, client);
        let mut done = [false, false];
        let mut lost: Option<(Role, Error)> = None;
        let mut watched: [Option<Lost<'_>>; 2] = [None, None];
        loop {
            let (from, (direction_ended, says)) = tokio::select! {
                (side, error) = first(&mut watched) => {
                    return (Reason::Failed { side, error: Error::io("receiving", error) }, false);
                }
                ended = &mut up, if !done[0] => (Role::Client, ended),
                ended = &mut down, if !done[1] => (Role::Server, ended),
            };
            ended.notify_one();
            let failed = |error| Reason::Failed { side: from, error };
            match direction_ended {
                Ended::Fault(name) => return (Reason::Fault(name), false),
                // A process that fails has already sent all that it had to send.
                Ended::Source(error) if error.exit_status().is_some() => {
                    drop(if from == Role::Client { server } else { client }.finish().await);
                    return (failed(error), from == Role::Client && !done[1]);
                }
                Ended::Source(error) => return (failed(error), false),
                // A message that cannot be passed on is not skipped, because the reader of the other messages would not
                // know.
                Ended::Target(error) if error.is_message_rejected() => return (failed(error), false),
                // It has sent all that it had to send: nothing is lost if the other side learns of the failure now.
                Ended::Target(error) if watched[from.other() as usize].is_some() => {
                    return (Reason::Failed { side: from.other(), error }, false);
                }
                Ended::Target(error) => {
                    // If a side's end ends both directions, that end shows how it ended: a side that reads no more may
                    // still end well.
                    if !leaves[from.other() as usize] {
                        lost.get_or_insert((from.other(), error));
                    }
                    let discarding: Direction<'_> = Box::pin(discarded(says));
                    *(if from == Role::Client { &mut up } else { &mut down }) = discarding;
                }
                Ended::InOrder => {
                    done[from as usize] = true;
                    watched[from as usize] = says.connection_lost();
                    // Nobody is left who could receive what the other side sends.
                    let gone = leaves[from as usize];
                    // By then, what a lost side sent before it went has been passed on, and its end too.
                    let over = lost.as_ref().map_or(done == [true, true], |(side, _)| done[*side as usize]);
                    if gone || over {
                        let reason = lost.map_or(Reason::Ended, |(side, error)| Reason::Failed { side, error });
                        return (reason, gone && from == Role::Client && !done[1]);
                    }
                }
            }
        }
    }

    /// Reads from a server whose client is gone, and discards the data, until the server ends or is quiet, or has had
    /// time enough. Closing at once would turn into a reset as soon as the server answers, and the server could lose
    /// what it has not read yet.
    async fn drain(&self, says: &mut Receiver, patient: bool) {
        let enough = (!patient).then(|| Instant::now() + limits::DRAIN_TIMEOUT.max(self.linger));
        loop {
            let quiet = enough.map(|enough| enough.min(Instant::now() + self.linger));
            let arrived = tokio::select! {
                arrived = says.readable() => arrived,
                () = sleep_until(quiet) => return,
            };
            if !matches!(arrived, Ok(true)) || enough.is_some_and(|enough| Instant::now() >= enough) {
                return;
            }
            while let Ok(Some(_)) = says.try_recv_ref() {}
            tokio::task::yield_now().await;
        }
    }

    /// Waits until one direction has ended, its receiver could not be told, and the other has been quiet for a while.
    async fn quiet(&self, datagrams: bool, ended: &Notify) {
        if !datagrams {
            return std::future::pending().await;
        }
        ended.notified().await;
        self.until_quiet().await;
    }

    /// Waits until nothing has passed for this time. A side that waits for the answer of a process is not idle.
    pub(super) async fn idle(&self, after: Option<Duration>, processes: [bool; 2]) -> Duration {
        let owed = || match self.last_from.load(Ordering::Relaxed) {
            0 => false,
            from => processes[2 - from],
        };
        let mut since = self.last.begun();
        loop {
            since = since.max(self.last.last());
            sleep_until(after.map(|after| since + after)).await;
            match after.filter(|after| Instant::now() >= self.last.last() + *after) {
                Some(_) if owed() => since = Instant::now(),
                Some(after) => return after,
                None => {}
            }
        }
    }

    /// Waits until nothing has passed for `linger`, from now on.
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

    fn direction<'a>(&'a self, from: Role, says: &'a mut Receiver, to: &'a Sender) -> Direction<'a> {
        Box::pin(async move {
            let ended = match &self.injectors {
                Some(injectors) => self.faulted(from, says, to, &injectors[from as usize]).await,
                None => self.plain(from, says, to).await,
            };
            let ended = match ended {
                Ended::Source(error) => Ended::Source(error.with_unfinished(says.pending())),
                ended => ended,
            };
            (ended, says)
        })
    }

    /// Runs one direction with injected faults. What is on its way when its source ends or is lost still arrives first.
    async fn faulted(&self, from: Role, says: &mut Receiver, to: &Sender, injector: &Mutex<FaultInjector>) -> Ended {
        let mut said_all: Option<Result<(), Error>> = None;
        let cuts = lock(injector).cuts();
        let mut turn = Turn::new();
        let mut stopped = pin!(self.watch.stop().comes());
        loop {
            turn.pass().await;
            let now = Instant::now();
            let next = lock(injector).next(now.into_std());
            let until = match next {
                Next::Deliver(message) => {
                    turn.take(message.len());
                    let binary = lock(injector).is_marked();
                    match self.deliver(from, &message, binary, to, cuts).await {
                        // The framing cannot carry what a fault made of the message. A bad line loses it, and goes on.
                        Err(error) if error.is_message_rejected() && lock(injector).leave_out() => {}
                        Err(error) => return Ended::Target(error),
                        Ok(()) => {}
                    }
                    continue;
                }
                Next::Close => return Ended::Fault("close"),
                Next::Reset => {
                    // What came before the reset should arrive, if anybody takes it.
                    drop(to.flush().await);
                    return Ended::Fault("reset");
                }
                Next::End => match said_all {
                    Some(Err(error)) => return Ended::Source(error),
                    _ => return self.finish(to, !says.has_half_close(), says.closing()).await,
                },
                Next::Wait(until) => Some(Instant::from_std(until)),
                Next::Input => None,
            };
            let takes_more = said_all.is_none() && !lock(injector).is_full();
            tokio::select! {
                biased;
                () = &mut stopped, if said_all.is_none() => said_all = Some(Ok(())),
                arrived = says.readable(), if takes_more => match arrived {
                    Ok(true) => said_all = take(says, &mut lock(injector)).err().map(Err),
                    Ok(false) => said_all = Some(Ok(())),
                    Err(error) if error.is_unreachable() => self.found_nobody(from, error),
                    Err(error) => said_all = Some(Err(error)),
                },
                () = sleep_until(until) => continue,
            }
            self.tell_damage(says);
            if said_all.is_some() {
                lock(injector).end(Instant::now().into_std());
            }
        }
    }

    /// Passes on what an injector lets through. Flushes each one alone, if segments are cut.
    async fn deliver(&self, from: Role, message: &[u8], binary: bool, to: &Sender, alone: bool) -> Result<(), Error> {
        self.make_room().await;
        let sent = !binary && to.offer(message)?;
        if self.look.shown {
            self.watch.passed(self.peer, from, message, None);
        }
        if !sent {
            send(to, message, binary).await?;
        }
        if alone {
            to.flush().await?;
        }
        self.count(from, message);
        self.note();
        Ok(())
    }

    /// Waits while the output that shows what passes is full.
    async fn make_room(&self) {
        if self.look.shown
            && let Some(room) = self.watch.room()
        {
            tokio::select! {
                () = room => {}
                () = self.watch.stop().comes() => {}
            }
        }
    }

    /// Counts a message that has been passed on.
    fn count(&self, from: Role, message: &[u8]) {
        let more = if self.look.bytes { message.len() as u64 } else { 1 };
        self.passed[from as usize].fetch_add(more, Ordering::Relaxed);
        self.last_from.store(from as usize + 1, Ordering::Relaxed);
    }

    /// Records that something has passed.
    fn note(&self) {
        self.last.note();
        self.watch.note();
    }

    /// Reports, once, that a datagram from this end reached nobody. The next one may reach somebody.
    fn found_nobody(&self, from: Role, error: Error) {
        if !self.told[from as usize].swap(true, Ordering::Relaxed) {
            self.watch.puzzled(self.peer, error);
        }
    }

    /// Reports bytes that were skipped as damaged: nobody else reports them.
    fn tell_damage(&self, says: &mut Receiver) {
        if let Some(damage) = says.take_damage(false) {
            self.watch.puzzled(self.peer, Error::other(damage.to_string()));
        }
    }

    /// Runs one direction without faults, and passes its end on.
    async fn plain(&self, from: Role, says: &mut Receiver, to: &Sender) -> Ended {
        match self.forward(from, says, to).await {
            Some(ended) => ended,
            None => self.finish(to, !says.has_half_close(), says.closing()).await,
        }
    }

    /// Runs one direction up to an orderly end (`None`), which it does not pass on.
    pub(super) async fn forward(&self, from: Role, says: &mut Receiver, to: &Sender) -> Option<Ended> {
        let mut turn = Turn::new();
        let mut stopped = pin!(self.watch.stop().comes());
        // After a reconnect, this is what arrived while there was no connection.
        let mut waits = !says.pending().is_empty();
        loop {
            let arrived = tokio::select! {
                biased;
                () = &mut stopped => break,
                arrived = async { if std::mem::take(&mut waits) { Ok(true) } else { says.readable().await } } => arrived,
            };
            match arrived {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.is_unreachable() => {
                    self.found_nobody(from, error);
                    continue;
                }
                Err(error) => return Some(Ended::Source(error)),
            }
            self.make_room().await;
            loop {
                let binary = says.next_is_binary() == Some(true);
                let arrived = match self.look.frames {
                    true => says.try_recv_frame().map(|frame| frame.map(|frame| (frame.message, Some(frame)))),
                    false => says.try_recv_ref().map(|message| message.map(|message| (message, None))),
                };
                match arrived {
                    Ok(Some((message, frame))) => {
                        if self.look.shown {
                            self.watch.passed(self.peer, from, message, frame.as_ref());
                        }
                        if let Err(error) = send(to, message, binary).await {
                            return Some(Ended::Target(error));
                        }
                        self.count(from, message);
                        turn.take(message.len());
                    }
                    Ok(None) => break,
                    Err(error) => return Some(Ended::Source(error)),
                }
                if turn.is_over() {
                    self.note();
                    self.make_room().await;
                    turn.pass().await;
                }
            }
            self.tell_damage(says);
            self.note();
        }
        self.tell_damage(says);
        None
    }

    /// Passes the end on. `gone` says whether the sender has gone altogether, or has only ended its side.
    pub(super) async fn finish(&self, to: &Sender, gone: bool, closing: Option<Closing>) -> Ended {
        if !to.has_half_close() && !gone && !self.watch.stop().has_come() {
            // This ends the other side altogether, so it first gets time to send the rest, if there is somebody to
            // receive it.
            self.until_quiet().await;
        }
        if let Some(closing) = closing {
            to.set_closing(closing);
        }
        match to.finish().await {
            Ok(()) => Ended::InOrder,
            Err(error) => Ended::Target(error),
        }
    }
}

/// Waits for the first connection to fail among those that nobody reads any more.
async fn first(watched: &mut [Option<Lost<'_>>; 2]) -> (Role, std::io::Error) {
    poll_fn(|cx| {
        for (side, watched) in [Role::Client, Role::Server].into_iter().zip(watched.iter_mut()) {
            if let Some(watched) = watched
                && let Poll::Ready(error) = watched.as_mut().poll(cx)
            {
                return Poll::Ready((side, error));
            }
        }
        Poll::Pending
    })
    .await
}

/// Closes a WebSocket with the code and reason that came from the other one; returns false if either is another
/// transport.
async fn pass_closing(closing: Option<Closing>, to: &Sender) -> bool {
    let Some(closing) = closing else { return false };
    // A peer that does not read it in time is closed without it.
    to.set_closing(closing) && tokio::time::timeout(limits::FINAL_FLUSH_TIMEOUT, to.finish()).await.is_ok()
}

/// Gives what has arrived to the injector.
fn take(says: &mut Receiver, injector: &mut FaultInjector) -> Result<(), Error> {
    let now = Instant::now().into_std();
    loop {
        let binary = says.next_is_binary() == Some(true);
        match says.try_recv_ref()? {
            Some(message) => injector.take_marked(message, binary, now),
            None => return Ok(()),
        }
    }
}

fn lock(injector: &Mutex<FaultInjector>) -> MutexGuard<'_, FaultInjector> {
    injector.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads and discards everything up to the end: a peer that could not go on sending might stop reading too.
async fn discarded(says: &mut Receiver) -> (Ended, &mut Receiver) {
    loop {
        match says.readable().await {
            Ok(true) => {
                while let Ok(Some(_)) = says.try_recv_ref() {}
                tokio::task::yield_now().await;
            }
            Ok(false) => return (Ended::InOrder, says),
            Err(error) if error.is_unreachable() => {}
            Err(error) => return (Ended::Source(error), says),
        }
    }
}

/// Waits until what was sent has arrived. Meanwhile this reads from that peer and discards the data, because a peer
/// that waits to send does not read.
async fn arrive(to: &Sender, says: &mut Receiver) {
    let (mut written, mut over, mut pause) = (false, false, Duration::from_millis(1));
    // No event signals that a peer has acknowledged everything.
    while !written || says.unacknowledged().is_some_and(|bytes| bytes > 0) {
        tokio::select! {
            result = to.flush(), if !written => {
                written = true;
                if result.is_err() {
                    return;
                }
            }
            _ = discarded(says), if !over => over = true,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Number of reads that discard data. A peer that goes on sending is not read for ever.
const LEFT_READS: usize = 256;

/// Reads and discards what has arrived.
async fn unread(says: &mut Receiver) {
    for _ in 0..LEFT_READS {
        let arrived = poll_fn(|cx| Poll::Ready(pin!(says.readable()).poll(cx))).await;
        if !matches!(arrived, Poll::Ready(Ok(true))) {
            return;
        }
        while let Ok(Some(_)) = says.try_recv_ref() {}
    }
}

/// Sends a message; as a binary one if it came as one and the other side has such a kind.
async fn send(to: &Sender, message: &[u8], binary: bool) -> Result<(), Error> {
    if binary {
        return to.send_binary(message).await;
    }
    match to.offer(message)? {
        true => Ok(()),
        false => to.send(message).await,
    }
}
