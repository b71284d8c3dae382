//! WebSocket's opening handshake (RFC 6455, section 4) for both sides, without a socket: text in, text and a verdict
//! out.
//!
//! Not here: reading and writing that text ([`super::opening`]).

use tungstenite::handshake::derive_accept_key;

use super::super::http_head::MAX_HEADERS;
use super::super::request::Request;
use super::settings::WsOptions;
use crate::address::WsAddress;
use crate::advice::Advice;

/// Why a handshake failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong, as the rest of a sentence that begins with the peer's name.
    pub(super) what: String,
    pub(super) hint: Option<String>,
    pub(super) advice: Option<Advice>,
    /// The answer to send to the client.
    pub(super) answer: String,
}

impl Refusal {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, advice: None, answer: String::new() }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn advice(self, advice: Advice) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// Sets the status of the answer, and further header lines.
    fn status(self, status: &str, headers: &str) -> Self {
        let body = format!("{}\n", self.what);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Self { answer, ..self }
    }
}

// ---- the client's side ----

/// Makes the client's request. The key is random, and new for each connection.
pub(super) fn request(at: &WsAddress, default_port: u16, key: &str, options: &WsOptions) -> String {
    let given = |name: &str| options.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut text = format!("GET {} HTTP/1.1\r\n", at.target());
    if !given("Host") {
        text += &match at.at.port == default_port {
            true => format!("Host: {}\r\n", bracketed(at.at.host())),
            false => format!("Host: {}\r\n", at.at),
        };
    }
    text += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    text += &format!("Sec-WebSocket-Key: {key}\r\n");
    if !options.protocols.is_empty() {
        text += &format!("Sec-WebSocket-Protocol: {}\r\n", options.protocols.join(", "));
    }
    for (name, value) in &options.headers {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n"
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Checks whether a server's answer opens the connection. Returns the protocol that the server chose. `below` is the
/// scheme of the same stream without WebSocket.
pub(super) fn accepted(head: &[u8], key: &str, below: &str, options: &WsOptions) -> Result<Option<String>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    if !matches!(response.parse(head), Ok(httparse::Status::Complete(_))) {
        let hint = match head {
            [0x15 | 0x16, 3, ..] => "wss:// speaks TLS".to_owned(),
            _ => format!("{below} speaks without WebSocket"),
        };
        return Err(not_http(head).hint(hint));
    }
    let code = response.code.unwrap_or_default();
    let lines = Lines(response.headers);
    if code != 101 {
        return Err(declined(code, response.reason.unwrap_or_default(), &lines));
    }
    if !lines.lists("Upgrade", "websocket") || !lines.lists("Connection", "upgrade") {
        return Err(Refusal::new("switched protocols, but not to WebSocket"));
    }
    if lines.one("Sec-WebSocket-Accept") != Some(&derive_accept_key(key.as_bytes())) {
        return Err(Refusal::new("answered with a Sec-WebSocket-Accept that is not for this connection")
            .hint("a cache or proxy on the way may have answered in its place"));
    }
    if let Some(extension) = lines.one("Sec-WebSocket-Extensions") {
        return Err(Refusal::new(format!("wants the extension `{}`, which was not offered", printable(extension))));
    }
    match lines.one("Sec-WebSocket-Protocol") {
        Some(chosen) if !options.protocols.iter().any(|offered| offered == chosen) => {
            Err(Refusal::new(format!("chose the subprotocol `{}`, which was not offered", printable(chosen))))
        }
        chosen => Ok(chosen.map(str::to_owned)),
    }
}

/// Makes the error for an answer that does not switch protocols.
fn declined(code: u16, reason: &str, lines: &Lines<'_, '_>) -> Refusal {
    let refusal = Refusal::new(format!("answered {code} {} instead of opening a WebSocket", printable(reason)));
    match code {
        301 | 302 | 303 | 307 | 308 => {
            let place = printable(lines.one("Location").unwrap_or("another place"));
            refusal.hint(format!("the server redirects to {place}"))
        }
        401 | 403 => refusal.hint("it may want a login or another Origin").advice(Advice::AuthorizationHeader),
        404 | 200 => refusal.hint("is there a WebSocket at this path?"),
        421 => refusal.hint("the server does not serve this host name").advice(Advice::HostHeader),
        400 if reason.to_ascii_lowercase().contains("https") => refusal.hint("wss:// speaks TLS"),
        _ => refusal,
    }
}

fn not_http(head: &[u8]) -> Refusal {
    let begun = &head[..head.len().min(24)];
    match begun {
        [] => Refusal::new("ended without an answer"),
        [0x15 | 0x16, 3, ..] => Refusal::new("speaks TLS, and not WebSocket without it"),
        _ => Refusal::new(format!("does not speak HTTP, in which a WebSocket begins: \"{}\"", begun.escape_ascii())),
    }
}

// ---- the server's side ----

/// The server's answer to a client that it accepts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) answer: String,
    /// What the client asked for.
    pub(super) request: Request,
}

