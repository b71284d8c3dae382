//! Addresses as users write them: `tcp://HOST:PORT`, `udp://...`, `unix:PATH`, `-`, `PORT`, with a framing in front.

mod framed;
mod serial;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use unstick_wire::quantity::parse_number;

use crate::advice::Advice;
use crate::error::{Error, Result};

pub use framed::{FramedAddress, Framings};
pub use serial::{Flow, Parity, SerialLine};

/// The default port of `ws://`.
pub(crate) const WS_PORT: u16 = 80;

/// The default port of `wss://`.
pub(crate) const WSS_PORT: u16 = 443;

/// The address of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP host and port.
    Tcp(HostPort),
    /// A UDP host and port.
    Udp(HostPort),
    /// A host and port that speak TLS.
    Tls(HostPort),
    /// A WebSocket.
    Ws(WsAddress),
    /// A WebSocket inside TLS.
    Wss(WsAddress),
    /// A WebSocket over a stream socket of this machine.
    WsUnix(WsUnixAddress),
    /// A stream socket of this machine.
    Unix(SocketName),
    /// A datagram socket of this machine.
    UnixDgram(SocketName),
    /// A socket of this machine that carries messages over a connection.
    UnixSeqpacket(SocketName),
    /// A serial line.
    Serial(SerialLine),
    /// A command, run through `sh -c`: its standard input and output.
    Exec(String),
    /// A name inside this process.
    Mem(String),
    /// Standard input and output.
    Stdio,
}

/// A host, by name or number, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Without brackets; `None` if only a port was given, which means loopback.
    pub host: Option<String>,
    /// 0 lets the system pick one when listening.
    pub port: u16,
}

impl HostPort {
    /// Returns the socket address, if the host is an IP address.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.as_deref()?.parse().ok()?, self.port))
    }

    /// The host to look up.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("localhost")
    }
}

/// The address of a WebSocket: a host, a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsAddress {
    /// The host and port.
    pub at: HostPort,
    /// The path, with the query after a `?`. If it is empty, a client requests `/`, and a listener accepts any path.
    pub path: String,
}

impl WsAddress {
    /// Returns the target of the request.
    pub(crate) fn target(&self) -> String {
        match self.path.as_str() {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        }
    }
}

impl fmt::Display for WsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.at, self.path)
    }
}

/// The address of a WebSocket over a socket of this machine: the socket, and the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsUnixAddress {
    /// The socket. Its name cannot contain a colon, because the first colon ends the name, as in the `ws` library of
    /// Node.
    pub name: SocketName,
    /// As [`WsAddress::path`].
    pub path: String,
}

impl WsUnixAddress {
    /// Returns the address for the handshake: the path, with this machine as the host.
    pub(crate) fn place(&self) -> WsAddress {
        WsAddress { at: HostPort { host: None, port: WS_PORT }, path: self.path.clone() }
    }
}

impl fmt::Display for WsUnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => self.name.fmt(f),
            path => write!(f, "{}:{path}", self.name),
        }
    }
}

impl FromStr for HostPort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        host_port(text)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host() {
            host if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// The name of a socket of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketName {
    /// A file.
    Path(PathBuf),
    /// A name without a file, written `@NAME`; Linux has them.
    Abstract(String),
}

impl fmt::Display for SocketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

