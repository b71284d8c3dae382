//! Turns an error into its message, hint and exit status, in one place.

use std::time::Duration;

use unstick::Error;
use unstick::service::talk::{Config, Outcome};

use crate::count::Count;
use crate::output;
use crate::status::Status;

/// Prints an error, and returns the exit status for it.
pub fn failure(error: &Error) -> Status {
    output::error(error);
    status_of(error)
}

/// Returns the exit status for an error.
pub fn status_of(error: &Error) -> Status {
    match error {
        e if e.is_usage() => Status::Usage,
        e if e.is_timeout() => Status::TimedOut,
        e if e.is_unreachable() => Status::Unreachable,
        e if e.is_framing() => Status::Framing,
        e if e.is_mismatch() => Status::Check,
        _ => Status::Failed,
    }
}

/// Reports how a conversation ended, if that needs a report, and returns the exit status.
pub fn outcome(outcome: &Outcome, rules: &Config, peers: PeerErrors) -> Status {
    match outcome {
        // The cause of the stop decides the status.
        Outcome::Ended | Outcome::Reached | Outcome::Stopped | Outcome::OutputClosed => Status::Done,
        Outcome::Short { received } => {
            output::problem(&short(*received, rules));
            Status::Check
        }
        Outcome::Idle(after) => timed_out(&quiet(*after)),
        Outcome::Deadline(after) => timed_out(&late(rules.deadline.or(Some(*after)))),
        Outcome::PeerFailed(error) => match peers {
            PeerErrors::Said => status_of(error),
            PeerErrors::Unsaid => failure(error),
        },
        Outcome::Failed(error) => failure(error),
        _ => Status::Failed,
    }
}

/// Reports what took too long.
pub fn timed_out(what: &str) -> Status {
    output::problem(what);
    Status::TimedOut
}

/// Whether the failure of the only peer was reported when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerErrors {
    Said,
    Unsaid,
}

/// Returns the message for a passed `--idle`.
pub fn quiet(after: Duration) -> String {
    format!("nothing passed for {after:?} (--idle)")
}

/// Returns the message for a passed `--deadline`.
pub fn late(deadline: Option<Duration>) -> String {
    format!("not finished after {:?} (--deadline)", deadline.unwrap_or_default())
}

/// Returns the message for messages that did not arrive.
fn short(received: u64, rules: &Config) -> String {
    let until = rules.until.as_ref().map(|until| crate::sanitize::line_of_bytes(until));
    match (rules.count, until) {
        (Some(count), None) => format!("ended after {received} of {count} messages (--count)"),
        (Some(count), Some(until)) => {
            format!("ended after {received} of {count} messages (--count), and none was `{until}` (--until)")
        }
        (None, until) => {
            let until = until.unwrap_or_default();
            format!("ended after {}, and none was `{until}` (--until)", Count(received, "message"))
        }
    }
}
