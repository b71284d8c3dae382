//! What a conversation reports: events, why one with a peer ended, how the run ended, and who takes it all.

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
    /// A peer is there.
    Open {
        /// Its number.
        peer: PeerId,
        /// Who is at either end.
        names: &'a PeerAddrs,
        /// It is spoken to in datagrams, which tell neither whether somebody is there nor that somebody has gone.
        datagram: bool,
        /// What the client of a WebSocket asked for, where this end is the server.
        request: Option<&'a Request>,
    },
    /// A message has arrived.
    Message {
        /// From whom.
        peer: PeerId,
        /// Who that is, as `127.0.0.1:51234`.
        from: &'a str,
        /// The message.
        message: &'a [u8],
        /// It came as a binary message, or as text; `None` where the transport knows no such thing: WebSocket does.
        binary: Option<bool>,
        /// The frame in which it arrived, with [`Config::frames`](super::Config::frames).
        frame: Option<&'a Frame<'a>>,
    },
    /// A frame has not ended for a while.
    Pending {
        /// From whom.
        peer: PeerId,
        /// What has arrived of it.
        so_far: &'a [u8],
    },
    /// Messages were lost on the way in, or cut short.
    Lost {
        /// From whom.
        peer: PeerId,
        /// Over-long messages passed over, or datagrams that came faster than they were taken.
        lost: u64,
        /// Datagrams cut short.
        cut_short: u64,
    },
    /// Bytes that break the framing were passed over (`damaged=skip`).
    Damaged {
        /// From whom.
        peer: PeerId,
        /// How many, and what was wrong with them.
        damage: &'a unstick_wire::Damage,
    },
    /// Datagrams were left unanswered: their peer sends more of them than [`answer_rate`](super::Config::answer_rate) allows, which
    /// is also what an answer to an answer looks like.
    Unanswered {
        /// Whose.
        peer: PeerId,
        /// How many since this was last reported.
        messages: u64,
    },
    /// Datagrams reached no session.
    Notice {
        /// How many, and why.
        notice: &'a Notice,
    },
    /// A peer reads more slowly than it is sent to: messages wait for it.
    Slow {
        /// Which one.
        peer: PeerId,
        /// Bytes that wait.
        bytes: usize,
    },
    /// The connection is lost, and will be made again.
    Reconnecting {
        /// 1 for the first attempt since the connection was lost.
        attempt: u64,
        /// The pause before it.
        after: Duration,
        /// Messages that were sent on the lost connection; some of them may not have arrived, and none is sent again, but for the
        /// greeting. 0 from the second attempt on.
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
        /// Who that was.
        from: &'a str,
        /// Why.
        reason: &'a Reason,
        /// The code and reason with which the peer closed a WebSocket, if it did.
        closing: Option<&'a Closing>,
    },
    /// Something failed that ends nothing.
    Error {
        /// With whom, if with one.
        peer: Option<PeerId>,
        /// The name of the command, if it was about one that has a name.
        id: Option<&'a str>,
        /// What.
        error: &'a Error,
    },
}

/// Why a conversation with one peer ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The peer ended it.
    Ended,
    /// This end did.
    Closed,
    /// A message equal to `--until`.
    Until,
    /// This end did, because the peer did not read what was sent to it.
    Slow,
    /// This end did, because nothing had passed for so long.
    Idle(Duration),
    /// It failed.
    Failed(Error),
    /// A message of the peer, or the answer to it, cannot be written as asked for: [`Error::is_message_rejected`]. The conversation ends
    /// there, because a message that is left out would shift all later answers. Other peers go on.
    Refused(Error),
}

impl Reason {
    /// What went wrong, if something did.
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
    /// As it should: the peer's end, or the input's.
    Ended,
    /// `count` or `until` was reached.
    Reached,
    /// It ended before `count` or `until` was reached.
    Short {
        /// Messages received.
        received: u64,
    },
    /// Nothing passed for so long.
    Idle(Duration),
    /// The deadline passed.
    Deadline(Duration),
    /// [`Config::stop`](super::Config::stop) has said so.
    Stopped,
    /// The output is closed: nobody reads any more.
    OutputClosed,
    /// The conversation with the only peer failed, or was refused; its [`Event::Close`] has said why.
    PeerFailed(Error),
    /// This end failed: what was to be sent or shown could not be.
    Failed(Error),
}

/// Where events go. Called in their order; must not block.
pub trait Output: Send + 'static {
    /// Takes an event.
    ///
    /// # Errors
    ///
    /// [`Error::is_message_rejected`] where this message cannot be shown as it is: this ends the conversation with its peer.
    /// Any other error ends the run; [`Error::is_closed`] says that nobody reads any more.
    fn event(&mut self, event: Event<'_>) -> Result<()>;

    /// What to wait for before more events are given: a slow reader of the output slows the peers down.
    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}
