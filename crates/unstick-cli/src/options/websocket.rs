//! The options of WebSocket, and how they apply.

use std::time::Duration;

use clap::Args;
use unstick::endpoint::{Closing, MessageKind, Options, WsOptions};
use unstick::wire::quantity::{DURATIONS, parse_duration, parse_size};
use unstick::{Address, Error, Result};

use crate::options::endpoint::{self, EndpointOptions};
use crate::options::secrets;
use crate::options::values::close_code;

/// The options of WebSocket for both sides.
#[derive(Debug, Args)]
#[command(next_help_heading = "WebSocket")]
pub struct WsArgs {
    /// The messages.
    #[command(flatten)]
    pub speech: WsMessageArgs,
    /// Send a ping every TIME; close the connection if no pong arrives
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub ping: Option<Duration>,
    /// Close with this code: 1000 to 1003, 1007 to 1014 or 3000 to 4999 [default: 1000]
    #[arg(long, value_name = "CODE", value_parser = close_code)]
    pub close_code: Option<u16>,
    /// Give this reason with --close-code, at most 123 bytes
    #[arg(long, value_name = "TEXT", requires = "close_code")]
    pub close_reason: Option<String>,
    /// Refuse messages over SIZE, both ways [default: 16M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_message: Option<usize>,
}

/// The options for the messages of a WebSocket.
#[derive(Debug, Args)]
#[command(next_help_heading = "WebSocket")]
pub struct WsMessageArgs {
    /// Offer or accept this subprotocol (repeatable, the preferred one first)
    #[arg(long, value_name = "NAME", value_parser = token)]
    pub subprotocol: Vec<String>,
    /// Send binary messages [default: UTF-8 as text, everything else as binary]
    #[arg(long)]
    pub binary: bool,
    /// Send text messages; refuse a message that is not UTF-8
    #[arg(long, conflicts_with = "binary")]
    pub text: bool,
}

/// The further options of WebSocket for a client.
#[derive(Debug, Args)]
#[command(next_help_heading = "WebSocket")]
pub struct WsClientArgs {
    /// Add a line to the request: 'Authorization: Bearer ...'; @FILE adds the lines of a file, which other users cannot see in the
    /// list of processes (repeatable)
    #[arg(short = 'H', long, value_name = "LINE")]
    pub header: Vec<String>,
}

impl WsClientArgs {
    /// Adds the header lines that the user typed, or that a file contains.
    fn add_to(&self, options: &mut Options) -> Result<()> {
        for value in &self.header {
            secrets::lines("--header", value)?.iter().try_for_each(|line| options.ws.add_header(line))?;
        }
        Ok(())
    }
}

/// The further options for a bridge between two WebSockets.
#[derive(Debug, Args)]
#[command(next_help_heading = "WebSocket")]
pub struct WsBridgeArgs {
    /// With --to ws://: send this header of the client's request to the target too (repeatable)
    #[arg(long, value_name = "NAME", value_parser = header_name, requires = "to")]
    pub pass_header: Vec<String>,
}