/// Checks whether a client's request opens a connection. `local`: the listener can be reached only from this machine.
/// `below`: as above.
pub(super) fn welcome(
    head: &[u8],
    at: &WsAddress,
    local: bool,
    below: &str,
    options: &WsOptions,
) -> Result<Welcome, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            let refusal = Refusal::new(format!("sent more than {MAX_HEADERS} header lines"));
            return Err(refusal.status("431 Request Header Fields Too Large", ""));
        }
        _ => return Err(not_http(head).status("400 Bad Request", "").hint(no_ws(head, below))),
    }
    let lines = Lines(request.headers);
    let (method, version) = (request.method.unwrap_or_default(), request.version.unwrap_or_default());
    if !lines.lists("Upgrade", "websocket") || !lines.lists("Connection", "upgrade") {
        let refusal = Refusal::new("asked for a page, and this is a WebSocket");
        return Err(refusal.status("426 Upgrade Required", "Upgrade: websocket\r\n"));
    }
    if method != "GET" || version != 1 {
        let refusal = Refusal::new("asked for a WebSocket in another way than GET and HTTP/1.1");
        return Err(refusal.status("405 Method Not Allowed", "Allow: GET\r\n"));
    }
    if lines.one("Sec-WebSocket-Version") != Some("13") {
        let refusal = Refusal::new("speaks another version of WebSocket than 13");
        return Err(refusal.status("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n"));
    }
    let Some(key) = lines.one("Sec-WebSocket-Key").filter(|key| is_key(key)) else {
        return Err(Refusal::new("sent no Sec-WebSocket-Key of 16 bytes").status("400 Bad Request", ""));
    };
    may_come(request.path.unwrap_or_default(), &lines, at, local, options)?;
    let protocol = options.protocols.iter().find(|ours| lines.lists_exactly("Sec-WebSocket-Protocol", ours)).cloned();
    let chosen = protocol.as_ref().map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{chosen}\r\n"
    );
    let request = Request::new(request.path.unwrap_or_default(), request.headers, protocol);
    Ok(Welcome { answer, request })
}

/// Checks that the client asks for a path and host that this listener serves, and comes from an allowed origin.
fn may_come(
    target: &str,
    lines: &Lines<'_, '_>,
    at: &WsAddress,
    local: bool,
    options: &WsOptions,
) -> Result<(), Refusal> {
    let path = target.split('?').next().unwrap_or_default();
    if !at.path.is_empty() && at.path != path {
        let refusal = Refusal::new(format!("asked for {}, and {} is served", printable(path), at.path));
        return Err(refusal.status("404 Not Found", ""));
    }
    let Some(host) = lines.one("Host") else {
        return Err(Refusal::new("sent no Host, or more than one").status("400 Bad Request", ""));
    };
    if local && !is_local(host, at) {
        // Any web page can let its own name resolve to this machine's address (DNS rebinding).
        let refusal = Refusal::new(format!("asked for the host {}, which is not this listener", printable(host)));
        return Err(refusal.hint("a listener on loopback is called localhost").status("421 Misdirected Request", ""));
    }
    let Some(origin) = lines.first("Origin") else { return Ok(()) };
    let allowed = |allowed: &String| allowed == "any" || allowed.eq_ignore_ascii_case(origin);
    if lines.count("Origin") == 1 && (options.origins.iter().any(allowed) || is_own(origin, host, at)) {
        return Ok(());
    }
    let origin = printable(origin);
    let refusal = Refusal::new(format!("comes from a page of {origin}, which is not allowed"));
    Err(refusal.advice(Advice::AllowOrigin(origin)).status("403 Forbidden", ""))
}

/// Whether a page comes from the host and port at which the listener was reached: a server in front of it then serves
/// both. This counts only for an IP address or a name that the listener goes by. Any page can let its own name resolve
/// to this machine's address, and its origin then equals the host that it asks for.
fn is_own(origin: &str, host: &str, at: &WsAddress) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme.to_ascii_lowercase().as_str() {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let (name, asked) = (name_and_port(authority), name_and_port(host));
    let is_same = name.0.eq_ignore_ascii_case(asked.0) && name.1.unwrap_or(port) == asked.1.unwrap_or(port);
    is_same && (asked.0.parse::<std::net::IpAddr>().is_ok() || is_local(host, at))
}

