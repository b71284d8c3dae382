//! Wrong use gets one clear sentence and a hint; and what `-v` prints for right use.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;

use crate::rig::{Peer, Vacancy, listener, unstick, unstick_listen};

const HELP: &str = "unstick connect --help lists its options";
const KEEPALIVE: &str = "a time from 1s to 32767s, which is what TCP takes, or no for none";
const TIME: &str = "a time is written 500ms, 10s or 2m, and is at most a year (8760h)";
const DATAGRAM: &str = "a datagram already is a whole message";
const PIECES: &str = "and would arrive in pieces";

/// The arguments, the sentence and the hint. All of them end the program with status 2 before anything is opened.
const WRONG: &[(&[&str], &str, &str)] = &[
    // Verbs and words.
    (&["lisen", ":1"], "`lisen` is not a verb of unstick", "did you mean `listen`?"),
    (&["8080"], "`8080` is not a verb of unstick", "unstick --help lists the verbs"),
    (&["generate", "pdf"], "generate does not know `pdf`", "unstick generate --help lists its options"),
    (
        &["generate", "dissector"],
        "generate dissector needs -f SPEC",
        "such as unstick generate dissector -f u32be --port 7000 > u32be.lua",
    ),
    (&["-v", "listen", ":1"], "expected a verb, found -v", "options come after the verb, as in unstick listen -v"),
    (&["-l", "8080"], "expected a verb, found -l", "write unstick listen 8080"),
    (&["-u", "host", "53"], "expected a verb, found -u", "write unstick connect udp://host:53"),
    (
        &["--json", "8080"],
        "expected a verb, found --json",
        "options come after the verb, as in unstick listen ADDRESS --json",
    ),
    (&["--bogus"], "expected a verb, found --bogus", "unstick --help lists the verbs"),
    (&["help", "--help"], "`--help` is not a verb of unstick", "unstick --help lists the verbs"),
    (&["help", "lisen"], "`lisen` is not a verb of unstick", "unstick --help lists the verbs"),
    (&["proxy", ":1"], "`proxy` is not a verb of unstick", "write unstick listen ADDRESS --to ADDRESS"),
    (&["serve", ":1"], "`serve` is not a verb of unstick", "write unstick listen ADDRESS"),
    (&["lab", "lost"], "there is no scene `lost`", "did you mean `loss`?"),
    (&["lab", "cost"], "there is no scene `cost`", "`unstick lab` plays them all, and lists their names"),
    (&["listen", "-p", "80"], "listen has no option -p", "the port is the address: unstick listen 8080"),
    (
        &["listen", "8080", "8081"],
        "`8080 8081` is two ports, and a run takes one address",
        "start unstick once for each port, or write HOST PORT",
    ),
    (
        &["connect", "8080:8081"],
        "`8080` in `8080:8081` is a number, not a host",
        "write HOST:PORT with a name or an address such as 127.0.0.1, or just PORT",
    ),
    (
        &["connect", ":1", "--io", "raw", "--time"],
        "--time puts the time in front of lines, and --io raw writes none",
        "--json has the time of every message, with any content",
    ),
    (
        &["connect", ":1", "--send-hex", "00 0z"],
        "--send-hex `00 0z`: 0z is not hexadecimal",
        "such as 00ff10 or 00 ff 10",
    ),
    (&["connect"], "connect needs ADDRESS", HELP),
    (&["connect", "a", "b", "c"], "`c` is one word too many for connect", HELP),
    (&["ask", ":1"], "ask needs MESSAGE", "unstick ask --help lists its options"),
    (&["ask"], "ask needs ADDRESS and MESSAGE", "unstick ask --help lists its options"),
    (&["ask", "host", "80", "hi"], "`hi` is one word too many for ask", "unstick ask --help lists its options"),
    (&["ask", "host", "80"], "`host` has no port", "ask takes the address in one word: host:80"),
    // Addresses.
    (&["connect", "localhost"], "`localhost` has no port", "write localhost:PORT, or just PORT"),
    (&["connect", "99999"], "`99999` is not a port", "a port is a number from 0 to 65535"),
    (&["connect", "host:http"], "`http` is not a port", "a port is a number from 0 to 65535"),
    (&["connect", "host", "http"], "`http` is not a port", "a port is a number from 0 to 65535"),
    (
        &["connect", "::1:80"],
        "`::1:80` has more than one `:`",
        concat!("put an IPv6 address in brackets: [::1]", ":8080"),
    ),
    (&["connect", "http://x:1"], "`http://` is not a transport", "tcp:// speaks TCP, ws:// WebSocket"),
    (&["connect", "https://x:1"], "`https://` is not a transport", "tls:// speaks TLS, wss:// WebSocket inside it"),
    (&["connect", "ssl://x:1"], "`ssl://` is not a transport", "tls:// is what it is called today"),
    (&["connect", "quic://x:1"], "`quic://` is not a transport", "tcp://, udp://, tls://, ws:// or wss://"),
    (&["connect", "tls:localhost:1"], "`tls:` is not a transport", "write tls://localhost:1"),
    (&["connect", "tls://"], "a host and a port are missing", "write HOST:PORT, or just PORT"),
    (&["connect", "exec://ls"], "exec: takes a command, and no // in front of it", "write exec:ls"),
    (
        &["connect", "unixgram:/x"],
        "`unixgram:` is not a transport",
        "put unix:, unix-dgram: or unix-seqpacket: before the socket's path",
    ),
    (
        &["listen", "ws://:0/a?b=c"],
        "a listener has a path alone, and `?b=c` is what a client may add",
        "such as ws://localhost:0/a",
    ),
    (
        &["listen", "wss://:0/a?b=c"],
        "a listener has a path alone, and `?b=c` is what a client may add",
        "such as wss://localhost:0/a",
    ),
    (&["connect", "exec:"], "exec: needs a command", "such as exec:cat"),
    (
        &["connect", "exec:echo", "hi"],
        "`hi` is not part of the command",
        "put the whole of it in quotes: 'exec:COMMAND'",
    ),
    (
        &["listen", "exec:cat"],
        "a client cannot connect to a command",
        "connect exec:COMMAND, or listen ADDRESS --to exec:COMMAND",
    ),
    (&["listen", "/tmp/x"], "`/tmp/x` is not a host and a port", "a socket's path is written unix:/tmp/x"),
    (
        &["listen", "unix:"],
        "a socket of this machine needs a path or a name",
        "such as unix:/tmp/it.sock, or unix:@name for one without a file",
    ),
    (
        &["listen", "unix:@x", "--mode", "600"],
        "unix:@x has no file to set permissions of",
        "--mode is for sockets with a path",
    ),
    (
        &["listen", ":0", "--mode", "600"],
        "--mode is for the file of a unix: socket, and tcp://localhost:0 has none",
        "",
    ),
    (&["listen", "unix:/x", "--mode", "9"], "--mode cannot be `9`", "permissions are three octal digits, such as 600"),
    (&["connect", "unix-dgram:/x", "-f", "u8"], "unix-dgram:/x is not a stream: it takes no framing", DATAGRAM),
    (&["connect", "tcp://x", "80"], "`tcp://x` needs no second word `80`", "write tcp://x:80"),
    (
        &["connect", ":80", ":81"],
        "`:80 :81` is not an address",
        "give one address; --to :81 makes a bridge to the other",
    ),
    (
        &["listen", "127.0.0.1:0", "--to", "localhost", "80"],
        "`127.0.0.1:0 80` is not an address",
        "write HOST:PORT or HOST PORT; after --to, HOST:PORT",
    ),
    (&["listen", "-"], "a client cannot connect to standard input", "use connect -"),
    (&["connect", "-"], ASIDE, "use it with --send, --echo, --reply or --each"),
    (&["connect", "-", "--echo", "--json"], ASIDE, "use it with --send, --echo, --reply or --each"),
    (
        &["ask", "-", "hi"],
        "ask prints the reply on standard output, and with - that is the connection",
        "connect - --send MESSAGE speaks on standard input and output",
    ),
    // TLS, WebSocket, proxies.
    (
        &["listen", "tls://:0"],
        "listening on tls:// needs a certificate",
        "--self-signed makes one; --cert FILE --key FILE name one",
    ),
    (
        &["listen", ":0", "--self-signed"],
        "--ca, --cert, --alpn and --self-signed are for tls:// and wss://, not for tcp://localhost:0",
        "write tls:// or wss:// in front of the host",
    ),
    (
        &["listen", "tls://:0", "--self-signed", "--insecure"],
        "--pin, --sni and --insecure are for connecting, and listen only accepts connections",
        TO,
    ),
    (
        &["connect", "tls://:1", "--self-signed"],
        "connect has no option --self-signed",
        "it is an option of listen and of replay",
    ),
    (&["connect", "tls://:1", "--insecure", "--pin", "aa"], "--insecure and --pin exclude each other", HELP),
    (
        &["connect", "tls://:1", "--pin", "aa"],
        "`aa` is not the SHA-256 fingerprint of a certificate",
        "it has 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints it",
    ),
    (
        &["connect", "tls://:1", "--alpn", "h2,"],
        "--alpn cannot be ``",
        "a protocol's name has 1 to 255 bytes, as in h2,http/1.1",
    ),
    (
        &["connect", "ws://:1", "--header", "Upgrade: x"],
        "the handshake itself writes `Upgrade`",
        "such as 'Authorization: Bearer 1234'",
    ),
    (&["connect", "ws://:1", "--origin", "https://x"], "connect has no option --origin", "it is an option of listen"),
    (
        &["listen", "ws://:0", "--origin", "x.test"],
        "--origin cannot be `x.test`",
        "an origin is a scheme and a host, such as https://example.org",
    ),
    (&["listen", "ws://:0", "--header", "A: b"], "--header is for connecting, and listen only accepts connections", TO),
    (&["connect", "ws://:1", "--text", "--binary"], "--text and --binary exclude each other", HELP),
    (
        &["connect", ":1", "--text"],
        "--subprotocol, --binary, --text, --ping, --close-code, --max-message and --header are for ws://, wss:// and ws+unix:, not for tcp://localhost:1",
        "write ws:// or wss:// in front of the host",
    ),
    (
        &["connect", ":1", "--proxy", "x:1"],
        "`x:1` needs a scheme for the kind of proxy",
        "such as socks5://HOST:1080 or http://HOST:3128",
    ),
    (
        &["connect", ":1", "--proxy", "socks5://me:secret@x"],
        "the address of the proxy: `x` has no port",
        "such as socks5://HOST:1080 or http://HOST:3128",
    ),
    (
        &["connect", "unix:/x", "--proxy", "socks5://x:1"],
        "--proxy is for tcp://, tls://, ws:// and wss://, not for unix:/x",
        "",
    ),
    (
        &["connect", "exec:cat", "--retry", "1s"],
        "--connect-timeout and --retry are for sockets and serial lines, not for exec:cat",
        "",
    ),
    (
        &["ask", "exec:cat", "x", "--connect-timeout", "1s"],
        "--connect-timeout and --retry are for sockets and serial lines, not for exec:cat",
        "",
    ),
    (&["connect", "unix:/x", "--source", "127.0.0.1"], "--source is for addresses with a host, not for unix:/x", ""),
    (
        &["listen", ":0", "--to", "exec:cat", "--retry", "1s"],
        "--connect-timeout and --retry are for sockets and serial lines, not for exec:cat",
        "",
    ),
    // Bridges.
    (&["listen", ":0", "--to"], "--to needs a value", "unstick listen --help lists its options"),
    (&["listen", ":0", "--dump"], "--dump shows what passes through a bridge, and this run is not a bridge", NO_BRIDGE),
    (
        &["connect", ":1", "--fault", "reset"],
        "--fault is for what passes through a bridge, and this run is not a bridge",
        NO_BRIDGE,
    ),
    (&["listen", ":0", "--to", ":1", "--seed", "3"], "--seed repeats faults, and there are none", "add --fault SPEC"),
    (
        &["listen", ":0", "--to", ":1", "--frame-timeout", "1s"],
        "--frame-timeout is for the frames of streams, and none pass here",
        "-f names the framing of a stream; --idle ends a run in which nothing passes",
    ),
    (
        &["listen", ":0", "--to", ":1", "--linger", "1s"],
        "--linger is for transports without an end of file, and both of these are streams",
        "--idle ends a run in which nothing passes, --deadline ends it anyway",
    ),
    (
        &["listen", ":0", "--to", ":1", "--session-idle", "1s"],
        "--session-idle and --max-sessions are for udp:// and unix-dgram:, not for tcp://localhost:0 and tcp://localhost:1",
        "only datagrams have sessions",
    ),
    (
        &["listen", ":0", "--to", ":1", "--fault", "loss=5% c2c:dup=1%"],
        "`c2c:` in `c2c:dup=1%` is not a direction",
        "c2s: is to the server, s2c: is back, neither is both",
    ),
    (&["listen", ":0", "--to", "nowhere"], "`nowhere` has no port", "write nowhere:PORT, or just PORT"),
    (
        &["listen", ":0", "--to", ":1", "--echo"],
        "--echo is for a conversation with unstick itself, and --to forwards it to another address",
        "leave out one of them",
    ),
    (&["listen", ":0", "--to", ":1", "--hex"], "--hex, --wire and --time show what passes", "add --dump"),
    (
        &["listen", ":0", "--to", ":1", "--dump", "--wire", "--fault", "delay=1ms"],
        "--wire shows frames as they arrive, and --fault changes what they hold",
        "--hex shows the messages that leave",
    ),
    (
        &["listen", ":0", "--to", "-"],
        "`--to -` is standard input and output",
        "leave out --to: without it, unstick uses them",
    ),
    (
        &["listen", ":0", "--to", "udp://:1", "--to-frame", "u8"],
        "udp://localhost:1 is not a stream: it takes no --to-frame u8",
        DATAGRAM,
    ),
    (
        &["listen", ":0", "--to", "line+tcp://:1", "--to-frame", "u8"],
        "--to-frame u8 is for an address without a framing, and this one has line",
        "name one of them",
    ),
    (
        &["listen", ":0", "--retry", "1s"],
        "--connect-timeout, --retry and --source are for connecting, and listen only accepts connections",
        "--to ADDRESS connects every client to another address",
    ),
    (
        &["listen", ":0", "--to", ":1", "--fault", "loss=5%"],
        "loss is for messages, and what the client says are bytes without boundaries",
        "s2c:loss is for the other direction; -f or --to-frame names their framing",
    ),
    (
        &["listen", ":0", "--to", ":1", "-f", "line", "--to-frame", "raw", "--fault", "loss=5%"],
        "loss is for messages, and what the server says are bytes without boundaries",
        "c2s:loss is for the other direction; -f or --to-frame names their framing",
    ),
    (&["listen", ":0", "--to", ":1", "--fault", "loss"], "`loss` has no amount", "such as loss=5%"),
    // Framings.
    (&["connect", ":1", "-f", "lines"], "there is no framing `lines`", "did you mean `line`?"),
    (&["connect", ":1", "-f", "zzz"], "there is no framing `zzz`", "`unstick framings` lists them"),
    (&["connect", "nul+tcp://:1"], "there is no framing `nul`", "did you mean `null`?"),
    (&["lab", "nagel"], "there is no scene `nagel`", "did you mean `nagle`?"),
    (&["lab", "nagle", "udp"], "there is no scene `udp`", "did you mean `datagrams` or `compare`?"),
    (&["lab", "small"], "there is no scene `small`", "did you mean `small-buffer`?"),
    (&["lab", "zzz"], "there is no scene `zzz`", "`unstick lab` plays them all, and lists their names"),
    (&["framings", "u33be"], "`u33be`: a length has 8, 16, 24, 32, 40, 48, 56 or 64 bits", ""),
    (&["connect", "udp://:1", "-f", "u8"], "udp://localhost:1 is not a stream: it takes no framing", DATAGRAM),
    (&["listen", "udp://:0", "--frame-in", "u8"], "udp://localhost:0 is not a stream: it takes no framing", DATAGRAM),
    (&["ask", "udp://:1", "hi", "-f", "u8"], "udp://localhost:1 is not a stream: it takes no framing", DATAGRAM),
    (&["connect", "u8+udp://:1"], "a framing in front of udp://localhost:1 has no effect", DATAGRAM),
    (
        &["connect", "line+tcp://:1", "-f", "u8"],
        "-f u8 is for an address without a framing, and this one has line",
        "name one of them; --frame-in and --frame-out are for directions that differ",
    ),
    // Options and their values.
    (&["connect", ":1", "--fram", "u8"], "connect has no option --fram", "did you mean `--frame`?"),
    (&["connect", ":1", "--xyzzy"], "connect has no option --xyzzy", HELP),
    (&["connect", ":1", "--count"], "--count needs a value", HELP),
    (&["connect", ":1", "--count", "0"], "--count cannot be `0`", "a number from 1 on"),
    (&["connect", ":1", "--count", "few"], "--count cannot be `few`", "a number from 1 on"),
    (&["listen", ":0", "--max-peers", "0"], "--max-peers cannot be `0`", "a number from 1 on"),
    (&["connect", ":1", "--idle", "3parsecs"], "--idle cannot be `3parsecs`", TIME),
    (&["connect", ":1", "--half-close", "soon"], "--half-close cannot be `soon`", "it is now, answered or never"),
    (&["connect", ":1", "--no-stdin", "--no-wait"], "--no-stdin and --no-wait exclude each other", HELP),
    (&["connect", ":1", "--keepalive", "32768s"], "--keepalive cannot be `32768s`", KEEPALIVE),
    (&["connect", ":1", "--keepalive", "10ms"], "--keepalive cannot be `10ms`", KEEPALIVE),
    (&["ask", ":1", "x", "--deadline=-1s"], "--deadline cannot be `-1s`", TIME),
    (&["connect", ":1", "--json", "--io", "hex"], "--json and --io exclude each other", HELP),
    (&["connect", ":1", "--json", "--hex"], "--json and --hex exclude each other", HELP),
    (&["connect", ":1", "--echo", "--reply", "x"], "--echo and --reply exclude each other", HELP),
    (
        &["ask", ":1", "hi", "--send-hex", "00"],
        "MESSAGE and --send-hex exclude each other",
        "unstick ask --help lists its options",
    ),
    (
        &["connect", ":1", "--io", "lien"],
        "--io lien: there is no framing `lien`",
        "--io takes line, quoted, hex, escaped, json, raw or a framing spec",
    ),
    (
        &["connect", ":1", "--hex"],
        "--hex, --wire and --time show messages, and a pipe of bytes has none",
        "name a framing with -f; --io hex writes messages in hexadecimal",
    ),
    (
        &["connect", ":1", "--source", "here"],
        "--source here: not an address of this machine",
        "write IP, :PORT or IP:PORT",
    ),
    (
        &["connect", ":1", "--broadcast"],
        "--broadcast, --join, --ttl and --interface are for udp://, not for tcp://localhost:1",
        "write udp:// in front of the host",
    ),
    (
        &["listen", "udp://:0", "--join", "everybody"],
        "--join cannot be `everybody`",
        "a multicast group is an IP address such as 239.1.2.3",
    ),
    (&["connect", "udp://:1", "--ttl", "256"], "--ttl cannot be `256`", "a number from 0 to 255"),
    (
        &["generate", "completions", "tcsh"],
        "SHELL cannot be `tcsh`",
        "it is one of bash, elvish, fish, powershell, zsh",
    ),
    // Messages.
    (
        &["connect", ":1", "--send-hex", "0"],
        "--send-hex `0`: 0 has an odd number of digits, and two make a byte",
        "such as 00ff10 or 00 ff 10",
    ),
    (&["ask", ":1", "--send-hex", "0g"], "--send-hex `0g`: 0g is not hexadecimal", "such as 00ff10 or 00 ff 10"),
    (&["connect", ":1", "--send-file", "/none/such"], "/none/such: no such file or directory", ""),
    (&["ask", ":1", "--send-file", "/"], "/: is a directory", ""),
];