impl Address {
    /// Whether the transport is a stream, which needs a framing; the others carry messages.
    pub fn is_stream(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Tls(_) | Self::Unix(_) | Self::Serial(_) => true,
            Self::Exec(_) | Self::Mem(_) | Self::Stdio => true,
            Self::Ws(_) | Self::Wss(_) | Self::WsUnix(_) => false,
            Self::Udp(_) | Self::UnixDgram(_) | Self::UnixSeqpacket(_) => false,
        }
    }

    /// Whether the transport is WebSocket, over any carrier.
    pub fn is_web_socket(&self) -> bool {
        matches!(self, Self::Ws(_) | Self::Wss(_) | Self::WsUnix(_))
    }

    /// Returns the IP address and port, if the address gives them as numbers.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(at) | Self::Udp(at) | Self::Tls(at) => at.socket_addr(),
            Self::Ws(at) | Self::Wss(at) => at.at.socket_addr(),
            _ => None,
        }
    }

    /// Returns the name of the socket, if it is a socket of this machine.
    pub fn socket_name(&self) -> Option<&SocketName> {
        match self {
            Self::Unix(name) | Self::UnixDgram(name) | Self::UnixSeqpacket(name) => Some(name),
            Self::WsUnix(at) => Some(&at.name),
            _ => None,
        }
    }

    /// Returns what a WebSocket client requests: path and query.
    pub(crate) fn request_path_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Ws(at) | Self::Wss(at) => Some(&mut at.path),
            Self::WsUnix(at) => Some(&mut at.path),
            _ => None,
        }
    }

    /// Says why a transport that is not a stream takes no framing.
    pub fn why_no_framing(&self) -> &'static str {
        match self {
            Self::Ws(_) | Self::Wss(_) | Self::WsUnix(_) => "a WebSocket message already is a whole message",
            _ => "a datagram already is a whole message",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(at) => write!(f, "tcp://{at}"),
            Self::Udp(at) => write!(f, "udp://{at}"),
            Self::Tls(at) => write!(f, "tls://{at}"),
            Self::Ws(at) => write!(f, "ws://{at}"),
            Self::Wss(at) => write!(f, "wss://{at}"),
            Self::WsUnix(at) => write!(f, "ws+unix:{at}"),
            Self::Unix(name) => write!(f, "unix:{name}"),
            Self::UnixDgram(name) => write!(f, "unix-dgram:{name}"),
            Self::UnixSeqpacket(name) => write!(f, "unix-seqpacket:{name}"),
            Self::Serial(line) => write!(f, "serial:{line}"),
            Self::Exec(command) => write!(f, "exec:{command}"),
            Self::Mem(name) => write!(f, "mem:{name}"),
            Self::Stdio => f.write_str("-"),
        }
    }
}

impl TryFrom<&str> for Address {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

impl From<SocketAddr> for Address {
    /// Makes a TCP address.
    fn from(at: SocketAddr) -> Self {
        Self::Tcp(HostPort { host: Some(at.ip().to_string()), port: at.port() })
    }
}

/// The schemes of endpoints.
const SCHEMES: &[&str] = &[
    "tcp://",
    "udp://",
    "tls://",
    "ws://",
    "wss://",
    WS_UNIX,
    "unix:",
    "unix-dgram:",
    "unix-seqpacket:",
    "serial:",
    "exec:",
    "mem:",
];

/// The only scheme that contains a `+`.
const WS_UNIX: &str = "ws+unix:";

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::Stdio);
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            return host_port(rest).map(Self::Tcp);
        }
        if let Some(rest) = text.strip_prefix("udp://") {
            return host_port(rest).map(Self::Udp);
        }
        if let Some(name) = text.strip_prefix("unix:") {
            return socket_name(name).map(Self::Unix);
        }
        if let Some(name) = text.strip_prefix("unix-dgram:") {
            return socket_name(name).map(Self::UnixDgram);
        }
        if let Some(name) = text.strip_prefix("unix-seqpacket:") {
            return socket_name(name).map(Self::UnixSeqpacket);
        }
        if let Some(line) = text.strip_prefix("serial:") {
            return SerialLine::parse(line).map(Self::Serial);
        }
        if let Some(rest) = text.strip_prefix("tls://") {
            return host_port(rest).map(Self::Tls);
        }
        if let Some(error) = web_socket_over_unix(text) {
            return Err(error);
        }
        if let Some(rest) = text.strip_prefix("ws://") {
            return web_socket(rest, WS_PORT).map(Self::Ws);
        }
        if let Some(rest) = text.strip_prefix("wss://") {
            return web_socket(rest, WSS_PORT).map(Self::Wss);
        }
        if let Some(rest) = text.strip_prefix(WS_UNIX) {
            return web_socket_of_this_machine(rest).map(Self::WsUnix);
        }
        if let Some(command) = text.strip_prefix("exec:") {
            return match command.trim() {
                url if url.starts_with("//") => Err(Error::usage("exec: takes a command, and no // in front of it")
                    .with_hint(format!("write exec:{}", url.replacen("//", "", 1)))),
                "" => Err(Error::usage("exec: needs a command").with_hint("such as exec:cat")),
                _ => Ok(Self::Exec(command.to_owned())),
            };
        }
        if let Some(name) = text.strip_prefix("mem:") {
            return match name {
                "" => Err(Error::usage("mem: needs a name").with_hint("such as mem:test")),
                name => Ok(Self::Mem(name.to_owned())),
            };
        }
        unknown(text).map_or_else(|| host_port(text).map(Self::Tcp), Err)
    }
}

