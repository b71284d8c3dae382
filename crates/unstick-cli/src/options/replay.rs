//! The arguments of `replay`.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueHint};
use regex::bytes::{Regex, RegexBuilder};
use unstick::service::replay::{OnMismatch, Speed};
use unstick::wire::SpecError;
use unstick::wire::replay::CopyRule;

use crate::options::completion::specs;
use crate::options::tls::{TlsArgs, TlsClientArgs, TlsServerArgs};
use crate::options::values::{at_least_one, duration, number};
use crate::options::websocket::{WsClientArgs, WsMessageArgs};

/// `replay`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("side").required(true).args(["listen", "to"]))]
pub struct ReplayArgs {
    /// The recording to replay (--record) [default: standard input]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Listen on ADDRESS as the server: every client gets the answers of a recorded connection, as long as its requests are those of
    /// the recording
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Connect to ADDRESS as the client: send the requests of each recorded connection, and compare the answers
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// The framing [default: that of the recording]
    #[arg(short = 'f', long = "frame", value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
    pub frame: Option<String>,
    /// Replay this connection alone: its number in the recording
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub connection: Option<u64>,
    /// How fast: max, real (with the recorded pauses), or a factor such as 2x [default: max]
    #[arg(long, value_name = "SPEED", value_parser = speed, default_value = "max", hide_default_value = true)]
    pub speed: Speed,
    /// Do not compare these parts of messages: OFFSET..OFFSET, from 0 on, the second one not included; or a regular expression, whose
    /// matches may also differ in their length (repeatable)
    #[arg(long, value_name = "OFFSET..OFFSET|REGEX", value_parser = mask)]
    pub mask: Vec<Mask>,
    /// Learn from another recording of the same conversation which bytes are volatile, and do not compare them (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub mask_from: Vec<PathBuf>,
    /// Copy an id of WIDTH bytes at OFFSET: with --listen from each request to its answer, with --to from answers to later requests.
    /// A second OFFSET is that of answers (repeatable)
    #[arg(long, value_name = "OFFSET:WIDTH[:OFFSET]", value_parser = copy)]
    pub copy: Vec<CopyRule>,
    /// What a client gets whose request is not that of the recording: error (the connection is reset) or close [default: error]
    #[arg(
        long,
        value_name = "WHAT",
        value_parser = on_mismatch,
        default_value = "error",
        hide_default_value = true,
        conflicts_with = "to"
    )]
    pub on_mismatch: OnMismatch,
    /// Serve one client, then exit: with 6 if it differed
    #[arg(long, conflicts_with = "to")]
    pub once: bool,
    /// Give up on an answer after TIME [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "listen")]
    pub deadline: Option<Duration>,
    /// Keep trying for TIME if nothing listens there yet
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "listen")]
    pub retry: Option<Duration>,
    /// Inject a fault into what is sent: s2c with --listen, c2s with --to (repeatable). For messages: loss=5%, dup=1%,
    /// reorder=2%,gap=3, truncate; for bytes: cut=1; for both: delay=50ms..80ms, rate=1M, corrupt=1:1000, stall=2s, close, reset.
    /// SPEC,after=N lets N messages or bytes pass first
    #[arg(long, value_name = "SPEC")]
    pub fault: Vec<String>,
    /// Seed of the random choices; the same seed repeats the same run [default: 0]
    #[arg(long, value_name = "N", value_parser = number, requires = "fault")]
    pub seed: Option<u64>,
    /// Print events, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Write a report in JUnit's format to FILE at the end: one test case for each connection
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// TLS, as a client.
    #[command(flatten)]
    pub verify: TlsClientArgs,
    /// TLS, as a server.
    #[command(flatten)]
    pub show: TlsServerArgs,
    /// WebSocket.
    #[command(flatten)]
    pub speech: WsMessageArgs,
    /// WebSocket, as a client.
    #[command(flatten)]
    pub request: WsClientArgs,
}

/// A part of messages that is not compared.
#[derive(Debug, Clone)]
pub enum Mask {
    /// Bytes at these offsets.
    Range(Range<usize>),
    /// What this finds.
    Pattern(Regex),
}

fn speed(text: &str) -> Result<Speed, String> {
    let factor = match text {
        "max" => return Ok(Speed::MAX),
        "real" => Some(1.0),
        text => text.strip_suffix('x').and_then(|number| number.parse().ok()),
    };
    factor.and_then(Speed::times).ok_or_else(|| "max, real, or a factor such as 2x".to_owned())
}

fn on_mismatch(text: &str) -> Result<OnMismatch, String> {
    match text {
        "error" => Ok(OnMismatch::Reset),
        "close" => Ok(OnMismatch::Close),
        _ => Err("error or close".to_owned()),
    }
}

/// What looks like a range is one: `(4..8)` is the expression.
fn mask(text: &str) -> Result<Mask, String> {
    let Some((from, to)) = text.split_once("..").filter(|(from, to)| is_number(from) && is_number(to)) else {
        return pattern(text).map(Mask::Pattern).map_err(|error| reason(&error));
    };
    let range = from.parse().ok().zip(to.parse().ok()).map(|(from, to)| from..to);
    let range = range.filter(|range| range.start < range.end).map(Mask::Range);
    range.ok_or_else(|| "a range has two offsets, the smaller one first, such as 4..8".to_owned())
}

/// An expression over bytes: without the tables of Unicode, which would be a tenth of a megabyte.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).build()
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with an expression, in one line: the last one says it.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!("not a regular expression: {}", last.strip_prefix("error: ").unwrap_or(last))
}

fn copy(text: &str) -> Result<CopyRule, String> {
    text.parse().map_err(|error: SpecError| match error.hint() {
        Some(hint) => format!("an id is written {hint}"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_expressions_are_told_apart() {
        assert!(matches!(mask("4..8"), Ok(Mask::Range(range)) if range == (4..8)));
        assert!(matches!(mask("(4..8)"), Ok(Mask::Pattern(_))));
        assert!(matches!(mask("[0-9]+\\.\\.x"), Ok(Mask::Pattern(_))));
        for wrong in ["8..4", "4..4", "..8", "4..", "..", "99999999999999999999..8"] {
            assert!(mask(wrong).unwrap_err().starts_with("a range has two offsets"), "{wrong}");
        }
        assert_eq!(mask("a(b").unwrap_err(), "not a regular expression: unclosed group");
    }

    #[test]
    fn an_id_to_copy_has_an_offset_and_a_width() {
        assert_eq!(copy("4:4:0").map(|copy| (copy.offset, copy.width, copy.to)), Ok((4, 4, 0)));
        assert!(copy("4:0").unwrap_err().starts_with("an id is written such as 4:4"));
    }
}
