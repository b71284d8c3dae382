//! What was typed → what it means: every default chosen, every contradiction refused.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use clap::ArgMatches;
use unstick::service::talk::{Answer, Reconnect, Rules};
use unstick::wire::quantity::parse_number;
use unstick::wire::{Framing, Role, Written};
use unstick::{Address, Error, FramedAddress, Framings, HalfClose, Options, Result};

use crate::args::{Connect, Keepalive, Listen, Reach, Talk, Udp, Wire};
use crate::children;
use crate::output;
use crate::payload;
use crate::pipe::Format;
use crate::proxy;
use crate::secure;
use crate::sendable;
use crate::terminal::Look;
use crate::websocket;

/// A conversation to be held.
#[derive(Debug)]
pub struct Plan {
    /// Where.
    pub address: Address,
    /// In what frames; `None` on datagrams.
    pub framings: Option<Framings>,
    /// How the endpoint is opened.
    pub options: Options,
    /// A lost connection is made again.
    pub reconnect: Option<Box<Reconnect>>,
    /// Listen rather than connect.
    pub listening: bool,
    /// How the conversation goes.
    pub rules: Rules,
    /// What stands at this end.
    pub front: Front,
    /// How a terminal shows it.
    pub look: Look,
    /// Standard output is a terminal.
    pub screen: bool,
    /// Standard input is left alone.
    pub input_unread: bool,
}

/// What stands at this end.
#[derive(Debug)]
pub enum Front {
    /// A prompt.
    Prompt,
    /// Standard input and output as bytes: nc's pipe.
    Raw,
    /// Messages in standard input and output.
    Pipe(Format),
    /// Lines for a person without a prompt, because the other side of it is no terminal or is not read. Standard input is
    /// messages in this format.
    Screen(Format),
    /// JSON lines.
    Json,
    /// Nothing: standard input and output are the connection.
    Aside,
}

impl Plan {
    /// What `listen` means.
    pub fn listen(args: &Listen, matches: &ArgMatches) -> Result<Self> {
        crate::bridge::is_no_bridge(&args.bridge)?;
        let mut plan = Self::talk(&args.address, &args.talk, &args.wire, true, matches)?;
        plan.rules.once = args.once;
        plan.rules.max_peers = max_peers(args);
        args.limits.apply(&mut plan.rules, &mut plan.options);
        crate::bridge::needs_to(&args.reach)?;
        listening(args, &plan.address, &mut plan.options)?;
        plan.options.max_unsent = Some(unstick::limits::MAX_UNSENT);
        udp(&args.udp, &mut [plan.at()])?;
        websocket::server(&args.web, &args.pages, plan.at())?;
        secure::server(&args.tls, &args.show, plan.at())?;
        plan.run_commands(&args.talk)?;
        plan.check()?;
        Ok(plan)
    }

    /// What `connect` means.
    pub fn connect(args: &Connect, matches: &ArgMatches) -> Result<Self> {
        crate::bridge::is_no_bridge(&args.bridge)?;
        let mut plan = Self::talk(&args.address, &args.talk, &args.wire, false, matches)?;
        args.limits.apply(&mut plan.rules, &mut plan.options);
        reach_for(&args.reach, &[&plan.address])?;
        reach(&args.reach, &mut plan.options)?;
        udp(&args.udp, &mut [plan.at()])?;
        proxy::through(&args.reach.through, &mut [plan.at()])?;
        websocket::client(&args.web, &args.reach.request, &mut [plan.at()])?;
        secure::client(&args.tls, &args.reach.verify, &mut [plan.at()])?;
        if matches!(plan.address, Address::Stdio) {
            plan.stand_aside(&args.talk)?;
        }
        plan.run_commands(&args.talk)?;
        plan.check()?;
        plan.reconnect(args)?;
        Ok(plan)
    }

