//! Help around the options: `-h` is one screen for each verb, and `--help` ends with examples and exit statuses.

use clap::{Arg, Command};

use crate::status::STATUSES;

pub const LISTEN: &str = "\
Examples:
  unstick listen 8080                          a prompt: exchange lines with every client
  unstick listen 8080 -f u32be --echo          send every message back, each after a 4-byte length
  unstick listen udp://:9005 --reply pong      answer every datagram
  unstick listen 8080 < /dev/null > file       a raw pipe: the bytes of one connection
  unstick listen tls://:8443 --self-signed     TLS; prints the fingerprint for --pin
  unstick listen ws://:8080 --origin any       WebSocket, also for pages in browsers
  unstick listen 8080 --json                   events and commands, one JSON object a line
  unstick listen 8080 --to db:5432             a bridge: connect every client to a server
  unstick listen unix:/tmp/x --to :80 --dump   a bridge that prints what passes";

pub const CONNECT: &str = "\
Examples:
  unstick connect 127.0.0.1 8080                         a prompt: exchange lines
  unstick connect host:7000 -f struct:i                  a 4-byte length as Python's struct packs it
  unstick connect wss://example.test/chat                WebSocket inside TLS
  unstick connect :6379 -f crlf --send PING              send one message, print what comes back
  generate | unstick connect :7000 -f u32be --io line    send each line as a message";

pub const ASK: &str = "\
Examples:
  unstick ask udp://127.0.0.1:9005 Hello
  unstick ask :6379 -f crlf PING
  unstick ask :7000 -f u32be - < request.bin";

pub const SEND: &str = "\
Examples:
  unstick send report.pdf photos/ --to TICKET            to `unstick receive`, which prints the ticket
  unstick send report.pdf photos/                        wait, and print a ticket for `unstick receive --from`
  unstick send report.pdf --to 127.0.0.1:7000 --plain    upload to a script
  unstick send *.csv --plain :7000                       offer files to scripts that ask for them by name";

pub const RECEIVE: &str = "\
Examples:
  unstick receive ~/inbox                                     wait, and print a ticket for `unstick send --to`
  unstick receive --from TICKET ~/inbox                       from `unstick send`, which prints the ticket
  unstick receive --plain :7000 ~/inbox                       take files from scripts on this machine
  unstick receive . --get report.pdf --from HOST:7000 --plain  fetch a file from a script";

pub const LAB: &str = "\
Examples:
  unstick lab              play every scene
  unstick lab slow-reader  two sends read as one
  unstick lab --json       what was sent and read, one JSON object a line";

pub const SHAKE: &str = "\
Examples:
  unstick shake --to :8080 -- python3 client.py {host} {port}          a client, against a server that runs
  unstick shake --to :8080 --start 'python3 server.py' -- CLIENT       a server, started anew for every case
  unstick shake --to :5432 --send-file request.bin                     a server; unstick sends these bytes
  unstick shake --to :9000 -f u32be --send hello --send world
  unstick shake --stdio --send-file requests.jsonl -- python3 server.py    a program on pipes

Exit status: 0 same everywhere, 6 broken, 7 cannot tell. ^C prints what was found so far.";

/// The exit statuses on a screen of `-h`.
const STATUS_LINES: &str = "\
Exit status: 0 done, 1 error, 2 wrong use, 3 cannot connect, 4 timed out,
  5 broken frame, 6 --count or --until not reached, 130 ^C";

/// The same of `send` and `receive`.
const TRANSFER_STATUS: &str = "Exit status: 0 done, 1 error, 3 cannot connect, 4 timed out, 6 wrong hash";

