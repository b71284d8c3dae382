//! What can be typed: the verbs and their options, as clap reads them.
//!
//! Not here: what it means. That is [`crate::plan`].

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use unstick::HalfClose;
use unstick::limits::{LONGEST_KEEPALIVE, SHORTEST_KEEPALIVE};
use unstick::wire::quantity::{DURATIONS, parse_duration, parse_number};

use crate::peer_limits::PeerLimits;
use crate::proxy::Through;
use crate::secure::{Show, Tls, Verify};
use crate::websocket::{Pages, Passing, Request, Speech, WebSocket};

/// Whole messages over any socket.
///
/// TCP hands a program a stream of bytes: two sends may arrive as one read, and one send as two. unstick sends and receives whole
/// messages, in a framing chosen by a short spec.
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
    /// Wait for peers on an address, and talk with all of them
    #[command(after_help = LISTEN_EXAMPLES)]
    Listen(Listen),
    /// Connect to an address, and talk with who is there
    #[command(after_help = CONNECT_EXAMPLES)]
    Connect(Connect),
    /// Send one message, print its reply
    #[command(after_help = ASK_EXAMPLES)]
    Ask(Ask),
    /// See what TCP and UDP do to messages, on real sockets
    #[command(after_help = LAB_EXAMPLES)]
    Lab(Lab),
    /// Try a program at every boundary: the same bytes, cut and joined at every place
    #[command(after_help = SHAKE_EXAMPLES)]
    Shake(Shake),
    /// List the framings, or show one spec's bytes
    Framings(Framings),
    /// Print the man page, shell completions or the reference
    Generate(Generate),
}

const LISTEN_EXAMPLES: &str = "\
Examples:
  unstick listen 8080                      a prompt that talks in lines with everyone who connects
  unstick listen -f u32be 8080 --echo      every message comes back, a 4-byte length before each
  unstick listen udp://:9005 --reply pong  every datagram gets this answer
  unstick listen 8080 < /dev/null > file   nc's pipe: the bytes of one connection, as they are
  unstick listen tls://:8443 --self-signed   a listener inside TLS, and the fingerprint that --pin takes
  unstick listen ws://:8080 --origin any   messages of WebSocket, from pages in browsers too
  unstick listen --json 8080               one JSON object a line, both ways, for many peers at once
  unstick listen 8080 --to db:5432         a bridge: whoever connects here is connected there
  unstick listen unix:/tmp/x --to :80 --dump   the same, and what passes is shown";

const CONNECT_EXAMPLES: &str = "\
Examples:
  unstick connect 127.0.0.1 8080                    a prompt that talks in lines
  unstick connect -f struct:i host:7000             a 4-byte length as Python's struct packs it
  unstick connect wss://example.test/chat           messages of WebSocket inside TLS
  unstick connect -f crlf :6379 --send PING         one message, and what comes back
  generate | unstick connect -f u32be :7000 --io line   each line a message";

const ASK_EXAMPLES: &str = "\
Examples:
  unstick ask udp://127.0.0.1:9005 Hello
  unstick ask -f crlf :6379 PING";

const LAB_EXAMPLES: &str = "\
Examples:
  unstick lab              every scene, after a list of their names
  unstick lab slow-reader  two sends read as one
  unstick lab --json       what was sent and read, one JSON object a line";

const SHAKE_EXAMPLES: &str = "\
Examples:
  unstick shake --to 127.0.0.1:8080 -- python3 client.py {host} {port}     your client, against a server that runs
  unstick shake --to 127.0.0.1:8080 --start 'python3 server.py' -- CLIENT  a server started anew for every case
  unstick shake --to 127.0.0.1:5432 --send-file request.bin                no client: unstick sends these bytes
  unstick shake -f u32be --to :9000 --send hello --send world
  unstick shake --stdio --send-file requests.jsonl -- python3 server.py    a program on pipes

Exit status: 0 the same everywhere, 6 broken, 7 inconclusive. ^C prints what was found so far.";

