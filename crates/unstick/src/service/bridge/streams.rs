//! A bridge between two streams whose bytes pass unchanged: what the end of one direction means for the other.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, timeout};
use unstick_wire::Role;

use super::copy::{CopyDirection, Ended};
use super::event::{Passed, Reason};
use super::tap::Watch;
use crate::endpoint::Lost;
use crate::error::Error;
use crate::limits;

/// The longest pause between two checks whether what was sent before a reset has arrived.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Both directions.
pub(super) struct StreamBridge {
    /// From the client to the server.
    up: CopyDirection,
    down: CopyDirection,
    up_done: bool,
    down_done: bool,
    /// For a side whose end has been passed on: waits until its connection fails, because nobody reads from it any
    /// more.
    watched: [Option<Lost<'static>>; 2],
    /// The side to which a write failed, while the other direction goes on.
    lost: Option<(Role, Error)>,
    /// How long a server may be silent while it still has to read the data of a client that is gone altogether.
    linger: Duration,
    drain: Option<Drain>,
    /// The side that has failed, and how the other side learns it.
    parting: Option<(Role, Parting)>,
}

/// How a side learns that the other side is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// By a reset.
    Reset,
    /// By the end that has been passed on.
    End,
}

/// A server that is read to its end, although the data is discarded.
struct Drain {
    /// Until when it may be quiet.
    quiet: Pin<Box<Sleep>>,
    /// Number of bytes that it has sent.
    discarded: u64,
    /// When it has had time enough.
    enough: Instant,
}

impl StreamBridge {
    pub(super) fn new(up: CopyDirection, down: CopyDirection, linger: Duration) -> Self {
        let (up_done, down_done, watched) = (false, false, [None, None]);
        Self { up, down, up_done, down_done, watched, lost: None, linger, drain: None, parting: None }
    }

    /// Passes everything on until both directions have ended.
    pub(super) async fn pass(mut self, watch: &dyn Watch, idle: Option<Duration>) -> (Reason, Passed) {
        let mut before = (0, 0);
        // Whether a process has been sent something since it last sent something. A side that waits for its answer is
        // not idle.
        let mut owed = false;
        let mut silence = idle.map(|after| (after, Box::pin(sleep(after))));
        let (mut stopped, mut stops) = (pin!(watch.stop().comes()), false);
        let reason = poll_fn(|cx| {
            if !stops && stopped.as_mut().poll(cx).is_ready() {
                stops = true;
                self.up.stop();
                self.down.stop();
            }
            let polled = self.poll(cx);
            let now = (self.up.passed(), self.down.passed());
            if now != before {
                owed = if now.0 != before.0 { self.down.ends_both() } else { self.up.ends_both() };
                before = now;
                watch.note();
                if let Some((after, timer)) = &mut silence {
                    timer.as_mut().reset(Instant::now() + *after);
                }
            }
            match &mut silence {
                Some((after, timer)) if polled.is_pending() && !owed => {
                    timer.as_mut().poll(cx).map(|()| Reason::Idle(*after))
                }
                _ => polled,
            }
        })
        .await;
        let reason = match reason {
            Reason::Ended if stops => {
                self.drain_both().await;
                Reason::Closed
            }
            reason => reason,
        };
        if let Some((lost, how)) = self.parting {
            self.part(lost, how).await;
        }
        (reason, Passed { up: self.up.passed(), down: self.down.passed() })
    }

