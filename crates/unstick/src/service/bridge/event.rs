//! What a bridge tells: events, why it ended, how the run ended, and who takes it all.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use unstick_wire::faults::Unit;
use unstick_wire::{Frame, Role};

use super::super::run::PeerId;
use crate::endpoint::{PeerAddrs, Request};
use crate::error::{Error, Result};

/// What has passed through one bridge: bytes where they pass as they are, else messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// From the client to the server.
    pub up: u64,
    /// From the server to the client.
    pub down: u64,
}

/// What has happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Clients can connect.
    Listening {
        /// The addresses really bound to.
        addresses: &'a [String],
    },
    /// A client has its partner.
    Open {
        /// Its number.
        peer: PeerId,
        /// Who is at either end of the client's connection.
        client: &'a PeerAddrs,
        /// Who is at either end of the partner's.
        server: &'a PeerAddrs,
        /// What a client of a WebSocket asked for.
        request: Option<&'a Request>,
    },
    /// With [`Config::reconnect`](super::Config::reconnect), a client has no partner any more, or none yet; another attempt
    /// follows.
    Reconnecting {
        /// The client's number.
        peer: PeerId,
        /// 1 for the first attempt.
        attempt: u64,
        /// The pause before it.
        after: Duration,
        /// Messages of the client that were passed on to the lost connection. They are not sent again.
        sent: u64,
        /// How many of these were not answered, if each message has one answer.
        unanswered: u64,
        /// How the connection was lost, or could not be made; `None` where the partner ended in order.
        error: Option<&'a Error>,
    },
    /// A client has a partner again.
    Reconnected {
        /// The client's number.
        peer: PeerId,
        /// Who is at either end of the partner's connection.
        server: &'a PeerAddrs,
    },
    /// Something passes.
    Passed {
        /// Through whose bridge.
        peer: PeerId,
        /// Who said it.
        from: Role,
        /// A message, or a segment where there is no framing.
        data: &'a [u8],
        /// The frame in which the message arrived, with [`Config::frames`](super::Config::frames).
        frame: Option<&'a Frame<'a>>,
    },
    /// What has been done to one side's words on a bridge that has ended, or with the run.
    Faulted {
        /// Through whose bridge they went.
        peer: PeerId,
        /// Who said them.
        from: Role,
        /// What of them was taken ...
        unit: Unit,
        /// ... and how much of that.
        taken: u64,
        /// The names of the faults, and how often each was done.
        counts: &'a [(&'static str, u64)],
    },
    /// A bridge has ended.
    Close {
        /// The client's number.
        peer: PeerId,
        /// Who the client was.
        from: &'a str,
        /// Why.
        reason: &'a Reason,
        /// What has passed.
        passed: Passed,
        /// That are bytes, else messages.
        bytes: bool,
    },
    /// Something failed that ends no other bridge.
    Error {
        /// With whose bridge, if with one.
        peer: Option<PeerId>,
        /// What.
        error: &'a Error,
    },
}

/// Why a bridge ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// Both ends did.
    Ended,
    /// This end did: [`Config::stop`](super::Config::stop).
    Closed,
    /// This end did, because nothing had passed for so long.
    Idle(Duration),
    /// A fault that was ordered ended it: `close` or `reset`.
    Fault(&'static str),
    /// One end failed; the other has learnt it as a reset, where its transport has such a thing.
    Failed {
        /// Which one.
        side: Role,
        /// How.
        error: Error,
    },
}

/// How the run ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// As it should.
    Ended,
    /// Nothing passed for so long.
    Idle(Duration),
    /// The deadline passed.
    Deadline(Duration),
    /// [`Config::stop`](super::Config::stop) has said so.
    Stopped,
    /// Nobody reads the output any more.
    OutputClosed,
    /// The only bridge failed; an event has said why. Or the task of a bridge panicked.
    Failed(Error),
    /// What happened could not be shown.
    Unshown(Error),
}

/// Where events go. Called in their order; must not block.
pub trait Output: Send + 'static {
    /// Takes an event.
    ///
    /// # Errors
    ///
    /// Where it cannot be shown, or [`Error::is_closed`] where nobody reads any more: this ends the run.
    fn event(&mut self, event: Event<'_>) -> Result<()>;

    /// What to wait for before more is given: a slow reader of the output slows the bridges down.
    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }

    /// What to wait for until all that has passed is written, where the end of a bridge is shown elsewhere: it would
    /// overtake the last of it.
    fn written(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}
