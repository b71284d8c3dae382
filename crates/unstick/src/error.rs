//! What can go wrong on the way of a message, and the questions that callers ask of it.

use std::fmt;
use std::io;
use std::time::Duration;

use unstick_wire::{DecodeError, EncodeError, SpecError};

use crate::advice::{Advice, Advised};
use crate::limits;

/// Why something could not be done, in one sentence, with a hint where one is known.
#[derive(Debug)]
pub struct Error {
    /// In a box, so that results are small where nothing fails.
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: Kind,
    hint: Option<String>,
    advice: Option<Advice>,
    unfinished: Option<Unfinished>,
    cut: bool,
}

/// A message that had not arrived whole when its connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// How it begins: at most [`UNFINISHED_SHOWN`](limits::UNFINISHED_SHOWN) bytes.
    pub beginning: Vec<u8>,
    /// Bytes that had arrived of it.
    pub length: usize,
}

impl Unfinished {
    /// Of what has arrived; `None` where that is nothing.
    pub fn new(arrived: &[u8]) -> Option<Self> {
        let beginning = arrived[..arrived.len().min(limits::UNFINISHED_SHOWN)].to_vec();
        (!arrived.is_empty()).then_some(Self { beginning, length: arrived.len() })
    }
}

#[derive(Debug)]
enum Kind {
    Usage(String),
    Unreachable {
        what: String,
        source: Option<io::Error>,
    },
    TimedOut {
        what: String,
        after: Duration,
    },
    /// Two ends that have met, and do not come to terms.
    Handshake(String),
    /// The peer broke what its transport makes messages with.
    Protocol(String),
    Decode(DecodeError),
    Encode(EncodeError),
    /// A message that cannot be written as it is.
    Unfit(String),
    /// A datagram that is larger than any can be.
    TooLarge {
        length: usize,
        source: io::Error,
    },
    Io {
        what: &'static str,
        source: io::Error,
    },
    /// Unfinished messages held more together than they may, and this one was the longest.
    OverBudget(usize),
    Closed,
    /// The queue has no room.
    Full,
    Exited(Exited),
    /// Content that is not what its hash says.
    #[cfg_attr(not(feature = "transfer"), allow(dead_code))]
    Mismatch(String),
    Other(String),
}

/// A process that did not end in order.
#[derive(Debug, Clone)]
pub(crate) struct Exited {
    command: String,
    status: std::process::ExitStatus,
}

impl Exited {
    pub(crate) fn new(command: String, status: std::process::ExitStatus) -> Self {
        Self { command, status }
    }

    /// Whether that is what an error of the system's kind is about.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// As a shell counts it: 128 and the signal's number, where it was one.
    fn code(&self) -> i32 {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&self.status) {
            return 128 + signal;
        }
        self.status.code().unwrap_or(1)
    }
}

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ended with status {}", self.command, self.code())
    }
}

impl std::error::Error for Exited {}

