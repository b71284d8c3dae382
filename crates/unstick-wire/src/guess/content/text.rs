//! Protocols in text, and those whose frames begin with a word.

use super::dialogue::{Content, Dialogue, Message, every};

const METHODS: &[&str] = &[
    "GET ",
    "POST ",
    "PUT ",
    "HEAD ",
    "DELETE ",
    "OPTIONS ",
    "PATCH ",
    "CONNECT ",
    "TRACE ",
    "PROPFIND ",
    "REPORT ",
    "M-SEARCH ",
    "NOTIFY ",
    "SUBSCRIBE ",
];

pub(super) const CONTENT: &[(&str, Content)] = &[
    ("http", http),
    ("websocket", |all| {
        let upgrade = |message: &Message<'_>| message.begins(&["GET "]) && message.holds("\nupgrade: websocket");
        let accept = |message: &Message<'_>| message.begins(&["HTTP/1.1 101"]);
        (all.whole && !all.client.is_empty()).then_some(())?;
        all.first(60.0, upgrade, accept)
    }),
    ("http2", |all| {
        let is_preface = |message: &Message<'_>| message.begins(&["PRI * HTTP/2"]);
        // A frame of settings, of stream 0.
        all.request()?;
        all.first(40.0, is_preface, |message| message.has(3, &[4]) && message.has(5, &[0, 0, 0, 0]))
    }),
    ("sip", |all| all.all(30.0, |message| first_line(message, "SIP/2.0"))),
    ("rtsp", |all| {
        let is = |message: &Message<'_>| message.has(0, b"$") || first_line(message, "RTSP/");
        let any = all.both().any(|message| message.begins(&["RTSP/"]) || first_line(message, " RTSP/"));
        let bits = all.all(10.0, is)?;
        Some(if any { bits + 40.0 } else { bits.min(10.0) })
    }),
    ("sse", |all| {
        let named = |message: &Message<'_>| message.begins(&["data:", "event:", "id:", "retry:", ":"]);
        every(&all.client, 0.0, |message| message.length == 0)?;
        every(&all.server, 16.0, |message| message.is_text() && named(message))
    }),
    ("irc", irc),
    ("smtp", smtp),
    ("ndjson", ndjson),
    ("json-seq", |all| all.all(14.0, |message| message.has(0, &[0x1e]) && message.is_of(1, b"{[\"0123456789tfn-"))),
    ("lsp", |all| all.all(40.0, |message| message.begins(&["Content-Length: ", "Content-Type: "]))),
    ("stomp", |all| {
        let client = &[
            "CONNECT",
            "STOMP",
            "SEND",
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "ACK",
            "NACK",
            "BEGIN",
            "COMMIT",
            "ABORT",
            "DISCONNECT",
        ];
        let server = &["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"];
        let sent =
            every(&all.client, 26.0, |message| message.word(client) && message.last().is_none_or(|end| end == 0))?;
        Some(sent + every(&all.server, 26.0, |message| message.word(server))?)
    }),
    ("nats", |all| {
        all.first(30.0, |message| message.word(NATS), |message| message.begins(&["INFO {"]))?;
        let server = &["INFO", "MSG", "HMSG", "PING", "PONG", "+OK", "-ERR"];
        let sent = every(&all.client, 16.0, |message| message.word(NATS))?;
        Some(sent + every(&all.server, 16.0, |message| message.word(server))?)
    }),
    ("memcached", memcached),
    ("beanstalkd", beanstalkd),
    ("redis", redis),
    ("netstring", |all| {
        all.all(16.0, |message| message.is_in(0, b'0'..=b'9') && message.last().is_none_or(|end| end == b','))
    }),
    ("syslog", |all| {
        all.all(26.0, |message| {
            let digits = message.from(0).iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..=6).contains(&digits) && message.has(digits, b" <") && message.is_in(digits + 2, b'0'..=b'9')
        })
    }),
    ("gelf", |all| {
        let named = |message: &Message<'_>| message.holds("\"short_message\"") || message.holds("\"version\"");
        every(&all.server, 0.0, |_| false)?;
        every(&all.client, 30.0, |message| message.has(0, b"{") && named(message))
    }),
    ("fix", |all| all.all(40.0, |message| message.begins(&["8=FIX"]) && message.holds("\u{1}9="))),
    ("hl7", |all| all.all(34.0, |message| message.has(0, b"\x0bMSH|") || message.has(0, b"\x0bFHS|"))),
    ("nmea", |all| all.all(24.0, nmea)),
    ("at", |all| {
        let modem = |message: &Message<'_>| message.begins(&["AT", "A/"]) && message.is_text();
        let answers = |message: &Message<'_>| message.length <= 2 || message.is_text();
        all.client.first()?;
        Some(every(&all.client, 14.0, modem)? + every(&all.server, 0.0, answers)?)
    }),
    ("gdb", |all| all.all(14.0, |message| message.is_of(0, b"$%+-\x03"))),
    ("git", git),
    ("adb-host", |all| {
        all.request()?;
        let known = |message: &Message<'_>| message.begins(&["OKAY", "FAIL"]) || message.is_in(0, b'0'..=b'9');
        all.first(30.0, |message| message.from(4).starts_with(b"host"), known)
    }),
    ("nsq", |all| {
        all.request()?;
        all.first(32.0, |message| message.has(0, b"  V2"), |message| message.be(4, 4).is_some_and(|kind| kind < 3))
    }),
    ("docker", |all| {
        all.request()?;
        let asks = |message: &Message<'_>| message.begins(&["POST /", "GET /"]) && message.holds("/containers/");
        all.first(30.0, asks, |message| message.begins(&["HTTP/1."]))
    }),
    ("native-messaging", |all| {
        all.all(20.0, |message| {
            message.is_of(4, b"{[\"") && message.last().is_none_or(|end| matches!(end, b'}' | b']' | b'"'))
        })
    }),
];

