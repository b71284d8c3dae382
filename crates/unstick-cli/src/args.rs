//! What can be typed: the verbs and their options, as clap reads them.
//!
//! Not here: what it means. That is [`crate::plan`].

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use unstick::HalfClose;
use unstick::limits::{LONGEST_KEEPALIVE, SHORTEST_KEEPALIVE};
use unstick::wire::quantity::{DURATIONS, parse_duration, parse_number};

use crate::help;
use crate::peer_limits::PeerLimits;
use crate::proxy::Through;
use crate::secure::{Show, Tls, Verify};
use crate::websocket::{Pages, Passing, Request, Speech, WebSocket};

/// Whole messages over any socket.
///
/// TCP carries a stream of bytes: two sends can arrive as one read, and one send as two. unstick sends and receives whole
/// messages, in a framing that you name with -f.
#[derive(Debug, Parser)]
#[command(name = "unstick", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Accept connections and exchange messages with every client
    #[command(after_help = help::LISTEN)]
    Listen(Listen),
    /// Connect to a server and exchange messages
    #[command(after_help = help::CONNECT)]
    Connect(Connect),
    /// Send one message and print the reply
    #[command(after_help = help::ASK)]
    Ask(Ask),
    /// Show what TCP and UDP do to messages, on real sockets
    #[command(after_help = help::LAB)]
    Lab(Lab),
    /// Test whether a program survives partial reads: the same bytes, cut everywhere
    #[command(after_help = help::SHAKE)]
    Shake(Shake),
    /// List the framings, or show the bytes of a spec
    Framings(Framings),
    /// Print the man page, shell completions or the reference
    Generate(Generate),
}

/// `listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// The address to listen on: PORT, HOST:PORT, tcp://, udp://, tls://, ws:// or wss://HOST:PORT, unix:PATH or ws+unix:PATH.
    /// Without a host: loopback. Port 0: the system chooses
    #[arg(required = true, num_args = 1..=2, value_name = "ADDRESS")]
    pub address: Vec<String>,
    /// Serve one conversation, then exit
    #[arg(long)]
    pub once: bool,
    /// Serve at most N peers at once; later ones wait in the backlog
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_peers: Option<u64>,
    /// Serve one peer after the other; later ones wait in the backlog
    #[arg(long, conflicts_with = "max_peers")]
    pub one_at_a_time: bool,
    /// Refuse a port whose earlier connections are still in TIME_WAIT (do not set SO_REUSEADDR)
    #[arg(long)]
    pub no_reuseaddr: bool,
    /// Set the permissions of a unix: socket's file, in octal: 600, 660
    #[arg(long, value_name = "OCTAL", value_parser = mode)]
    pub mode: Option<u32>,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: Wire,
    /// What is exchanged.
    #[command(flatten)]
    pub talk: Talk,
    /// Another address in place of this end.
    #[command(flatten)]
    pub bridge: Bridge,
    /// How to get to that address.
    #[command(flatten)]
    pub reach: Reach,
    /// TLS.
    #[command(flatten)]
    pub tls: Tls,
    /// TLS, as a server.
    #[command(flatten)]
    pub show: Show,
    /// WebSocket.
    #[command(flatten)]
    pub web: WebSocket,
    /// WebSocket, as a server.
    #[command(flatten)]
    pub pages: Pages,
    /// UDP.
    #[command(flatten)]
    pub udp: Udp,
    /// Limits of peers.
    #[command(flatten)]
    pub limits: PeerLimits,
}

/// `connect`.
#[derive(Debug, Args)]
pub struct Connect {
    /// The address to connect to: PORT, HOST:PORT, HOST PORT, tcp://, udp://, tls://, ws:// or wss://HOST:PORT, unix:PATH,
    /// ws+unix:PATH:/REQUEST, serial:PATH?baud=N, exec:COMMAND or - (standard input and output)
    #[arg(required = true, num_args = 1..=2, value_name = "ADDRESS")]
    pub address: Vec<String>,
    /// Connect again when the connection is lost, and send the greeting (--send) again. The pause before an attempt grows from
    /// 200ms to 30s
    #[arg(long)]
    pub reconnect: bool,
    /// Stop after N failed attempts to connect again [default: never]
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "reconnect")]
    pub reconnect_attempts: Option<u64>,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: Wire,
    /// What is exchanged.
    #[command(flatten)]
    pub talk: Talk,
    /// Another address in place of this end.
    #[command(flatten)]
    pub bridge: Bridge,
    /// How to get there.
    #[command(flatten)]
    pub reach: Reach,
    /// TLS.
    #[command(flatten)]
    pub tls: Tls,
    /// WebSocket.
    #[command(flatten)]
    pub web: WebSocket,
    /// UDP.
    #[command(flatten)]
    pub udp: Udp,
    /// Limits of peers.
    #[command(flatten)]
    pub limits: PeerLimits,
}