/// `listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// Where to listen: PORT, HOST:PORT, tcp://, udp://, tls://, ws:// or wss://HOST:PORT, or unix:PATH; without a
    /// host: loopback. Port 0 picks one
    #[arg(required = true, num_args = 1..=2, value_name = "ADDRESS")]
    pub address: Vec<String>,
    /// Serve one conversation, then end
    #[arg(long)]
    pub once: bool,
    /// Peers at once; later ones wait in the backlog
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_peers: Option<u64>,
    /// Leave later clients in the backlog until the first has gone
    #[arg(long, conflicts_with = "max_peers")]
    pub one_at_a_time: bool,
    /// Do not listen on a port whose earlier connections still linger in the kernel
    #[arg(long)]
    pub no_reuseaddr: bool,
    /// The permissions of a unix: socket's file, as chmod takes them: 600, 660
    #[arg(long, value_name = "OCTAL", value_parser = mode)]
    pub mode: Option<u32>,
    /// Another address in place of this end.
    #[command(flatten)]
    pub bridge: Bridge,
    /// How to get to that address.
    #[command(flatten)]
    pub reach: Reach,
    /// What is said.
    #[command(flatten)]
    pub talk: Talk,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: Wire,
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
    /// Where to connect to: PORT, HOST:PORT, HOST PORT, tcp://, udp://, tls://, ws:// or wss://HOST:PORT, unix:PATH,
    /// exec:COMMAND or - (standard input and output)
    #[arg(required = true, num_args = 1..=2, value_name = "ADDRESS")]
    pub address: Vec<String>,
    /// Connect again when the connection is lost, and send the greeting (--send) again. The pause before an attempt grows from
    /// 200ms to 30s
    #[arg(long)]
    pub reconnect: bool,
    /// Stop after N failed attempts to connect again [default: never]
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "reconnect")]
    pub reconnect_attempts: Option<u64>,
    /// Another address in place of this end.
    #[command(flatten)]
    pub bridge: Bridge,
    /// How to get there.
    #[command(flatten)]
    pub reach: Reach,
    /// What is said.
    #[command(flatten)]
    pub talk: Talk,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: Wire,
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
    /// Whom to ask: PORT, HOST:PORT, tcp://, udp://, tls://, ws:// or wss://HOST:PORT, unix:PATH or exec:COMMAND
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// The message; - reads it from standard input, less the LF at its end
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true, required_unless_present_any = ["send_hex", "send_file"])]
    pub message: Option<String>,
    /// The message, as bytes in hexadecimal
    #[arg(long, value_name = "HEX", conflicts_with = "message")]
    pub send_hex: Option<String>,
    /// The message, out of a file
    #[arg(long, value_name = "PATH", conflicts_with_all = ["message", "send_hex"])]
    pub send_file: Option<std::path::PathBuf>,
    /// Give up when no reply has come for so long [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// Shut down the sending side after the message: now, answered (after 3s without a reply) or never [default: never]
    #[arg(long, value_name = "WHEN", value_parser = half_close)]
    pub half_close: Option<HalfClose>,
    /// How the reply is printed: line, hex, escaped, json, raw or a framing spec
    #[arg(long, value_name = "FORMAT")]
    pub io: Option<String>,
    /// How to get there.
    #[command(flatten)]
    pub reach: Reach,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: Wire,
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
    /// The scenes to play: nagle, slow-reader, split, small-buffer, length, range, datagrams, cut-short, loss or compare;
    /// without one, all
    #[arg(value_name = "NAME")]
    pub scenes: Vec<String>,
    /// What happened, as one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `shake`.
