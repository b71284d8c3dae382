//! Turns the arguments into a plan: chooses every default, and refuses every contradiction.

use std::io::IsTerminal;
use std::str::FromStr;

use bytes::Bytes;
use clap::ArgMatches;
use unstick::service::talk::{AutoReply, Config, Reconnect};
use unstick::wire::Role;
use unstick::{Address, Error, Framings, HalfClose, Options, Result};

use super::guessed;
use crate::args::{Connect, Listen};
use crate::frontend::terminal::render::DisplayOptions;
use crate::io_format::Format;
use crate::options::connection::{self, WireArgs};
use crate::options::endpoint::EndpointOptions;
use crate::options::framing::{self, format};
use crate::options::record::RecordArgs;
use crate::options::talk::TalkArgs;
use crate::options::{listening, payload, proxy, sendable, tls, udp, websocket};
use crate::output;
use crate::recorder::About;

/// The plan of a conversation.
#[derive(Debug)]
pub struct Plan {
    /// The address.
    pub address: Address,
    /// The framings; `None` for datagrams.
    pub framings: Option<Framings>,
    /// The options for opening the endpoint.
    pub options: Options,
    /// How to reconnect after the connection is lost, if the user asked for it.
    pub reconnect: Option<Box<Reconnect>>,
    /// Whether to listen, instead of connecting.
    pub listening: bool,
    /// The rules of the conversation.
    pub rules: Config,
    /// The front end on this side.
    pub front: Frontend,
    /// How a terminal shows the conversation.
    pub look: DisplayOptions,
    /// Whether standard output is a terminal.
    pub screen: bool,
    /// Whether standard input is not read.
    pub input_unread: bool,
    /// Whether a raw pipe was chosen only because standard input is not a terminal. A person is told so.
    pub explains_raw: bool,
}

/// The front end on this side.
#[derive(Debug)]
pub enum Frontend {
    /// A prompt.
    Prompt,
    /// Standard input and output as bytes: nc's pipe.
    Raw,
    /// Messages in standard input and output.
    Pipe(Format),
    /// Lines for a person, without a prompt: the other standard stream is not a terminal, or is not read. Standard input is
    /// messages in this format.
    Screen(Format),
    /// JSON lines.
    Json,
    /// Nothing: standard input and output are the connection.
    None,
}

impl Plan {
    /// Plans `listen`.
    pub fn listen(args: &Listen, matches: &ArgMatches) -> Result<Self> {
        args.bridge.check_unused()?;
        let mut plan = Self::talk(&args.address, &args.talk, &args.wire, true, matches)?;
        plan.rules.once = args.listening.once;
        plan.rules.max_peers = listening::max_peers(&args.listening);
        args.limits.apply(&mut plan.rules, &mut plan.options);
        args.connecting.check_unused()?;
        args.again.check_unused()?;
        listening::listening(&args.listening, &plan.address, &mut plan.options)?;
        plan.options.max_unsent = Some(unstick::limits::MAX_UNSENT);
        udp::udp(&args.udp, &mut [plan.at()])?;
        websocket::server(&args.web, &args.ws_server, plan.at())?;
        tls::server(&args.tls, &args.tls_server, plan.at())?;
        plan.run_commands(&args.talk)?;
        plan.check()?;
        plan.record(&args.record)?;
        Ok(plan)
    }

    /// Plans `connect`.
    pub fn connect(args: &Connect, matches: &ArgMatches) -> Result<Self> {
        args.bridge.check_unused()?;
        let mut plan = Self::talk(&args.address, &args.talk, &args.wire, false, matches)?;
        args.limits.apply(&mut plan.rules, &mut plan.options);
        connection::check_connecting(&args.connecting, &[&plan.address])?;
        connection::connecting(&args.connecting, &mut plan.options)?;
        udp::udp(&args.udp, &mut [plan.at()])?;
        proxy::through(&args.connecting.through, &mut [plan.at()])?;
        websocket::client(&args.web, &args.connecting.request, &mut [plan.at()])?;
        tls::client(&args.tls, &args.connecting.verify, &mut [plan.at()])?;
        if matches!(plan.address, Address::Stdio) {
            plan.stand_aside(&args.talk)?;
        }
        plan.run_commands(&args.talk)?;
        plan.check()?;
        plan.record(&args.record)?;
        plan.reconnect(args)?;
        Ok(plan)
    }