/// `ask`.
#[derive(Debug, Args)]
pub struct Ask {
    /// The address to ask: PORT, HOST:PORT, tcp://, udp://, tls://, ws:// or wss://HOST:PORT, unix:PATH,
    /// ws+unix:PATH:/REQUEST, serial:PATH?baud=N or exec:COMMAND
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// The message to send; - reads it from standard input, without the final LF
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true, required_unless_present_any = ["send_hex", "send_file"])]
    pub message: Option<String>,
    /// Send these bytes, in hexadecimal, as the message
    #[arg(long, value_name = "HEX", conflicts_with = "message")]
    pub send_hex: Option<String>,
    /// Send a file as the message
    #[arg(long, value_name = "PATH", conflicts_with_all = ["message", "send_hex"])]
    pub send_file: Option<std::path::PathBuf>,
    /// Give up after TIME without a reply [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// Shut down the sending side after the message: now, answered (after 3s without a reply) or never [default: never]
    #[arg(long, value_name = "WHEN", value_parser = half_close)]
    pub half_close: Option<HalfClose>,
    /// Print the reply in this format: line, hex, escaped, json, raw or a framing spec
    #[arg(long, value_name = "FORMAT")]
    pub io: Option<String>,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: Wire,
    /// How to get there.
    #[command(flatten)]
    pub reach: Reach,
    /// TLS.
    #[command(flatten)]
    pub tls: Tls,
    /// WebSocket.
    #[command(flatten)]
    pub web: WebSocket,
    /// UDP.
    #[command(flatten)]
    pub udp: Udp,
}

