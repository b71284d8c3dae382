//! Guesses what a peer really speaks when its bytes break the framing, from one table.
//!
//! A diagnosis is a question for the user, never a decision: the stream has already failed.

use memchr::memchr;

use crate::codec::{Shape, quoted};
use crate::error::{DecodeErrorKind, Text};

/// What is known about a frame that failed.
pub(crate) struct Evidence<'a> {
    pub(crate) kind: &'a DecodeErrorKind,
    /// Its first bytes, as far as they have arrived, at most [`INSPECTED`].
    pub(crate) head: &'a [u8],
    pub(crate) shape: Shape,
}

/// Number of bytes of a frame that are looked at. The first line of text should be among them.
pub(crate) const INSPECTED: usize = 1024;

/// A row of the table.
struct Diagnosis {
    /// What it recognises. No two rows share a name.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests hold cases and table against each other by it"))]
    name: &'static str,
    /// Returns the sentence to print if this is it.
    sees: fn(&Evidence<'_>) -> Option<Text>,
}

/// All diagnoses; the first that recognises something is used.
const DIAGNOSES: &[Diagnosis] = &[
    Diagnosis { name: "an HTTP request", sees: |evidence| http(evidence, METHODS, "is the peer speaking HTTP?") },
    Diagnosis { name: "an HTTP response", sees: |evidence| http(evidence, &["HTTP/"], "is the peer an HTTP server?") },
    Diagnosis { name: "HTTP/2", sees: |evidence| evidence.begins(&["PRI * HTTP/2"], "is the peer speaking HTTP/2?") },
    Diagnosis { name: "TLS", sees: tls },
    Diagnosis { name: "SSH", sees: |evidence| evidence.begins(&["SSH-"], "is the peer speaking SSH?") },
    Diagnosis { name: "a mail or FTP server", sees: greeting },
    Diagnosis { name: "PROXY", sees: proxy },
    Diagnosis { name: "telnet", sees: telnet },
    Diagnosis { name: "RESP", sees: resp },
    Diagnosis { name: "syslog in lines", sees: syslog },
    Diagnosis { name: "JSON", sees: json },
    Diagnosis { name: "the other byte order", sees: other_byte_order },
    Diagnosis { name: "a length that counts itself", sees: counts_itself },
    Diagnosis { name: "a length that does not count itself", sees: counts_only_the_rest },
    Diagnosis { name: "text where a binary length was meant", sees: text },
    Diagnosis { name: "binary where text was meant", sees: binary },
    Diagnosis { name: "LF where CRLF was meant", sees: bare_lf },
];

/// What the table says about a frame that failed.
#[cold]
pub(crate) fn diagnose(evidence: &Evidence<'_>) -> Option<Text> {
    DIAGNOSES.iter().find_map(|diagnosis| (diagnosis.sees)(evidence))
}

const METHODS: &[&str] = &["GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE "];

impl Evidence<'_> {
    /// Asks the question if the frame begins with one of these texts, or with as much of one as has arrived, at least
    /// three bytes.
    fn begins(&self, texts: &[&str], question: &str) -> Option<Text> {
        let same = |text: &&&str| {
            let length = self.head.len().min(text.len());
            length >= 3 && self.head[..length] == text.as_bytes()[..length]
        };
        let text = texts.iter().find(same)?;
        Some(format!("its bytes are the text {}: {question}", self.quote(text.len())).into())
    }

    /// Quotes at most this many of its first bytes.
    fn quote(&self, most: usize) -> String {
        quoted(&self.head[..self.head.len().min(most)])
    }

    /// The value of a plain binary length, in its own byte order and in the other.
    fn values(&self) -> Option<(u64, u64)> {
        let Shape::Binary { offset, width, little, simple: true, .. } = self.shape else { return None };
        let field = self.head.get(offset..offset + width)?;
        let forwards = field.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let backwards = field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Some(if little { (backwards, forwards) } else { (forwards, backwards) })
    }
}

/// Recognises HTTP, where HTTP was not expected.
fn http(evidence: &Evidence<'_>, texts: &[&str], question: &str) -> Option<Text> {
    if evidence.shape == Shape::Http { None } else { evidence.begins(texts, question) }
}

