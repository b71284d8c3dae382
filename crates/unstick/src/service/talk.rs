//! A conversation in messages: this end's input and output on one side, one peer or many on the other.
//!
//! Not here: prompts, pipes and JSON. They are an [`Input`] and an [`Output`] of the program's.

mod ahead;
mod allowance;
mod answer;
mod backlog;
mod commands;
mod hub;
mod idle;
mod peer;
mod reconnect;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::activity::bounded;
use crate::endpoint::Closing;
use crate::error::{Error, Result};
use crate::half_close::HalfClose;
use crate::limits;
use crate::link::{Link, Listener};
use crate::processes::Processes;
use crate::stop::Stop;
use hub::Hub;
pub use reconnect::Reconnect;

/// A peer's number: 1, 2, 3 ... in order of arrival, never reused in a run.
pub type PeerId = u64;

/// Who is at the other end.
pub enum Party {
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
pub struct Rules {
    /// Sent to each peer as it opens.
    pub greeting: Vec<Bytes>,
    /// What answers each message without a hand on it.
    pub answer: Answer,
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
    /// says never does: see [`Reason::Refused`].
    pub strict: bool,
    /// Peers at once; later ones wait to be accepted.
    pub max_peers: Option<usize>,
    /// Datagrams of one peer that are answered by themselves in a second: [`ANSWER_RATE`](crate::limits::ANSWER_RATE).
    pub answer_rate: u64,
    /// How long a frame may be under way before it is shown as pending.
    pub pending_after: Duration,
    /// How many commands of [`Answer::Each`] run at once, and where their standard error goes. A further message waits.
    pub processes: Processes,
    /// Bytes of messages that wait for one of many peers, beyond its connection's queue. One that makes no room for more is
    /// closed.
    pub max_queue: usize,
    /// Ends the run: nothing more is taken, and what was taken is still written, within [`WIND_UP`](crate::limits::WIND_UP).
    pub stop: Stop,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            greeting: Vec::new(),
            answer: Answer::Nothing,
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
            processes: Processes::default(),
            max_queue: limits::MAX_BACKLOG,
            stop: Stop::default(),
        }
    }
}

impl Rules {
    /// Whether the user has said when the run ends: the end of a listener's input is not it then.
    pub fn has_another_end(&self) -> bool {
        self.count.is_some() || self.until.is_some() || self.idle.is_some() || self.deadline.is_some()
    }
}

/// What answers a message by itself.
#[derive(Debug, Clone, Default)]
pub enum Answer {
    /// Nothing does: the input may.
    #[default]
    Nothing,
    /// The message comes back.
    Echo,
    /// Always the same.
    Reply(Bytes),
    /// A process for each message, through `sh -c`: the message is its standard input, its standard output the reply.
    Each(String),
}

/// What is asked of the conversation from this end.
#[derive(Debug)]
pub enum Command {
    /// A message to be sent.
    Send {
        /// To whom.
        to: Target,
        /// The message.
        message: Bytes,
    },
    /// The same of what is to be a binary message, where the transport tells these from text (WebSocket).
    SendBinary {
        /// To whom.
        to: Target,
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
pub enum Target {
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
        names: &'a crate::endpoint::Names,
        /// It is spoken to in datagrams, which tell neither whether somebody is there nor that somebody has gone.
        datagram: bool,
        /// What the client of a WebSocket asked for, where this end is the server.
        request: Option<&'a crate::endpoint::Request>,
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
    /// Datagrams were left unanswered: their peer sends more of them than [`answer_rate`](Rules::answer_rate) allows, which
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
        notice: &'a crate::endpoint::Notice,
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
    /// A message of the peer, or the answer to it, cannot be written as asked for: [`Error::is_message`]. The conversation ends
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
    /// [`Rules::stop`] has said so.
    Stopped,
    /// The output is closed: nobody reads any more.
    OutputClosed,
    /// The conversation with the only peer failed, or was refused; its [`Event::Close`] has said why.
    PeerFailed(Error),
    /// This end failed: what was to be sent or shown could not be.
    Failed(Error),
}

/// Where commands come from.
pub trait Input: Send {
    /// The next command; `None` when the input has ended.
    ///
    /// Must be cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Command>>> + Send;

    /// Another command, if that needs no waiting.
    fn try_next(&mut self) -> Result<Option<Command>> {
        Ok(None)
    }

    /// Whether nothing ever comes: a peer that has ended its side is then not waited for.
    fn is_silent(&self) -> bool {
        false
    }

    /// Whether there may be other commands than messages. They are then looked for while a message waits for a peer that
    /// does not read.
    fn has_commands(&self) -> bool {
        false
    }

    /// Whether messages are in memory before they are asked for: reading them ahead then costs no more, and
    /// [`limits::BYTES_AHEAD`] does not stop it.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Resolves when the run is to end now, though commands before that have not been read. Cancel safe.
    fn quits(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Takes back a command that was read ahead and that the end of the run has kept from being carried out.
    fn take_back(&mut self, command: Command) {
        drop(command);
    }

    /// Hands over messages for [`Target::Latest`], in their order and without waiting, until there are no more or `take`
    /// wants no more. For inputs that bring many: none is copied on its way. What is handed over counts as taken.
    fn pass_on(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let _ = take;
        Ok(())
    }
}

/// No input at all: it never ends either.
pub struct Silence;

impl Input for Silence {
    async fn next(&mut self) -> Result<Option<Command>> {
        std::future::pending().await
    }

    fn is_silent(&self) -> bool {
        true
    }
}

/// Where events go. Called in their order; must not block.
pub trait Output: Send + 'static {
    /// Takes an event.
    ///
    /// # Errors
    ///
    /// [`Error::is_message`] where this message cannot be shown as it is: this ends the conversation with its peer.
    /// Any other error ends the run; [`Error::is_closed`] says that nobody reads any more.
    fn event(&mut self, event: Event<'_>) -> Result<()>;

    /// What to wait for before more events are given: a slow reader of the output slows the peers down.
    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}

/// Holds a conversation until it ends.
///
/// Cancel safe in that nothing goes on afterwards; what was on its way may be lost.
pub async fn talk(party: Party, input: impl Input, output: impl Output, mut rules: Rules) -> Outcome {
    rules.idle = rules.idle.map(bounded);
    rules.peer_idle = rules.peer_idle.map(bounded);
    rules.deadline = rules.deadline.map(bounded);
    rules.linger = bounded(rules.linger);
    rules.pending_after = bounded(rules.pending_after);
    Hub::new(output, rules).run(party, input).await
}