#[derive(Debug, Args)]
pub struct Shake {
    /// The client, or with --stdio the program: {host} {port} {address} and UNSTICK_PORT say where to connect to
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Address of the server: HOST:PORT, PORT, tls://HOST:PORT, ws://HOST:PORT/PATH, wss://... or unix:PATH; with --start,
    /// port 0 gives each start a free port
    #[arg(long, value_name = "ADDRESS", required_unless_present = "stdio")]
    pub to: Option<String>,
    /// Start the server with this for every case; {port} and UNSTICK_PORT, or {path} and UNSTICK_PATH, say where to listen
    #[arg(long, value_name = "COMMAND", conflicts_with = "stdio")]
    pub start: Option<String>,
    /// Try a program on pipes: its standard input is cut
    #[arg(long, conflicts_with = "to", requires = "command")]
    pub stdio: bool,
    /// The framing: messages are compared instead of bytes
    #[arg(short = 'f', long = "frame", value_name = "SPEC")]
    pub frame: Option<String>,
    /// Send this, where unstick is the client (again and again)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub send: Vec<String>,
    /// Send these bytes, in hexadecimal
    #[arg(long, value_name = "HEX")]
    pub send_hex: Vec<String>,
    /// Send a file: bytes as they are, or with -f one message
    #[arg(long, value_name = "PATH")]
    pub send_file: Vec<std::path::PathBuf>,
    /// Never end the sending side, and do not try half-close [default: it ends once the answer has come]
    #[arg(long)]
    pub no_half_close: bool,
    /// How a side ends counts too: a reset instead of an end, or an answer dropped at half-close, is a finding
    #[arg(long)]
    pub strict_end: bool,
    /// Compare what the client prints, too
    #[arg(long)]
    pub output: bool,
    /// Bytes of each direction up to which every single cut is tried [default: 4096]
    #[arg(long, value_name = "BYTES", value_parser = at_least_one, help_heading = "Cases")]
    pub depth: Option<u64>,
    /// Try this case only, as a finding prints it (again and again)
    #[arg(long, value_name = "CASE", help_heading = "Cases")]
    pub case: Vec<String>,
    /// Compare with what this case comes to, where the program fails without cuts
    #[arg(long, value_name = "CASE", help_heading = "Cases")]
    pub against: Option<String>,
    /// End after so long, and until then try random cases
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Cases")]
    pub time: Option<Duration>,
    /// Try so many random cases behind the planned ones
    #[arg(long, value_name = "N", value_parser = number, help_heading = "Cases")]
    pub cases: Option<u64>,
    /// Where random cases begin [default: 0]
    #[arg(long, value_name = "N", value_parser = number, help_heading = "Cases")]
    pub seed: Option<u64>,
    /// Conversations at once [default: what the server allows]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Cases")]
    pub jobs: Option<u64>,
    /// How long a conversation may take before it hangs [default: learnt from runs without cuts]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Cases")]
    pub timeout: Option<Duration>,
    /// The report as one JSON object
    #[arg(long, help_heading = "Report")]
    pub json: bool,
    /// Write the report to a file, as JUnit does
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
    /// A spec to explain: what its frames look like for a sample message
    #[arg(value_name = "SPEC")]
    pub spec: Option<String>,
    /// One JSON object a line
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
    /// The man page, in roff
    Man,
    /// Completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the generated tables of docs/reference.md (Markdown)
    Reference,
}

/// What is said, and until when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct Talk {
    /// Send this to each peer as it opens (again and again)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub send: Vec<String>,
    /// Send these bytes, in hexadecimal
    #[arg(long, value_name = "HEX")]
    pub send_hex: Vec<String>,
    /// Send a file as one message
    #[arg(long, value_name = "PATH")]
    pub send_file: Vec<std::path::PathBuf>,
    /// Answer every message with this
    #[arg(long, value_name = "TEXT", group = "answer", allow_hyphen_values = true)]
    pub reply: Option<String>,
    /// Answer every message with itself
    #[arg(long, group = "answer")]
    pub echo: bool,
    /// Answer every message with what this command prints; the message is its standard input, UNSTICK_PEER and
    /// UNSTICK_FROM say who asked
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
    /// One JSON object a line, both ways
    #[arg(long, conflicts_with = "io")]
    pub json: bool,
    /// Show messages as hexadecimal dumps
    #[arg(long, conflicts_with_all = ["io", "json"])]
    pub hex: bool,
    /// Put the local time in front of every message; in a pipe with its distance from UTC
    #[arg(long, conflicts_with = "json")]
    pub time: bool,
    /// End after so many received messages
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "End")]
    pub count: Option<u64>,
    /// A message equal to this, letter case aside, sent or received, ends the conversation
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "End")]
    pub until: Option<String>,
    /// End when no message has passed for so long
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "End")]
    pub idle: Option<Duration>,
    /// End after so long
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "End")]
    pub deadline: Option<Duration>,
    /// Shut down the sending side after the end of input: now, answered (once an answer has come, or after 3s without one) or
    /// never [default: answered for connect; now for listen, a prompt and exec:]
    #[arg(long, value_name = "WHEN", value_parser = half_close, help_heading = "End")]
    pub half_close: Option<HalfClose>,
    /// Do not read standard input: only receive, greet and answer
    #[arg(long, conflicts_with = "no_wait", help_heading = "End")]
    pub no_stdin: bool,
    /// Do not wait for the peer when the input has ended
    #[arg(long, help_heading = "End")]
    pub no_wait: bool,
    /// How long to wait for datagrams, and for a peer that has half-closed, once nothing moves [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "End")]
    pub linger: Option<Duration>,
}

