//! Defines the exit statuses of the program, and what each means.

/// How the program ends, with the number of each exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Ended as asked.
    Done = 0,
    /// Another error.
    Failed = 1,
    /// Wrong use.
    Usage = 2,
    /// Could not connect, bind, resolve or verify.
    Unreachable = 3,
    /// A time limit passed.
    TimedOut = 4,
    /// The peer broke the framing, or ended inside a frame.
    Framing = 5,
    /// A check failed: the run ended before `--count` or `--until`, or without a reply; `shake` broke a program; or a
    /// file's bytes do not match their hash.
    Check = 6,
    /// `shake` cannot tell whether the program is broken.
    Inconclusive = 7,
    /// The terminal went away.
    HungUp = 129,
    /// ^C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// Every exit status, with what it means.
pub const STATUSES: &[(Status, &str)] = &[
    (
        Status::Done,
        "success: --count or --until reached, or the peer closed where neither was given; also a closed pipe (| head)",
    ),
    (Status::Failed, "another error, such as a reset by the peer"),
    (Status::Usage, "wrong use: an unknown option, or an address or framing that cannot be parsed"),
    (Status::Unreachable, "could not connect, bind, resolve or verify"),
    (Status::TimedOut, "timed out: connecting, --idle, --deadline, --frame-timeout; ask without a reply in time"),
    (Status::Framing, "the peer broke the framing, or closed inside a frame; decode: the file does"),
    (
        Status::Check,
        "closed before --count or --until was reached; ask: closed without a reply; decode: the file ended before --count; shake: the program is broken; replay: what came is not what was recorded; send and receive: the bytes of a file do not match its hash",
    ),
    (
        Status::Inconclusive,
        "shake cannot tell: it found no break, and did not deliver every cut; replay: the recording has no answers to compare; guess: no framing is certain",
    ),
    (Status::HungUp, "the terminal closed (SIGHUP)"),
    (Status::Interrupted, "interrupted (^C)"),
    (Status::Terminated, "terminated (SIGTERM)"),
];