const NO_BRIDGE: &str = "--to ADDRESS makes it one: it forwards everything there, and the answers back";
const TO: &str = "--to ADDRESS connects every client to another address";

const ASIDE: &str = "`connect -` uses standard input and output as the connection, so nothing else can use them";

#[test]
fn every_wrong_use_has_its_sentence_and_its_hint() {
    for (arguments, sentence, hint) in WRONG {
        let hint = if hint.is_empty() { String::new() } else { format!("  hint: {hint}\n") };
        let mut process = unstick(arguments);
        process.end_input();
        assert_eq!(process.errors(), format!("unstick: {sentence}\n{hint}"), "{arguments:?}");
        assert_eq!((process.code(), &*process.rest()), (2, ""), "{arguments:?}");
    }
}

/// A time that no clock can add to the present would end a task: every option with a time refuses it.
#[test]
fn a_time_that_is_too_long_is_refused_by_every_option() {
    let timed = ["--frame-timeout", "--keepalive", "--idle", "--deadline", "--linger", "--connect-timeout", "--retry"];
    let mut tried = 0;
    for option in timed.into_iter().chain(["--session-idle", "--ping", "--time", "--timeout"]) {
        let verb = if option.starts_with("--time") { "shake" } else { "connect" };
        for time in ["9223372036854775807s", "8761h", "1e400", "18446744073709551616"] {
            let mut process = unstick(&[verb, if verb == "shake" { "--to=:1" } else { ":1" }, option, time]);
            process.end_input();
            let said = process.errors();
            assert!(
                said.contains(&format!("{option} cannot be `{time}`")) && said.contains("a time"),
                "{option}: {said}"
            );
            assert_eq!(process.code(), 2);
            tried += 1;
        }
    }
    assert_eq!(tried, 44);
    for (spec, said) in [("gap:8761h", "not a duration"), ("gap:9223372036854775807s", "not a duration")] {
        let mut process = unstick(&["connect", ":1", "-f", spec]);
        assert!(process.errors().contains(said), "{spec}");
    }
    for fault in ["delay=9223372036854775807s", "delay=1s..8761h", "stall=8761h"] {
        let mut process = unstick(&["listen", ":0", "--to", ":1", "--fault", fault]);
        process.end_input();
        assert_eq!(process.code(), 2, "{fault}");
    }
}