    /// A lost connection is made again.
    fn reconnect(&mut self, args: &Connect) -> Result<()> {
        if !args.reconnect {
            return Ok(());
        }
        if matches!(self.front, Front::Raw) {
            let error = Error::usage("--reconnect is for messages, and a raw pipe has none");
            return Err(error.with_hint("-f names the framing, such as -f line"));
        }
        if matches!(self.address, Address::Stdio | Address::Mem(_)) {
            return Err(Error::usage(format!(
                "--reconnect is for addresses that can be connected to again, not for {}",
                self.address
            )));
        }
        let mut how = Reconnect::to(self.address.clone(), self.framings.clone(), self.options.clone());
        how.attempts = args.reconnect_attempts;
        // A connection that is to be kept stays open behind its greeting.
        self.rules.finish_after_greeting = false;
        self.reconnect = Some(Box::new(how));
        Ok(())
    }

    /// What is certain to be sent can be sent.
    fn check(&self) -> Result<()> {
        let reply = if let Answer::Reply(reply) = &self.rules.answer { Some(reply) } else { None };
        sendable::check(&self.address, self.framings.as_ref(), &self.options, &self.rules.greeting, reply)
    }

    fn run_commands(&mut self, talk: &Talk) -> Result<()> {
        talk.children.apply(Some(&mut self.rules), &mut [(&self.address, &mut self.options)])
    }

    fn at(&mut self) -> secure::At<'_> {
        secure::At { address: &self.address, options: &mut self.options }
    }

    /// The connection is on standard input and output: nothing else can be there.
    fn stand_aside(&mut self, talk: &Talk) -> Result<()> {
        let screen = talk.json || talk.io.is_some() || talk.hex || talk.time;
        if screen || (!has_greeting(talk) && !answers(talk)) {
            let what = "`connect -` speaks with who is on standard input and output: nothing else can be there";
            return Err(Error::usage(what).with_hint("it takes --send, --echo, --reply or --each"));
        }
        self.front = Front::Aside;
        self.input_unread = true;
        Ok(())
    }

    fn talk(words: &[String], talk: &Talk, wire: &Wire, listening: bool, matches: &ArgMatches) -> Result<Self> {
        let target = target(words)?;
        let person = std::io::stdin().is_terminal();
        let screen = std::io::stdout().is_terminal();
        let messages = has_message_option(talk);
        let default = if person || messages { "line" } else { "raw" };
        let role = if listening { Role::Server } else { Role::Client };
        let framings = framings(&target, wire, default, role)?;
        let answering = answers(talk);
        if talk.max_answers.is_some() && !matches!(target.address, Address::Udp(_) | Address::UnixDgram(_)) {
            let error = Error::usage("--max-answers is for datagrams, whose source can be forged");
            return Err(error.with_hint("leave it out, or write udp:// in front of the host"));
        }
        let input_unread = answering || talk.no_stdin || (!person && has_greeting(talk));
        let face = Face { prompt: person && screen && !input_unread, screen, messages };
        let front = front(talk, framings.as_ref(), face)?;
        let prompt = matches!(front, Front::Prompt);
        let mut rules = rules(talk, framings.as_ref(), matches, Manner { prompt, answering, input_unread })?;
        rules.half_close = talk.half_close.unwrap_or_else(|| half_close(&target.address, listening || prompt));
        rules.serve_on = talk.half_close != Some(HalfClose::Now);
        let look = Look {
            colour: output::colour_on(&std::io::stdout()),
            hex: talk.hex || format(framings.as_ref()) == Format::Hex,
            time: talk.time,
            verbose: wire.verbose,
        };
        let mut options = options(wire);
        options.serial_quiet = rules.linger;
        let address = target.address;
        Ok(Self { address, framings, options, reconnect: None, listening, rules, front, look, screen, input_unread })
    }
}

