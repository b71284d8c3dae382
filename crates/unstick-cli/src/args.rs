//! Declares the command line: the verbs and their options, as clap reads them.
//!
//! Not here: the groups of options that verbs share ([`crate::options`]), and what they mean ([`crate::verb`]).

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use colorchoice::ColorChoice;
use unstick::HalfClose;

use crate::options::bridge::BridgeArgs;
use crate::options::completion::{formats, half_close, scenes, specs};
use crate::options::connection::{ConnectArgs, ReconnectArgs, WireArgs};
use crate::options::decode::{Decode, Encode};
use crate::options::guess::Guess;
use crate::options::listening::ListenArgs;
use crate::options::peer_limits::PeerLimits;
use crate::options::record::RecordArgs;
use crate::options::replay::ReplayArgs;
use crate::options::talk::TalkArgs;
use crate::options::tls::{TlsArgs, TlsClientArgs, TlsServerArgs};
use crate::options::transfer::{LinksArg, OverwriteArg, TransferArgs};
use crate::options::udp::UdpArgs;
use crate::options::values::{at_least_one, duration, number, port};
use crate::options::websocket::{WsArgs, WsClientArgs, WsMessageArgs, WsServerArgs};
use crate::{help, version};

/// Whole messages over any socket.
///
/// TCP carries a stream of bytes: two sends can arrive as one read, and one send as two. unstick sends and receives whole
/// messages, in a framing that you name with -f.
#[derive(Debug, Parser)]
#[command(name = "unstick", override_usage = "unstick <COMMAND>", version = version::TEXT.as_str(), max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub every: Every,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Every {
    /// Colour the output: auto (on a terminal), always or never [default: auto]
    #[arg(long, value_name = "WHEN", global = true, value_enum, hide_possible_values = true, help_heading = "Output")]
    pub color: Option<Color>,
    /// Read no options from the config file ($XDG_CONFIG_HOME/unstick/config, or the file that UNSTICK_CONFIG names)
    #[arg(long, global = true, help_heading = "Output")]
    pub no_config: bool,
}

impl Cli {
    /// Returns the whole command line.
    pub fn whole() -> Command {
        help::prepare(Self::command())
    }

    /// Returns the command line with one verb alone, for a run with valid arguments, which needs no other verb.
    /// Building all verbs takes longer than everything else that `ask` does.
    pub fn with_verb_alone(name: &str) -> Option<Command> {
        let verb = match name {
            "listen" => Listen::augment_args(Command::new("listen")),
            "connect" => Connect::augment_args(Command::new("connect")),
            "ask" => Ask::augment_args(Command::new("ask")),
            "shake" => Shake::augment_args(Command::new("shake")),
            _ => return None,
        };
        let command = Every::augment_args(Command::new("unstick"));
        Some(command.subcommand_required(true).subcommand(verb.args_override_self(true)))
    }
}

/// When output has colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Accept connections and exchange messages with every client
    Listen(Listen),
    /// Connect to a server and exchange messages
    Connect(Connect),
    /// Send one message and print the reply
    Ask(Ask),
    /// Send files, whole or not at all
    Send(Send),
    /// Receive files, whole or not at all
    Receive(Receive),
    /// Show what TCP and UDP do to messages, on real sockets
    Lab(Lab),
    /// Test whether a program survives partial reads
    Shake(Shake),
    /// Decode a file into the messages that are in it
    Decode(Decode),
    /// Encode messages into a file of frames
    Encode(Encode),
    /// Replay a recording, as a server or as a client
    Replay(ReplayArgs),
    /// Guess the framing of a capture or of bytes
    Guess(Guess),
    /// List the framings, or show the bytes of a spec
    Framings(Framings),
    /// Print the man page, completions, the reference or a dissector
    Generate(Generate),
}