/// `lab`.
#[derive(Debug, Args)]
pub struct Lab {
    /// Scenes to play: nagle, slow-reader, split, small-buffer, length, range, datagrams, cut-short, loss or compare;
    /// all if you name none
    #[arg(value_name = "NAME")]
    pub scenes: Vec<String>,
    /// Print what happened as one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `shake`.
#[derive(Debug, Args)]
pub struct Shake {
    /// The client to test, or with --stdio the program. {host} {port} {address} and UNSTICK_PORT tell the client where to
    /// connect
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// The server's address: HOST:PORT, PORT, tls://HOST:PORT, ws://HOST:PORT/PATH, wss://..., unix:PATH or
    /// ws+unix:PATH; with --start, port 0 gives each start a free port
    #[arg(long, value_name = "ADDRESS", required_unless_present = "stdio")]
    pub to: Option<String>,
    /// Start the server with COMMAND for every case. {port} and UNSTICK_PORT, or {path} and UNSTICK_PATH, tell it where to
    /// listen
    #[arg(long, value_name = "COMMAND", conflicts_with = "stdio")]
    pub start: Option<String>,
    /// Test a program on pipes: cut its standard input
    #[arg(long, conflicts_with = "to", requires = "command")]
    pub stdio: bool,
    /// Compare messages of this framing instead of bytes
    #[arg(short = 'f', long = "frame", value_name = "SPEC")]
    pub frame: Option<String>,
    /// Send TEXT, with unstick as the client (repeatable)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub send: Vec<String>,
    /// Send these bytes, in hexadecimal
    #[arg(long, value_name = "HEX")]
    pub send_hex: Vec<String>,
    /// Send a file: its bytes, or with -f one message
    #[arg(long, value_name = "PATH")]
    pub send_file: Vec<std::path::PathBuf>,
    /// Keep the sending side open, and do not try half-close [default: half-close after the answer]
    #[arg(long)]
    pub no_half_close: bool,
    /// Report it as a finding too if only the end differs: a reset instead of an end, or an answer dropped at half-close
    #[arg(long)]
    pub strict_end: bool,
    /// Compare what the client prints too
    #[arg(long)]
    pub output: bool,
    /// Try every single cut in the first BYTES of each direction [default: 4096]
    #[arg(long, value_name = "BYTES", value_parser = at_least_one, help_heading = "Cases")]
    pub depth: Option<u64>,
    /// Try only this case, as a finding prints it (repeatable)
    #[arg(long, value_name = "CASE", help_heading = "Cases")]
    pub case: Vec<String>,
    /// Compare with the outcome of this case, for a program that fails without cuts
    #[arg(long, value_name = "CASE", help_heading = "Cases")]
    pub against: Option<String>,
    /// Stop after TIME, and try random cases until then
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Cases")]
    pub time: Option<Duration>,
    /// Try N random cases after the planned ones
    #[arg(long, value_name = "N", value_parser = number, help_heading = "Cases")]
    pub cases: Option<u64>,
    /// Seed of the random cases; the same seed repeats the same cases [default: 0]
    #[arg(long, value_name = "N", value_parser = number, help_heading = "Cases")]
    pub seed: Option<u64>,
    /// Run N conversations at once [default: as many as the server allows]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Cases")]
    pub jobs: Option<u64>,
    /// Treat a conversation as hung after TIME [default: learnt from runs without cuts]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Cases")]
    pub timeout: Option<Duration>,
    /// Print the report as one JSON object
    #[arg(long, help_heading = "Report")]
    pub json: bool,
    /// Write the report to a file in JUnit's format
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub junit: Option<std::path::PathBuf>,
    /// TLS.
    #[command(flatten)]
    pub tls: Tls,
    /// TLS, as a client.
    #[command(flatten)]
    pub verify: Verify,
    /// WebSocket.
    #[command(flatten)]
    pub speech: Speech,
    /// WebSocket, as a client.
    #[command(flatten)]
    pub request: Request,
}

/// `framings`.
#[derive(Debug, Args)]
pub struct Framings {
    /// The spec or preset to explain, with the frame of a sample message
    #[arg(value_name = "SPEC")]
    pub spec: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `generate`.
#[derive(Debug, Args)]
pub struct Generate {
    /// What to print.
    #[command(subcommand)]
    pub what: Generated,
}

/// What can be generated.
#[derive(Debug, Subcommand)]
pub enum Generated {
    /// Print the man page (roff)
    Man,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the generated tables of docs/reference.md (Markdown)
    Reference,
}

/// What is exchanged, and until when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct Talk {
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
    #[arg(long, value_name = "COMMAND", group = "answer")]
    pub each: Option<String>,
    #[command(flatten)]
    pub children: crate::children::Children,
    /// Answer at most N datagrams of one peer a second, on average, with --echo, --reply or --each [default: 500]
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "answer")]
    pub max_answers: Option<u64>,
    /// Write messages to standard output, and read them from standard input, in this format: line, quoted, hex, escaped,
    /// json, raw or a framing spec [default: line for -f line, else quoted, where $'a\nb' holds an LF]
    #[arg(long, value_name = "FORMAT")]
    pub io: Option<String>,
    /// Print events and read commands, one JSON object a line
    #[arg(long, conflicts_with = "io")]
    pub json: bool,
    /// Show messages as hexadecimal dumps
    #[arg(short = 'x', long, conflicts_with_all = ["io", "json"])]
    pub hex: bool,
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
    #[arg(long, value_name = "WHEN", value_parser = half_close, help_heading = "End")]
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

/// Another address in place of this end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bridge")]
pub struct Bridge {
    /// Connect every client to the server at ADDRESS and forward both ways: bytes, or messages where the framings differ
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// The framing on the server's side, if it differs from -f
    #[arg(long, value_name = "SPEC")]
    pub to_frame: Option<String>,
    /// Print what passes: time, peer, direction (c2s, s2c), length, and text or bytes
    #[arg(long)]
    pub dump: bool,
    /// Inject a fault (repeatable). Into messages: loss=5%, dup=1%, reorder=2%,gap=3, truncate; into bytes: cut=1; into
    /// both: delay=50ms..80ms, rate=1M, corrupt=1:1000, stall=2s, close, reset. SPEC,after=N lets N messages or bytes pass
    /// first; c2s: or s2c: in front limits it to one direction
    #[arg(long, value_name = "SPEC")]
    pub fault: Vec<String>,
    /// Seed of the random choices; the same seed repeats the same run [default: 0]
    #[arg(long, value_name = "N", value_parser = number)]
    pub seed: Option<u64>,
    /// What passes from one WebSocket to another.
    #[command(flatten)]
    pub passing: Passing,
}

