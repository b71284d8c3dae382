//! Presets of protocols in text: heads and bodies, events, lines.

use super::row::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Protocols in text",
    presets: &[
        Preset::text("http", "HTTP/1.0 and 1.1", 80, "RFC 9112 sections 6 and 7.1", "http-message").also(&["http1"]),
        Preset::text("sip", "SIP over TCP and TLS", 5060, "RFC 3261 sections 7 and 18.3", "sip-message"),
        Preset::text(
            "rtsp",
            "RTSP 1.0 and 2.0, with its interleaved frames",
            554,
            "RFC 2326 sections 4 and 10.12, RFC 7826 sections 5 and 14",
            "rtsp-message",
        ),
        Preset::text(
            "sse",
            "Server-sent events, the body of an HTTP reply",
            0,
            "WHATWG HTML section 9.2.5",
            "event-stream",
        ),
        Preset::lines("irc", "IRC", 6667, "RFC 2812 section 2.3", "crlf"),
        Preset::lines("smtp", "SMTP, line by line", 25, "RFC 5321 section 2.3.8", "crlf"),
        Preset::lines("ndjson", "JSON in lines", 0, "https://github.com/ndjson/ndjson-spec section 3.1", "line")
            .also(&["jsonl"]),
    ],
};