/// What `-h` says of a verb: the ten options that are used most, and three examples.
struct Screen {
    verb: &'static str,
    arguments: &'static str,
    /// Names of options, each with a shorter text than in `--help`.
    options: &'static [(&'static str, &'static str)],
    examples: [&'static str; 3],
    status: &'static str,
}

const SCREENS: [Screen; 6] = [
    Screen {
        verb: "listen",
        arguments: "ADDRESS",
        options: &[
            ("frame", "the framing: line, u32be, struct:i, http, ..."),
            ("send", "send TEXT to each peer when it connects"),
            ("echo", "answer every message with itself"),
            ("reply", "answer every message with TEXT"),
            ("each", "answer with the output of COMMAND"),
            ("io", "format of messages in a pipe: line, hex, json, ..."),
            ("json", "events and commands, one JSON object a line"),
            ("to", "bridge: connect every client to ADDRESS"),
            ("once", "serve one conversation, then exit"),
            ("count", "stop after receiving N messages"),
        ],
        examples: [
            "unstick listen 8080",
            "unstick listen 7000 -f u32be --each 'tr a-z A-Z'",
            "unstick listen ws://:8080 --to :7000 --to-frame line",
        ],
        status: STATUS_LINES,
    },
    Screen {
        verb: "connect",
        arguments: "ADDRESS",
        options: &[
            ("frame", "the framing: line, u32be, struct:i, http, ..."),
            ("send", "send TEXT when the connection opens"),
            ("io", "format of messages in a pipe: line, hex, json, ..."),
            ("json", "events and commands, one JSON object a line"),
            ("count", "stop after receiving N messages"),
            ("half_close", "after the input: now, answered or never"),
            ("retry", "keep trying for TIME"),
            ("insecure", "do not verify the server's certificate"),
            ("header", "add a line to a WebSocket request"),
            ("verbose", "print names, addresses and times"),
        ],
        examples: [
            "unstick connect 127.0.0.1 8080",
            "generate | unstick connect :7000 -f u32be --io line",
            "unstick connect wss://example.test/chat",
        ],
        status: STATUS_LINES,
    },
    Screen {
        verb: "ask",
        arguments: "ADDRESS MESSAGE",
        options: &[
            ("frame", "the framing: line, u32be, struct:i, http, ..."),
            ("send_hex", "send these bytes as the message"),
            ("send_file", "send a file as the message"),
            ("deadline", "give up after TIME without a reply [10s]"),
            ("io", "format of the reply: line, hex, json, raw, ..."),
            ("half_close", "after the message: now, answered or never"),
            ("retry", "keep trying for TIME"),
            ("insecure", "do not verify the server's certificate"),
            ("header", "add a line to a WebSocket request"),
            ("verbose", "print names, addresses and times"),
        ],
        examples: [
            "unstick ask udp://127.0.0.1:9005 Hello",
            "unstick ask :6379 -f crlf PING",
            "unstick ask :7000 -f u32be - < request.bin",
        ],
        status: "Exit status: 0 replied, 3 cannot connect, 4 no reply in time, 6 closed without",
    },
    Screen {
        verb: "send",
        arguments: "FILE... [--to TICKET]",
        options: &[
            ("to", "connect to `unstick receive`, which prints TICKET"),
            ("plain", "for scripts, without TLS; with ADDRESS, wait there"),
            ("count", "with --plain, stop after N files"),
            ("stall", "give up where nothing moves for TIME [20s]"),
            ("json", "events, one JSON object a line"),
            ("quiet", "print files and errors only"),
        ],
        examples: [
            "unstick send report.pdf photos/",
            "unstick send report.pdf photos/ --to TICKET",
            "unstick send report.pdf --to 127.0.0.1:7000 --plain",
        ],
        status: TRANSFER_STATUS,
    },
    Screen {
        verb: "receive",
        arguments: "[DIRECTORY] [--from TICKET]",
        options: &[
            ("plain", "for scripts, without TLS; with ADDRESS, wait there"),
            ("from", "connect to `unstick send`, which prints TICKET"),
            ("verify", "read again what is there of a file"),
            ("get", "with --plain, ask for the file NAME"),
            ("overwrite", "replace files: never or always [never]"),
            ("count", "with --plain, stop after N files"),
            ("stall", "give up where nothing moves for TIME [20s]"),
            ("json", "events, one JSON object a line"),
            ("quiet", "print files and errors only"),
        ],
        examples: [
            "unstick receive ~/inbox",
            "unstick receive --from TICKET ~/inbox",
            "unstick receive --plain :7000 ~/inbox",
        ],
        status: TRANSFER_STATUS,
    },
    Screen {
        verb: "shake",
        arguments: "(--to ADDRESS | --stdio) [-- COMMAND]",
        options: &[
            ("to", "the server to test, or that the client needs"),
            ("start", "start the server with COMMAND for every case"),
            ("stdio", "test a program on pipes"),
            ("frame", "compare messages of this framing, not bytes"),
            ("send", "send TEXT, with unstick as the client"),
            ("send_file", "send the bytes of a file"),
            ("time", "stop after TIME; try random cases until then"),
            ("case", "try only this case, as a finding prints it"),
            ("json", "print the report as JSON"),
            ("junit", "write the report for a build server"),
        ],
        examples: [
            "unstick shake --to :8080 -- python3 client.py {host} {port}",
            "unstick shake --to :0 --start 'python3 server.py {port}' --send hello",
            "unstick shake --stdio --send hello -- python3 server.py",
        ],
        status: "Exit status: 0 same everywhere, 6 broken, 7 cannot tell",
    },
];

/// Prepares the verbs: an option that is given twice counts as given last; the help ends with the exit statuses.
pub fn prepare(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        let verb = verb.args_override_self(true);
        let Some(screen) = SCREENS.iter().find(|screen| screen.verb == verb.get_name()) else { return verb };
        let mut below = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        if screen.verb != "shake" {
            below += "\n\nExit status:";
            for (status, meaning) in STATUSES {
                below += &format!("\n  {:<4} {meaning}", *status as u8);
            }
        }
        verb.after_help(below)
    })
}

