//! The configuration of a conversation: its peers, its course and its end; and the commands of this end.

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
    /// One peer, with a reconnect whenever the connection is lost. It then gets another peer number.
    Again(Link, Box<Reconnect>),
    /// Every client that connects.
    Many(Listener),
}

/// How the conversation runs, and when it ends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Messages sent to each peer when it connects.
    pub greeting: Vec<Bytes>,
    /// The automatic answer to each message.
    pub answer: AutoReply,
    /// Whether nothing is sent to a peer after the greeting. Without this, that is so once the input has ended.
    pub finish_after_greeting: bool,
    /// Ends the run after this many received messages, over the whole run.
    pub count: Option<u64>,
    /// A message equal to this, letter case aside, sent or received, ends that conversation.
    pub until: Option<Bytes>,
    /// Ends the run when no message has passed for this time.
    pub idle: Option<Duration>,
    /// Closes a peer when nothing has passed in either direction for this time.
    pub peer_idle: Option<Duration>,
    /// Ends the run after this time.
    pub deadline: Option<Duration>,
    /// Whether to serve only one conversation.
    pub once: bool,
    /// Whether to wait for the peer's end after the input has ended.
    pub wait: bool,
    /// When to end the sending side to a peer, once nothing more will be sent to it.
    pub half_close: HalfClose,
    /// Whether a listener whose input ends without a single command (`</dev/null`) goes on without input.
    pub serve_on: bool,
    /// How long to wait for a peer that can still be written to, or a datagram peer.
    pub linger: Duration,
    /// Whether a peer's end ends its conversation even if it may still be listening: for people, who see it leave.
    pub leave_at_end: bool,
    /// Whether an input message that cannot be sent ends the run: for scripts, which would not see the error. A peer's
    /// message never does: see [`Reason::Refused`](super::Reason::Refused).
    pub strict: bool,
    /// Maximum number of peers at once; later ones wait to be accepted.
    pub max_peers: Option<usize>,
    /// Datagrams of one peer that are answered automatically in a second: [`ANSWER_RATE`](crate::limits::ANSWER_RATE).
    pub answer_rate: u64,
    /// How long a frame may be unfinished before it is shown as pending.
    pub pending_after: Duration,
    /// How many commands of [`AutoReply::Each`] run at once, and where their standard error goes. Further messages
    /// wait.
    #[cfg(feature = "exec")]
    pub processes: Processes,
    /// Bytes of messages that may wait for one of many peers, beyond its connection's queue. A peer that makes no room
    /// for more is closed.
    pub max_queue: usize,
    /// Give each message to the output with the frame in which it arrived.
    pub frames: bool,
    /// Stops the run: nothing more is accepted, and what was accepted is still written, within
    /// [`FLUSH_TIMEOUT`](crate::limits::FLUSH_TIMEOUT).
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
    /// Whether the user has set when the run ends. The end of a listener's input then does not end it.
    pub fn has_another_end(&self) -> bool {
        self.count.is_some() || self.until.is_some() || self.idle.is_some() || self.deadline.is_some()
    }
}

/// The automatic answer to a message.
#[derive(Debug, Clone, Default)]
pub enum AutoReply {
    /// No automatic answer: the input may answer.
    #[default]
    Nothing,
    /// Send the message back.
    Echo,
    /// Always send this reply.
    Reply(Bytes),
    /// Run a process for each message, through `sh -c`: the message is its standard input, its standard output the
    /// reply.
    #[cfg(feature = "exec")]
    Each(String),
}

/// A command of this end.
#[derive(Debug)]
pub enum Command {
    /// Send a message.
    Send {
        /// The recipient.
        to: Recipient,
        /// The message.
        message: Bytes,
    },
    /// Send a message as a binary one, if the transport distinguishes these from text (WebSocket).
    SendBinary {
        /// The recipient.
        to: Recipient,
        /// The message.
        message: Bytes,
    },
    /// A command with an id that the caller chose: errors about the command repeat it.
    Tagged {
        /// Its id.
        id: Arc<str>,
        /// The command.
        command: Box<Command>,
    },
    /// Close the conversation with one peer, after what was sent has been written.
    Close(PeerId),
    /// Close the conversation with a WebSocket peer, with this code and reason.
    CloseWith(PeerId, Closing),
    /// End the run.
    Quit,
}

/// The recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// The peer that sent last, or all peers if none has; waits for a first peer.
    Latest,
    /// One peer.
    Peer(PeerId),
    /// Every peer.
    All,
    /// These peers.
    Peers(Arc<[PeerId]>),
    /// Every peer except these.
    Except(Arc<[PeerId]>),
}

/// How to reconnect a lost connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reconnect {
    /// The address.
    pub address: Address,
    /// Its framings, if it is a stream.
    pub framings: Option<Framings>,
    /// The options for connecting.
    pub options: Options,
    /// Number of attempts that may fail in a row before the run fails; `None` means no limit.
    pub attempts: Option<u64>,
    /// The pause before the first attempt, which doubles up to `longest`:
    /// [`RECONNECT_PAUSE`](limits::RECONNECT_PAUSE).
    pub pause: Duration,
    /// The longest pause: [`RECONNECT_LONGEST`](limits::RECONNECT_LONGEST).
    pub longest: Duration,
}

impl Reconnect {
    /// Reconnects to this address, without a limit of attempts.
    pub fn to(address: Address, framings: Option<Framings>, options: Options) -> Self {
        let (pause, longest) = (limits::RECONNECT_PAUSE, limits::RECONNECT_LONGEST);
        Self { address, framings, options, attempts: None, pause, longest }
    }
}