/// `listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// The address to listen on: PORT, HOST:PORT, tcp://, udp://, tls://, ws:// or wss://HOST:PORT, unix:PATH or ws+unix:PATH.
    /// Without a host: loopback. Port 0: the system chooses
    #[arg(required = true, num_args = 1..=2, value_name = "ADDRESS")]
    pub address: Vec<String>,
    /// How to listen on it.
    #[command(flatten)]
    pub listening: ListenArgs,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: WireArgs,
    /// What is exchanged.
    #[command(flatten)]
    pub talk: TalkArgs,
    /// Another address in place of this end.
    #[command(flatten)]
    pub bridge: BridgeArgs,
    /// Whether a lost connection is made again.
    #[command(flatten)]
    pub again: ReconnectArgs,
    /// How to connect to that address.
    #[command(flatten)]
    pub connecting: ConnectArgs,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// TLS, as a server.
    #[command(flatten)]
    pub tls_server: TlsServerArgs,
    /// WebSocket.
    #[command(flatten)]
    pub web: WsArgs,
    /// WebSocket, as a server.
    #[command(flatten)]
    pub ws_server: WsServerArgs,
    /// UDP.
    #[command(flatten)]
    pub udp: UdpArgs,
    /// A recording.
    #[command(flatten)]
    pub record: RecordArgs,
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
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: WireArgs,
    /// What is exchanged.
    #[command(flatten)]
    pub talk: TalkArgs,
    /// Another address in place of this end.
    #[command(flatten)]
    pub bridge: BridgeArgs,
    /// Whether a lost connection is made again.
    #[command(flatten)]
    pub again: ReconnectArgs,
    /// How to get there.
    #[command(flatten)]
    pub connecting: ConnectArgs,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// WebSocket.
    #[command(flatten)]
    pub web: WsArgs,
    /// UDP.
    #[command(flatten)]
    pub udp: UdpArgs,
    /// A recording.
    #[command(flatten)]
    pub record: RecordArgs,
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
    #[arg(long, value_name = "HEX", conflicts_with = "message", help_heading = "Messages")]
    pub send_hex: Option<String>,
    /// Send a file as the message
    #[arg(long, value_name = "PATH", conflicts_with_all = ["message", "send_hex"], help_heading = "Messages")]
    pub send_file: Option<std::path::PathBuf>,
    /// Give up after TIME without a reply [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "End")]
    pub deadline: Option<Duration>,
    /// Shut down the sending side after the message: now, answered (after 3s without a reply) or never [default: never]
    #[arg(long, value_name = "WHEN", value_parser = half_close(), hide_possible_values = true, help_heading = "End")]
    pub half_close: Option<HalfClose>,
    /// Print the reply in this format: line, hex, escaped, json, raw or a framing spec
    #[arg(long, value_name = "FORMAT", value_parser = formats(), hide_possible_values = true, help_heading = "Messages")]
    pub io: Option<String>,
    /// How it lies on the wire.
    #[command(flatten)]
    pub wire: WireArgs,
    /// How to get there.
    #[command(flatten)]
    pub connecting: ConnectArgs,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// WebSocket.
    #[command(flatten)]
    pub web: WsArgs,
    /// UDP.
    #[command(flatten)]
    pub udp: UdpArgs,
    /// A recording.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// `send`.
#[derive(Debug, Args)]
pub struct Send {
    /// The files and directories to send, each under the last component of its path. - sends standard input up to its end; this
    /// cannot continue after a cut
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<std::path::PathBuf>,
    /// Connect to `unstick receive` with the TICKET that it prints; - reads it from standard input, env from UNSTICK_TICKET. With
    /// --plain, to the address HOST:PORT, PORT or unix:PATH [default: wait, and print a ticket]
    #[arg(long, value_name = "TICKET")]
    pub to: Option<String>,
    /// Send standard input as a file of this name [default: stdin]
    #[arg(long, value_name = "NAME")]
    pub name: Option<std::ffi::OsString>,
    /// Leave out files and directories that match GLOB (repeatable): *.o matches a name in any directory, photos/*.raw a path as the
    /// receiver gets it, ** any number of directories
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<std::ffi::OsString>,
    /// Skip symbolic links, keep them as links, or follow them and send what they point to: skip, keep or follow [default: skip]
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true)]
    pub links: Option<LinksArg>,
    /// How.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `receive`.