const NATS: &[&str] = &["CONNECT", "PUB", "HPUB", "SUB", "UNSUB", "PING", "PONG", "+OK", "-ERR"];

/// Whether this text is in the first line.
fn first_line(message: &Message<'_>, text: &str) -> bool {
    let line = message.from(0).split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Whether this is the first line of a request or an answer of HTTP or its like.
pub(super) fn is_head(message: &Message<'_>) -> bool {
    message.begins(METHODS) || ["HTTP/1.", "SIP/2.0", "RTSP/"].iter().any(|text| first_line(message, text))
}

fn http(all: &Dialogue<'_>) -> Option<f64> {
    // What follows the head of an upgrade is another protocol.
    let switches = all.server.iter().any(|message| message.begins(&["HTTP/1.1 101"]));
    let upgrades = |message: &Message<'_>| message.holds("\nupgrade: websocket") || message.holds("\nupgrade: tcp");
    if switches || all.server.is_empty() && all.client.first().is_some_and(upgrades) {
        return None;
    }
    let asks = |message: &Message<'_>| {
        let version = first_line(message, " HTTP/1.");
        version || message.begins(METHODS) && !message.from(0).contains(&b'\n')
    };
    let asked = every(&all.client, 40.0, asks)?;
    Some(asked + every(&all.server, 40.0, |message| message.begins(&["HTTP/1."]))?)
}

/// Lines of JSON values, a third of which are objects or arrays at least.
fn ndjson(all: &Dialogue<'_>) -> Option<f64> {
    let is_value = |message: &Message<'_>| {
        let line = message.from(0).trim_ascii();
        let ends = message.last().is_none() || line.last().is_some_and(|end| b"}]\"el0123456789".contains(end));
        line.first().is_none_or(|first| b"{[\"-tfn0123456789".contains(first) && ends)
    };
    all.all(0.0, |message| message.is_text() && is_value(message))?;
    let objects = all.both().filter(|message| message.is_of(0, b"{[")).count();
    (objects > 0 && objects * 3 >= all.both().count()).then_some(12.0 * objects.min(8) as f64)
}

fn irc(all: &Dialogue<'_>) -> Option<f64> {
    const COMMANDS: &[&str] = &[
        "NICK",
        "USER",
        "PASS",
        "CAP",
        "JOIN",
        "PART",
        "PRIVMSG",
        "NOTICE",
        "PING",
        "PONG",
        "MODE",
        "WHO",
        "WHOIS",
        "QUIT",
        "TOPIC",
        "LIST",
        "NAMES",
        "USERHOST",
        "AWAY",
        "ISON",
        "INVITE",
        "KICK",
        "ERROR",
        "PROTOCTL",
        "AUTHENTICATE",
        "LUSERS",
        "MOTD",
        "VERSION",
    ];
    let sent = every(&all.client, 12.0, |message| message.word(COMMANDS) || message.has(0, b":"))?;
    let prefixed = |message: &Message<'_>| message.has(0, b":") && message.from(1).contains(&b' ');
    let answered = every(&all.server, 10.0, |message| message.word(COMMANDS) || prefixed(message))?;
    let has_words = all.both().any(|message| message.word(&["NICK", "USER", "PRIVMSG", "NOTICE", "JOIN", "PING"]));
    Some(if has_words || !all.server.is_empty() && answered > 30.0 { sent + answered } else { 0.0 })
}

fn smtp(all: &Dialogue<'_>) -> Option<f64> {
    const COMMANDS: &[&str] = &[
        "HELO", "EHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "STARTTLS", "AUTH", "VRFY", "LHLO", "BDAT",
        "HELP",
    ];
    let code =
        |message: &Message<'_>| message.be(0, 3).is_some() && message.from(0)[..3].iter().all(u8::is_ascii_digit);
    every(&all.server, 8.0, |message| code(message) && message.is_of(3, b" -\r"))?;
    let greets = all.client.iter().any(|message| message.word(&["HELO", "EHLO", "LHLO"]));
    let esmtp = all.server.first().is_some_and(|message| message.holds("SMTP"));
    let sent = all.client.first().is_none_or(|message| message.word(COMMANDS));
    match (greets, esmtp, sent) {
        (_, _, false) => None,
        (true, ..) => Some(40.0),
        (_, true, _) => Some(30.0),
        _ => Some(0.0),
    }
}