/// `ws://unix:/tmp/it`, as other programs write it: no port is written like a path.
fn web_socket_over_unix(text: &str) -> Option<Error> {
    let (scheme, rest) = text.split_once(':').filter(|(scheme, _)| matches!(*scheme, "ws" | "wss"))?;
    let name = rest.trim_start_matches('/').strip_prefix("unix:").filter(|name| name.starts_with(['/', '.', '@']))?;
    let hint = format!("write ws+unix:{name}");
    Some(Error::usage(format!("`{scheme}://` takes no socket of this machine")).with_hint(hint))
}

/// Guesses what was meant by an unknown scheme.
fn unknown(text: &str) -> Option<Error> {
    if let Some((scheme, _)) = text.split_once("://") {
        let hint = match scheme {
            "http" => "tcp:// speaks TCP, ws:// WebSocket",
            "https" => "tls:// speaks TLS, wss:// WebSocket inside it",
            "ssl" => "tls:// is what it is called today",
            _ => "tcp://, udp://, tls://, ws:// or wss://",
        };
        return Some(Error::usage(format!("`{scheme}://` is not a transport")).with_hint(hint));
    }
    let (scheme, rest) = text.split_once(':')?;
    let hint = match scheme {
        "tcp" | "udp" | "tls" | "ws" | "wss" if rest.contains([':', '/']) => match rest.trim_start_matches('/') {
            host if host.contains(':') => format!("write {scheme}://{host}"),
            _ => format!("write {scheme}://HOST:PORT"),
        },
        "wss+unix" => format!("write ws+unix:{rest}; connections on this machine use no TLS"),
        "unix+ws" | "unix-ws" => format!("write ws+unix:{rest}"),
        _ if serial::meant(rest).is_some() => {
            format!("a serial line is written {}", serial::meant(rest).unwrap_or_default())
        }
        _ if rest.starts_with('/') => "put unix:, unix-dgram: or unix-seqpacket: before the socket's path".to_owned(),
        _ => return None,
    };
    Some(Error::usage(format!("`{scheme}:` is not a transport")).with_hint(hint))
}

/// Parses a path or `@NAME`. `unix:///path`, as URLs have it, is the same as `unix:/path`.
fn socket_name(text: &str) -> Result<SocketName> {
    match text.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(text) {
        "" | "@" => Err(Error::usage("a socket of this machine needs a path or a name")
            .with_hint("such as unix:/tmp/it.sock, or unix:@name for one without a file")),
        text => Ok(match text.strip_prefix('@') {
            Some(name) => SocketName::Abstract(name.to_owned()),
            None => SocketName::Path(text.into()),
        }),
    }
}

/// Parses `HOST[:PORT][/PATH][?QUERY]`.
fn web_socket(text: &str, port: u16) -> Result<WsAddress> {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (host, path) = text.split_at(end);
    check_request_path(path)?;
    if host.contains('@') {
        let error = Error::usage(format!("`{host}` has a user in front of the host"));
        return Err(error.with_advice(Advice::AuthorizationHeader));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let number = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_digit());
    let at = match has_port || number || host.is_empty() {
        true => host_port(host)?,
        false => host_port(&format!("{host}:{port}"))?,
    };
    Ok(WsAddress { at, path: path.to_owned() })
}

fn check_request_path(path: &str) -> Result<()> {
    if path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        let error = Error::usage(format!("`{}` is not the path of a WebSocket", path.escape_debug()));
        return Err(error.with_hint("it is written in visible ASCII, others as %XX, and has no #"));
    }
    Ok(())
}

/// Parses `SOCKET[:/PATH][?QUERY]`, as the `ws` library of Node has it: the first colon ends the socket's name.
fn web_socket_of_this_machine(text: &str) -> Result<WsUnixAddress> {
    let (name, path) = text.split_once(':').unwrap_or((text, ""));
    check_request_path(path)?;
    if !(path.is_empty() || path.starts_with(['/', '?'])) {
        let error =
            Error::usage(format!("`{path}` in `ws+unix:{text}` is not a request path: it does not begin with /"));
        return Err(error.with_hint(format!("write ws+unix:{name}:/{path}; the socket's name has no colon")));
    }
    let name = socket_name(name).map_err(|error| error.with_hint("such as ws+unix:/tmp/it.sock:/chat"))?;
    Ok(WsUnixAddress { name, path: path.to_owned() })
}

