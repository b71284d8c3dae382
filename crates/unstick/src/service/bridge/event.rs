//! What a bridge reports: its events, why it ended, how the run ended, and the output that takes it all.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use unstick_wire::faults::Unit;
use unstick_wire::{Frame, Role};

use super::super::run::PeerId;
use crate::endpoint::{PeerAddrs, Request};
use crate::error::{Error, Result};

/// The amount that has passed through one bridge: bytes if they pass unchanged, otherwise messages.
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
    /// A client is connected to the target.
    Open {
        /// Its number.
        peer: PeerId,
        /// The names of both ends of the client's connection.
        client: &'a PeerAddrs,
        /// The names of both ends of the connection to the target.
        server: &'a PeerAddrs,
        /// The request with which the client opened a WebSocket.
        request: Option<&'a Request>,
    },
    /// With [`Config::reconnect`](super::Config::reconnect), the connection to the target is lost or could not be made;
    /// another attempt follows.
    Reconnecting {
        /// The client's number.
        peer: PeerId,
        /// 1 for the first attempt.
        attempt: u64,
        /// The pause before it.
        after: Duration,
        /// Number of the client's messages that were passed on to the lost connection. They are not sent again.
        sent: u64,
        /// How many of these were not answered, assuming that each message has one answer.
        unanswered: u64,
        /// How the connection was lost, or could not be made; `None` if the target ended in order.
        error: Option<&'a Error>,
    },
    /// A client is connected to the target again.
    Reconnected {
        /// The client's number.
        peer: PeerId,
        /// The names of both ends of the connection to the target.
        server: &'a PeerAddrs,
    },
    /// Data passes.
    Passed {
        /// The client's number.
        peer: PeerId,
        /// The side that sent it.
        from: Role,
        /// A message, or a segment if there is no framing.
        data: &'a [u8],
        /// The frame in which the message arrived, with [`Config::frames`](super::Config::frames).
        frame: Option<&'a Frame<'a>>,
    },
    /// The faults injected into one side's data, reported when the bridge or the run ends.
    Faulted {
        /// The client's number.
        peer: PeerId,
        /// The side that sent the data.
        from: Role,
        /// The unit in which `taken` counts.
        unit: Unit,
        /// How much was taken from that side.
        taken: u64,
        /// The names of the faults, and how often each was injected.
        counts: &'a [(&'static str, u64)],
    },
    /// A bridge has ended.
    Close {
        /// The client's number.
        peer: PeerId,
        /// The client's address.
        from: &'a str,
        /// Why.
        reason: &'a Reason,
        /// What has passed.
        passed: Passed,
        /// Whether `passed` counts bytes; otherwise messages.
        bytes: bool,
    },
    /// Something failed that ends no other bridge.
    Error {
        /// The client's number, if it concerns one bridge.
        peer: Option<PeerId>,
        /// The error.
        error: &'a Error,
    },
}

/// Why a bridge ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// Both ends ended it.
    Ended,
    /// [`Config::stop`](super::Config::stop) stopped it.
    Closed,
    /// This end closed it, because nothing had passed for this time.
    Idle(Duration),
    /// An injected fault ended it: `close` or `reset`.
    Fault(&'static str),
    /// One end failed; the other end saw a reset, if its transport has one.
    Failed {
        /// The side that failed.
        side: Role,
        /// How it failed.
        error: Error,
    },
}

/// How the run ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// In order.
    Ended,
    /// Nothing passed for this time.
    Idle(Duration),
    /// The deadline passed.
    Deadline(Duration),
    /// [`Config::stop`](super::Config::stop) stopped it.
    Stopped,
    /// Nobody reads the output any more.
    OutputClosed,
    /// The only bridge failed, and an event gave the reason. Or the task of a bridge panicked.
    Failed(Error),
    /// An event could not be shown.
    Unshown(Error),
}

/// Takes the events, in order. It must not block.
pub trait Output: Send + 'static {
    /// Takes an event.
    ///
    /// # Errors
    ///
    /// If the event cannot be shown, or [`Error::is_closed`] if nobody reads the output any more: this ends the run.
    fn event(&mut self, event: Event<'_>) -> Result<()>;

    /// Returns what to wait for before the next events: a slow reader of the output slows the bridges down.
    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }

    /// Returns what to wait for until all passed data is written. This is for outputs that show the end of a bridge
    /// elsewhere, where it could overtake the last of the data.
    fn written(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}