#[derive(Debug, Args)]
pub struct Receive {
    /// The directory to put files into; created if it is missing. - writes one file to standard output, each MiB once it is
    /// verified [default: .]
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub directory: Option<std::path::PathBuf>,
    /// Connect to `unstick send` with the TICKET that it prints; - reads it from standard input, env from UNSTICK_TICKET. With
    /// --plain, to the address HOST:PORT, PORT or unix:PATH [default: wait, and print a ticket]
    #[arg(long, value_name = "TICKET")]
    pub from: Option<String>,
    /// Verify again what earlier connections have received, before continuing
    #[arg(long)]
    pub verify: bool,
    /// With --plain, ask the server for the file NAME (repeatable) [default: its only file]
    #[arg(long, value_name = "NAME")]
    pub get: Vec<String>,
    /// Replace an existing file of the same name: never, ask (at a terminal), newer (if the sender's file was modified later) or
    /// always [default: never]. A file with the same content counts as received
    #[arg(long, value_name = "WHEN", value_enum, hide_possible_values = true)]
    pub overwrite: Option<OverwriteArg>,
    /// How.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `lab`.
#[derive(Debug, Args)]
pub struct Lab {
    /// Scenes to play: nagle, slow-reader, split, small-buffer, length, range, file, datagrams, cut-short, loss or compare;
    /// all if you name none
    #[arg(value_name = "NAME", value_parser = scenes(), hide_possible_values = true)]
    pub scenes: Vec<String>,
    /// Print what happened as one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Write a timeline to OUT: one HTML page for a browser, with what was sent against what each read returned
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath, conflicts_with = "json")]
    pub html: Option<PathBuf>,
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
    #[arg(long, value_name = "COMMAND", conflicts_with = "stdio", value_hint = ValueHint::CommandString)]
    pub start: Option<String>,
    /// Test a program on pipes: cut its standard input
    #[arg(long, conflicts_with = "to", requires = "command")]
    pub stdio: bool,
    /// Compare messages of this framing instead of bytes
    #[arg(short = 'f', long = "frame", value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
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
    /// Send what the client of a recorded connection sent (--record), and wait for the answers where it did
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["send", "send_hex", "send_file"])]
    pub recording: Option<std::path::PathBuf>,
    /// Take this connection of the recording, by its number [default: the first whole one]
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "recording")]
    pub connection: Option<u64>,
    /// Keep the sending side open, and do not try half-close [default: half-close after the answer]
    #[arg(long)]
    pub no_half_close: bool,
    /// Also report a finding if only the end differs: a reset instead of an end, or an answer dropped at half-close
    #[arg(long)]
    pub strict_end: bool,
    /// Also compare what the client prints
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
    /// Write the findings to OUT as a timeline: one HTML page for a browser, with the run as expected and the smallest case
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath, help_heading = "Report")]
    pub html: Option<PathBuf>,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// TLS, as a client.
    #[command(flatten)]
    pub verify: TlsClientArgs,
    /// WebSocket.
    #[command(flatten)]
    pub speech: WsMessageArgs,
    /// WebSocket, as a client.
    #[command(flatten)]
    pub request: WsClientArgs,
}

/// `framings`.
#[derive(Debug, Args)]
pub struct Framings {
    /// The spec or preset to explain, with its frames; or a word to find protocols by, such as industrial
    #[arg(value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
    pub spec: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Print names only, one a line
    #[arg(long, conflicts_with = "json")]
    pub names: bool,
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
    /// Print a Wireshark dissector (Lua) that finds the messages of a framing
    Dissector {
        /// The framing, such as line, u32be or struct:i (see `unstick framings`)
        #[arg(short = 'f', long, value_name = "SPEC", value_parser = specs(), hide_possible_values = true)]
        frame: String,
        /// The server's port (repeatable) [default: the usual one of the preset]
        #[arg(long, value_name = "PORT", value_parser = port)]
        port: Vec<u16>,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Command;

    use super::Cli;

    /// Options and positions of a verb, and what excludes or needs what, as far as clap shows it. In help they stand in
    /// another order, and `--help` with them.
    fn shape(command: &Command, name: &str) -> BTreeSet<String> {
        let verb = command.find_subcommand(name).expect("the verb");
        let args = command.get_arguments().chain(verb.get_arguments()).filter(|arg| arg.get_id() != "help");
        let groups = verb.get_groups().map(|group| format!("{group:?}"));
        args.map(|arg| format!("{arg:?}")).chain(groups).collect()
    }

    #[test]
    fn a_verb_alone_is_what_it_is_among_all() {
        let whole = Cli::whole();
        let mut seen = Vec::new();
        for verb in whole.get_subcommands().map(Command::get_name) {
            let Some(alone) = Cli::with_verb_alone(verb) else { continue };
            assert_eq!(shape(&alone, verb), shape(&whole, verb), "{verb}");
            seen.push(verb);
        }
        assert_eq!(seen, ["listen", "connect", "ask", "shake"]);
    }
}