    /// Records what passes.
    fn record(&mut self, args: &RecordArgs) -> Result<()> {
        let (verb, role) = if self.listening { ("listen", Role::Server) } else { ("connect", Role::Client) };
        let (address, framings) = (self.address.clone(), self.framings.clone());
        args.apply(About { verb, role, address, to: None, framings }, &mut self.options)
    }

    /// Plans to reconnect after the connection is lost.
    fn reconnect(&mut self, args: &Connect) -> Result<()> {
        if !args.again.reconnect {
            return Ok(());
        }
        if matches!(self.front, Frontend::Raw) {
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
        how.attempts = args.again.reconnect_attempts;
        // A connection that is to be kept stays open after its greeting.
        self.rules.finish_after_greeting = false;
        self.reconnect = Some(Box::new(how));
        Ok(())
    }

    /// Checks that the messages that are certain to be sent can be sent.
    fn check(&self) -> Result<()> {
        let reply = if let AutoReply::Reply(reply) = &self.rules.answer { Some(reply) } else { None };
        sendable::check(&self.address, self.framings.as_ref(), &self.options, &self.rules.greeting, reply)
    }

    fn run_commands(&mut self, talk: &TalkArgs) -> Result<()> {
        talk.children.apply(Some(&mut self.rules), &mut [(&self.address, &mut self.options)])
    }

    fn at(&mut self) -> EndpointOptions<'_> {
        EndpointOptions { address: &self.address, options: &mut self.options }
    }

    /// The connection is on standard input and output: nothing else can be there.
    fn stand_aside(&mut self, talk: &TalkArgs) -> Result<()> {
        let screen = talk.json || talk.io.is_some() || talk.hex || talk.wire || talk.time;
        if screen || (!has_greeting(talk) && !answers(talk)) {
            let what = "`connect -` uses standard input and output as the connection, so nothing else can use them";
            return Err(Error::usage(what).with_hint("use it with --send, --echo, --reply or --each"));
        }
        self.front = Frontend::None;
        self.input_unread = true;
        Ok(())
    }

    fn talk(words: &[String], talk: &TalkArgs, wire: &WireArgs, listening: bool, matches: &ArgMatches) -> Result<Self> {
        let target = framing::target(words)?;
        let person = std::io::stdin().is_terminal();
        let screen = std::io::stdout().is_terminal();
        let messages = has_message_option(talk);
        let default = if person || messages { "line" } else { "raw" };
        let role = if listening { Role::Server } else { Role::Client };
        let framings = match framing::is_guessed(wire, &[&target], false)? {
            true => Some(guessed::framings(role)?),
            false => framing::framings(&target, wire, default, role)?,
        };
        let answering = answers(talk);
        if talk.max_answers.is_some() && !matches!(target.address, Address::Udp(_) | Address::UnixDgram(_)) {
            let error = Error::usage("--max-answers is for datagrams, whose source can be forged");
            return Err(error.with_hint("leave it out, or write udp:// in front of the host"));
        }
        let input_unread = answering || talk.no_stdin || (!person && has_greeting(talk));
        let tty = Tty { prompt: person && screen && !input_unread, screen, messages };
        let front = front(talk, framings.as_ref(), tty)?;
        let prompt = matches!(front, Frontend::Prompt);
        let mut rules = rules(talk, framings.as_ref(), matches, Mode { prompt, answering, input_unread })?;
        rules.half_close = talk.half_close.unwrap_or_else(|| half_close(&target.address, listening || prompt));
        rules.serve_on = talk.half_close != Some(HalfClose::Now);
        let look = DisplayOptions {
            colour: output::colour_on(&std::io::stdout()),
            hex: talk.hex || talk.wire || format(framings.as_ref()) == Format::Hex,
            time: talk.time,
            offset: !screen,
            verbose: wire.verbose,
        };
        connection::check_family(wire, &[&target.address])?;
        let mut options = connection::options(wire);
        options.serial_quiet = rules.linger;
        let unasked = wire.frame.is_none() && target.framing.is_none() && matches!(front, Frontend::Raw);
        let explains_raw = unasked && std::io::stderr().is_terminal();
        Ok(Self {
            address: target.address,
            framings,
            options,
            reconnect: None,
            listening,
            rules,
            front,
            look,
            screen,
            input_unread,
            explains_raw,
        })
    }
}

