//! The examples below `--help`: commands, and what each does.

/// A command, and what it does. Each fits in 80 columns.
pub type Example = (&'static str, &'static str);

/// The examples of a verb.
pub fn examples(verb: &str) -> &'static [Example] {
    match verb {
        "listen" => LISTEN,
        "connect" => CONNECT,
        "ask" => ASK,
        "send" => SEND,
        "receive" => RECEIVE,
        "lab" => LAB,
        "shake" => SHAKE,
        "decode" => DECODE,
        "encode" => ENCODE,
        "replay" => REPLAY,
        "guess" => GUESS,
        "framings" => FRAMINGS,
        "generate" => GENERATE,
        _ => &[],
    }
}

const LISTEN: &[Example] = &[
    ("unstick listen 8080", "a prompt: exchange lines with every client"),
    ("unstick listen 8080 -f u32be --echo", "send every message back, each after a 4-byte length"),
    ("unstick listen udp://:9005 --reply pong", "answer every datagram"),
    ("unstick listen 8080 < /dev/null > file", "a raw pipe: the bytes of one connection"),
    ("unstick listen tls://:8443 --self-signed", "TLS; prints the fingerprint for --pin"),
    ("unstick listen ws://:8080 --origin any", "WebSocket, also for pages in browsers"),
    ("unstick listen 8080 --json", "events and commands, one JSON object a line"),
    ("unstick listen 8080 --to db:5432", "a bridge: connect every client to a server"),
    ("unstick listen unix:/tmp/x --to :80 --dump", "a bridge that prints what passes"),
    ("unstick listen 5433 --to :5432 --record a.jsonl", "a bridge that records it for decode"),
];

const CONNECT: &[Example] = &[
    ("unstick connect 127.0.0.1 8080", "a prompt: exchange lines"),
    ("unstick connect host:7000 -f struct:i", "a 4-byte length as Python's struct packs it"),
    ("unstick connect wss://example.test/chat", "WebSocket inside TLS"),
    ("unstick connect :6379 -f crlf --send PING", "send one message, print what comes back"),
    ("generate | unstick connect :7000 -f u32be --io line", "send each line as a message"),
];

const ASK: &[Example] = &[
    ("unstick ask udp://127.0.0.1:9005 Hello", "one datagram, and the reply to it"),
    ("unstick ask :6379 -f crlf PING", "one line that ends in CR LF"),
    ("unstick ask :7000 -f u32be - < request.bin", "a message from a file, after a 4-byte length"),
];

const SEND: &[Example] = &[
    ("unstick send report.pdf photos/ --to TICKET", "to `unstick receive`, which prints the ticket"),
    ("unstick send report.pdf photos/", "wait, and print a ticket for `unstick receive --from`"),
    ("tar c . | unstick send - --name backup.tar --to TICKET", "send standard input, also verified by its hash"),
    ("unstick send report.pdf --to 127.0.0.1:7000 --plain", "upload to a script"),
    ("unstick send *.csv --plain :7000", "offer files to scripts that ask for them by name"),
];

const RECEIVE: &[Example] = &[
    ("unstick receive ~/inbox", "wait, and print a ticket for `unstick send --to`"),
    ("unstick receive --from TICKET ~/inbox", "from `unstick send`, which prints the ticket"),
    ("unstick receive - --from TICKET | tar x", "one file, to standard output"),
    ("unstick receive --plain :7000 ~/inbox", "receive files from scripts on this machine"),
    ("unstick receive . --get report.pdf --from HOST:7000 --plain", "fetch a file from a script"),
];

const LAB: &[Example] = &[
    ("unstick lab", "play every scene"),
    ("unstick lab slow-reader", "two sends read as one"),
    ("unstick lab --json", "what was sent and read, one JSON object a line"),
];

const SHAKE: &[Example] = &[
    ("unstick shake --to :8080 -- python3 client.py {host} {port}", "a client, against a server that runs"),
    ("unstick shake --to :8080 --start 'python3 server.py' -- CLIENT", "a server, started again for every case"),
    ("unstick shake --to :5432 --send-file request.bin", "a server; unstick sends these bytes"),
    ("unstick shake --to :9000 -f u32be --send hello --send world", "a server; unstick sends two messages"),
    ("unstick shake --stdio --send-file requests.jsonl -- python3 server.py", "a program on pipes"),
];

const DECODE: &[Example] = &[
    ("unstick decode capture.pcapng", "every connection of a capture, by the presets of its ports"),
    ("unstick decode capture.pcap.gz -f kafka --port 9092", "the connections to one port, in this framing"),
    ("tcpdump -i lo -U -w - port 5432 | unstick decode", "a capture that is being made"),
    ("unstick decode session.jsonl", "what --record has written, in the framing of its run"),
    ("unstick decode -f u32be bytes.bin", "every message, with its place in the file"),
    ("unstick decode -f postgres --s2c --wire answers.bin", "whole frames of a server, dumped"),
    ("unstick decode -f u32be --io line < bytes.bin", "the payloads alone, one a line"),
    ("unstick decode -f u32be --json bytes.bin", "one JSON object for each message"),
];

const ENCODE: &[Example] = &[
    ("unstick encode -f u32be < lines.txt > bytes.bin", "each line as a frame"),
    ("unstick encode -f modbus --io hex requests.txt > bytes.bin", "messages in hexadecimal"),
];

const REPLAY: &[Example] = &[
    ("unstick replay session.jsonl --listen 5432", "a mock server with the recorded answers"),
    ("unstick replay session.jsonl --to 127.0.0.1:5432", "does the server still answer the same?"),
    ("unstick replay session.jsonl --listen 5432 --speed real", "with the recorded pauses"),
];

const GUESS: &[Example] = &[
    ("unstick guess capture.pcapng", "every server of a capture: which framing is this?"),
    ("unstick guess capture.pcap --port 7000", "the connections of one server"),
    ("unstick guess bytes.bin", "the bytes of one direction"),
    ("echo 00 00 00 05 68 65 6c 6c 6f | unstick guess --hex", "bytes in hexadecimal"),
    ("unstick guess capture.pcap --json", "one JSON object for each server"),
];

const FRAMINGS: &[Example] = &[
    ("unstick framings", "list framings and presets"),
    ("unstick framings struct:i", "draw a frame, and show how to use it"),
    ("unstick framings industrial", "find protocols by a word of their description"),
];

const GENERATE: &[Example] = &[
    ("unstick generate man | man -l -", "read the man page"),
    ("unstick generate completions zsh > _unstick", "completions for zsh; also bash, fish, elvish and powershell"),
    ("unstick generate dissector -f u32be --port 7000 > u32be.lua", "a dissector for Wireshark"),
    ("unstick generate reference", "the tables of docs/reference.md"),
];