/// `ADDRESS` or `HOST PORT`.
pub fn target(words: &[String]) -> Result<FramedAddress> {
    match words {
        [host, port] if host.contains("://") => {
            Err(Error::usage(format!("`{host}` needs no second word `{port}`"))
                .with_hint(format!("write {host}:{port}")))
        }
        [command, word] if command.contains("exec:") => {
            Err(Error::usage(format!("`{word}` is not part of the command"))
                .with_hint("put the whole of it in quotes: 'exec:COMMAND'"))
        }
        [one, other] if [one, other].iter().all(|word| word.bytes().all(|byte| byte.is_ascii_digit())) => {
            Err(Error::usage(format!("`{one} {other}` is two ports, and a run takes one address"))
                .with_hint("start unstick once for each port, or write HOST PORT"))
        }
        [host, port] if host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]:{port}").parse(),
        [host, port] if host.contains(':') && !host.starts_with('[') => {
            let hint = match port.contains(':') {
                true => format!("one address is enough; --to {port} passes on there what comes here"),
                false => "write HOST:PORT or HOST PORT; behind --to, HOST:PORT".to_owned(),
            };
            Err(Error::usage(format!("`{host} {port}` is no address")).with_hint(hint))
        }
        [host, port] => format!("{host}:{port}").parse(),
        [address] => address.parse(),
        _ => Err(Error::usage("an address is missing")),
    }
}

/// Options that speak of messages: with one of them a pipe is framed.
fn has_message_option(talk: &Talk) -> bool {
    talk.json
        || talk.io.is_some()
        || has_greeting(talk)
        || answers(talk)
        || talk.count.is_some()
        || talk.until.is_some()
}

fn has_greeting(talk: &Talk) -> bool {
    !(talk.send.is_empty() && talk.send_hex.is_empty() && talk.send_file.is_empty())
}

/// Whether messages are answered without a hand on it.
fn answers(talk: &Talk) -> bool {
    talk.reply.is_some() || talk.echo || talk.each.is_some()
}

/// The framings of a stream for whoever has this role; `None` for datagrams.
pub fn framings(target: &FramedAddress, wire: &Wire, default: &str, role: Role) -> Result<Option<Framings>> {
    let spec = |text: &Option<String>| text.as_deref().map(Framing::parse).transpose();
    let (both, inbound, outbound) = (spec(&wire.frame)?, spec(&wire.frame_in)?, spec(&wire.frame_out)?);
    if !target.address.is_stream() {
        if both.is_some() || inbound.is_some() || outbound.is_some() {
            return Err(Error::usage(format!("{} is not a stream: it takes no framing", target.address))
                .with_hint(target.address.why_no_framing()));
        }
        return Ok(None);
    }
    if let (Some(own), Some(both)) = (&target.framing, &both) {
        return Err(Error::usage(format!("-f {both} is for an address without a framing, and this one has {own}"))
            .with_hint("name one of them; --frame-in and --frame-out are for directions that differ"));
    }
    let base = match target.framing.clone().or(both) {
        Some(framing) => framing,
        None => Framing::parse(default)?,
    };
    let framings = Framings { inbound: inbound.unwrap_or_else(|| base.clone()), outbound: outbound.unwrap_or(base) };
    let framings = framings.as_seen_by(role);
    // Said before anything is opened rather than when the first message is sent.
    framings.outbound.encoder()?;
    Ok(Some(framings))
}

/// What of this end is a terminal, and what for.
struct Face {
    prompt: bool,
    screen: bool,
    messages: bool,
}

