//! The man page: one for the whole program. Options come out of clap's tables, framings and statuses out of ours.

use clap::{Arg, Command};
use roff::{Inline, Roff, bold, italic, roman};
use unstick::wire::{FRAMINGS, PRESETS};

use super::reference::{KEYS, about, examples, names, syntax};
use crate::help;
use crate::status::STATUSES;

const ADDRESSES: &[(&str, &str)] = &[
    (
        "PORT, :PORT, HOST:PORT, HOST PORT",
        "TCP; [V6]:PORT for a numeric IPv6 host. ask takes no HOST PORT in two words",
    ),
    ("tcp://HOST:PORT", "the same, with its scheme"),
    ("udp://HOST:PORT", "datagrams: each is a whole message, and takes no framing"),
    (
        "tls://HOST:PORT",
        "TCP inside TLS. The server is verified by the system's authorities, or as --ca, --pin and --sni say; a listener takes \
         --self-signed or --cert and --key",
    ),
    (
        "ws://HOST:PORT/PATH, wss://HOST:PORT/PATH",
        "WebSocket, alone or inside TLS: each message is a whole message, and takes no framing. Without a path a listener serves \
         any",
    ),
    (
        "ws+unix:PATH:/REQUEST",
        "WebSocket over a stream socket of this machine; the part behind the colon is the request path, and can be left out",
    ),
    ("unix:PATH, unix:@NAME", "a stream socket of this machine, with a file or without"),
    (
        "unix-dgram:PATH, unix-seqpacket:PATH",
        "messages on this machine: datagrams, or a connection that carries them; no framing",
    ),
    (
        "serial:PATH?baud=N,data=8,parity=none,stop=1,flow=none",
        "a serial line, or a pseudo-terminal. Settings that are not given are 9600 baud and those shown; also data=5 to 7, parity=odd \
         or even, stop=2, flow=hardware or software. A serial line has one peer and no end: listen serves that peer, and a run is \
         over when the line has been silent for --linger after the end of input",
    ),
    ("exec:COMMAND", "a command run by sh -c, on its standard input and output: for connect, ask and --to"),
    ("-", "standard input and output as the connection (connect only)"),
    ("SPEC+tcp://HOST:PORT", "an address with its framing in front, as in u32be+tcp://:7000"),
];

const FORMATS: &[(&str, &str)] = &[
    (
        "line",
        "each line is a message, and each message a line, unchanged; a peer whose message holds an LF is closed, with a hint",
    ),
    (
        "quoted",
        "the same, but a message that holds an LF, or begins with $', is quoted as a shell does: $'a\\nb'; the default of all framings but line",
    ),
    ("hex", "a line of hexadecimal digits each"),
    ("escaped", "a line each; \\n, \\r, \\t, \\\\ and \\xHH stand for what a line cannot hold"),
    ("json", "a line each: a JSON string, or {\"base64\":\"...\"} where the message is not UTF-8"),
    ("raw", "all of standard input is one message; received messages are written with nothing between them"),
    ("SPEC", "any framing"),
];

const PROMPT: &[(&str, &str)] = &[
    ("text", "a message to the peers that the prompt names; //text and @@text begin with a / or an @"),
    ("@2 text", "to peer 2, this once; @all text to all"),
    ("/to 2", "peer 2 from now on; /to all, /to last"),
    ("/peers", "who is here"),
    ("/hex 00 0a ff", "these bytes, as one message"),
    ("/file PATH", "a file's content, as one message"),
    (
        "/close 2 [CODE [REASON]]",
        "ends the conversation with peer 2; a WebSocket peer gets the code and reason, as in /close 2 4000 goodbye",
    ),
    ("/help, /quit", "list the commands; end the program"),
    ("^D, ^C", "input ends, and answers are still printed; the line is dropped, or the program ends"),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "no colour, if it is set and not empty; --color goes before it"),
    ("CLICOLOR_FORCE", "colour also where the output is not a terminal, if it is set and not 0"),
    ("UNSTICK_CONFIG", "the config file, in place of the usual one; empty for none"),
    ("XDG_CONFIG_HOME", "where the config file is looked for"),
    ("TERM=dumb", "no colour, and no editing of lines"),
    ("XDG_STATE_HOME", "where the history of the prompt is kept"),
    (
        "ALL_PROXY, HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
        "the proxy, and what it is not for, where --proxy env asks for it",
    ),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "where the system's certificate authorities are, if not where they usually are"),
    (
        "UNSTICK_PEER, UNSTICK_FROM",
        "given to the command of --each, and with --to to that of exec:: the peer's number, and its address",
    ),
    ("UNSTICK_LOCAL", "given with --to to the command of exec:: this side's address"),
    (
        "UNSTICK_PATH, UNSTICK_QUERY, UNSTICK_SUBPROTOCOL, UNSTICK_HEADER_NAME",
        "given to the command of --each, and with --to to that of exec:: what a WebSocket client asked for, a variable for each header",
    ),
    (
        "SSLKEYLOGFILE",
        "the file to write the keys of TLS connections to, for Wireshark; its readers can decrypt the connections",
    ),
];

const DEFAULTS: &str = "Without -f, a stream is taken in lines, except in a pipe: listen or connect whose standard input is not a \
    terminal, and that uses none of --json, --io, --send, --send-hex, --send-file, --reply, --echo, --each, --count and \
    --until, moves bytes as they are, as nc(1) does.";

const ENDINGS: &str = "When standard input ends, the sending side is closed and the peer's end is waited for (--no-wait: it is not). \
    UDP has no end: a run is over when nothing has come for --linger after the first datagram. WebSocket \
    is closed when nothing has come for --linger once this end has no more to say. A listener serves \
    whoever comes; once its input has ended, it ends when the last peer has gone, unless --count, --until, --once, \
    --idle or --deadline say when. One peer's error ends a listener only with --once.";

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
        "Without a host, listen uses loopback only: write 0.0.0.0 or [::] to be reachable. Port 0: the system chooses.",
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
            ("~/.local/state/unstick/history", "lines typed at the prompt, readable by their owner only"),
            (
                "~/.config/unstick/config",
                "options of every run, one a line, such as --color=never or -f u32be; lines that begin with # are comments. What is \
                 typed goes before, and an option that the verb does not have is passed over",
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
    page.text([roman("How messages lie in a stream. "), roman(DEFAULTS)]);
    for framing in FRAMINGS {
        let such_as: Vec<&str> = examples(framing).filter(|spec| *spec != framing.syntax).collect();
        let such_as = if such_as.is_empty() { String::new() } else { format!(" (such as {})", such_as.join("  ")) };
        entry(page, [bold(syntax(framing))], &format!("{}{such_as}", framing.frame));
    }
    paragraph(page, "Every framing takes these keys, and phases are joined by /, as in struct:i/raw:");
    KEYS.iter().for_each(|(key, meaning)| entry(page, [bold(*key)], meaning));
    section(page, "PRESETS");
    page.text([roman(
        "Protocols by name; connect speaks as a client, listen as a server. unstick framings NAME tells more.",
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