/// Splits a host from its port, if it has one, and removes the brackets of an IPv6 address.
fn name_and_port(authority: &str) -> (&str, Option<&str>) {
    let (name, port) = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => (&authority[..colon], Some(&authority[colon + 1..])),
        _ => (authority, None),
    };
    (name.trim_start_matches('[').trim_end_matches(']'), port)
}

/// Whether a `Host` names this machine, or the host that the listener was opened with.
fn is_local(host: &str, at: &WsAddress) -> bool {
    let (name, _) = name_and_port(host);
    let loopback = name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback || name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(at.at.host())
}

/// Whether this is 16 bytes in base64: 22 characters and two of padding.
fn is_key(key: &str) -> bool {
    let digits = key.strip_suffix("==").unwrap_or_default();
    digits.len() == 22 && digits.bytes().all(|digit| digit.is_ascii_alphanumeric() || b"+/".contains(&digit))
}

fn no_ws(head: &[u8], below: &str) -> String {
    match head {
        [0x16, 3, ..] => "a client that speaks TLS needs a listener on wss://".to_owned(),
        _ => format!("a client without WebSocket needs a listener on {below}"),
    }
}

// ---- header lines ----

struct Lines<'h, 'b>(&'h [httparse::Header<'b>]);

impl<'b> Lines<'_, 'b> {
    fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'b str> + 's {
        let named = self.0.iter().filter(move |line| line.name.eq_ignore_ascii_case(name));
        named.map(|line| std::str::from_utf8(line.value).map(str::trim).unwrap_or("\u{fffd}"))
    }

    fn first(&self, name: &str) -> Option<&'b str> {
        self.all(name).next()
    }

    fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    /// The value of a header that occurs exactly once.
    fn one(&self, name: &str) -> Option<&'b str> {
        self.first(name).filter(|_| self.count(name) == 1)
    }

    /// Whether a list of words, over any number of lines, contains this word in any letter case.
    fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    fn lists_exactly(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim() == word)
    }
}