fn front(talk: &Talk, framings: Option<&Framings>, face: Face) -> Result<Front> {
    if talk.json {
        return Ok(Front::Json);
    }
    if let Some(io) = &talk.io {
        let format = Format::from_str(io)?;
        if talk.time && !format.is_lines() {
            let what = format!("--time puts the time in front of lines, and --io {io} writes none");
            return Err(Error::usage(what).with_hint("--json has the time of every message, with any content"));
        }
        return Ok(Front::Pipe(format));
    }
    let raw = framings.is_some_and(|f| f.inbound.is_raw() && f.outbound.is_raw());
    let looked_at = talk.hex || talk.time;
    Ok(match face {
        Face { prompt: true, .. } => Front::Prompt,
        Face { messages: false, .. } if raw && looked_at => {
            return Err(Error::usage("--hex and --time show messages, and a pipe of bytes has none")
                .with_hint("name a framing with -f; --io hex writes messages in hexadecimal"));
        }
        Face { messages: false, .. } if raw => Front::Raw,
        Face { screen: true, .. } => Front::Screen(format(framings)),
        _ if looked_at => Front::Screen(format(framings)),
        _ => Front::Pipe(format(framings)),
    })
}

/// How messages are written down where nobody says: as is best for the preset, if it is one.
pub fn format(framings: Option<&Framings>) -> Format {
    usual(framings).unwrap_or_else(|| Format::of(framings))
}

/// How the messages of a preset are best written down, where that is no text.
pub fn usual(framings: Option<&Framings>) -> Option<Format> {
    match framings?.inbound.preset()?.written {
        Written::Hex => Some(Format::Hex),
        Written::Escaped => Some(Format::Escaped),
        Written::Line => None,
    }
}

/// How this end behaves, as far as the rules depend on it.
struct Manner {
    prompt: bool,
    answering: bool,
    input_unread: bool,
}

fn rules(talk: &Talk, framings: Option<&Framings>, matches: &ArgMatches, manner: Manner) -> Result<Rules> {
    let mut rules = Rules::default();
    rules.greeting = greeting(talk, framings, matches)?;
    rules.answer = match (&talk.reply, talk.echo, &talk.each) {
        (Some(reply), ..) => Answer::Reply(reply.clone().into()),
        (_, true, _) => Answer::Echo,
        (.., Some(command)) => Answer::Each(command.clone()),
        _ => Answer::Nothing,
    };
    rules.finish_after_greeting = has_greeting(talk) && manner.input_unread && !manner.answering;
    rules.answer_rate = talk.max_answers.unwrap_or(rules.answer_rate);
    rules.count = talk.count;
    rules.until = talk.until.clone().map(Bytes::from);
    rules.idle = talk.idle;
    rules.deadline = talk.deadline;
    rules.wait = !talk.no_wait;
    rules.linger = talk.linger.unwrap_or(rules.linger);
    rules.leave_at_end = manner.prompt;
    rules.strict = !manner.prompt && !talk.json;
    Ok(rules)
}

/// When the sending side ends where nobody says. Clients of a listener, and processes, see an end of file as the end of what they
/// are told, and a person at a prompt has seen the answer: only servers drop an answer for it.
fn half_close(address: &Address, at_once: bool) -> HalfClose {
    let process = matches!(address, Address::Exec(_) | Address::Stdio);
    if at_once || process { HalfClose::Now } else { HalfClose::Answered }
}

/// What is sent to each peer, in the order in which it was typed.
fn greeting(talk: &Talk, framings: Option<&Framings>, matches: &ArgMatches) -> Result<Vec<Bytes>> {
    let framing = framings.map(|framings| &framings.outbound);
    payload::in_order(&talk.send, &talk.send_hex, &talk.send_file, framing, matches)
}

/// Peers at once.
pub fn max_peers(args: &Listen) -> Option<usize> {
    if args.one_at_a_time { Some(1) } else { args.max_peers.map(|n| n as usize) }
}

/// What is asked of an address that is listened on.
pub fn listening(args: &Listen, address: &Address, options: &mut Options) -> Result<()> {
    options.reuse_address = !args.no_reuseaddr;
    options.mode = args.mode;
    #[cfg(unix)]
    {
        options.inherited = unstick::endpoint::Inherited::from_environment();
    }
    if args.mode.is_some() && address.socket_name().is_none() {
        return Err(Error::usage(format!("--mode is for the file of a unix: socket, and {address} has none")));
    }
    Ok(())
}

