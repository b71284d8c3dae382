//! The arguments of `decode` and `encode`: the file, its framing, which side wrote it, and the format of messages.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use unstick::wire::{Framing, Role};
use unstick::{Error, Result};

use crate::options::completion::{formats, specs_or_auto};
use crate::options::values::{at_least_one, port};

/// The value of `-f` that means: find out.
pub const AUTO: &str = "auto";

/// `decode`.
#[derive(Debug, Args)]
pub struct Decode {
    /// The file to decode: a recording (--record), a pcap or pcapng capture, also compressed with gzip, or the bytes of one
    /// direction [default: standard input]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Which framing, and whose.
    #[command(flatten)]
    pub framed: FramedArgs,
    /// Which connections of a capture.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Write the payloads alone, in this format: line, quoted, hex, escaped, json, raw or a framing spec
    #[arg(long, value_name = "FORMAT", value_parser = formats(), hide_possible_values = true, help_heading = "Messages")]
    pub io: Option<String>,
    /// Print events, one JSON object a line
    #[arg(long, conflicts_with = "io", help_heading = "Messages")]
    pub json: bool,
    /// Show messages as hexadecimal dumps
    #[arg(short = 'x', long, conflicts_with_all = ["io", "json"], help_heading = "Messages")]
    pub hex: bool,
    /// Show whole frames as hexadecimal dumps, with header, payload and trailer in different colours
    #[arg(long, conflicts_with_all = ["io", "json"], help_heading = "Messages")]
    pub wire: bool,
    /// Write a recording as packets for Wireshark to OUT, a pcapng file, or to standard output (-)
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath, help_heading = "Messages",
        conflicts_with_all = ["io", "json", "hex", "wire", "count", "from", "bytes", "c2s", "s2c"])]
    pub pcapng: Option<PathBuf>,
    /// Write a timeline to OUT: one HTML page for a browser, with segments against messages, in time and in bytes
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath, help_heading = "Messages",
        conflicts_with_all = ["io", "json", "hex", "wire", "pcapng"])]
    pub html: Option<PathBuf>,
    /// Stop after N messages
    #[arg(short = 'n', long, value_name = "N", value_parser = at_least_one, help_heading = "End")]
    pub count: Option<u64>,
}

/// `encode`. Its options for the framing are those of `decode`, in its own words.
#[derive(Debug, Args)]
#[command(
    mut_arg("frame", |arg| arg.help("The framing, such as line, u32be or struct:i (see `unstick framings`)")),
    mut_arg("c2s", |arg| arg.help("Frame the messages as a client does, where the two sides differ [default]")),
    mut_arg("s2c", |arg| arg.help("Frame the messages as a server does, where the two sides differ"))
)]
pub struct Encode {
    /// The file with the messages, one a line [default: standard input]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Which framing, and whose.
    #[command(flatten)]
    pub framed: FramedArgs,
    /// Read messages in this format: line, quoted, hex, escaped, json, raw or a framing spec [default: line for -f line, else
    /// quoted, where $'a\nb' holds an LF]
    #[arg(long, value_name = "FORMAT", value_parser = formats(), hide_possible_values = true, help_heading = "Messages")]
    pub io: Option<String>,
}

/// Which connections of a capture are decoded.
#[derive(Debug, Args)]
#[command(next_help_heading = "Captures")]
pub struct CaptureArgs {
    /// Decode the connections of this port, which is the server's (repeatable)
    #[arg(long, value_name = "PORT", value_parser = port)]
    pub port: Vec<u16>,
    /// Decode the connections of this IP address (repeatable)
    #[arg(long, value_name = "IP")]
    pub host: Vec<IpAddr>,
    /// Decode this connection alone: its number, in the order of their first packets
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub connection: Option<u64>,
    /// Show what passed from TIME on: a time of the day of the first packet, such as 12:00:05.5, or a date and a time, such as
    /// 2026-11-27T12:00:05Z; local time, unless a zone is given
    #[arg(long, value_name = "TIME", value_parser = start)]
    pub from: Option<Start>,
    /// Take the file for the bytes of one direction, even if it begins like a capture
    #[arg(long, conflicts_with_all = ["port", "host", "connection", "from"])]
    pub bytes: bool,
}

