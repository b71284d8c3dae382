//! The man page: one for the whole program. Options come from clap's tables, framings and statuses from ours.

use clap::{Arg, Command};
use roff::{Inline, Roff, bold, italic, roman};
use unstick::wire::{FRAMINGS, PRESETS};

use super::reference::{KEYS, about, examples, names, syntax};
use crate::help;
use crate::status::STATUSES;

const ADDRESSES: &[(&str, &str)] = &[
    (
        "PORT, :PORT, HOST:PORT, HOST PORT",
        "TCP. Write [V6]:PORT for a numeric IPv6 host. ask does not take HOST PORT in two words",
    ),
    ("tcp://HOST:PORT", "TCP, with its scheme written out"),
    ("udp://HOST:PORT", "UDP. Each datagram is a whole message, and takes no framing"),
    (
        "tls://HOST:PORT",
        "TCP inside TLS. The client verifies the server by the system's certificate authorities, or as --ca, --pin and --sni say. A \
         listener needs --self-signed, or --cert and --key",
    ),
    (
        "ws://HOST:PORT/PATH, wss://HOST:PORT/PATH",
        "WebSocket, plain or inside TLS. Each WebSocket message is a whole message, and takes no framing. A listener without a path \
         serves every path",
    ),
    (
        "ws+unix:PATH:/REQUEST",
        "WebSocket over a Unix stream socket. The part after the colon is the request path, and is optional",
    ),
    ("unix:PATH, unix:@NAME", "a Unix stream socket, as a file or as an abstract name"),
    (
        "unix-dgram:PATH, unix-seqpacket:PATH",
        "Unix sockets that keep message boundaries: datagrams, or a connection that carries messages. They take no framing",
    ),
    (
        "serial:PATH?baud=N,data=8,parity=none,stop=1,flow=none",
        "a serial line or a pseudo-terminal. The defaults are 9600 baud and the values shown. Other values: data=5 to 7, parity=odd or even, \
         stop=2, flow=hardware or software. A serial line has one peer and no end of file: listen serves that peer. After the end \
         of input, a run ends when the line has been silent for --linger",
    ),
    ("exec:COMMAND", "run COMMAND by sh -c, and use its standard input and output; for connect, ask and --to"),
    ("-", "use standard input and output as the connection (connect only)"),
    ("SPEC+tcp://HOST:PORT", "an address with its framing in front, as in u32be+tcp://:7000"),
];

const FORMATS: &[(&str, &str)] = &[
    (
        "line",
        "each line is a message, and each message is a line, unchanged. A peer whose message holds an LF is disconnected, with a hint",
    ),
    (
        "quoted",
        "as line, but a message that holds an LF or begins with $' is quoted as a shell quotes it: $'a\\nb'. The default of all framings except line",
    ),
    ("hex", "each message is a line of hexadecimal digits"),
    ("escaped", "each message is a line; \\n, \\r, \\t, \\\\ and \\xHH stand for bytes that a line cannot hold"),
    ("json", "each message is a line: a JSON string, or {\"base64\":\"...\"} if the message is not UTF-8"),
    ("raw", "all of standard input is one message. Received messages are written without a separator"),
    ("SPEC", "any framing"),
];

const PROMPT: &[(&str, &str)] = &[
    ("text", "send text to the peer that the prompt names; type //text or @@text for a text that begins with / or @"),
    ("@2 text", "send text to peer 2, this once; @all text sends it to every peer"),
    ("/to 2", "send to peer 2 from now on; /to all, /to last"),
    ("/peers", "list the peers"),
    ("/hex 00 0a ff", "send these bytes as one message"),
    ("/file PATH", "send the content of a file as one message"),
    (
        "/close 2 [CODE [REASON]]",
        "close the connection to peer 2; a WebSocket peer receives the code and reason, as in /close 2 4000 goodbye",
    ),
    ("/help, /quit", "list the commands; end the program"),
    (
        "^D, ^C",
        "end the input, and wait for the other side to end; discard the typed line, or end the program if the line is empty",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "no colour, if it is set and not empty; --color overrides it"),
    ("CLICOLOR_FORCE", "colour even if the output is not a terminal, if it is set and not 0"),
    ("UNSTICK_CONFIG", "the path of the config file; empty for no config file"),
    ("XDG_CONFIG_HOME", "the directory that holds unstick/config, the config file"),
    ("TERM=dumb", "no colour, and no line editing"),
    ("XDG_STATE_HOME", "the directory that holds unstick/history, the history of the prompt"),
    (
        "ALL_PROXY, HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
        "the proxy, and the hosts that are reached without it; read with --proxy env only",
    ),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "the certificate authorities to trust, in place of the system's"),
    (
        "UNSTICK_PEER, UNSTICK_FROM",
        "set for the command of --each, and for that of exec: in a bridge: the peer's number, and its address",
    ),
    ("UNSTICK_LOCAL", "set for the command of exec: in a bridge: the local address of the client's connection"),
    (
        "UNSTICK_PATH, UNSTICK_QUERY, UNSTICK_SUBPROTOCOL, UNSTICK_HEADER_NAME",
        "set for the command of --each, and for that of exec: in a bridge: what a WebSocket client requested, with one variable for each header",
    ),
    (
        "SSLKEYLOGFILE",
        "write the keys of TLS connections to this file, for Wireshark. A reader of that file can decrypt the connections",
    ),
];

