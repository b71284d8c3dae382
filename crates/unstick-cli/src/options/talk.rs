//! The options for the messages of a conversation, and for its end.

use std::time::Duration;

use clap::{Args, ValueHint};
use unstick::HalfClose;

use crate::options::children::Children;
use crate::options::completion::{formats, half_close};
use crate::options::values::{at_least_one, duration};

/// What to exchange, and until when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct TalkArgs {
    /// Send TEXT to each peer when its connection opens (repeatable)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub send: Vec<String>,
    /// Send these bytes, in hexadecimal
    #[arg(long, value_name = "HEX")]
    pub send_hex: Vec<String>,
    /// Send a file as one message
    #[arg(long, value_name = "PATH")]
    pub send_file: Vec<std::path::PathBuf>,
    /// Answer every message with TEXT
    #[arg(long, value_name = "TEXT", group = "answer", allow_hyphen_values = true)]
    pub reply: Option<String>,
    /// Answer every message with itself
    #[arg(long, group = "answer")]
    pub echo: bool,
    /// Answer every message with the output of COMMAND. The command reads the message from standard input; UNSTICK_PEER and
    /// UNSTICK_FROM name the peer
    #[arg(long, value_name = "COMMAND", group = "answer", value_hint = ValueHint::CommandString)]
    pub each: Option<String>,
    #[command(flatten)]
    pub children: Children,
    /// Answer at most N datagrams of one peer a second, on average, with --echo, --reply or --each [default: 500]
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "answer")]
    pub max_answers: Option<u64>,
    /// Write messages to standard output, and read them from standard input, in this format: line, quoted, hex, escaped,
    /// json, raw or a framing spec [default: line for -f line, else quoted, where $'a\nb' holds an LF]
    #[arg(long, value_name = "FORMAT", value_parser = formats(), hide_possible_values = true)]
    pub io: Option<String>,
    /// Print events and read commands, one JSON object a line
    #[arg(long, conflicts_with = "io")]
    pub json: bool,
    /// Show messages as hexadecimal dumps
    #[arg(short = 'x', long, conflicts_with_all = ["io", "json"])]
    pub hex: bool,
    /// Show whole frames as hexadecimal dumps, with header, payload and trailer in different colours
    #[arg(long, conflicts_with_all = ["io", "json"])]
    pub wire: bool,
    /// Print the local time before every message, in a pipe with its offset from UTC
    #[arg(short = 't', long, conflicts_with = "json")]
    pub time: bool,
    /// Stop after receiving N messages
    #[arg(short = 'n', long, value_name = "N", value_parser = at_least_one, help_heading = "End")]
    pub count: Option<u64>,
    /// End the conversation at a message equal to TEXT, sent or received; letter case does not matter
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "End")]
    pub until: Option<String>,
    /// Stop when no message has passed for TIME
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "End")]
    pub idle: Option<Duration>,
    /// Stop after TIME
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "End")]
    pub deadline: Option<Duration>,
    /// Shut down the sending side after the end of input: now, answered (once an answer has come, or after 3s without one) or
    /// never [default: answered for connect; now for listen, a prompt and exec:]
    #[arg(long, value_name = "WHEN", value_parser = half_close(), hide_possible_values = true, help_heading = "End")]
    pub half_close: Option<HalfClose>,
    /// Do not read standard input: only receive, greet and answer
    #[arg(long, conflicts_with = "no_wait", help_heading = "End")]
    pub no_stdin: bool,
    /// Do not wait for the peer after the end of input
    #[arg(long, help_heading = "End")]
    pub no_wait: bool,
    /// Wait TIME for more datagrams, for more from a serial line, and for more to send to a peer that has half-closed
    /// [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "End")]
    pub linger: Option<Duration>,
}
