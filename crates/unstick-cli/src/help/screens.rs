//! The words of `-h`, one screen for each verb.

/// Exit statuses, short enough for a screen.
pub(super) const STATUS_LINES: &str = "\
Exit status: 0 done, 1 error, 2 wrong use, 3 cannot connect, 4 timed out,
  5 broken frame, 6 --count or --until not reached, 130 ^C";

/// Exit statuses of `send` and `receive`.
const TRANSFER_STATUS: &str = "Exit status: 0 done, 1 error, 3 cannot connect, 4 timed out, 6 wrong hash";

/// Exit statuses of verbs that only print.
pub(super) const PLAIN_STATUS: &str = "Exit status: 0 done, 1 error, 2 wrong use";

/// What `-h` prints for a verb: its most used options, at most ten, and three examples.
pub(super) struct Screen {
    pub(super) verb: &'static str,
    pub(super) arguments: &'static str,
    /// Names of options, each with a shorter text than in `--help`.
    pub(super) options: &'static [(&'static str, &'static str)],
    pub(super) examples: [&'static str; 3],
    pub(super) status: &'static str,
}

/// One for each verb.
pub(super) const SCREENS: [Screen; 13] = [
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
            ("stall", "close a connection that stalls for TIME [20s]"),
            ("exclude", "leave out paths that match GLOB"),
            ("limit", "send and receive at most SIZE a second"),
            ("dry_run", "print what would be sent"),
            ("json", "events, one JSON object a line"),
            ("quiet", "print files and errors only"),
        ],
        examples: [
            "unstick send report.pdf photos/",
            "tar c . | unstick send - --to TICKET",
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
            ("verify", "verify again what was received before"),
            ("get", "with --plain, ask for the file NAME"),
            ("overwrite", "replace: never, ask, newer or always [never]"),
            ("count", "with --plain, stop after N files"),
            ("stall", "close a connection that stalls for TIME [20s]"),
            ("limit", "send and receive at most SIZE a second"),
            ("dry_run", "print what would be received"),
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
            ("recording", "send what a recorded client sent"),
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
    Screen {
        verb: "decode",
        arguments: "[FILE]",
        options: &[
            ("frame", "the framing: line, u32be, struct:i, http, ..."),
            ("port", "connections of a capture to this port"),
            ("connection", "one connection of a capture, by its number"),
            ("html", "write a timeline, a page for a browser"),
            ("pcapng", "write a recording as packets, for Wireshark"),
            ("hex", "show messages as hexadecimal dumps"),
            ("wire", "show whole frames: header, payload, trailer"),
            ("io", "payloads alone: line, hex, json, ..."),
            ("json", "events, one JSON object a line"),
            ("count", "stop after N messages"),
        ],
        examples: [
            "unstick decode capture.pcapng -f kafka --port 9092",
            "unstick decode -f u32be bytes.bin",
            "unstick decode -f u32be --io line < bytes.bin",
        ],
        status: "Exit status: 0 done, 1 error, 2 wrong use, 5 broken frame, 6 --count not reached",
    },
    Screen {
        verb: "encode",
        arguments: "[FILE]",
        options: &[
            ("frame", "the framing: line, u32be, struct:i, http, ..."),
            ("s2c", "make the frames of a server"),
            ("io", "format of the messages: line, hex, json, ..."),
        ],
        examples: [
            "unstick encode -f u32be < lines.txt > bytes.bin",
            "unstick encode -f modbus --io hex requests.txt > bytes.bin",
            "printf 'hello\\n' | unstick encode -f u32be | xxd",
        ],
        status: PLAIN_STATUS,
    },
    Screen {
        verb: "replay",
        arguments: "[FILE] (--listen ADDRESS | --to ADDRESS)",
        options: &[
            ("listen", "be the server: play the recorded answers"),
            ("to", "be the client: compare the answers of ADDRESS"),
            ("frame", "the framing, if not that of the recording"),
            ("connection", "one connection, by its number"),
            ("mask", "do not compare OFFSET..OFFSET, or a REGEX"),
            ("copy", "copy an id from requests to their answers"),
            ("speed", "max, real, or a factor such as 2x [max]"),
            ("once", "serve one client, then exit"),
            ("fault", "inject a fault into what is sent: loss=5%"),
            ("json", "events, one JSON object a line"),
            ("junit", "write a report in JUnit's format to FILE"),
        ],
        examples: [
            "unstick replay session.jsonl --listen 5432",
            "unstick replay session.jsonl --to 127.0.0.1:5432",
            "unstick replay session.jsonl --to :6379 --mask 'id=[0-9]+'",
        ],
        status: "Exit status: 0 same, 3 cannot connect, 6 different, 7 nothing to compare",
    },
    Screen {
        verb: "guess",
        arguments: "[FILE]",
        options: &[
            ("port", "look at the connections to this port"),
            ("host", "look at the connections of this IP address"),
            ("hex", "read the bytes as hexadecimal digits"),
            ("s2c", "take the bytes for those of a server"),
            ("json", "print one JSON object for each server"),
        ],
        examples: [
            "unstick guess capture.pcapng",
            "unstick guess capture.pcap --port 7000",
            "echo 00 05 68 65 6c 6c 6f | unstick guess --hex",
        ],
        status: "Exit status: 0 guessed, 1 error, 2 wrong use, 7 cannot tell",
    },
    Screen {
        verb: "lab",
        arguments: "[NAME]...",
        options: &[
            ("json", "print what happened as one JSON object a line"),
            ("html", "write a timeline, a page for a browser"),
        ],
        examples: ["unstick lab", "unstick lab slow-reader", "unstick lab length range --json"],
        status: PLAIN_STATUS,
    },
    Screen {
        verb: "framings",
        arguments: "[SPEC | WORD]",
        options: &[("names", "print names only, one a line"), ("json", "print one JSON object a line")],
        examples: ["unstick framings", "unstick framings struct:i", "unstick framings industrial"],
        status: PLAIN_STATUS,
    },
    Screen {
        verb: "generate",
        arguments: "(man | completions SHELL | reference | dissector)",
        options: &[],
        examples: [
            "unstick generate man | man -l -",
            "unstick generate completions zsh > _unstick",
            "unstick generate completions bash > ~/.unstick.bash",
        ],
        status: PLAIN_STATUS,
    },
];