/// What every verb asks of an endpoint.
pub fn options(wire: &Wire) -> Options {
    let mut options = Options::default();
    options.processes = children::processes(None);
    options.frame_timeout = wire.frame_timeout;
    match wire.keepalive {
        Some(Keepalive::Every(time)) => options.keepalive = Some(time),
        Some(Keepalive::Never) => options.accepted_keepalive = None,
        None => {}
    }
    options.nodelay = !wire.nagle;
    if wire.verbose {
        options.trace = Some(Arc::new(|what: &str| output::notice(&crate::visible::line(what))));
    }
    options
}

/// How to get to a peer.
pub fn reach(reach: &Reach, options: &mut Options) -> Result<()> {
    options.connect_timeout = reach.connect_timeout.unwrap_or(options.connect_timeout);
    options.retry = reach.retry;
    options.source = reach.source.as_deref().map(source).transpose()?;
    Ok(())
}

/// What is asked of connecting is for what can be connected to.
pub fn reach_for(reach: &Reach, ends: &[&Address]) -> Result<()> {
    let can_wait = |address: &Address| !matches!(address, Address::Exec(_) | Address::Stdio | Address::Mem(_));
    let has_host = |address: &Address| {
        can_wait(address) && address.socket_name().is_none() && !matches!(address, Address::Serial(_))
    };
    let (names, fits) = match reach {
        reach if reach.source.is_some() => {
            ("--source is for addresses with a host", ends.iter().any(|at| has_host(at)))
        }
        reach if reach.retry.is_some() || reach.connect_timeout.is_some() => {
            ("--connect-timeout and --retry are for sockets and serial lines", ends.iter().any(|at| can_wait(at)))
        }
        _ => return Ok(()),
    };
    if fits {
        return Ok(());
    }
    let shown: Vec<String> = ends.iter().map(ToString::to_string).collect();
    Err(Error::usage(format!("{names}, not for {}", shown.join(" and "))))
}

/// `IP`, `:PORT` or `IP:PORT`.
fn source(text: &str) -> Result<SocketAddr> {
    let parsed = text.parse::<SocketAddr>().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| (ip, 0).into()));
    let port = || text.strip_prefix(':').and_then(parse_number).map(|port: u16| ([0, 0, 0, 0], port).into());
    parsed.or_else(port).ok_or_else(|| {
        Error::usage(format!("--source {text}: not an address of this machine")).with_hint("write IP, :PORT or IP:PORT")
    })
}

/// What is asked of UDP sockets, where one of these ends is one.
pub fn udp(udp: &Udp, ends: &mut [secure::At<'_>]) -> Result<()> {
    let asked = udp.broadcast || !udp.join.is_empty() || udp.ttl.is_some() || udp.interface.is_some();
    if asked && !ends.iter().any(|end| matches!(end.address, Address::Udp(_))) {
        let wrong = secure::misplaced("--broadcast, --join, --ttl and --interface", "udp://", ends);
        return Err(wrong.with_hint("write udp:// in front of the host"));
    }
    let sessions = udp.session_idle.is_some() || udp.max_sessions.is_some();
    if sessions && !ends.iter().any(|end| matches!(end.address, Address::Udp(_) | Address::UnixDgram(_))) {
        let wrong = secure::misplaced("--session-idle and --max-sessions", "udp:// and unix-dgram:", ends);
        return Err(wrong.with_hint("what has connections needs no sessions"));
    }
    for end in ends {
        let default = &mut end.options.udp;
        default.broadcast = udp.broadcast;
        default.join.clone_from(&udp.join);
        default.ttl = udp.ttl;
        default.interface.clone_from(&udp.interface);
        default.session_idle = udp.session_idle.unwrap_or(default.session_idle);
        default.max_sessions = udp.max_sessions.map_or(default.max_sessions, |n| n as usize);
    }
    Ok(())
}