impl CaptureArgs {
    /// What limits the connections that are looked at, behind a sentence that finds none.
    pub fn limits(&self) -> &'static str {
        let takes_all = self.port.is_empty() && self.host.is_empty() && self.connection.is_none();
        if takes_all { "" } else { " that these options take" }
    }

    /// Refuses options for captures if the file is not a capture.
    pub fn check_unused(&self, name: &str) -> Result<()> {
        let option = match self {
            asked if !asked.port.is_empty() => "--port",
            asked if !asked.host.is_empty() => "--host",
            asked if asked.connection.is_some() => "--connection",
            asked if asked.from.is_some() => "--from",
            _ => return Ok(()),
        };
        let error = Error::usage(format!("{option} is for captures, and {name} is not a pcap or pcapng file"));
        Err(error.with_hint(format!("without {option} it is decoded as the bytes of one direction")))
    }
}

/// The time from which on messages are shown.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// A point in time.
    At(Timestamp),
    /// A local date and time.
    Local(DateTime),
    /// A local time of the day of the first packet.
    Today(Time),
}

impl Start {
    /// The nanoseconds since 1970 of this time, where those of the first packet are given.
    pub fn since(self, first: u64) -> Result<u64> {
        let zone = TimeZone::system();
        let first = Timestamp::from_nanosecond(first.into()).map(|first| first.to_zoned(zone.clone()).date());
        let start = match self {
            Self::At(time) => Ok(time),
            Self::Local(local) => zone.to_timestamp(local),
            Self::Today(time) => first.and_then(|day| zone.to_timestamp(day.to_datetime(time))),
        };
        let start = start.map_err(|error| Error::usage(format!("--from: {error}")))?;
        // Captures have no times before 1970.
        Ok(u64::try_from(start.as_nanosecond()).unwrap_or(0))
    }
}

fn start(text: &str) -> std::result::Result<Start, String> {
    let at = || text.parse::<Timestamp>().map(Start::At).ok();
    // A date without a time means the start of that day.
    let local = || text.parse::<DateTime>().map(Start::Local).ok();
    let today = || text.parse::<Time>().map(Start::Today).ok();
    let start = at().or_else(|| if text.contains('-') { local() } else { today() });
    start.ok_or_else(|| "a time such as 12:00:05 or 2026-11-27T12:00:05Z".to_owned())
}

/// The framing of a file, and which side of a conversation wrote it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Framing")]
pub struct FramedArgs {
    /// The framing, such as line, u32be or struct:i (see `unstick framings`). `decode` finds it out otherwise, as with auto: from the
    /// recording, from the server's port, or by a guess that is certain
    #[arg(short = 'f', long = "frame", value_name = "SPEC", value_parser = specs_or_auto(), hide_possible_values = true)]
    pub frame: Option<String>,
    /// The client's direction: of a capture, decode only that; the bytes of another file are those of a client [default]
    #[arg(long, conflicts_with = "s2c")]
    pub c2s: bool,
    /// The server's direction: of a capture, decode only that; the bytes of another file are those of a server
    #[arg(long)]
    pub s2c: bool,
}

impl FramedArgs {
    /// The side that wrote the bytes.
    pub fn role(&self) -> Role {
        if self.s2c { Role::Server } else { Role::Client }
    }

    /// The sides whose messages are shown, where both are in the file.
    pub fn shows(&self, from: Role) -> bool {
        match from {
            Role::Client => !self.s2c,
            Role::Server => !self.c2s,
        }
    }

    /// The framing that `-f` names, for both sides.
    pub fn named(&self) -> Result<Option<Framing>> {
        Ok(self.frame.as_deref().filter(|spec| *spec != AUTO).map(Framing::parse).transpose()?)
    }

    /// The framing of that side.
    pub fn framing(&self) -> Result<Framing> {
        let Some(framing) = self.named()? else {
            let error = Error::usage("nobody named the framing of these bytes, and it cannot be told from them");
            return Err(error.with_hint("-f names it, such as -f line; `unstick guess` prints what comes near"));
        };
        Ok(framing.sent_by(self.role()))
    }
}