/// The longest allowed times and the largest allowed numbers overflow nothing.
#[test]
fn the_longest_times_and_largest_numbers_serve() {
    let most = u64::MAX.to_string();
    let times = ["--idle", "--deadline", "--linger", "--frame-timeout"].map(|option| [option, "8760h"]);
    let numbers = [["--max-peers", &*most], ["--count", &*most], ["--keepalive", "32767s"]];
    let options: Vec<&str> = times.into_iter().chain(numbers).flatten().collect();
    let (_tcp, port) = unstick_listen(&[&["127.0.0.1:0", "--echo"], &options[..]].concat());
    let mut peer = Peer::connect(port);
    peer.says("hi\n");
    peer.hears("hi\n");
    for address in ["udp://127.0.0.1:0", "ws://127.0.0.1:0"] {
        let more: &[&str] = match address.starts_with("udp") {
            true => &["--session-idle", "8760h", "--max-sessions", &most],
            false => &["--ping", "8760h"],
        };
        let options = ["--echo", "--idle", "8760h", "--deadline", "8760h", "--linger", "8760h"];
        let (_listener, port) = unstick_listen(&[&[address], &options[..], more].concat());
        let address = address.replace(":0", &format!(":{port}"));
        let mut asks = unstick(&["ask", &address, "hi", "--deadline", "8760h", "--connect-timeout", "8760h"]);
        assert_eq!((&*asks.rest(), asks.code()), ("hi\n", 0), "{}", asks.errors());
    }
}

