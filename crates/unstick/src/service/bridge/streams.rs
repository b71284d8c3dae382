//! A bridge between two streams whose bytes pass as they are: what the end of one direction means for the other.

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

/// How often it is asked, at least, whether what was said before a reset has arrived.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Both directions.
pub(super) struct StreamBridge {
    /// From the client to the server.
    up: CopyDirection,
    down: CopyDirection,
    up_done: bool,
    down_done: bool,
    /// Of a side whose end has been passed on: when its connection fails, as nobody reads it any more.
    watched: [Option<Lost<'static>>; 2],
    /// Who was lost while it was written to, the other direction still going on.
    lost: Option<(Role, Error)>,
    /// How long a server may be quiet that has still to read what a client said who is gone altogether.
    linger: Duration,
    drain: Option<Drain>,
    /// Who has failed, and how the other one is to learn it.
    parting: Option<(Role, Parting)>,
}

/// How a side learns that the other one is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// By a reset.
    Reset,
    /// By the end that has been passed on.
    End,
}

/// A server that is heard out for nobody.
struct Drain {
    /// Until when it may be quiet.
    quiet: Pin<Box<Sleep>>,
    /// StreamBridge that it has said.
    discarded: u64,
    /// It has had time enough.
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
        // A process has been told something since it last said something: whoever waits for its answer is not silent.
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

    /// The other side of the one that has failed learns it as it happened: once what was said before has arrived there, since a
    /// reset throws away what the system still holds. Meanwhile it is heard, for nobody: who waits to be heard does not read.
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
            // No event tells that a peer has acknowledged everything.
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

    /// What is left unread would make closing a reset, which throws away what has not arrived yet.
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

    /// Ready when a side has failed that nobody reads any more: what it said has been passed on, and its end.
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

    /// Where one direction has lost its receiver, it is over when the other direction is: what the receiver said before it
    /// went has then been passed on, and its end too.
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
            // What is left unread would make closing a reset, which throws away what has not left yet.
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

    /// The client is gone altogether. Closing on the server at once would be a reset as soon as it answers, and it could lose
    /// what it has not read yet: it is heard out, for nobody, until it ends, is quiet, or has had time enough. A process ends by
    /// itself.
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

    /// One side is lost. The other one learns it as it happened.
    fn is_reset(&mut self, side: Role, error: Error) -> Reason {
        self.parting = Some((side, Parting::Reset));
        Reason::Failed { side, error }
    }

    /// One end was a process that did not end in order.
    fn exit(&mut self) -> Option<Reason> {
        let client = self.up.exited().map(|error| (Role::Client, error));
        let (side, error) = client.or_else(|| self.down.exited().map(|error| (Role::Server, error)))?;
        Some(Reason::Failed { side, error: Error::io("receiving", error) })
    }

    /// The direction from one side has ended.
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
            // The client is gone: nobody is left who could learn it.
            Ended::Source(_) if self.drain.is_some() => *done = true,
            // Who is lost neither hears nor says any more: the other one learns it as it happened.
            Ended::Source(error) => {
                let error = Error::io("receiving", error).with_unfinished(this.pending());
                return Some(self.is_reset(from, error));
            }
            // It has said all that it had to say.
            Ended::Target(error) if self.watched[from.other() as usize].is_some() => {
                return Some(self.is_reset(from.other(), Error::io("sending", error)));
            }
            Ended::Target(error) => {
                this.discard();
                cx.waker().wake_by_ref();
                // Whose end is that of both directions tells by it how it ended: one that reads no more may end well.
                if !back.ends_both() {
                    self.lost.get_or_insert((from.other(), Error::io("sending", error)));
                }
            }
        }
        None
    }
}