/// Guesses from a stream's first bytes what the peer speaks, where a framing of this shape makes messages of them all
/// the same. A peer that sends a TLS handshake, or a TLS alert because it got no TLS, does not mean a line.
pub(crate) fn guess_protocol(head: &[u8], shape: Shape) -> Option<Text> {
    /// Types of a handshake's first message, and levels of an alert (RFC 8446, sections 4 and 6).
    const HELLOS: std::ops::RangeInclusive<u8> = 1..=2;
    match *head {
        [0x16, 3, 0..=4, _, _, kind, ..] | [0x15, 3, 0..=4, 0, 2, kind, _, ..] if HELLOS.contains(&kind) => {}
        _ => return None,
    }
    // The other shapes have failed by now, or are for TLS itself.
    matches!(shape, Shape::Line { .. } | Shape::Other).then(|| tls_record(head))
}

fn tls_record(head: &[u8]) -> Text {
    format!("its bytes {} begin a TLS record: is the peer speaking TLS?", quoted(&head[..3])).into()
}

/// A handshake or alert record: its type, then version 3.x.
fn tls(evidence: &Evidence<'_>) -> Option<Text> {
    match *evidence.head {
        [0x15 | 0x16, 3, 0..=4, ..] => Some(tls_record(evidence.head)),
        _ => None,
    }
}

fn greeting(evidence: &Evidence<'_>) -> Option<Text> {
    evidence.begins(&["220 ", "220-"], "is the peer a mail or FTP server?")
}

fn proxy(evidence: &Evidence<'_>) -> Option<Text> {
    let second_version = b"\r\n\r\n\0\r\nQUIT\n";
    if evidence.head.len() >= 4 && second_version.starts_with(&evidence.head[..evidence.head.len().min(12)]) {
        return Some("its bytes are the PROXY protocol's: is a load balancer between us and the peer?".into());
    }
    evidence.begins(&["PROXY TCP", "PROXY UNKNOWN"], "is a load balancer between us and the peer?")
}

/// IAC, then WILL, WONT, DO or DONT.
fn telnet(evidence: &Evidence<'_>) -> Option<Text> {
    match *evidence.head {
        [0xff, 0xfb..=0xfe, ..] => {
            Some(format!("its bytes {} negotiate options: is the peer speaking telnet?", evidence.quote(3)).into())
        }
        _ => None,
    }
}

fn resp(evidence: &Evidence<'_>) -> Option<Text> {
    let array = matches!(*evidence.head, [b'*', b'1'..=b'9', b'\r', b'\n', ..]);
    let reply = [&b"+OK\r\n"[..], b"-ERR ", b"+PONG"].iter().any(|reply| evidence.head.starts_with(reply));
    if array || reply {
        return Some(
            format!("its bytes are the text {}: is the peer speaking Redis's protocol?", quoted_line(evidence.head))
                .into(),
        );
    }
    None
}

/// `<34>1 ...` where a length in digits was expected: RFC 6587 has both ways.
fn syslog(evidence: &Evidence<'_>) -> Option<Text> {
    let digits = evidence.head.strip_prefix(b"<")?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if evidence.shape == Shape::TextHeader && (1..=3).contains(&digits) && evidence.head.get(digits + 1) == Some(&b'>')
    {
        return Some("its bytes are a syslog message without a length: try `line`".into());
    }
    None
}

fn json(evidence: &Evidence<'_>) -> Option<Text> {
    let opens =
        matches!(*evidence.head, [b'{', b'"' | b' ' | b'\r' | b'\n' | b'}', ..] | [b'[', b'{' | b'"' | b'[', ..]);
    if opens && matches!(evidence.shape, Shape::Binary { .. } | Shape::TextHeader) {
        return Some(
            format!("its bytes are the text {}: is the peer sending JSON? try `line` or `json`", evidence.quote(2))
                .into(),
        );
    }
    None
}

/// The length is too large in one byte order; in the other it is under the limit, or exactly what has arrived.
fn other_byte_order(evidence: &Evidence<'_>) -> Option<Text> {
    let Shape::Binary { offset, width, little, adjust, .. } = evidence.shape else { return None };
    let (value, swapped) = evidence.values()?;
    let header = (offset + width) as u64;
    let plausible = match *evidence.kind {
        DecodeErrorKind::TooLong { limit, .. } => swapped <= limit as u64 && swapped < value,
        DecodeErrorKind::Incomplete { got, .. } | DecodeErrorKind::TimedOut { got, .. } => {
            width > 1 && swapped.checked_add_signed(adjust).and_then(|body| body.checked_add(header)) == Some(got)
        }
        DecodeErrorKind::Broken(_) => false,
    };
    let order = if little { "big" } else { "little" };
    plausible.then(|| {
        format!("in the other byte order it is {swapped}: does the peer send its lengths {order}-endian?").into()
    })
}

