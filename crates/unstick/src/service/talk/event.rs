//! What a conversation reports: its events, why a peer's conversation ended, how the run ended, and the output that
//! takes it all.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use unstick_wire::Frame;

use super::super::run::PeerId;
use crate::endpoint::{Closing, Notice, PeerAddrs, Request};
use crate::error::{Error, Result};

/// What has happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Peers can connect.
    Listening {
        /// The addresses really bound to.
        addresses: &'a [String],
    },
    /// A peer has connected.
    Open {
        /// Its number.
        peer: PeerId,
        /// The names of both ends.
        names: &'a PeerAddrs,
        /// Whether it is reached by datagrams, which show neither whether a peer exists nor that it has left.
        datagram: bool,
        /// The request with which the client opened a WebSocket, if this end is the server.
        request: Option<&'a Request>,
    },
    /// A message has arrived.
    Message {
        /// The sender's number.
        peer: PeerId,
        /// The sender's address, as `127.0.0.1:51234`.
        from: &'a str,
        /// The message.
        message: &'a [u8],
        /// Whether it came as a binary message or as text; `None` if the transport makes no such difference: only
        /// WebSocket does.
        binary: Option<bool>,
        /// The frame in which it arrived, with [`Config::frames`](super::Config::frames).
        frame: Option<&'a Frame<'a>>,
    },
    /// A frame has not ended for a while.
    Pending {
        /// The sender's number.
        peer: PeerId,
        /// The bytes that have arrived of it.
        so_far: &'a [u8],
    },
    /// Messages were lost on arrival, or cut short.
    Lost {
        /// The sender's number.
        peer: PeerId,
        /// Number of over-long messages that were skipped, or of datagrams that came faster than they were taken.
        lost: u64,
        /// Number of datagrams that were cut short.
        cut_short: u64,
    },
    /// Bytes that break the framing were skipped (`damaged=skip`).
    Damaged {
        /// The sender's number.
        peer: PeerId,
        /// How many bytes, and what was wrong with them.
        damage: &'a unstick_wire::Damage,
    },
    /// Datagrams were left unanswered: their peer sends more of them than [`answer_rate`](super::Config::answer_rate)
    /// allows. A loop of two programs that answer each other looks the same.
    Unanswered {
        /// The peer's number.
        peer: PeerId,
        /// Number of them since the last such report.
        messages: u64,
    },
    /// Datagrams reached no session.
    Notice {
        /// How many, and why.
        notice: &'a Notice,
    },
    /// A peer reads more slowly than this end sends: messages wait for it.
    Slow {
        /// The peer's number.
        peer: PeerId,
        /// Number of bytes that wait.
        bytes: usize,
    },
    /// The connection is lost; a reconnect follows.
    Reconnecting {
        /// 1 for the first attempt since the connection was lost.
        attempt: u64,
        /// The pause before it.
        after: Duration,
        /// Number of messages that were sent on the lost connection. Some may not have arrived, and none is sent again,
        /// except the greeting. 0 from the second attempt on.
        sent: u64,
    },
    /// A peer that was sent something said nothing to it, for as long as an end of input waits for an answer
    /// ([`HALF_CLOSE_PATIENCE`](crate::limits::HALF_CLOSE_PATIENCE)), and was not waited for longer.
    NoAnswer {
        /// Which one.
        peer: PeerId,
    },
    /// A peer has gone.
    Close {
        /// Its number.
        peer: PeerId,
        /// The peer's address.
        from: &'a str,
        /// Why.
        reason: &'a Reason,
        /// The code and reason with which the peer closed a WebSocket, if it did.
        closing: Option<&'a Closing>,
    },
    /// Something failed, but nothing ends because of it.
    Error {
        /// The peer's number, if it concerns one peer.
        peer: Option<PeerId>,
        /// The id of the command, if it concerns a command with an id.
        id: Option<&'a str>,
        /// The error.
        error: &'a Error,
    },
}

/// Why a conversation with one peer ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The peer ended it.
    Ended,
    /// This end closed it.
    Closed,
    /// A message equal to `until` passed.
    Until,
    /// This end closed it, because the peer did not read what was sent to it.
    Slow,
    /// This end closed it, because nothing had passed for this time.
    Idle(Duration),
    /// It failed.
    Failed(Error),
    /// A message of the peer, or the answer to it, cannot be written as requested: [`Error::is_message_rejected`]. The
    /// conversation ends there, because leaving out a message would shift all later answers. Other peers go on.
    Refused(Error),
}

impl Reason {
    /// Returns what went wrong, if something did.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) | Self::Refused(error) => Some(error),
            Self::Ended | Self::Closed | Self::Until | Self::Slow | Self::Idle(_) => None,
        }
    }
}

/// How the run ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// In order, with the end of the peer or of the input.
    Ended,
    /// `count` or `until` was reached.
    Reached,
    /// It ended before `count` or `until` was reached.
    Short {
        /// Messages received.
        received: u64,
    },
    /// Nothing passed for this time.
    Idle(Duration),
    /// The deadline passed.
    Deadline(Duration),
    /// [`Config::stop`](super::Config::stop) stopped it.
    Stopped,
    /// The output is closed: nobody reads any more.
    OutputClosed,
    /// The conversation with the only peer failed, or was refused; its [`Event::Close`] gave the reason.
    PeerFailed(Error),
    /// This end failed: it could not send or show something.
    Failed(Error),
}

/// Takes the events, in order. It must not block.
pub trait Output: Send + 'static {
    /// Takes an event.
    ///
    /// # Errors
    ///
    /// [`Error::is_message_rejected`] if this message cannot be shown as it is: this ends the conversation with its
    /// peer. Any other error ends the run; [`Error::is_closed`] means that nobody reads the output any more.
    fn event(&mut self, event: Event<'_>) -> Result<()>;

    /// Returns what to wait for before the next events: a slow reader of the output slows the peers down.
    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}