#[test]
fn bytes_that_are_no_text_have_their_own_options() {
    let words = [b"connect", &b":1"[..], b"--send", b"\xff"].map(OsStr::from_bytes);
    let mut process = unstick(&words);
    let said = "unstick: an argument is not text in UTF-8\n  hint: --send-hex and --send-file send any bytes\n";
    assert_eq!((process.code(), &*process.errors()), (2, said));
}

#[test]
fn a_message_that_cannot_be_sent_is_said_before_anything_is_opened() {
    let (listener, address) = listener();
    let any = "a framing with a length, such as u32be, carries any bytes, if the peer speaks that too";
    for (arguments, sentence, hint) in [
        (
            &["--send", "a\nb"][..],
            format!("`a\\nb` cannot be sent in line: the message contains its own delimiter (LF) at byte 1, {PIECES}"),
            any,
        ),
        (
            &["--send", "ok", "--send-hex", "00", "-f", "null"],
            format!(
                "`\\x00` cannot be sent in null: the message contains its own delimiter (a zero byte) at byte 0, {PIECES}"
            ),
            any,
        ),
        (
            &["--send", "four", "-f", "u8,max=3"],
            "`four` cannot be sent in u8,max=3: the message has 4 bytes, over the limit of 3 bytes".into(),
            "max= raises the limit at this end, as in line,max=64M",
        ),
    ] {
        let mut process = unstick(&[&["connect", &*address], arguments].concat());
        assert_eq!((process.code(), process.errors()), (2, format!("unstick: {sentence}\n  hint: {hint}\n")));
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has come");
}

#[test]
fn an_address_in_use_names_its_holder() {
    let (listener, port) = unstick_listen(&["127.0.0.1:0", "-f", "line"]);
    let holder = format!("port {port} is held by unstick (process {})", listener.id());
    for verb in [&["-f", "line"][..], &[]] {
        let mut second = unstick(&[&["listen", &*format!("127.0.0.1:{port}")], verb].concat());
        let said =
            format!("unstick: cannot listen on tcp://127.0.0.1:{port}: address already in use\n  hint: {holder}\n");
        assert_eq!((second.code(), second.errors()), (3, said));
    }
    let (listener, port) = unstick_listen(&["udp://127.0.0.1:0"]);
    let mut second = unstick(&["listen", &format!("udp://127.0.0.1:{port}")]);
    let said = format!(
        "unstick: cannot listen on udp://127.0.0.1:{port}: address already in use\n  hint: port {port} is held by unstick (process {})\n",
        listener.id()
    );
    assert_eq!((second.code(), second.errors()), (3, said));
}

#[test]
fn an_address_that_is_not_here_or_nowhere() {
    let mut process = unstick(&["listen", "192.0.2.1:0"]);
    let said = "unstick: cannot listen on tcp://192.0.2.1:0: cannot assign requested address\n  hint: that address is not of this machine\n";
    assert_eq!((process.code(), &*process.errors()), (3, said));
    for verb in ["connect", "listen"] {
        // No resolver is asked for a name that cannot be one.
        let mut process = unstick(&[verb, &format!("{}.test:80", "x".repeat(64))]);
        assert_eq!(process.code(), 3);
        assert!(process.errors().starts_with("unstick: cannot resolve xxx"));
    }
}

#[test]
fn a_port_that_is_picked_is_announced_for_both_families() {
    for scheme in ["tcp", "udp"] {
        let mut process = unstick(&["listen", &format!("{scheme}://:0"), "--echo"]);
        let line = process.error_line_with("listening on ");
        let words: Vec<&str> = line.split(' ').collect();
        let port = |address: &str| address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        assert_eq!(&words[..3], ["unstick:", "listening", "on"]);
        assert!(words[3].starts_with(&format!("{scheme}://127.0.0.1:")), "{line}");
        assert_ne!(port(words[3]), Some(0));
        if let Some(second) = words.get(5) {
            assert_eq!((words[4], port(second)), ("and", port(words[3])), "{line}");
            assert!(second.starts_with(&format!("{scheme}://[::1]:")), "{line}");
        }
    }
}

#[test]
fn ipv6_in_two_words_and_in_brackets() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for address in
        [&["::1", &*port][..], &["[::1]", &port], &[&format!("[::1]:{port}")], &[&format!("tcp://[::1]:{port}")]]
    {
        let mut process = unstick(&[&["connect"], address, &["--send", "hi"]].concat());
        let mut peer = Peer::accept(&listener);
        peer.hears("hi\n");
        drop(peer);
        assert_eq!((process.code(), &*process.errors()), (0, ""));
    }
}