fn memcached(all: &Dialogue<'_>) -> Option<f64> {
    const ASKED: &[&str] = &[
        "get",
        "gets",
        "gat",
        "set",
        "add",
        "replace",
        "append",
        "prepend",
        "cas",
        "incr",
        "decr",
        "delete",
        "touch",
        "stats",
        "version",
        "verbosity",
        "flush_all",
        "quit",
        "mg",
        "ms",
        "md",
        "ma",
        "mn",
        "me",
    ];
    const ANSWERED: &[&str] = &[
        "VALUE",
        "END",
        "STORED",
        "NOT_STORED",
        "EXISTS",
        "NOT_FOUND",
        "DELETED",
        "ERROR",
        "CLIENT_ERROR",
        "SERVER_ERROR",
        "STAT",
        "VERSION",
        "OK",
        "TOUCHED",
        "HD",
        "VA",
        "EN",
        "NS",
        "NF",
        "MN",
        "ME",
        "EX",
        "RESET",
    ];
    let sent = every(&all.client, 16.0, |message| message.word(ASKED))?;
    let number = |message: &Message<'_>| message.is_in(0, b'0'..=b'9');
    Some(sent + every(&all.server, 16.0, |message| message.word(ANSWERED) || number(message))?)
}

fn beanstalkd(all: &Dialogue<'_>) -> Option<f64> {
    const ASKED: &[&str] = &[
        "put",
        "use",
        "reserve",
        "reserve-with-timeout",
        "delete",
        "release",
        "bury",
        "touch",
        "watch",
        "ignore",
        "peek",
        "peek-ready",
        "peek-delayed",
        "peek-buried",
        "kick",
        "kick-job",
        "stats",
        "stats-job",
        "stats-tube",
        "list-tubes",
        "list-tube-used",
        "list-tubes-watched",
        "quit",
        "pause-tube",
    ];
    const ANSWERED: &[&str] = &[
        "INSERTED",
        "BURIED",
        "USING",
        "RESERVED",
        "DELETED",
        "NOT_FOUND",
        "RELEASED",
        "WATCHING",
        "NOT_IGNORED",
        "OK",
        "FOUND",
        "KICKED",
        "TOUCHED",
        "TIMED_OUT",
        "DEADLINE_SOON",
        "PAUSED",
        "DRAINING",
        "EXPECTED_CRLF",
        "JOB_TOO_BIG",
        "BAD_FORMAT",
        "UNKNOWN_COMMAND",
        "OUT_OF_MEMORY",
        "INTERNAL_ERROR",
    ];
    let sent = every(&all.client, 14.0, |message| message.word(ASKED))?;
    Some(sent + every(&all.server, 16.0, |message| message.word(ANSWERED))?)
}

fn redis(all: &Dialogue<'_>) -> Option<f64> {
    const INLINE: &[&str] =
        &["PING", "INFO", "GET", "SET", "QUIT", "AUTH", "SELECT", "COMMAND", "CONFIG", "SYNC", "PSYNC", "MONITOR"];
    let array = |message: &Message<'_>| {
        message.has(0, b"*") && message.is_in(1, b'0'..=b'9') && message.from(0).windows(3).any(|at| at == b"\r\n$")
    };
    let kinds = b"+-:$*_#,(!=%~>|";
    let answered = every(&all.server, 8.0, |message| message.is_of(0, kinds))?;
    // Many protocols answer +OK; values of other kinds are Redis's.
    let has_values = all.server.iter().any(|message| message.is_of(0, b":$*%~"));
    let inline = |message: &Message<'_>| message.word(INLINE) || has_values && message.is_text();
    let sent = every(&all.client, 10.0, |message| array(message) || inline(message))?;
    let arrays = all.client.iter().filter(|message| array(message)).count();
    Some(sent + answered + 16.0 * arrays.min(4) as f64)
}

/// A sentence with its checksum, which is the exclusive or of what is between `$` and `*`.
fn nmea(message: &Message<'_>) -> bool {
    let line = message.from(0).trim_ascii_end();
    let Some(star) = line.iter().position(|byte| *byte == b'*') else { return false };
    if !message.is_of(0, b"$!") || star < 5 {
        return false;
    }
    let sum = line[1..star].iter().fold(0, |sum, byte| sum ^ byte);
    line[star + 1..].eq_ignore_ascii_case(format!("{sum:02x}").as_bytes())
}

/// A request names its service; both sides' lines begin with four hexadecimal digits.
fn git(all: &Dialogue<'_>) -> Option<f64> {
    let digits =
        |message: &Message<'_>| message.be(0, 4).is_some() && message.from(0)[..4].iter().all(u8::is_ascii_hexdigit);
    let bits = all.all(8.0, digits)?;
    let named = all.request().is_some_and(|message| message.from(4).starts_with(b"git-"));
    Some(if named { bits + 40.0 } else { bits })
}