fn header_name(name: &str) -> Result<String, String> {
    match WsOptions::default().add_header(&format!("{name}: x")) {
        Ok(()) => Ok(name.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The further options of WebSocket for a listener.
#[derive(Debug, Args)]
#[command(next_help_heading = "WebSocket")]
pub struct WsServerArgs {
    /// Let web pages of ORIGIN connect, such as https://example.org; any lets all connect (repeatable)
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub origin: Vec<String>,
}

impl WsArgs {
    /// Applies these options to one end if it is a WebSocket; returns whether it is.
    fn ask(&self, end: &mut EndpointOptions<'_>) -> Result<bool> {
        if !self.speech.ask(end) {
            return Ok(false);
        }
        let options = &mut end.options.ws;
        options.ping = self.ping;
        options.largest = self.max_message.unwrap_or(options.largest);
        let reason = || self.close_reason.clone().unwrap_or_default();
        options.close = self.close_code.map(|code| Closing::new(code, reason())).transpose()?;
        Ok(true)
    }

    fn is_asked(&self) -> bool {
        self.speech.is_asked() || self.ping.is_some() || self.max_message.is_some() || self.close_code.is_some()
    }
}

impl WsMessageArgs {
    /// Applies these options to one end if it is a WebSocket; returns whether it is.
    fn ask(&self, end: &mut EndpointOptions<'_>) -> bool {
        if !end.address.is_web_socket() {
            return false;
        }
        let options = &mut end.options.ws;
        options.protocols.clone_from(&self.subprotocol);
        options.kind = match (self.text, self.binary) {
            (true, _) => MessageKind::Text,
            (_, true) => MessageKind::Binary,
            _ => MessageKind::ByContent,
        };
        true
    }

    fn is_asked(&self) -> bool {
        !self.subprotocol.is_empty() || self.binary || self.text
    }
}

/// Applies the options to the server that `shake` tests.
pub fn shaken(speech: &WsMessageArgs, request: &WsClientArgs, mut end: EndpointOptions<'_>) -> Result<()> {
    if speech.ask(&mut end) {
        return request.header.iter().try_for_each(|line| end.options.ws.add_header(line));
    }
    if request.header.is_empty() && !speech.is_asked() {
        return Ok(());
    }
    Err(misplaced("--subprotocol, --binary, --text and --header", &[end]))
}

/// Applies the options to the address of `replay`.
pub fn replayed(
    speech: &WsMessageArgs,
    request: &WsClientArgs,
    listens: bool,
    end: &mut EndpointOptions<'_>,
) -> Result<()> {
    if listens && !request.header.is_empty() {
        return Err(Error::usage("--header is for connecting, and --listen accepts connections"));
    }
    if speech.ask(end) {
        return request.add_to(end.options);
    }
    if request.header.is_empty() && !speech.is_asked() {
        return Ok(());
    }
    let EndpointOptions { address, options } = end;
    Err(misplaced("--subprotocol, --binary, --text and --header", &[EndpointOptions { address, options }]))
}

/// Applies the client's options to each of these ends that is a WebSocket.
pub fn client(web: &WsArgs, request: &WsClientArgs, ends: &mut [EndpointOptions<'_>]) -> Result<()> {
    let mut any = false;
    for end in ends.iter_mut() {
        if !web.ask(end)? {
            continue;
        }
        request.add_to(end.options)?;
        any = true;
    }
    if any || (request.header.is_empty() && !web.is_asked()) {
        return Ok(());
    }
    Err(misplaced("--subprotocol, --binary, --text, --ping, --close-code, --max-message and --header", ends))
}

/// Applies the options of WebSocket to a listener.
pub fn server(web: &WsArgs, pages: &WsServerArgs, mut end: EndpointOptions<'_>) -> Result<()> {
    if web.ask(&mut end)? {
        end.options.ws.origins.clone_from(&pages.origin);
        return Ok(());
    }
    if pages.origin.is_empty() && !web.is_asked() {
        return Ok(());
    }
    Err(misplaced("--subprotocol, --binary, --text, --ping, --close-code, --max-message and --origin", &[end]))
}

/// Applies the options to the listener and to the server of a bridge.
pub fn bridge(
    web: &WsArgs,
    pages: &WsServerArgs,
    request: &WsClientArgs,
    mut near: EndpointOptions<'_>,
    mut far: EndpointOptions<'_>,
) -> Result<()> {
    let (listens, connects) = (web.ask(&mut near)?, web.ask(&mut far)?);
    near.options.ws.origins.clone_from(&pages.origin);
    request.add_to(far.options)?;
    if !listens && !pages.origin.is_empty() {
        return Err(misplaced("--origin", &[near]));
    }
    if !connects && !request.header.is_empty() {
        return Err(misplaced("--header", &[far]));
    }
    if !(far.options.ws.pass_headers.is_empty() || listens && connects) {
        return Err(misplaced("--pass-header", &[if listens { far } else { near }]));
    }
    if !listens && !connects && web.is_asked() {
        return Err(misplaced("--subprotocol, --binary, --text, --ping, --close-code and --max-message", &[near, far]));
    }
    Ok(())
}

fn misplaced(names: &str, ends: &[EndpointOptions<'_>]) -> Error {
    let of_this_machine = ends.iter().any(|end| matches!(end.address, Address::Unix(_)));
    endpoint::misplaced(names, "ws://, wss:// and ws+unix:", ends).with_hint(match of_this_machine {
        true => "write ws+unix: in front of the socket's path",
        false => "write ws:// or wss:// in front of the host",
    })
}

fn token(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match !text.is_empty() && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("a subprotocol is one word of letters, digits and signs such as - and .".to_owned()),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let host = text.split_once("://").map(|(_, host)| host);
    match text == "any" || text == "null" || host.is_some_and(|host| !host.is_empty() && !host.contains('/')) {
        true => Ok(text.to_owned()),
        false => Err("an origin is a scheme and a host, such as https://example.org".to_owned()),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    parse_duration(text).filter(|time| !time.is_zero()).ok_or_else(|| DURATIONS.to_owned())
}

fn size(text: &str) -> Result<usize, String> {
    let size = parse_size(text).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| (1..=LARGEST).contains(size)).ok_or_else(|| "a size from 1 to 1G, such as 64K".to_owned())
}

/// Maximum number of bytes that the user may allow for one message.
const LARGEST: usize = 1 << 30;