    /// Tells the other side about the side that has failed, once what was sent before has arrived there: a reset throws
    /// away what the system still holds. Meanwhile this reads from the other side and discards the data, because a peer
    /// that waits to send does not read.
    async fn part(&mut self, lost: Role, how: Parting) {
        let (to, back, back_done) = match lost {
            Role::Client => (&mut self.up, &mut self.down, self.down_done),
            Role::Server => (&mut self.down, &mut self.up, self.up_done),
        };
        back.discard();
        let gone = async {
            let lost = poll_fn(|cx| if back_done { Poll::Pending } else { back.poll(cx) });
            if !matches!(lost.await, Ended::Source(_)) {
                std::future::pending().await
            }
        };
        let arrived = async {
            // No event signals that a peer has acknowledged everything.
            let mut pause = Duration::from_millis(1);
            while to.unacknowledged().is_some_and(|bytes| bytes > 0) {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        let _ = timeout(limits::FLUSH_TIMEOUT, async {
            tokio::select! { () = gone => {}, () = arrived => {} }
        })
        .await;
        if how == Parting::Reset {
            to.reset_target();
        }
    }

    /// Reads and discards the rest of both sides. Closing with unread data would be a reset, which throws away what has
    /// not arrived yet.
    async fn drain_both(&mut self) {
        self.up.discard();
        self.down.discard();
        let (mut up, mut down) = (false, false);
        let both = poll_fn(|cx| {
            up |= self.up.poll(cx).is_ready();
            down |= self.down.poll(cx).is_ready();
            if up && down { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = timeout(limits::FINAL_FLUSH_TIMEOUT, both).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        if !self.up_done
            && let Poll::Ready(ended) = self.up.poll(cx)
            && let Some(reason) = self.direction_ends(cx, Role::Client, ended)
        {
            return Poll::Ready(reason);
        }
        if !self.down_done
            && let Poll::Ready(ended) = self.down.poll(cx)
            && let Some(reason) = self.direction_ends(cx, Role::Server, ended)
        {
            return Poll::Ready(reason);
        }
        if let (false, Poll::Ready(reason)) = (self.up_done && self.down_done, self.poll_watched(cx)) {
            return Poll::Ready(reason);
        }
        self.poll_end(cx)
    }

    /// Waits until a side fails that nobody reads any more: what it sent, and its end, have been passed on.
    fn poll_watched(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        for side in [Role::Client, Role::Server] {
            if let Some(watched) = &mut self.watched[side as usize]
                && let Poll::Ready(error) = watched.as_mut().poll(cx)
            {
                return Poll::Ready(self.is_reset(side, Error::io("receiving", error)));
            }
        }
        Poll::Pending
    }

    /// Waits for the end of the bridge. If one direction has lost its receiver, that is when the other direction ends.
    /// By then, what the receiver sent before it went has been passed on, and its end too.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        let over = match &self.lost {
            Some((Role::Server, _)) => self.down_done,
            Some((Role::Client, _)) => self.up_done,
            None => self.up_done && self.down_done,
        };
        let gone = (self.up_done && self.up.ends_both(), self.down_done && self.down.ends_both());
        if !over && gone == (false, false) {
            return Poll::Pending;
        }
        if !over && !gone.1 {
            ready!(self.poll_drain(cx));
        }
        if gone.1 && !self.up_done {
            // Closing with unread data would be a reset, which throws away what has not left yet.
            self.up.discard();
            let _ = self.up.poll(cx);
        }
        Poll::Ready(match self.lost.take() {
            Some((side, error)) => {
                self.parting = Some((side, Parting::End));
                Reason::Failed { side, error }
            }
            None => self.exit().unwrap_or(Reason::Ended),
        })
    }

    /// Handles a client that is gone altogether: reads from the server and discards the data, until the server ends, is
    /// quiet, or has had time enough. Closing at once would turn into a reset as soon as the server answers, and it
    /// could lose what it has not read yet. A process ends on its own.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let discarded = self.down.discarded();
        let linger = self.linger;
        if self.drain.is_none() {
            self.down.discard();
            cx.waker().wake_by_ref();
        }
        let now = Instant::now();
        let heard = self.drain.get_or_insert_with(|| Drain {
            quiet: Box::pin(sleep(linger)),
            discarded,
            enough: now + limits::DRAIN_TIMEOUT.max(linger),
        });
        if heard.discarded != discarded {
            heard.discarded = discarded;
            heard.quiet.as_mut().reset(heard.enough.min(now + linger));
        }
        if self.down.ends_both() { Poll::Pending } else { heard.quiet.as_mut().poll(cx) }
    }

    /// Records that one side is lost. The other side then sees a reset.
    fn is_reset(&mut self, side: Role, error: Error) -> Reason {
        self.parting = Some((side, Parting::Reset));
        Reason::Failed { side, error }
    }

    /// Returns the reason if one end was a process that failed.
    fn exit(&mut self) -> Option<Reason> {
        let client = self.up.exited().map(|error| (Role::Client, error));
        let (side, error) = client.or_else(|| self.down.exited().map(|error| (Role::Server, error)))?;
        Some(Reason::Failed { side, error: Error::io("receiving", error) })
    }

    /// Handles the end of the direction from one side.
    fn direction_ends(&mut self, cx: &mut Context<'_>, from: Role, ended: Ended) -> Option<Reason> {
        let (this, done, back) = match from {
            Role::Client => (&mut self.up, &mut self.up_done, &self.down),
            Role::Server => (&mut self.down, &mut self.down_done, &self.up),
        };
        match ended {
            Ended::InOrder => {
                *done = true;
                self.watched[from as usize] = this.lost();
            }
            // The client is gone: nobody is left who could learn of it.
            Ended::Source(_) if self.drain.is_some() => *done = true,
            // A lost side neither receives nor sends any more: the other side sees a reset.
            Ended::Source(error) => {
                let error = Error::io("receiving", error).with_unfinished(this.pending());
                return Some(self.is_reset(from, error));
            }
            // It has sent all that it had to send.
            Ended::Target(error) if self.watched[from.other() as usize].is_some() => {
                return Some(self.is_reset(from.other(), Error::io("sending", error)));
            }
            Ended::Target(error) => {
                this.discard();
                cx.waker().wake_by_ref();
                // If a side's end ends both directions, that end shows how it ended: a side that reads no more may
                // still end well.
                if !back.ends_both() {
                    self.lost.get_or_insert((from.other(), Error::io("sending", error)));
                }
            }
        }
        None
    }
}