const DEFAULTS: &str = "Without -f, the messages of a stream are lines. One case differs: listen and connect copy bytes unchanged, as nc(1) does, if \
    standard input is not a terminal and none of these options is used: --json, --io, --send, --send-hex, --send-file, --reply, \
    --echo, --each, --count, --until.";

const ENDINGS: &str = "When standard input ends, unstick shuts down its sending side and waits for the peer to end; with --no-wait it does not \
    wait. UDP has no end of file: after the first datagram, a run ends when none has arrived for --linger. A WebSocket connection is closed when this side \
    has nothing left to send and no message has arrived for --linger. A listener serves every client. Once its input has ended, it \
    ends when the last peer has left, unless --count, --until, --once, --idle or --deadline decides. An error of one peer ends a \
    listener only with --once.";

/// Returns the whole page.
pub(super) fn page(mut command: Command) -> String {
    command.build();
    let mut page = Roff::new();
    let version = format!("unstick {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["UNSTICK", "1", "", &version, "User Commands"]);
    front(&mut page, &command);
    let verbs: Vec<&Command> = command.get_subcommands().filter(|verb| verb.get_name() != "help").collect();
    section(&mut page, "COMMANDS");
    verbs.iter().for_each(|verb| describe(&mut page, verb));
    section(&mut page, "OPTIONS");
    groups(&verbs).iter().for_each(|group| group.write(&mut page));
    list(&mut page, "ADDRESSES", ADDRESSES);
    paragraph(
        &mut page,
        "A listener without a host listens on loopback only: write 0.0.0.0 or [::] to accept clients from other machines. Port 0 picks a free port.",
    );
    framings(&mut page);
    list(&mut page, "MESSAGES IN A PIPE (--io)", FORMATS);
    list(&mut page, "AT THE PROMPT", PROMPT);
    section(&mut page, "WHEN IT ENDS");
    page.text([roman(ENDINGS)]);
    section(&mut page, "EXIT STATUS");
    STATUSES.iter().for_each(|(status, meaning)| entry(&mut page, [bold((*status as u8).to_string())], meaning));
    list(&mut page, "ENVIRONMENT", ENVIRONMENT);
    list(
        &mut page,
        "FILES",
        &[
            ("~/.local/state/unstick/history", "the lines typed at the prompt; only their owner can read the file"),
            (
                "~/.config/unstick/config",
                "options for every run, one a line, such as --color=never or -f u32be. Lines that begin with # are comments. Typed options \
                 override it, and options that the verb does not have are ignored",
            ),
        ],
    );
    section(&mut page, "EXAMPLES");
    verbs.iter().for_each(|verb| show_examples(&mut page, verb));
    section(&mut page, "SEE ALSO");
    page.text([roman("nc(1), socat(1), tcp(7), udp(7)")]);
    page.render()
}

fn front(page: &mut Roff, command: &Command) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    section(page, "NAME");
    page.text([roman(format!("unstick - {}", about.to_lowercase()))]);
    section(page, "SYNOPSIS");
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        page.text([bold("unstick"), roman(" "), bold(verb.get_name()), roman(format!(" {}", words(verb)))]);
        page.control("br", []);
    }
    section(page, "DESCRIPTION");
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    long.lines().filter(|line| !line.is_empty()).for_each(|line| paragraph(page, line));
}

/// Returns what follows a verb: `[OPTIONS] ADDRESS`.
fn words(verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string();
    let at = usage.find(verb.get_name()).map_or(0, |at| at + verb.get_name().len());
    usage[at..].trim().to_owned()
}

