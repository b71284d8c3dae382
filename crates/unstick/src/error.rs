//! The error type: what can go wrong with a message or connection, and the questions that callers ask about it.

use std::fmt;
use std::io;
use std::time::Duration;

use unstick_wire::{DecodeError, EncodeError, SpecError};

use crate::advice::{Advice, Advised};
use crate::limits;

/// Why an operation failed, in one sentence, with a hint if one is known.
#[derive(Debug)]
pub struct Error {
    /// In a box, so that a `Result` is small when nothing fails.
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

/// A message that had only partly arrived when its connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its first bytes: at most [`UNFINISHED_SHOWN`](limits::UNFINISHED_SHOWN).
    pub beginning: Vec<u8>,
    /// Number of its bytes that had arrived.
    pub length: usize,
}

impl Unfinished {
    /// Of what has arrived; `None` if that is nothing.
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
    /// The two ends have connected, but their handshake fails.
    Handshake(String),
    /// The peer violated the protocol with which its transport makes messages.
    Protocol(String),
    Decode(DecodeError),
    Encode(EncodeError),
    /// A message that cannot be sent as it is.
    Unfit(String),
    /// A message that is too long for any datagram.
    TooLarge {
        length: usize,
        source: io::Error,
    },
    Io {
        what: &'static str,
        source: io::Error,
    },
    /// Unfinished messages together held more memory than allowed, and this one was the longest.
    OverBudget(usize),
    Closed,
    /// The queue has no room.
    Full,
    Exited(Exited),
    /// Content that does not match its hash.
    #[cfg_attr(not(feature = "transfer"), allow(dead_code))]
    Mismatch(String),
    Other(String),
}

/// A process that did not end with status 0.
#[derive(Debug, Clone)]
pub(crate) struct Exited {
    command: String,
    status: std::process::ExitStatus,
}

impl Exited {
    pub(crate) fn new(command: String, status: std::process::ExitStatus) -> Self {
        Self { command, status }
    }