/// The stream ended short by exactly the size of the length field, or of the header.
fn counts_itself(evidence: &Evidence<'_>) -> Option<Text> {
    let (Shape::Binary { offset, width, adjust, .. }, DecodeErrorKind::Incomplete { got, of: Some(of) }) =
        (evidence.shape, evidence.kind)
    else {
        return None;
    };
    let short = of - got;
    if short != width as u64 && short != (offset + width) as u64 {
        return None;
    }
    let adjust = adjust - short as i64;
    Some(format!("{short} bytes short: does the peer's length count itself? try adj={adjust}").into())
}

/// The length is less than its own size, although it should count itself.
fn counts_only_the_rest(evidence: &Evidence<'_>) -> Option<Text> {
    let (Shape::Binary { adjust, .. }, DecodeErrorKind::Broken(_)) = (evidence.shape, evidence.kind) else {
        return None;
    };
    let (value, _) = evidence.values()?;
    if adjust < 0 && value < adjust.unsigned_abs() {
        return Some(format!("does the peer's length count only what follows it? try without adj={adjust}").into());
    }
    None
}

/// The visible part of the first line is text.
fn text(evidence: &Evidence<'_>) -> Option<Text> {
    let Shape::Binary { .. } = evidence.shape else { return None };
    let line = &evidence.head[..memchr(b'\n', evidence.head).unwrap_or(evidence.head.len())];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() < 2 || !line.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\t') {
        return None;
    }
    Some(format!("its bytes are the text {}: is the peer sending lines? try `line`", quoted_line(evidence.head)).into())
}

/// The beginning of the first line, short enough for a sentence.
fn quoted_line(head: &[u8]) -> String {
    let line = &head[..memchr(b'\n', head).unwrap_or(head.len())];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    quoted(&line[..line.len().min(20)])
}

fn binary(evidence: &Evidence<'_>) -> Option<Text> {
    // Only the first line tells: bytes of any kind may follow a header, and a zero byte ends a frame of STOMP.
    let line = &evidence.head[..memchr(b'\n', evidence.head).unwrap_or(evidence.head.len())];
    if !matches!(evidence.shape, Shape::Line { .. } | Shape::TextHeader | Shape::Json) || memchr(0, line).is_none() {
        return None;
    }
    let question = "is the peer speaking a binary protocol?";
    Some(match *evidence.head {
        [0, 0, _, _, ..] => format!("its bytes {} look like a u32be length: {question}", evidence.quote(4)).into(),
        [_, _, 0, 0, ..] => format!("its bytes {} look like a u32le length: {question}", evidence.quote(4)).into(),
        _ => format!("it has zero bytes in it: {question}").into(),
    })
}