/// The screen of a verb, where `-h` asked for help and not `--help` or `help`.
pub fn screen(typed: &[String], command: &Command) -> Option<String> {
    let name = typed.first()?;
    let screen = SCREENS.iter().find(|screen| screen.verb == *name)?;
    let is_short = !typed.iter().any(|word| word == "--help");
    command.find_subcommand(name).filter(|_| is_short).map(|verb| drawn(screen, verb))
}

fn drawn(screen: &Screen, verb: &Command) -> String {
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = format!("{about}\n\nUsage: unstick {} [OPTIONS] {}\n\n", screen.verb, screen.arguments);
    for (name, does) in screen.options {
        if let Some(arg) = verb.get_arguments().find(|arg| arg.get_id() == *name) {
            page += &format!("  {:<25} {does}\n", label(arg));
        }
    }
    page += "\nExamples:\n";
    for example in screen.examples {
        page += &format!("  {example}\n");
    }
    page + &format!(
        "\n{}\n`unstick {} --help` lists all options, `unstick framings` the framings.\n",
        screen.status, screen.verb
    )
}

/// `-f, --frame SPEC`.
fn label(arg: &Arg) -> String {
    let short = arg.get_short().map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).and_then(|names| names.first());
    let value = value.map(|name| format!(" {name}")).unwrap_or_default();
    format!("{short}--{}{value}", arg.get_long().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;

    #[test]
    fn a_screen_has_24_lines_of_80_columns_and_only_options_that_exist() {
        let command = Cli::whole();
        for screen in &SCREENS {
            let verb = command.find_subcommand(screen.verb).expect("a verb");
            for (name, _) in screen.options {
                assert!(verb.get_arguments().any(|arg| arg.get_id() == *name), "{} has no {name}", screen.verb);
            }
            let page = drawn(screen, verb);
            assert!(page.lines().count() <= 24, "{page}");
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        }
    }
}