/// Another address in place of this end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bridge")]
pub struct Bridge {
    /// Connect every peer to this address, which is the server, and pass on what both say: bytes as they are, or message by
    /// message between unlike framings
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// The framing at that end, where it is another than that of -f
    #[arg(long, value_name = "SPEC")]
    pub to_frame: Option<String>,
    /// Show what passes: time, peer, direction (c2s, s2c), length, and text or bytes
    #[arg(long)]
    pub dump: bool,
    /// Do this to what passes (again and again). To messages: loss=5%, dup=1%, reorder=2%,gap=3, truncate; to bytes: cut=1;
    /// to both: delay=50ms..80ms, rate=1M, corrupt=1:1000, stall=2s, close, reset. With ,after=N behind it so many messages
    /// or bytes pass first; c2s: or s2c: in front means one direction
    #[arg(long, value_name = "SPEC")]
    pub fault: Vec<String>,
    /// Another number is another course of chance; the same repeats it [default: 0]
    #[arg(long, value_name = "N", value_parser = number)]
    pub seed: Option<u64>,
    /// What passes from one WebSocket to another.
    #[command(flatten)]
    pub passing: Passing,
}

/// How messages lie on the wire.
#[derive(Debug, Args)]
#[command(next_help_heading = "Framing and connection")]
pub struct Wire {
    /// The framing of streams, such as line, u32be or struct:i (see `unstick framings`)
    #[arg(short = 'f', long = "frame", value_name = "SPEC")]
    pub frame: Option<String>,
    /// The framing of what is received, where the directions differ
    #[arg(long, value_name = "SPEC")]
    pub frame_in: Option<String>,
    /// The framing of what is sent
    #[arg(long, value_name = "SPEC")]
    pub frame_out: Option<String>,
    /// The longest time from a frame's first byte to its last
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub frame_timeout: Option<Duration>,
    /// Ask a silent TCP peer whether it is still there, so often
    #[arg(long, value_name = "TIME", value_parser = keepalive)]
    pub keepalive: Option<Duration>,
    /// Let the kernel gather small segments (Nagle's algorithm)
    #[arg(long)]
    pub no_nodelay: bool,
    /// Tell names resolved, addresses tried, times taken
    #[arg(short, long)]
    pub verbose: bool,
}

/// How to get to a peer.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connecting")]
pub struct Reach {
    /// How long connecting may take [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub connect_timeout: Option<Duration>,
    /// Keep trying for so long when nothing listens there yet
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub retry: Option<Duration>,
    /// The address, port or both to connect from: IP, :PORT or IP:PORT
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
    /// Hops that multicast datagrams may take
    #[arg(long, value_name = "N", value_parser = hops)]
    pub ttl: Option<u32>,
    /// The interface for multicast: name, number or address
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// How long a peer of udp:// or unix-dgram: is remembered without a datagram [default: 300s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub session_idle: Option<Duration>,
    /// Peers of udp:// or unix-dgram: at once [default: 10000]
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

fn keepalive(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).filter(|time| (SHORTEST_KEEPALIVE..=LONGEST_KEEPALIVE).contains(time));
    time.ok_or_else(|| "a time from 1s to 32767s, which is what TCP takes".to_owned())
}

pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| DURATIONS.to_owned())
}
