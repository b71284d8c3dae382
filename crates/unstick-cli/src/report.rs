//! Error → hint → exit status, in one place.

use std::process::ExitCode;

use unstick::Error;
use unstick::service::talk::Outcome;

use crate::output;

/// How the program ends, as the design numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Ended as asked.
    Done = 0,
    /// Another error.
    Failed = 1,
    /// Used wrongly.
    Usage = 2,
    /// Could not connect, bind, resolve or verify.
    Unreachable = 3,
    /// A time limit passed.
    TimedOut = 4,
    /// The peer broke the framing, or ended inside a frame.
    Framing = 5,
    /// A check failed: ended before `--count` or `--until`, or without a reply.
    Check = 6,
    /// The terminal went away.
    HungUp = 129,
    /// ^C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// Says what was wrong with the arguments; help and version are no error.
pub fn arguments(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    // A closed standard output is no error here either.
    let _ = error.print();
    match error.kind() {
        DisplayHelp | DisplayVersion => ExitCode::SUCCESS,
        DisplayHelpOnMissingArgumentOrSubcommand => ExitCode::from(Status::Usage as u8),
        _ => ExitCode::from(Status::Usage as u8),
    }
}

/// Says what failed, and with what status that ends the program.
pub fn failure(error: &Error) -> Status {
    output::error(error);
    status_of(error)
}

/// The status that an error ends the program with.
pub fn status_of(error: &Error) -> Status {
    match error {
        e if e.is_usage() => Status::Usage,
        e if e.is_timeout() => Status::TimedOut,
        e if e.is_unreachable() => Status::Unreachable,
        e if e.is_framing() => Status::Framing,
        _ => Status::Failed,
    }
}

/// Says how a conversation ended where that needs saying.
pub fn outcome(outcome: &Outcome, said: bool) -> Status {
    match outcome {
        Outcome::Ended | Outcome::Reached | Outcome::OutputClosed => Status::Done,
        Outcome::Short { received } => {
            output::problem(&format!("ended before --count or --until was reached: {received} messages came"));
            Status::Check
        }
        Outcome::Idle(after) => {
            output::problem(&format!("no message for {after:?} (--idle)"));
            Status::TimedOut
        }
        Outcome::Deadline(after) => {
            output::problem(&format!("not over after {after:?} (--deadline)"));
            Status::TimedOut
        }
        Outcome::Failed(error) if said => status_of(error),
        Outcome::Failed(error) => failure(error),
        _ => Status::Failed,
    }
}
