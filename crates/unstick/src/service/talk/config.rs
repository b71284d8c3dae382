//! Who talks with whom, how it goes on and when it ends, and what this end asks of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::run::PeerId;
use crate::address::{Address, Framings};
use crate::endpoint::{Closing, Options};
use crate::half_close::HalfClose;
use crate::limits;
use crate::link::{Link, Listener};
#[cfg(feature = "exec")]
use crate::processes::Processes;
use crate::stop::Stop;

/// Who is at the other end.
pub enum Peers {
    /// One peer, already there.
    One(Link),
    /// The same, connected to again whenever the connection is lost; it is a peer with another number then.
    Again(Link, Box<Reconnect>),
    /// Whoever connects.
    Many(Listener),
}

/// How the conversation goes on, and when it ends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Sent to each peer as it opens.
    pub greeting: Vec<Bytes>,
    /// What answers each message without a hand on it.
    pub answer: AutoReply,
    /// Nothing is sent to a peer after the greeting; without this, that is so once the input has ended.
    pub finish_after_greeting: bool,
    /// End after so many received messages, over the whole run.
    pub count: Option<u64>,
    /// A message equal to this, letter case aside, sent or received, ends that conversation.
    pub until: Option<Bytes>,
    /// End when no message has passed for so long.
    pub idle: Option<Duration>,
    /// A peer ends with which nothing has passed, in either direction, for so long.
    pub peer_idle: Option<Duration>,
    /// End after so long.
    pub deadline: Option<Duration>,
    /// Serve one conversation.
    pub once: bool,
    /// When the input has ended, wait for the peer's end.
    pub wait: bool,
    /// When the sending side of a peer ends once nothing more will be sent to it.
    pub half_close: HalfClose,
    /// A listener whose input ends without a single command (`</dev/null`) goes on as one without input.
    pub serve_on: bool,
    /// How long a peer that can still be written to, or a datagram peer, is waited for.
    pub linger: Duration,
    /// A peer's end is the end of its conversation even if it may still be listening: for people, who see it go.
    pub leave_at_end: bool,
    /// A message of the input that cannot be sent ends the run: for scripts, which would not see the error. What a peer
    /// says never does: see [`Reason::Refused`](super::Reason::Refused).
    pub strict: bool,
    /// Peers at once; later ones wait to be accepted.
    pub max_peers: Option<usize>,
    /// Datagrams of one peer that are answered by themselves in a second: [`ANSWER_RATE`](crate::limits::ANSWER_RATE).
    pub answer_rate: u64,
    /// How long a frame may be under way before it is shown as pending.
    pub pending_after: Duration,
    /// How many commands of [`AutoReply::Each`] run at once, and where their standard error goes. A further message waits.
    #[cfg(feature = "exec")]
    pub processes: Processes,
    /// Bytes of messages that wait for one of many peers, beyond its connection's queue. One that makes no room for more is
    /// closed.
    pub max_queue: usize,
    /// Give each message to the output with the frame in which it arrived.
    pub frames: bool,
    /// Ends the run: nothing more is taken, and what was taken is still written, within [`FLUSH_TIMEOUT`](crate::limits::FLUSH_TIMEOUT).
    pub stop: Stop,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            greeting: Vec::new(),
            answer: AutoReply::Nothing,
            finish_after_greeting: false,
            count: None,
            until: None,
            idle: None,
            peer_idle: None,
            deadline: None,
            once: false,
            wait: true,
            half_close: HalfClose::default(),
            serve_on: true,
            linger: Duration::from_secs(1),
            leave_at_end: false,
            strict: true,
            max_peers: None,
            answer_rate: crate::limits::ANSWER_RATE,
            pending_after: Duration::from_secs(1),
            #[cfg(feature = "exec")]
            processes: Processes::default(),
            max_queue: limits::MAX_BACKLOG,
            frames: false,
            stop: Stop::default(),
        }
    }
}

impl Config {
    /// Whether the user has said when the run ends: the end of a listener's input is not it then.
    pub fn has_another_end(&self) -> bool {
        self.count.is_some() || self.until.is_some() || self.idle.is_some() || self.deadline.is_some()
    }
}

/// What answers a message by itself.
#[derive(Debug, Clone, Default)]
pub enum AutoReply {
    /// Nothing does: the input may.
    #[default]
    Nothing,
    /// The message comes back.
    Echo,
    /// Always the same.
    Reply(Bytes),
    /// A process for each message, through `sh -c`: the message is its standard input, its standard output the reply.
    #[cfg(feature = "exec")]
    Each(String),
}

/// What is asked of the conversation from this end.
#[derive(Debug)]
pub enum Command {
    /// A message to be sent.
    Send {
        /// To whom.
        to: Recipient,
        /// The message.
        message: Bytes,
    },
    /// The same of what is to be a binary message, where the transport tells these from text (WebSocket).
    SendBinary {
        /// To whom.
        to: Recipient,
        /// The message.
        message: Bytes,
    },
    /// A command with a name of the caller's: errors about it repeat it.
    Tagged {
        /// Its name.
        id: Arc<str>,
        /// The command.
        command: Box<Command>,
    },
    /// The conversation with one peer is to end, after what was sent has been written.
    Close(PeerId),
    /// The same of a peer on a WebSocket, with this code and reason.
    CloseWith(PeerId, Closing),
    /// The run is to end.
    Quit,
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Who sent last, else all; waits for a first peer.
    Latest,
    /// One peer.
    Peer(PeerId),
    /// Every peer.
    All,
    /// These.
    Peers(Arc<[PeerId]>),
    /// Every peer but these.
    Except(Arc<[PeerId]>),
}

/// How a lost connection is made again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reconnect {
    /// Where to.
    pub address: Address,
    /// How it is framed, where it is a stream.
    pub framings: Option<Framings>,
    /// How it is connected to.
    pub options: Options,
    /// Attempts that may fail in a row before the run fails; without end where there is none.
    pub attempts: Option<u64>,
    /// The pause before the first attempt, which doubles up to `longest`:
    /// [`RECONNECT_PAUSE`](limits::RECONNECT_PAUSE).
    pub pause: Duration,
    /// The longest pause: [`RECONNECT_LONGEST`](limits::RECONNECT_LONGEST).
    pub longest: Duration,
}

impl Reconnect {
    /// To this address, without end.
    pub fn to(address: Address, framings: Option<Framings>, options: Options) -> Self {
        let (pause, longest) = (limits::RECONNECT_PAUSE, limits::RECONNECT_LONGEST);
        Self { address, framings, options, attempts: None, pause, longest }
    }
}