/// Parses `HOST:PORT`, `[V6]:PORT`, `:PORT` or `PORT`.
fn host_port(text: &str) -> Result<HostPort> {
    if text.is_empty() {
        return Err(Error::usage("a host and a port are missing").with_hint("write HOST:PORT, or just PORT"));
    }
    if text.contains('/') {
        let error = Error::usage(format!("`{text}` is not a host and a port"));
        return Err(error.with_hint(match serial::meant(text) {
            Some(line) => format!("a serial line is written {line}"),
            None => format!("a socket's path is written unix:{text}"),
        }));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => ("", text),
        None => {
            return Err(
                Error::usage(format!("`{text}` has no port")).with_hint(format!("write {text}:PORT, or just PORT"))
            );
        }
    };
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(Some(inner)) => inner,
        Some(None) => return Err(Error::usage(format!("`{text}` has a `[` without its `]`"))),
        None if host.contains(':') => {
            return Err(Error::usage(format!("`{text}` has more than one `:`"))
                .with_hint("put an IPv6 address in brackets: [::1]:8080"));
        }
        // The system would read it as an IPv4 address in one number: 8080 as 0.0.31.144.
        None if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(Error::usage(format!("`{host}` in `{text}` is a number, not a host"))
                .with_hint("write HOST:PORT with a name or an address such as 127.0.0.1, or just PORT"));
        }
        None => host,
    };
    let port = parse_number(port).ok_or_else(|| {
        Error::usage(format!("`{port}` is not a port")).with_hint("a port is a number from 0 to 65535")
    })?;
    Ok(HostPort { host: (!host.is_empty()).then(|| host.to_owned()), port })
}

#[cfg(test)]
mod tests {
    use unstick_wire::Framing;

    use super::*;

    /// Returns an address as it is shown, or why it is not valid.
    pub(super) fn shown(text: &str) -> String {
        match text.parse::<Address>() {
            Ok(address) => address.to_string(),
            Err(error) => format!("{error} ({})", error.hint().unwrap_or("")),
        }
    }

    #[test]
    fn short_forms_mean_tcp_on_loopback() {
        assert_eq!(shown("8080"), "tcp://localhost:8080");
        assert_eq!(shown(":8080"), "tcp://localhost:8080");
        assert_eq!(shown("example.test:80"), "tcp://example.test:80");
        assert_eq!(shown("[::1]:80"), "tcp://[::1]:80");
        assert_eq!(shown("udp://:53"), "udp://localhost:53");
        assert_eq!(shown("-"), "-");
    }

    #[test]
    fn wrong_addresses_say_what_is_wrong() {
        assert_eq!(shown("localhost"), "`localhost` has no port (write localhost:PORT, or just PORT)");
        assert_eq!(shown("::1:80"), "`::1:80` has more than one `:` (put an IPv6 address in brackets: [::1]:8080)");
        assert_eq!(shown("host:http"), "`http` is not a port (a port is a number from 0 to 65535)");
        let number = "`8080` in `8080:8081` is a number, not a host \
                      (write HOST:PORT with a name or an address such as 127.0.0.1, or just PORT)";
        assert_eq!(shown("8080:8081"), number);
        assert_eq!(shown("127.1:80"), "tcp://127.1:80");
        assert_eq!(shown("70000"), "`70000` is not a port (a port is a number from 0 to 65535)");
        assert_eq!(shown("gopher://x:1"), "`gopher://` is not a transport (tcp://, udp://, tls://, ws:// or wss://)");
        assert_eq!(shown("tls:localhost:1"), "`tls:` is not a transport (write tls://localhost:1)");
        assert_eq!(shown("tls://"), "a host and a port are missing (write HOST:PORT, or just PORT)");
        assert_eq!(shown("ws:80"), "tcp://ws:80", "a host may be called that");
        assert_eq!(
            shown("unixgram:/x"),
            "`unixgram:` is not a transport (put unix:, unix-dgram: or unix-seqpacket: before the socket's path)"
        );
        assert_eq!(shown("exec://bin/ls"), "exec: takes a command, and no // in front of it (write exec:bin/ls)");
        assert_eq!(shown("[::1:80"), "`[::1:80` has a `[` without its `]` ()");
        assert_eq!(shown("exec: "), "exec: needs a command (such as exec:cat)");
        assert_eq!(shown("/tmp/it"), "`/tmp/it` is not a host and a port (a socket's path is written unix:/tmp/it)");
        let nameless = "a socket of this machine needs a path or a name \
                        (such as unix:/tmp/it.sock, or unix:@name for one without a file)";
        assert_eq!(shown("unix:"), nameless);
        assert_eq!(shown("unix-dgram:@"), nameless);
    }