/// Makes a peer's word printable in a sentence, and limits its length.
fn printable(word: &str) -> String {
    let mut shown: String = word.chars().filter(|c| !c.is_control()).take(80).collect();
    if shown.len() < word.len() {
        shown += " ...";
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// Lines to build handshakes from, right and wrong.
    const LINES: &[&str] = &[
        "Host: localhost",
        "host:127.0.0.1:8080",
        "Host: evil.test",
        "Upgrade: WebSocket",
        "upgrade: h2c, websocket",
        "Connection: keep-alive, Upgrade",
        "Connection: close",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Version: 8",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Key: short",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Origin: https://good.test",
        "Origin: null",
        "Location: wss://elsewhere.test/",
        "X: \u{1b}[31m",
        " folded",
        "no colon",
    ];

    const FIRST: &[&str] = &[
        "GET / HTTP/1.1",
        "GET /a?b HTTP/1.1",
        "POST / HTTP/1.1",
        "GET / HTTP/1.0",
        "HTTP/1.1 101 Switching Protocols",
        "HTTP/1.1 400 plain HTTP to HTTPS",
        "HTTP/1.1 302 \u{9b}31m",
        "SSH-2.0-x",
        "",
    ];

    /// The lines of a handshake that succeeds, for each side.
    const WHOLE: [&[usize]; 2] = [&[0, 3, 5, 7, 9], &[3, 5, 11]];

    /// Heads that are nearly right: a few lines are added or removed, and a few bytes differ.
    fn head() -> impl Strategy<Value = Vec<u8>> {
        let lines = (select(&WHOLE[..]), vec(0..LINES.len(), 0..4), vec(any::<Index>(), 0..2));
        let flips = vec((any::<Index>(), any::<u8>()), 0..3);
        (select(FIRST), lines, flips, 0..3_usize).prop_map(|(first, (whole, more, without), flips, cut)| {
            let mut lines = [whole, &more].concat();
            for at in without {
                lines.remove(at.index(lines.len()));
            }
            let lines: String = lines.into_iter().map(|line| format!("{}\r\n", LINES[line])).collect();
            let mut head = format!("{first}\r\n{lines}\r\n").into_bytes();
            for (at, byte) in flips {
                let at = at.index(head.len());
                head[at] = byte;
            }
            head.truncate(head.len() - cut.saturating_sub(1));
            head
        })
    }

    fn options() -> WsOptions {
        let (protocols, origins) = (vec!["superchat".to_owned()], vec!["https://good.test".to_owned()]);
        WsOptions { protocols, origins, ..WsOptions::default() }
    }

    fn has(head: &[u8], part: &str) -> bool {
        head.to_ascii_lowercase().windows(part.len()).any(|window| window == part.to_ascii_lowercase().as_bytes())
    }

    /// What a peer sent may appear in a sentence, but never in the lines of an answer.
    fn is_safe(refusal: &Refusal) {
        let hint = refusal.hint.as_deref().unwrap_or_default();
        assert!(!refusal.what.chars().chain(hint.chars()).any(char::is_control), "{refusal:?}");
        assert!(refusal.what.len() < 1000, "{refusal:?}");
    }

    fn is_whole(answer: &str) {
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer's head ends");
        let mut lines = head.split("\r\n");
        assert!(lines.next().is_some_and(|line| line.starts_with("HTTP/1.1 4") || line == SWITCHING), "{answer}");
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header line");
            let known = ["Upgrade", "Connection", "Content-Type", "Content-Length", "Allow"];
            assert!(known.contains(&name) || name.starts_with("Sec-WebSocket-"), "{answer}");
            assert!(name != "Content-Length" || value == body.len().to_string(), "{answer}");
        }
    }

    const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols";

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4000, ..ProptestConfig::default() })]

        /// Whatever a client sends: it is accepted only with all that the handshake needs, or gets an answer it can read.
        #[test]
        fn a_listener_answers_anything(head in head(), local: bool) {
            let at = "localhost:1".parse().map(|at| WsAddress { at, path: String::new() }).unwrap();
            match welcome(&head, &at, local, "tcp://", &options()) {
                Ok(welcome) => {
                    is_whole(&welcome.answer);
                    prop_assert!(welcome.answer.starts_with(SWITCHING));
                    for part in ["get ", "websocket", "sec-websocket-key", "host", "13"] {
                        prop_assert!(has(&head, part), "{part}");
                    }
                    prop_assert!(!local || !has(&head, "evil.test"));
                    prop_assert!(welcome.request.protocol.is_none_or(|name| has(&head, &name)));
                }
                Err(refusal) => {
                    is_safe(&refusal);
                    is_whole(&refusal.answer);
                }
            }
        }

        /// Whatever a server sends, only the answer to this very key opens the connection.
        #[test]
        fn a_client_takes_nothing_but_the_answer_to_its_key(head in head()) {
            match accepted(&head, KEY, "tcp://", &options()) {
                Ok(protocol) => {
                    prop_assert!(has(&head, &derive_accept_key(KEY.as_bytes())) && has(&head, " 101"));
                    prop_assert!(protocol.is_none_or(|name| name == "superchat"));
                }
                Err(refusal) => is_safe(&refusal),
            }
        }

        #[test]
        fn any_bytes_at_all_are_answered(head in vec(any::<u8>(), 0..200)) {
            let at = "localhost:1".parse().map(|at| WsAddress { at, path: "/x".to_owned() }).unwrap();
            let refusal = welcome(&head, &at, true, "tcp://", &options()).unwrap_err();
            is_safe(&refusal);
            is_whole(&refusal.answer);
            is_safe(&accepted(&head, KEY, "tcp://", &options()).unwrap_err());
        }

        /// The client and the server of this file agree, whatever options they have.
        #[test]
        fn what_is_asked_here_is_understood_here(
            path in "((/[A-Za-z0-9._~%!$&'()*+,;=:@-]{0,9}){1,3}(\\?[a-z=&%/?]{0,9})?)?",
            host in "localhost|127\\.0\\.0\\.1|\\[::1\\]|a\\.test",
            ours in vec("[a-z.]{1,8}", 0..3),
            theirs in vec("[a-z.]{1,8}", 0..3),
            value in "[ -~]{0,20}",
            default_port: bool,
        ) {
            let at = WsAddress { at: format!("{host}:80").parse().unwrap(), path };
            let mut client = WsOptions { protocols: ours.clone(), ..WsOptions::default() };
            client.add_header(&format!("X-Value: {value}")).unwrap();
            let server = WsOptions { protocols: theirs.clone(), ..WsOptions::default() };
            let asked = request(&at, if default_port { 80 } else { 81 }, KEY, &client);
            let served = WsAddress { path: String::new(), ..at };
            let welcome = welcome(asked.as_bytes(), &served, true, "tcp://", &server).unwrap();
            let common = theirs.iter().find(|name| ours.contains(name));
            prop_assert_eq!(welcome.request.protocol.as_ref(), common);
            let chosen = accepted(welcome.answer.as_bytes(), KEY, "tcp://", &client).unwrap();
            prop_assert_eq!(chosen.as_ref(), common);
        }
    }
}