/// Describes a verb, with the options that only it has.
fn describe(page: &mut Roff, verb: &Command) {
    page.control("SS", [format!("unstick {} {}", verb.get_name(), words(verb)).as_str()]);
    page.text([roman(format!("{}.", verb.get_about().map(ToString::to_string).unwrap_or_default()))]);
    verb.get_arguments()
        .filter(|arg| arg.get_help_heading().is_none() && arg.get_id() != "help")
        .for_each(|arg| option(page, arg));
    for inner in verb.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        entry(page, [bold(inner.get_name()), roman(format!(" {}", words(inner)))], &about);
    }
}

/// Options under one heading, and the verbs that have them.
struct Group<'a> {
    heading: &'a str,
    verbs: Vec<&'a str>,
    options: Vec<&'a Arg>,
}

impl Group<'_> {
    fn write(&self, page: &mut Roff) {
        page.control("SS", [format!("{} ({})", self.heading, self.verbs.join(", ")).as_str()]);
        self.options.iter().for_each(|arg| option(page, arg));
    }
}

/// Returns the options that verbs share, each once.
fn groups<'a>(verbs: &[&'a Command]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for verb in verbs {
        for arg in verb.get_arguments() {
            let Some(heading) = arg.get_help_heading() else { continue };
            let at = groups.iter().position(|group| group.heading == heading).unwrap_or_else(|| {
                groups.push(Group { heading, verbs: Vec::new(), options: Vec::new() });
                groups.len() - 1
            });
            let group = &mut groups[at];
            if group.verbs.last() != Some(&verb.get_name()) {
                group.verbs.push(verb.get_name());
            }
            if !group.options.iter().any(|known| known.get_id() == arg.get_id()) {
                group.options.push(arg);
            }
        }
    }
    groups
}

fn option(page: &mut Roff, arg: &Arg) {
    let mut term = Vec::new();
    let short = arg.get_short().map(|short| format!("-{short}"));
    for (at, name) in short.into_iter().chain(arg.get_long().map(|long| format!("--{long}"))).enumerate() {
        term.extend((at > 0).then(|| roman(", ")));
        term.push(bold(name));
    }
    if arg.is_positional() || arg.get_action().takes_values() {
        for value in arg.get_value_names().unwrap_or_default() {
            term.extend((!term.is_empty()).then(|| roman(" ")));
            term.push(italic(value.as_str()));
        }
    }
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    // Values that help hides are for completions: hundreds of framings.
    if !values.is_empty() && arg.get_action().takes_values() && !arg.is_hide_possible_values_set() {
        help += &format!(": {}", values.join(", "));
    }
    entry(page, term, &help);
}

fn framings(page: &mut Roff) {
    section(page, "FRAMINGS");
    page.text([roman("A framing says where messages begin and end in a stream. "), roman(DEFAULTS)]);
    for framing in FRAMINGS {
        let such_as: Vec<&str> = examples(framing).filter(|spec| *spec != framing.syntax).collect();
        let such_as = if such_as.is_empty() { String::new() } else { format!(" (such as {})", such_as.join("  ")) };
        entry(page, [bold(syntax(framing))], &format!("{}{such_as}", framing.frame));
    }
    paragraph(page, "Every framing takes these keys. Phases are joined by /, as in struct:i/raw:");
    KEYS.iter().for_each(|(key, meaning)| entry(page, [bold(*key)], meaning));
    section(page, "PRESETS");
    page.text([roman(
        "Protocols by name. connect speaks as a client, listen as a server. unstick framings NAME shows more.",
    )]);
    for preset in PRESETS.iter().flat_map(|family| family.presets) {
        entry(page, [bold(names(preset).join(" "))], &about(preset));
    }
}

/// The examples of a verb's help.
fn show_examples(page: &mut Roff, verb: &Command) {
    for (command, does) in help::examples(verb.get_name()) {
        entry(page, [bold(*command)], does);
    }
}

fn section(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

fn list(page: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    section(page, title);
    entries.iter().for_each(|(term, meaning)| entry(page, [bold(*term)], meaning));
}

fn entry(page: &mut Roff, term: impl Into<Vec<Inline>>, meaning: &str) {
    page.control("TP", []);
    page.text(term);
    page.text([roman(meaning)]);
}

fn paragraph(page: &mut Roff, text: &str) {
    page.control("PP", []);
    page.text([roman(text)]);
}