    #[test]
    fn sockets_of_this_machine_have_paths_or_names() {
        assert_eq!(shown("unix:/tmp/it.sock"), "unix:/tmp/it.sock");
        assert_eq!(shown("unix:///tmp/it.sock"), "unix:/tmp/it.sock");
        assert_eq!(shown("unix-dgram:here"), "unix-dgram:here");
        let named: Address = "unix-seqpacket:@it".parse().unwrap();
        assert_eq!(named, Address::UnixSeqpacket(SocketName::Abstract("it".to_owned())));
        assert_eq!(named.to_string(), "unix-seqpacket:@it");
        let framed: FramedAddress = "u32be+unix:/tmp/it".parse().unwrap();
        assert_eq!(framed.address.to_string(), "unix:/tmp/it");
        assert!("line+unix-seqpacket:/tmp/it".parse::<FramedAddress>().unwrap_err().is_usage());
    }

    #[test]
    fn a_web_socket_over_a_socket_of_this_machine_has_both_paths() {
        for (text, name, path) in [
            ("ws+unix:/run/it.sock:/chat?room=1", "/run/it.sock", "/chat?room=1"),
            ("ws+unix:///run/it.sock:/a:b", "/run/it.sock", "/a:b"),
            ("ws+unix:it.sock", "it.sock", ""),
            ("ws+unix:it.sock:", "it.sock", ""),
            ("ws+unix:@it:?x=1", "@it", "?x=1"),
        ] {
            let framed: FramedAddress = text.parse().unwrap();
            let Address::WsUnix(at) = &framed.address else { panic!("{text}: {}", framed.address) };
            assert_eq!((at.name.to_string().as_str(), at.path.as_str()), (name, path), "{text}");
            let end = if path.is_empty() { String::new() } else { format!(":{path}") };
            assert_eq!(framed.address.to_string(), format!("ws+unix:{name}{end}"));
        }
        let wrong = "`chat` in `ws+unix:/x:chat` is not a request path: it does not begin with / \
                     (write ws+unix:/x:/chat; the socket's name has no colon)";
        assert_eq!(shown("ws+unix:/x:chat"), wrong);
        let nameless = "a socket of this machine needs a path or a name (such as ws+unix:/tmp/it.sock:/chat)";
        assert_eq!((shown("ws+unix:").as_str(), shown("ws+unix:@:/chat").as_str()), (nameless, nameless));
        let path =
            "`/a#b` is not the path of a WebSocket (it is written in visible ASCII, others as %XX, and has no #)";
        assert_eq!(shown("ws+unix:/x:/a#b"), path);
        let tls = "`wss+unix:` is not a transport (write ws+unix:/x:/a; connections on this machine use no TLS)";
        assert_eq!(shown("wss+unix:/x:/a"), tls);
        assert!("wss+unix:/x".parse::<FramedAddress>().unwrap_err().to_string().contains("is not a transport"));
        for text in ["ws://unix:/x:/a", "ws:unix:/x:/a"] {
            assert_eq!(shown(text), "`ws://` takes no socket of this machine (write ws+unix:/x:/a)", "{text}");
        }
        assert_eq!(shown("ws://unix:80"), "ws://unix:80");
        assert_eq!(shown("unix+ws:/x"), "`unix+ws:` is not a transport (write ws+unix:/x)");
        let error = "line+ws+unix:/x:/a".parse::<FramedAddress>().unwrap_err();
        assert_eq!(error.to_string(), "a framing in front of ws+unix:/x:/a has no effect");
        assert_eq!(error.hint(), Some("a WebSocket message already is a whole message"));
    }

    #[test]
    fn a_framing_goes_in_front_of_a_stream_only() {
        let framed: FramedAddress = "u32be+tcp://:7000".parse().unwrap();
        assert_eq!(framed.framing, Some(Framing::parse("u32be").unwrap()));
        assert_eq!(framed.address.to_string(), "tcp://localhost:7000");
        let error = "line+udp://:7000".parse::<FramedAddress>().unwrap_err();
        assert!(error.is_usage());
        assert_eq!(error.hint(), Some("a datagram already is a whole message"));
    }
}