/// Whether an option about messages is set: with one of them a pipe is framed.
fn has_message_option(talk: &TalkArgs) -> bool {
    talk.json
        || talk.io.is_some()
        || has_greeting(talk)
        || answers(talk)
        || talk.count.is_some()
        || talk.until.is_some()
}

fn has_greeting(talk: &TalkArgs) -> bool {
    !(talk.send.is_empty() && talk.send_hex.is_empty() && talk.send_file.is_empty())
}

/// Whether messages are answered automatically.
fn answers(talk: &TalkArgs) -> bool {
    talk.reply.is_some() || talk.echo || talk.each.is_some()
}

/// Which of the standard streams are terminals, and for what.
struct Tty {
    prompt: bool,
    screen: bool,
    messages: bool,
}

fn front(talk: &TalkArgs, framings: Option<&Framings>, tty: Tty) -> Result<Frontend> {
    if talk.json {
        return Ok(Frontend::Json);
    }
    if let Some(io) = &talk.io {
        let format = Format::from_str(io)?;
        if talk.time && !format.is_lines() {
            let what = format!("--time puts the time in front of lines, and --io {io} writes none");
            return Err(Error::usage(what).with_hint("--json has the time of every message, with any content"));
        }
        return Ok(Frontend::Pipe(format));
    }
    let raw = framings.is_some_and(|f| f.inbound.is_raw() && f.outbound.is_raw());
    let looked_at = talk.hex || talk.wire || talk.time;
    Ok(match tty {
        Tty { prompt: true, .. } => Frontend::Prompt,
        Tty { messages: false, .. } if raw && looked_at => {
            return Err(Error::usage("--hex, --wire and --time show messages, and a pipe of bytes has none")
                .with_hint("name a framing with -f; --io hex writes messages in hexadecimal"));
        }
        Tty { messages: false, .. } if raw => Frontend::Raw,
        Tty { screen: true, .. } => Frontend::Screen(format(framings)),
        _ if looked_at => Frontend::Screen(format(framings)),
        _ => Frontend::Pipe(format(framings)),
    })
}

/// The parts of this end's behaviour that the rules depend on.
struct Mode {
    prompt: bool,
    answering: bool,
    input_unread: bool,
}

fn rules(talk: &TalkArgs, framings: Option<&Framings>, matches: &ArgMatches, mode: Mode) -> Result<Config> {
    let mut rules = Config::default();
    rules.greeting = greeting(talk, framings, matches)?;
    rules.answer = match (&talk.reply, talk.echo, &talk.each) {
        (Some(reply), ..) => AutoReply::Reply(reply.clone().into()),
        (_, true, _) => AutoReply::Echo,
        (.., Some(command)) => AutoReply::Each(command.clone()),
        _ => AutoReply::Nothing,
    };
    rules.finish_after_greeting = has_greeting(talk) && mode.input_unread && !mode.answering;
    rules.answer_rate = talk.max_answers.unwrap_or(rules.answer_rate);
    rules.count = talk.count;
    rules.until = talk.until.clone().map(Bytes::from);
    rules.idle = talk.idle;
    rules.deadline = talk.deadline;
    rules.frames = talk.wire;
    rules.wait = !talk.no_wait;
    rules.linger = talk.linger.unwrap_or(rules.linger);
    rules.leave_at_end = mode.prompt;
    rules.strict = !mode.prompt && !talk.json;
    Ok(rules)
}

/// Returns the default of `--half-close`. Clients of a listener, and processes, take an end of file for the end of their input.
/// A person at a prompt has seen the answer. Only servers drop an answer because of it.
fn half_close(address: &Address, at_once: bool) -> HalfClose {
    let process = matches!(address, Address::Exec(_) | Address::Stdio);
    if at_once || process { HalfClose::Now } else { HalfClose::Answered }
}

/// Returns the messages for each peer, in the order in which the user typed them.
fn greeting(talk: &TalkArgs, framings: Option<&Framings>, matches: &ArgMatches) -> Result<Vec<Bytes>> {
    let framing = framings.map(|framings| &framings.outbound);
    payload::in_order(&talk.send, &talk.send_hex, &talk.send_file, framing, matches)
}
