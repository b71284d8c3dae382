//! WebSocket's opening handshake (RFC 6455, section 4), both sides, without a socket: text in, text and a verdict out.
//!
//! Not here: reading and writing it ([`super::opening`]).

use tungstenite::handshake::derive_accept_key;

use super::WsOptions;
use crate::address::WsAddress;

/// Header lines that are read at most; more are refused.
const MAX_HEADERS: usize = 64;

/// Why a handshake did not come about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong, as the rest of a sentence that begins with the peer.
    pub(super) what: String,
    pub(super) hint: Option<String>,
    /// What a client is answered.
    pub(super) answer: String,
}

impl Refusal {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, answer: String::new() }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The status that a client gets, and what else is to be in the answer.
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

/// What a client says first. The key is random, and new for each connection.
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

/// Whether a server's answer opens the connection, and the protocol that it chose.
pub(super) fn accepted(head: &[u8], key: &str, options: &WsOptions) -> Result<Option<String>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    if !matches!(response.parse(head), Ok(httparse::Status::Complete(_))) {
        let hint = match head {
            [0x15 | 0x16, 3, ..] => "wss:// speaks TLS",
            _ => "tcp:// speaks without WebSocket",
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
        return Err(Refusal::new(format!("wants the extension `{}`, which was not offered", shown(extension))));
    }
    match lines.one("Sec-WebSocket-Protocol") {
        Some(chosen) if !options.protocols.iter().any(|offered| offered == chosen) => {
            Err(Refusal::new(format!("chose the subprotocol `{}`, which was not offered", shown(chosen))))
        }
        chosen => Ok(chosen.map(str::to_owned)),
    }
}

/// Any other answer than the one that was wanted.
fn declined(code: u16, reason: &str, lines: &Lines<'_, '_>) -> Refusal {
    let refusal = Refusal::new(format!("answered {code} {} instead of opening a WebSocket", shown(reason)));
    match code {
        301 | 302 | 303 | 307 | 308 => {
            let place = shown(lines.one("Location").unwrap_or("another place"));
            refusal.hint(format!("it is to be found at {place}"))
        }
        401 | 403 => refusal.hint("it may want a login (--header 'Authorization: Bearer ...') or another Origin"),
        404 | 200 => refusal.hint("is there a WebSocket at this path?"),
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

/// What a server answers a client that it lets in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) answer: String,
    /// The subprotocol that both speak.
    pub(super) protocol: Option<String>,
}

/// Whether a client's request opens a connection. `local`: the listener is to be reached from this machine alone.
pub(super) fn welcome(head: &[u8], at: &WsAddress, local: bool, options: &WsOptions) -> Result<Welcome, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            let refusal = Refusal::new(format!("sent more than {MAX_HEADERS} header lines"));
            return Err(refusal.status("431 Request Header Fields Too Large", ""));
        }
        _ => return Err(not_http(head).status("400 Bad Request", "").hint(no_ws(head))),
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
    Ok(Welcome { answer, protocol })
}

/// Whether this is the place that it asks for, and it may come from where it does.
fn may_come(
    target: &str,
    lines: &Lines<'_, '_>,
    at: &WsAddress,
    local: bool,
    options: &WsOptions,
) -> Result<(), Refusal> {
    let path = target.split('?').next().unwrap_or_default();
    if !at.path.is_empty() && at.path != path {
        let refusal = Refusal::new(format!("asked for {}, and {} is served", shown(path), at.path));
        return Err(refusal.status("404 Not Found", ""));
    }
    let Some(host) = lines.one("Host") else {
        return Err(Refusal::new("sent no Host, or more than one").status("400 Bad Request", ""));
    };
    if local && !is_local(host, at) {
        // A page of anybody's can give its own name the address of this machine.
        let refusal = Refusal::new(format!("asked for the host {}, which is not this listener", shown(host)));
        return Err(refusal.hint("a listener on loopback is called localhost").status("421 Misdirected Request", ""));
    }
    let Some(origin) = lines.first("Origin") else { return Ok(()) };
    let allowed = |allowed: &String| allowed == "any" || allowed.eq_ignore_ascii_case(origin);
    if lines.count("Origin") == 1 && options.origins.iter().any(allowed) {
        return Ok(());
    }
    let origin = shown(origin);
    let refusal = Refusal::new(format!("came with a page of {origin}, which is not allowed to"));
    Err(refusal.hint(format!("--origin {origin} lets its pages in")).status("403 Forbidden", ""))
}

/// Whether a `Host` names this machine, or what was listened on.
fn is_local(host: &str, at: &WsAddress) -> bool {
    let end = if host.ends_with(']') { None } else { host.rfind(':') };
    let name = host[..end.unwrap_or(host.len())].trim_start_matches('[').trim_end_matches(']');
    let loopback = name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback || name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(at.at.host())
}

/// 16 bytes in base64: 22 characters and two for what is left.
fn is_key(key: &str) -> bool {
    let digits = key.strip_suffix("==").unwrap_or_default();
    digits.len() == 22 && digits.bytes().all(|digit| digit.is_ascii_alphanumeric() || b"+/".contains(&digit))
}

fn no_ws(head: &[u8]) -> &'static str {
    match head {
        [0x16, 3, ..] => "a client that speaks TLS needs a listener on wss://",
        _ => "a client without WebSocket needs a listener on tcp://",
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

    /// The value of a line that there is once.
    fn one(&self, name: &str) -> Option<&'b str> {
        self.first(name).filter(|_| self.count(name) == 1)
    }

    /// Whether a list of words, over any number of lines, has this one, letter case aside.
    fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    fn lists_exactly(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim() == word)
    }
}

/// A peer's word in a sentence, not longer than that allows.
fn shown(word: &str) -> String {
    let mut shown: String = word.chars().filter(|c| !c.is_control()).take(80).collect();
    if shown.len() < word.len() {
        shown += " ...";
    }
    shown
}