// ---- -v ----

#[test]
fn verbose_tells_names_addresses_and_times() {
    let (listener, address) = listener();
    let port = listener.local_addr().unwrap().port();
    let mut process = unstick(&["connect", "-v", &format!("localhost:{port}"), "-f", "line", "--count", "1"]);
    let mut peer = Peer::accept(&listener);
    let resolved = process.error_line_with("localhost is ");
    assert!(resolved.contains("127.0.0.1") && resolved.ends_with("s)"), "{resolved}");
    let connected = process.error_line_with(&format!("connected to {address} ("));
    assert!(connected.starts_with("unstick: ") && connected.ends_with("s)"), "{connected}");
    peer.says("hi\n");
    assert_eq!((process.code(), &*process.rest()), (0, "hi\n"));
    let vacancy = Vacancy::new();
    let mut process = unstick(&["connect", "-v", &vacancy.address]);
    assert_eq!(process.code(), 3);
    let errors = process.errors();
    assert!(errors.starts_with(&format!("unstick: {}: connection refused (", vacancy.address)), "{errors}");
}

#[test]
fn verbose_tells_who_comes_and_goes() {
    let (mut process, port) =
        unstick_listen(&["127.0.0.1:0", "-v", "-f", "line", "--linger", "0s", "--half-close", "now"]);
    let peer = Peer::connect(port);
    let from = peer.stream().local_addr().unwrap();
    let here = format!("(here 127.0.0.1:{port})");
    assert_eq!(process.error_line_with("joined"), format!("unstick: peer 1 joined: {from} {here}"));
    drop(peer);
    assert_eq!(process.error_line_with("left"), format!("unstick: peer 1 left: {from}"));
    process.end_input();
    assert_eq!(process.code(), 0);
}