/// There are lines, but none ends in CRLF.
fn bare_lf(evidence: &Evidence<'_>) -> Option<Text> {
    let first = memchr(b'\n', evidence.head)?;
    if evidence.shape == (Shape::Line { crlf: true }) && !evidence.head[..first].ends_with(b"\r") {
        return Some("its lines end in LF alone: try `line`".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{DIAGNOSES, INSPECTED};
    use crate::Framing;

    /// Diagnosis, framing, what the peer sends before it closes, what the user reads.
    const CASES: &[(&str, &str, &[u8], &str)] = &[
        (
            "an HTTP request",
            "u32be",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "length 1195725856 is over the limit of 16 MiB; its bytes are the text \"GET \": is the peer speaking HTTP?",
        ),
        (
            "an HTTP request",
            "u32le",
            b"POST",
            "length 1414745936 is over the limit of 16 MiB; its bytes are the text \"POST\": is the peer speaking HTTP?",
        ),
        (
            "an HTTP request",
            "u16be",
            b"GET / HTTP/1.1\r\n\r\n",
            "the stream ended 18 bytes into an 18247-byte frame; \
             its bytes are the text \"GET \": is the peer speaking HTTP?",
        ),
        (
            "an HTTP request",
            "headers",
            b"DELETE /x HTTP/1.1\r\n",
            "\"DELETE /x HTTP/1.1\" is not a header line; its bytes are the text \"DELETE \": is the peer speaking HTTP?",
        ),
        (
            "an HTTP response",
            "u32be",
            b"HTTP/1.1 400 Bad Request\r\n",
            "length 1213486160 is over the limit of 16 MiB; its bytes are the text \"HTTP/\": is the peer an HTTP server?",
        ),
        (
            "HTTP/2",
            "netstring",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "expected a length in digits, found \"P\"; \
             its bytes are the text \"PRI * HTTP/2\": is the peer speaking HTTP/2?",
        ),
        (
            "TLS",
            "u32be",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
            "length 369295618 is over the limit of 16 MiB; its bytes 160301 begin a TLS record: is the peer speaking TLS?",
        ),
        (
            "TLS",
            "json",
            b"\x15\x03\x03\0\x02\x02\x28",
            "expected a value at byte 0 of a JSON value, found 15; \
             its bytes 150303 begin a TLS record: is the peer speaking TLS?",
        ),
        (
            "SSH",
            "u32be",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "length 1397966893 is over the limit of 16 MiB; its bytes are the text \"SSH-\": is the peer speaking SSH?",
        ),
        (
            "a mail or FTP server",
            "u32be",
            b"220 mail.example.org ESMTP\r\n",
            "length 842149920 is over the limit of 16 MiB; \
             its bytes are the text \"220 \": is the peer a mail or FTP server?",
        ),
        (
            "PROXY",
            "u32be",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "length 1347571544 is over the limit of 16 MiB; \
             its bytes are the text \"PROXY TCP\": is a load balancer between us and the peer?",
        ),
        (
            "PROXY",
            "u32be",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
            "length 218762506 is over the limit of 16 MiB; \
             its bytes are the PROXY protocol's: is a load balancer between us and the peer?",
        ),
        (
            "telnet",
            "u32be",
            b"\xff\xfd\x18\xff\xfd\x20",
            "length 4294777087 is over the limit of 16 MiB; \
             its bytes fffd18 negotiate options: is the peer speaking telnet?",
        ),
        (
            "RESP",
            "u32be",
            b"*1\r\n$4\r\nPING\r\n",
            "length 707857674 is over the limit of 16 MiB; \
             its bytes are the text \"*1\": is the peer speaking Redis's protocol?",
        ),
        (
            "RESP",
            "u16be",
            b"-ERR unknown command\r\n",
            "the stream ended 22 bytes into an 11591-byte frame; \
             its bytes are the text \"-ERR unknown command\": is the peer speaking Redis's protocol?",
        ),
        (
            "syslog in lines",
            "octet-count",
            b"<34>1 2003-10-11T22:14:15.003Z x\n",
            "expected a length in digits, found \"<\"; \
             its bytes are a syslog message without a length: try `line`",
        ),
        (
            "JSON",
            "u32be",
            b"{\"jsonrpc\":\"2.0\"}\n",
            "length 2065853043 is over the limit of 16 MiB; \
             its bytes are the text \"{\"\": is the peer sending JSON? try `line` or `json`",
        ),
        (
            "JSON",
            "headers",
            b"[{}]\r\n",
            "\"[{}]\" is not a header line; its bytes are the text \"[{\": is the peer sending JSON? try `line` or `json`",
        ),
        (
            "the other byte order",
            "u32be",
            b"\x05\0\0\0hello",
            "length 83886080 is over the limit of 16 MiB; \
             in the other byte order it is 5: does the peer send its lengths little-endian?",
        ),
        (
            "the other byte order",
            "u16le",
            b"\0\x05hello",
            "the stream ended 7 bytes into a 1282-byte frame; \
             in the other byte order it is 5: does the peer send its lengths big-endian?",
        ),
        (
            "the other byte order",
            "length:off=1,width=4,adj=-4",
            b"Q\x09\0\0\0hello",
            "length 150994945 is over the limit of 16 MiB; \
             in the other byte order it is 9: does the peer send its lengths little-endian?",
        ),
        (
            "a length that counts itself",
            "u32be",
            b"\0\0\0\x09hello",
            "the stream ended 9 bytes into a 13-byte frame; \
             4 bytes short: does the peer's length count itself? try adj=-4",
        ),
        (
            "a length that counts itself",
            "length:off=2,width=2",
            b"\x03\0\0\x09hello",
            "the stream ended 9 bytes into a 13-byte frame; \
             4 bytes short: does the peer's length count itself? try adj=-4",
        ),
        (
            "a length that does not count itself",
            "u32be,adj=-4",
            b"\0\0\0\x02hi",
            "length 2 is less than the 4 bytes that it counts itself; \
             does the peer's length count only what follows it? try without adj=-4",
        ),
        (
            "text where a binary length was meant",
            "u32be",
            b"hello\r\n",
            "length 1751477356 is over the limit of 16 MiB; \
             its bytes are the text \"hello\": is the peer sending lines? try `line`",
        ),
        (
            "text where a binary length was meant",
            "u8",
            b"hello\n",
            "the stream ended 6 bytes into a 105-byte frame; \
             its bytes are the text \"hello\": is the peer sending lines? try `line`",
        ),
        (
            "binary where text was meant",
            "line,max=10",
            b"\0\0\0\x0ehello, world!!",
            "the message is over the limit of 10 bytes; \
             its bytes 0000000e look like a u32be length: is the peer speaking a binary protocol?",
        ),
        (
            "binary where text was meant",
            "netstring",
            b"\x05\0\0\0hello",
            "expected a length in digits, found 05; \
             its bytes 05000000 look like a u32le length: is the peer speaking a binary protocol?",
        ),
        (
            "binary where text was meant",
            "crlf",
            b"ab\0",
            "the stream ended inside a frame, after 3 bytes of it; \
             it has zero bytes in it: is the peer speaking a binary protocol?",
        ),
        (
            "LF where CRLF was meant",
            "crlf",
            b"hello\nyou\n",
            "the stream ended inside a frame, after 10 bytes of it; its lines end in LF alone: try `line`",
        ),
    ];

    /// Streams that broke off or were broken, and look like nothing else.
    const NOTHING_TO_SEE: &[(&str, &[u8])] = &[
        ("u32be", b"\0\0\0"),
        ("u32be", b"\0\0\0\x09hel"),
        ("u32be", b"\xff\xff\xff\xff"),
        ("u8", b"\x09"),
        ("i16be", b"\xff\xff"),
        ("crlf", b"hello"),
        ("netstring", b"5:hello."),
        ("slip", b"\xdb\0"),
        ("json", b"{\"a\":tru"),
        ("varint", b"\x09hello"),
        ("line,max=3", b"hello"),
        ("stomp-frame", b"SEND\ncontent-length:+5\n\nhello\0"),
        ("command:PUB.last", b"PUB a +5\r\nhello\r\n"),
    ];

    fn told(spec: &str, stream: &[u8]) -> String {
        let mut decoder = Framing::parse(spec).unwrap().decoder();
        decoder.feed(stream);
        decoder.finish();
        loop {
            match decoder.next() {
                Ok(message) => assert!(message.is_some(), "{spec} takes {stream:?}"),
                Err(error) => {
                    assert!(error.hint().is_none_or(|hint| error.to_string().ends_with(&format!("; {hint}"))));
                    return error.to_string();
                }
            }
        }
    }

    #[test]
    fn each_is_recognised() {
        for (_, spec, stream, text) in CASES {
            assert_eq!(told(spec, stream), *text, "{spec}");
        }
    }

    #[test]
    fn each_line_of_the_table_has_its_case() {
        let cases: BTreeSet<_> = CASES.iter().map(|(name, ..)| *name).collect();
        let table: BTreeSet<_> = DIAGNOSES.iter().map(|diagnosis| diagnosis.name).collect();
        assert_eq!(cases, table);
        assert_eq!(table.len(), DIAGNOSES.len());
    }

    #[test]
    fn what_is_like_nothing_gets_no_question() {
        for (spec, stream) in NOTHING_TO_SEE {
            let text = told(spec, stream);
            assert!(!text.contains(';'), "{spec}: {text}");
        }
    }

    #[test]
    fn an_guess_protocol_is_asked_about_where_it_would_be_a_message() {
        let asked = |spec: &str, stream: &[u8]| {
            let mut decoder = Framing::parse(spec).unwrap().decoder();
            decoder.feed(stream);
            decoder.guess_protocol().map(|question| question.into_owned())
        };
        let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
        let question = "its bytes 160301 begin a TLS record: is the peer speaking TLS?";
        for spec in ["line", "crlf", "null", "fixed:4", "raw", "slip"] {
            assert_eq!(asked(spec, hello).as_deref(), Some(question), "{spec}");
        }
        assert_eq!(asked("line", b"\x15\x03\x03\0\x02\x02\x28"), Some(question.replace("160301", "150303")));
        for (spec, stream) in [
            ("tls", &hello[..]),
            ("u32be", hello),
            ("line", &hello[..5]),
            ("line", b"\x16\x03\x01\x02\0\x0b"),
            ("line", b"\x15\x03\x03\0\x03\x02\x28"),
            ("line", b"hello"),
            ("line", b""),
        ] {
            assert_eq!(asked(spec, stream), None, "{spec} {stream:?}");
        }
        let mut decoder = Framing::parse("line").unwrap().decoder();
        decoder.feed(b"\n");
        assert_eq!(decoder.next(), Ok(Some(&b""[..])));
        decoder.feed(hello);
        assert_eq!(decoder.guess_protocol(), None, "after a whole message, the peer means what it sends");
    }

    #[test]
    fn a_look_is_short() {
        let mut stream = vec![b'x'; 2 * INSPECTED];
        stream.push(b'\n');
        assert!(!told("crlf", &stream).contains(';'), "the LF is beyond the inspected bytes");
    }
}