    /// Returns the process, if the `io::Error` is about one.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The exit status as a shell counts it: 128 plus the signal's number if a signal ended the process.
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

/// The result of every operation that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    fn new(kind: Kind) -> Self {
        Self { inner: Box::new(Inner { kind, hint: None, advice: None, unfinished: None, cut: false }) }
    }

    /// Creates a usage error: the given text is not valid.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage(what.into()))
    }

    /// Creates an error for a name that does not resolve, or an address that cannot be bound or connected to.
    pub fn unreachable(what: impl Into<String>, source: impl Into<Option<io::Error>>) -> Self {
        Self::new(Kind::Unreachable { what: what.into(), source: source.into() })
    }

    pub(crate) fn handshake(what: impl Into<String>) -> Self {
        Self::new(Kind::Handshake(what.into()))
    }

    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::new(Kind::Protocol(what.into()))
    }

    /// Creates an error for a timeout: `what` names what was waited for.
    pub fn timed_out(what: impl Into<String>, after: Duration) -> Self {
        Self::new(Kind::TimedOut { what: what.into(), after })
    }

    pub(crate) fn over_budget(most: usize) -> Self {
        Self::new(Kind::OverBudget(most)).with_advice(Advice::AllowMorePending)
    }

    /// Creates an error from the operating system's error. `what` names what the system refused, and stands in front.
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

    /// Creates an error for a datagram that could not be sent.
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

    /// Creates an error for a message that cannot be sent as it is, in one sentence:
    /// [`is_message_rejected`](Self::is_message_rejected).
    pub fn unfit(what: impl Into<String>) -> Self {
        Self::new(Kind::Unfit(what.into()))
    }

    /// Creates an error for anything else, in one sentence.
    pub fn other(what: impl Into<String>) -> Self {
        Self::new(Kind::Other(what.into()))
    }

    /// Creates an error for a file whose content does not match its hash.
    #[cfg(all(unix, feature = "transfer"))]
    pub(crate) fn mismatch(what: impl Into<String>) -> Self {
        Self::new(Kind::Mismatch(what.into()))
    }

    pub(crate) fn command_failed(command: &str, status: std::process::ExitStatus) -> Self {
        Self::new(Kind::Other(format!("`{command}` failed ({status}): its message has no reply")))
    }

    /// Creates an error for a task of this program that has panicked, which is a bug.
    pub(crate) fn panicked(what: &str) -> Self {
        Self::new(Kind::Other(format!("{what} panicked, which is a bug in unstick")))
    }

    /// Creates an error for an output that is closed: nobody reads it any more.
    #[doc(hidden)]
    pub fn output_closed() -> Self {
        Self::closed()
    }

    /// Adds a hint: what to do about it, or what else is known.
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

    /// The same, if the connection was lost or damaged on its way.
    #[cfg(feature = "tls")]
    pub(crate) fn of_a_cut(mut self, cut: bool) -> Self {
        self.inner.cut = cut;
        self
    }

    /// Removes the advice, when the caller has followed it already.
    pub(crate) fn without_advice(mut self) -> Self {
        self.inner.advice = None;
        self
    }

    /// Replaces the name of what the system refused, when the caller knows it better: `sending: broken pipe` becomes
    /// `standard output: broken pipe`.
    #[doc(hidden)]
    #[must_use]
    pub fn of(mut self, what: &'static str) -> Self {
        if let Kind::Io { what: was, .. } = &mut self.inner.kind {
            *was = what;
        }
        self
    }

    /// Puts what the message's error is about in front: `the answer cannot be sent: the message contains ...`.
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

    /// Adds what had arrived of a message that is now lost, if anything had.
    #[must_use]
    pub(crate) fn with_unfinished(mut self, arrived: &[u8]) -> Self {
        self.inner.unfinished = Unfinished::new(arrived).or(self.inner.unfinished);
        self
    }

    /// Returns what had arrived of a message that was lost with its connection.
    pub fn unfinished(&self) -> Option<&Unfinished> {
        self.inner.unfinished.as_ref()
    }

    /// Returns what a caller can change so that it succeeds, if anything is known. It is not part of the hint.
    pub fn advice(&self) -> Option<&Advice> {
        self.inner.advice.as_ref()
    }

    /// Returns what to do about it, or what else is known. What a caller can change is the [`advice`](Self::advice).
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// Whether the given text is not valid.
    pub fn is_usage(&self) -> bool {
        matches!(self.inner.kind, Kind::Usage(_))
    }

    /// Whether connecting, binding, resolving or verifying failed.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.inner.kind, Kind::Unreachable { .. } | Kind::Handshake(_))
    }

    /// Whether the two ends connected but their handshake failed. A listener that reports this about a client goes on
    /// at once.
    pub fn is_handshake(&self) -> bool {
        matches!(self.inner.kind, Kind::Handshake(_))
    }

    /// The connection was lost or damaged in the middle of a handshake: another attempt may succeed.
    pub fn is_cut(&self) -> bool {
        self.inner.cut
    }

    /// Whether the unfinished messages of many links held more than their [`PendingBudget`](crate::PendingBudget), and
    /// this link's was the longest.
    pub fn is_over_budget(&self) -> bool {
        matches!(self.inner.kind, Kind::OverBudget(_))
    }

    /// Whether a timeout passed: while connecting, or within a frame.
    pub fn is_timeout(&self) -> bool {
        match &self.inner.kind {
            Kind::TimedOut { .. } => true,
            Kind::Decode(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// Whether the peer broke the framing, or ended inside a frame.
    pub fn is_framing(&self) -> bool {
        match &self.inner.kind {
            Kind::Decode(error) => !error.is_timeout(),
            Kind::Protocol(_) => true,
            _ => false,
        }
    }

    /// Returns what the decoder says about the frame that broke the framing.
    pub fn broken_frame(&self) -> Option<&DecodeError> {
        match &self.inner.kind {
            Kind::Decode(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the message cannot be sent as it is. The link goes on.
    pub fn is_message_rejected(&self) -> bool {
        matches!(self.inner.kind, Kind::Encode(_) | Kind::Unfit(_) | Kind::TooLarge { .. })
    }

    /// Whether the peer reset or aborted the connection.
    pub fn is_reset(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        self.io_kind()
            .is_some_and(|kind| matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected))
    }

    /// Whether a file's content does not match its hash, or nothing proves that it does.
    pub fn is_mismatch(&self) -> bool {
        matches!(self.inner.kind, Kind::Mismatch(_))
    }

    /// Whether the sending side had already ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.inner.kind, Kind::Closed)
    }

    /// Whether the message was not sent because the queue is full: the peer reads more slowly than this end sends. The
    /// caller can send it again once [`Sender::writable`](crate::Sender::writable) returns.
    pub fn is_full(&self) -> bool {
        matches!(self.inner.kind, Kind::Full)
    }

    /// Returns the exit status of the process at the other end, as a shell counts it, if the process failed.
    pub fn exit_status(&self) -> Option<i32> {
        match &self.inner.kind {
            Kind::Exited(exited) => Some(exited.code()),
            _ => None,
        }
    }

    /// Returns the kind of the operating system's error, if it is one.
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

/// Whether the system says that no datagram can be so long.
pub(crate) fn is_too_large(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
    #[cfg(not(unix))]
    return error.raw_os_error() == Some(10_040); // WSAEMSGSIZE
}

/// Returns the system's wording without the error number after it. It begins in lower case, as the rest of the sentence
/// does.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    // The standard library puts this in front of the resolver's own words, which suffice.
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    // Windows ends its sentences with a dot.
    let text = text.split(" (os error").next().unwrap_or_default().trim_end_matches('.');
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