/// What callers get from everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    fn new(kind: Kind) -> Self {
        Self { inner: Box::new(Inner { kind, hint: None, advice: None, unfinished: None, cut: false }) }
    }

    /// Something written that means nothing.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage(what.into()))
    }

    /// A name that does not resolve, an address that cannot be bound or connected to.
    pub fn unreachable(what: impl Into<String>, source: impl Into<Option<io::Error>>) -> Self {
        Self::new(Kind::Unreachable { what: what.into(), source: source.into() })
    }

    pub(crate) fn handshake(what: impl Into<String>) -> Self {
        Self::new(Kind::Handshake(what.into()))
    }

    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::new(Kind::Protocol(what.into()))
    }

    /// A time limit that passed: `what` is what was waited for.
    pub fn timed_out(what: impl Into<String>, after: Duration) -> Self {
        Self::new(Kind::TimedOut { what: what.into(), after })
    }

    pub(crate) fn over_budget(most: usize) -> Self {
        Self::new(Kind::OverBudget(most)).with_advice(Advice::AllowMorePending)
    }

    /// What the system refused, with what it was that it refused in front.
    pub fn io(what: &'static str, source: io::Error) -> Self {
        match Exited::of(&source) {
            Some(exited) => Self::new(Kind::Exited(exited.clone())),
            None => {
                let advice = Advised::of(&source).map(|advised| advised.advice.clone());
                let mut error = Self::new(Kind::Io { what, source });
                error.inner.advice = advice;
                error
            }
        }
    }

    /// A datagram that could not be sent.
    #[cold]
    pub(crate) fn datagram(length: usize, source: io::Error, too_large: impl FnOnce() -> String) -> Self {
        if !is_too_large(&source) {
            return Self::io("sending a datagram", source);
        }
        Self::new(Kind::TooLarge { length, source }).with_hint(too_large())
    }

    #[cold]
    pub(crate) fn full() -> Self {
        Self::new(Kind::Full)
    }

    pub(crate) fn closed() -> Self {
        Self::new(Kind::Closed)
    }

    /// A message that cannot be written as it is, in one sentence: [`is_message_rejected`](Self::is_message_rejected).
    pub fn unfit(what: impl Into<String>) -> Self {
        Self::new(Kind::Unfit(what.into()))
    }

    /// Anything else that went wrong, in one sentence.
    pub fn other(what: impl Into<String>) -> Self {
        Self::new(Kind::Other(what.into()))
    }

    /// A file whose content is not what its hash says.
    #[cfg(all(unix, feature = "transfer"))]
    pub(crate) fn mismatch(what: impl Into<String>) -> Self {
        Self::new(Kind::Mismatch(what.into()))
    }

    pub(crate) fn command_failed(command: &str, status: std::process::ExitStatus) -> Self {
        Self::new(Kind::Other(format!("`{command}` failed ({status}): its message has no reply")))
    }

    /// A task of this program has panicked: a bug.
    pub(crate) fn panicked(what: &str) -> Self {
        Self::new(Kind::Other(format!("{what} panicked, which is a bug in unstick")))
    }

    /// The output is closed: nobody reads any more.
    #[doc(hidden)]
    pub fn output_closed() -> Self {
        Self::closed()
    }

    /// Adds what to do about it, or what is known besides.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Adds what a caller can change, as a value.
    #[must_use]
    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.inner.advice = Some(advice);
        self
    }

    /// The same, where the connection was lost or damaged on its way.
    #[cfg(feature = "tls")]
    pub(crate) fn of_a_cut(mut self, cut: bool) -> Self {
        self.inner.cut = cut;
        self
    }

    /// Takes the advice away, where the caller has followed it already.
    pub(crate) fn without_advice(mut self) -> Self {
        self.inner.advice = None;
        self
    }

    /// Says what it was that the system refused, where that is known better than here: `sending: broken pipe` becomes
    /// `standard output: broken pipe`.
    #[doc(hidden)]
    #[must_use]
    pub fn of(mut self, what: &'static str) -> Self {
        if let Kind::Io { what: was, .. } = &mut self.inner.kind {
            *was = what;
        }
        self
    }

    /// Says of what a message's error is: `the answer cannot be sent: the message contains ...`.
    pub(crate) fn in_front(self, what: &str) -> Self {
        let text = format!("{what}: {self}");
        Self {
            inner: Box::new(Inner {
                kind: Kind::Unfit(text),
                hint: self.inner.hint,
                advice: self.inner.advice,
                unfinished: self.inner.unfinished,
                cut: self.inner.cut,
            }),
        }
    }

    /// Adds what had arrived of a message that is now lost; nothing where that is empty.
    #[must_use]
    pub(crate) fn with_unfinished(mut self, arrived: &[u8]) -> Self {
        self.inner.unfinished = Unfinished::new(arrived).or(self.inner.unfinished);
        self
    }

    /// What had arrived of a message that was lost with its connection.
    pub fn unfinished(&self) -> Option<&Unfinished> {
        self.inner.unfinished.as_ref()
    }

    /// What a caller can change so that it succeeds, where something is known. It is not part of the hint.
    pub fn advice(&self) -> Option<&Advice> {
        self.inner.advice.as_ref()
    }

    /// What to do about it, or what is known besides. What a caller can change is the [`advice`](Self::advice).
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// What was written means nothing.
    pub fn is_usage(&self) -> bool {
        matches!(self.inner.kind, Kind::Usage(_))
    }

    /// Could not connect, bind, resolve or verify.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.inner.kind, Kind::Unreachable { .. } | Kind::Handshake(_))
    }

    /// The two ends have met and did not come to terms. A listener that says this of a client goes on at once.
    pub fn is_handshake(&self) -> bool {
        matches!(self.inner.kind, Kind::Handshake(_))
    }

    /// The connection was lost or damaged in the middle of a handshake: another attempt may succeed.
    pub fn is_cut(&self) -> bool {
        self.inner.cut
    }

    /// Unfinished messages of many links held more than their [`PendingBudget`](crate::PendingBudget), and this link's was the
    /// longest.
    pub fn is_over_budget(&self) -> bool {
        matches!(self.inner.kind, Kind::OverBudget(_))
    }

    /// A time limit passed: while connecting, or within a frame.
    pub fn is_timeout(&self) -> bool {
        match &self.inner.kind {
            Kind::TimedOut { .. } => true,
            Kind::Decode(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// The peer broke the framing, or ended inside a frame.
    pub fn is_framing(&self) -> bool {
        match &self.inner.kind {
            Kind::Decode(error) => !error.is_timeout(),
            Kind::Protocol(_) => true,
            _ => false,
        }
    }

    /// The message cannot be sent as it is; the link goes on.
    pub fn is_message_rejected(&self) -> bool {
        matches!(self.inner.kind, Kind::Encode(_) | Kind::Unfit(_) | Kind::TooLarge { .. })
    }

    /// The connection was reset or aborted by the peer.
    pub fn is_reset(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        self.io_kind()
            .is_some_and(|kind| matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected))
    }

    /// A file's content is not what its hash says, or nothing proves that it is.
    pub fn is_mismatch(&self) -> bool {
        matches!(self.inner.kind, Kind::Mismatch(_))
    }

    /// The sending side was already ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.inner.kind, Kind::Closed)
    }

    /// The message was not sent because the queue is full: the peer reads more slowly than it is sent to. It can be sent again,
    /// once [`Sender::writable`](crate::Sender::writable) says so.
    pub fn is_full(&self) -> bool {
        matches!(self.inner.kind, Kind::Full)
    }

    /// The status that the process at the other end ended with, where that was not in order: as a shell counts it.
    pub fn exit_status(&self) -> Option<i32> {
        match &self.inner.kind {
            Kind::Exited(exited) => Some(exited.code()),
            _ => None,
        }
    }

    /// The kind of the operating system's error, if it was one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match &self.inner.kind {
            Kind::Io { source, .. } | Kind::Unreachable { source: Some(source), .. } => Some(source.kind()),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.kind {
            Kind::Usage(what) | Kind::Handshake(what) | Kind::Protocol(what) => f.write_str(what),
            Kind::Unreachable { what, source: None } => f.write_str(what),
            Kind::Unreachable { what, source: Some(source) } => write!(f, "{what}: {}", plain(source)),
            Kind::TimedOut { what, after } => write!(f, "{what} timed out after {after:?}"),
            Kind::Decode(error) => error.fmt(f),
            Kind::Encode(error) => error.fmt(f),
            Kind::TooLarge { length, .. } => write!(f, "a message of {length} bytes is too long for a datagram"),
            Kind::Io { what, source } => write!(f, "{what}: {}", plain(source)),
            Kind::Exited(exited) => exited.fmt(f),
            Kind::Other(what) | Kind::Unfit(what) | Kind::Mismatch(what) => f.write_str(what),
            Kind::OverBudget(most) => write!(
                f,
                "unfinished messages of all peers together hold over {}, and this one is the longest",
                unstick_wire::quantity::size(*most as u64)
            ),
            Kind::Full => f.write_str("the queue is full: the peer reads too slowly"),
            Kind::Closed => f.write_str("the sending side has already ended"),
        }
    }
}

/// The system's way to say that no datagram can be so long.
pub(crate) fn is_too_large(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
    #[cfg(not(unix))]
    return error.raw_os_error() == Some(10_040); // WSAEMSGSIZE
}

/// The system's words without the number behind them, beginning small as the rest of the sentence does.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    // What the standard library says before the resolver's own words, which suffice.
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    // `TLS` stays as it is.
    if letters.clone().next().is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    first.to_lowercase().chain(letters).collect()
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.kind {
            Kind::Unreachable { source: Some(source), .. }
            | Kind::TooLarge { source, .. }
            | Kind::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Self {
        let hint = error.hint().map(str::to_owned);
        let advice = error.needs_framing().then_some(Advice::NameFraming);
        Self {
            inner: Box::new(Inner { kind: Kind::Usage(error.to_string()), hint, advice, unfinished: None, cut: false }),
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(Kind::Decode(error))
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { inner: Box::new(Inner { kind: Kind::Encode(error), hint, advice: None, unfinished: None, cut: false }) }
    }
}