/// How messages lie on the wire.
#[derive(Debug, Args)]
#[command(next_help_heading = "Framing")]
pub struct Wire {
    /// The framing of streams, such as line, u32be or struct:i (see `unstick framings`)
    #[arg(short = 'f', long = "frame", value_name = "SPEC")]
    pub frame: Option<String>,
    /// The framing of received messages, if the directions differ
    #[arg(long, value_name = "SPEC")]
    pub frame_in: Option<String>,
    /// The framing of sent messages, if the directions differ
    #[arg(long, value_name = "SPEC")]
    pub frame_out: Option<String>,
    /// Close a peer whose frame takes longer than TIME from its first byte to its last
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub frame_timeout: Option<Duration>,
    /// Probe a silent TCP peer every TIME, and close the connection if it does not answer; a listener does so every 60s by
    /// default, and closes after 4 minutes of silence. `no` switches it off
    #[arg(long, value_name = "TIME|no", value_parser = keepalive, help_heading = "Connecting")]
    pub keepalive: Option<Keepalive>,
    /// Let the kernel gather small segments (Nagle's algorithm)
    #[arg(long, alias = "no-nodelay", help_heading = "Connecting")]
    pub nagle: bool,
    /// Print resolved names, tried addresses and times
    #[arg(short, long, help_heading = "Connecting")]
    pub verbose: bool,
}

/// How to get to a peer.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connecting")]
pub struct Reach {
    /// Give up connecting after TIME [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub connect_timeout: Option<Duration>,
    /// Keep trying for TIME if nothing listens there yet
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub retry: Option<Duration>,
    /// Connect from this address, port or both: IP, :PORT or IP:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub source: Option<String>,
    /// Through whom.
    #[command(flatten)]
    pub through: Through,
    /// TLS, as a client.
    #[command(flatten)]
    pub verify: Verify,
    /// WebSocket, as a client.
    #[command(flatten)]
    pub request: Request,
}

/// What is asked of UDP sockets.
#[derive(Debug, Args)]
#[command(next_help_heading = "UDP")]
pub struct Udp {
    /// Allow sending to broadcast addresses
    #[arg(long)]
    pub broadcast: bool,
    /// Join a multicast group when listening
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub join: Vec<std::net::IpAddr>,
    /// Limit multicast datagrams to N hops
    #[arg(long, value_name = "N", value_parser = hops)]
    pub ttl: Option<u32>,
    /// Use this interface for multicast: name, number or address
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Forget a UDP or Unix-datagram peer after TIME without a datagram [default: 300s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub session_idle: Option<Duration>,
    /// Remember at most N UDP or Unix-datagram peers at once [default: 10000]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_sessions: Option<u64>,
}

fn group(text: &str) -> Result<std::net::IpAddr, String> {
    text.parse().map_err(|_| "a multicast group is an IP address such as 239.1.2.3".to_owned())
}

fn hops(text: &str) -> Result<u32, String> {
    parse_number::<u8>(text).map(u32::from).ok_or_else(|| "a number from 0 to 255".to_owned())
}

fn mode(text: &str) -> Result<u32, String> {
    let digits = text.len() <= 4 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o777);
    mode.ok_or_else(|| "permissions are three octal digits, such as 600".to_owned())
}

fn number(text: &str) -> Result<u64, String> {
    parse_number(text).ok_or_else(|| "a number from 0 on".to_owned())
}

fn at_least_one(text: &str) -> Result<u64, String> {
    parse_number(text).filter(|number| *number > 0).ok_or_else(|| "a number from 1 on".to_owned())
}

fn half_close(text: &str) -> Result<HalfClose, String> {
    match text {
        "now" => Ok(HalfClose::Now),
        "answered" => Ok(HalfClose::Answered),
        "never" => Ok(HalfClose::Never),
        _ => Err("it is now, answered or never".to_owned()),
    }
}

/// Whether silent TCP peers are asked if they are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepalive {
    Never,
    Every(Duration),
}

fn keepalive(text: &str) -> Result<Keepalive, String> {
    if text == "no" {
        return Ok(Keepalive::Never);
    }
    let time = parse_duration(text).filter(|time| (SHORTEST_KEEPALIVE..=LONGEST_KEEPALIVE).contains(time));
    time.map(Keepalive::Every)
        .ok_or_else(|| "a time from 1s to 32767s, which is what TCP takes, or no for none".to_owned())
}

pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| DURATIONS.to_owned())
}
