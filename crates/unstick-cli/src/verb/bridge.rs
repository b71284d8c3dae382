//! `--to`: builds a bridge between two addresses from the arguments, and runs it.

mod bridge_output;
mod guessed;

use std::io::IsTerminal;

use unstick::service::bridge::{Clients, Config, Faults, Outcome, Reconnect, Target, bridge};
use unstick::wire::faults::{Plan, Unit};
use unstick::wire::{Framing, Role};
use unstick::{Address, Error, FramedAddress, Framings, Options, Result};

use crate::args::{Connect, Listen};
use crate::deadline::within;
use crate::frontend::{json, pipe};
use crate::options::bridge::BridgeArgs;
use crate::options::connection::{self, ReconnectArgs, WireArgs};
use crate::options::decode::AUTO;
use crate::options::endpoint::EndpointOptions;
use crate::options::record::RecordArgs;
use crate::options::talk::TalkArgs;
use crate::options::{framing, listening, proxy, tls, udp, websocket};
use crate::recorder::About;
use crate::report;
use crate::status::Status;
use crate::{output, runtimes, signals};
use bridge_output::{BridgeOutput, BridgeOutputOptions};
use guessed::GuessedOutput;

/// A bridge to build.
#[derive(Debug)]
pub struct Bridge {
    /// The first address.
    address: Address,
    /// The options for opening the first address.
    options: Options,
    listening: bool,
    target: Target,
    rules: Config,
    look: BridgeOutputOptions,
    /// Whether the framing is guessed (`-f auto`).
    guesses: bool,
}

impl Bridge {
    /// Reads `listen A --to B`.
    pub fn listen(args: &Listen) -> Result<Self> {
        let mut bridge = Self::new(&args.address, &args.talk, &args.wire, &args.bridge, &args.again, true)?;
        listening::listening(&args.listening, &bridge.address, &mut bridge.options)?;
        udp::udp(&args.udp, &mut <[EndpointOptions<'_>; 2]>::from(bridge.ends()))?;
        connection::check_connecting(&args.connecting, &[&bridge.target.address])?;
        connection::connecting(&args.connecting, &mut bridge.target.options)?;
        proxy::through(&args.connecting.through, &mut [bridge.ends().1])?;
        let (near, far) = bridge.ends();
        websocket::bridge(&args.web, &args.ws_server, &args.connecting.request, near, far)?;
        let (near, far) = bridge.ends();
        tls::bridge(&args.tls, &args.tls_server, &args.connecting.verify, near, far)?;
        args.limits.apply_to_bridge(&mut bridge.rules, [&mut bridge.options, &mut bridge.target.options])?;
        bridge.rules.once = args.listening.once;
        bridge.rules.max_peers = listening::max_peers(&args.listening);
        bridge.record(&args.record)?;
        Ok(bridge)
    }

    /// Reads `connect A --to B`.
    pub fn connect(args: &Connect) -> Result<Self> {
        let mut bridge = Self::new(&args.address, &args.talk, &args.wire, &args.bridge, &args.again, false)?;
        args.limits.apply_to_bridge(&mut bridge.rules, [&mut bridge.options, &mut bridge.target.options])?;
        udp::udp(&args.udp, &mut <[EndpointOptions<'_>; 2]>::from(bridge.ends()))?;
        connection::check_connecting(&args.connecting, &[&bridge.address, &bridge.target.address])?;
        for options in [&mut bridge.options, &mut bridge.target.options] {
            connection::connecting(&args.connecting, options)?;
        }
        let (near, far) = bridge.ends();
        let mut ends = [near, far];
        proxy::through(&args.connecting.through, &mut ends)?;
        websocket::client(&args.web, &args.connecting.request, &mut ends)?;
        tls::client(&args.tls, &args.connecting.verify, &mut ends)?;
        bridge.record(&args.record)?;
        Ok(bridge)
    }

    /// Records the conversations with the clients: what they have sent, and what they get.
    fn record(&mut self, args: &RecordArgs) -> Result<()> {
        let (address, to, framings) = (self.address.clone(), self.target.address.clone(), self.target.client.clone());
        args.apply(About { verb: "bridge", role: Role::Server, address, to: Some(to), framings }, &mut self.options)
    }

    fn ends(&mut self) -> (EndpointOptions<'_>, EndpointOptions<'_>) {
        let far = EndpointOptions { address: &self.target.address, options: &mut self.target.options };
        (EndpointOptions { address: &self.address, options: &mut self.options }, far)
    }

    fn new(
        words: &[String],
        talk: &TalkArgs,
        wire: &WireArgs,
        asked: &BridgeArgs,
        again: &ReconnectArgs,
        listening: bool,
    ) -> Result<Self> {
        let near = framing::target(words)?;
        let far: FramedAddress = asked.to.as_deref().unwrap_or_default().parse()?;
        check(talk, asked, &far)?;
        let guesses = guesses(wire, asked, [&near, &far])?;
        let (client, server) = if guesses {
            let raw = Framings::both(Framing::parse("raw")?);
            (Some(raw.clone()), Some(raw))
        } else {
            let client = client_framings(&near, &far, wire)?;
            let server = server_framings(&far, client.as_ref(), wire, asked, near.framing.is_some())?;
            (client, server)
        };
        connection::check_family(wire, &[&near.address, &far.address])?;
        let mut options = connection::options(wire);
        talk.children.apply(None, &mut [(&near.address, &mut options), (&far.address, &mut Options::default())])?;
        let faults = Faults { plan: Plan::parse(&asked.fault)?, seed: asked.seed.unwrap_or_default() };
        options.ws.pass_headers.clone_from(&asked.passing.pass_header);
        options.serial_quiet = talk.linger.unwrap_or(options.serial_quiet);
        let mut target = Target { address: far.address, options: options.clone(), client, server, faults };
        target.check_faults()?;
        check_times(talk, wire, &near.address, &target)?;
        let reconnect = reconnect(again, &target)?;
        if target.is_alike() && (!target.passes_bytes() || reconnect.is_some()) {
            for framings in [&mut target.client, &mut target.server].into_iter().flatten() {
                (framings.inbound, framings.outbound) = (verbatim(&framings.inbound)?, verbatim(&framings.outbound)?);
            }
        }
        warn(&near.address, &target);
        let mut rules = Config::default();
        rules.dump = asked.dump;
        rules.frames = talk.wire;
        rules.reconnect = reconnect;
        rules.idle = talk.idle;
        rules.deadline = talk.deadline;
        rules.linger = talk.linger.unwrap_or(rules.linger);
        let look = BridgeOutputOptions {
            json: talk.json,
            hex: talk.hex || talk.wire,
            verbose: wire.verbose,
            joins: !wire.quiet && (wire.verbose || std::io::stderr().is_terminal()),
            messages: target.client.as_ref().is_none_or(|framings| framings.inbound.keeps_boundaries()),
            single: !listening,
        };
        Ok(Self { address: near.address, options, listening, target, rules, look, guesses })
    }

    /// Builds the bridge, and waits for its end.
    pub async fn run(mut self) -> Result<Status> {
        let taken = matches!(self.address, Address::Stdio);
        self.look.single |= self.rules.once;
        let json = self.look.json;
        let Some(clients) = signals::unless_ended(within(self.rules.deadline, self.open())).await else {
            return Ok(Status::Terminated);
        };
        let Some(clients) = clients else {
            let late = report::late(self.rules.deadline);
            if json {
                json::not_begun(&Error::other(late.as_str()));
            }
            return Ok(report::timed_out(&late));
        };
        if let (true, Err(error)) = (json, &clients) {
            json::not_begun(error);
        }
        let (clients, deadline) = (clients?, self.rules.deadline);
        // The clients of other transports belong to the thread that accepts them.
        if matches!((&clients, &self.address), (Clients::Many(_), Address::Tcp(_) | Address::Unix(_)))
            && !self.rules.once
        {
            self.rules.runtimes = runtimes::for_other_processors();
        }
        let traffic = BridgeOutput::open(self.look, &self.target.address, taken).await?;
        let (sender, lost) = (traffic.sender(), traffic.lost());
        self.rules.stop = signals::stop();
        let frames = self.rules.frames;
        let outcome = match self.guesses {
            true => bridge(clients, self.target, GuessedOutput::new(traffic, frames), self.rules).await,
            false => bridge(clients, self.target, traffic, self.rules).await,
        };
        let hurry = matches!(outcome, Outcome::Idle(_) | Outcome::Deadline(_));
        if let Some(sender) = sender
            && let Err(error) = pipe::finish_in_time(sender, hurry).await
        {
            lost.note(&error);
        }
        Ok(match outcome {
            Outcome::Idle(after) => report::timed_out(&report::quiet(after)),
            Outcome::Deadline(_) => report::timed_out(&report::late(deadline)),
            // It was reported when it happened.
            Outcome::Failed(error) => report::status_of(&error),
            Outcome::Unshown(error) => report::failure(&error),
            _ if lost.is_failure() => Status::Failed,
            _ => Status::Done,
        })
    }

    /// Opens the first address.
    async fn open(&self) -> Result<Clients> {
        if !self.listening {
            return unstick::endpoint::connect(&self.address, &self.options).await.map(Clients::One);
        }
        unstick::limits::raise_open_files();
        let raw = Framings::both(Framing::parse("raw")?);
        let framings = self.target.client.as_ref().unwrap_or(&raw);
        let mut listener = unstick::listen(&self.address, Some(framings), &self.options).await?;
        match listener.serves_one() {
            true => listener.accept_transport().await.map(Clients::One),
            false => Ok(Clients::Many(listener)),
        }
    }
}

/// Refuses options about this end, if another address takes its place.
fn check(talk: &TalkArgs, asked: &BridgeArgs, far: &FramedAddress) -> Result<()> {
    let speaking = [
        ("--send", !talk.send.is_empty()),
        ("--send-hex", !talk.send_hex.is_empty()),
        ("--send-file", !talk.send_file.is_empty()),
        ("--reply", talk.reply.is_some()),
        ("--echo", talk.echo),
        ("--each", talk.each.is_some()),
        ("--max-answers", talk.max_answers.is_some()),
        ("--io", talk.io.is_some()),
        ("--count", talk.count.is_some()),
        ("--until", talk.until.is_some()),
        ("--no-wait", talk.no_wait),
        ("--half-close", talk.half_close.is_some()),
        ("--no-stdin", talk.no_stdin),
    ];
    if let Some((option, _)) = speaking.iter().find(|(_, given)| *given) {
        let error = Error::usage(format!(
            "{option} is for a conversation with unstick itself, and --to forwards it to another address"
        ));
        return Err(error.with_hint("leave out one of them"));
    }
    if (talk.hex || talk.wire || talk.time) && !asked.dump {
        return Err(Error::usage("--hex, --wire and --time show what passes").with_hint("add --dump"));
    }
    if talk.wire && !asked.fault.is_empty() {
        let error = Error::usage("--wire shows frames as they arrive, and --fault changes what they hold");
        return Err(error.with_hint("--hex shows the messages that leave"));
    }
    if asked.seed.is_some() && asked.fault.is_empty() {
        return Err(Error::usage("--seed repeats faults, and there are none").with_hint("add --fault SPEC"));
    }
    if matches!(far.address, Address::Stdio) {
        let error = Error::usage("`--to -` is standard input and output");
        return Err(error.with_hint("leave out --to: without it, unstick uses them"));
    }
    Ok(())
}

/// Whether the framing is guessed, which only `--dump` needs: the bytes pass as they are.
fn guesses(wire: &WireArgs, asked: &BridgeArgs, ends: [&FramedAddress; 2]) -> Result<bool> {
    if wire.frame.as_deref() != Some(AUTO) {
        return Ok(false);
    }
    if !asked.dump {
        let error = Error::usage("-f auto guesses what --dump shows, and here nothing is shown");
        return Err(error.with_hint("add --dump, or leave out -f: the bytes pass without a framing"));
    }
    framing::is_guessed(wire, &ends, asked.to_frame.is_some())
}

/// Refuses time limits that can never apply to this bridge.
fn check_times(talk: &TalkArgs, wire: &WireArgs, near: &Address, target: &Target) -> Result<()> {
    let framings = [&target.client, &target.server].into_iter().flatten();
    let framed = framings.flat_map(|framings| [&framings.inbound, &framings.outbound]).any(Framing::keeps_boundaries);
    if wire.frame_timeout.is_some() && !framed {
        let error = Error::usage("--frame-timeout is for the frames of streams, and none pass here");
        return Err(error.with_hint("-f names the framing of a stream; --idle ends a run in which nothing passes"));
    }
    let unseen = matches!(near, Address::Exec(_) | Address::Serial(_)) || matches!(target.address, Address::Serial(_));
    if talk.linger.is_some() && near.is_stream() && !unseen && target.address.is_stream() {
        let error = Error::usage("--linger is for transports without an end of file, and both of these are streams");
        return Err(error.with_hint("--idle ends a run in which nothing passes, --deadline ends it anyway"));
    }
    Ok(())
}

/// Returns the same framing, with frames that leave as they arrived: a CR before the LF is content.
fn verbatim(framing: &Framing) -> Result<Framing> {
    let spec = framing.to_string();
    let line = spec.strip_prefix("line").is_some_and(|rest| rest.is_empty() || rest.starts_with(','));
    if !line || spec.contains("/") || spec.contains("cr=") {
        return Ok(framing.clone());
    }
    Ok(Framing::parse(&(spec + ",cr=keep"))?)
}

/// Returns how to reconnect to the target, if the user asked for it.
fn reconnect(asked: &ReconnectArgs, target: &Target) -> Result<Option<Reconnect>> {
    if !asked.reconnect {
        return Ok(None);
    }
    if [Role::Client, Role::Server].iter().any(|side| target.unit(*side) == Unit::Bytes) {
        let error = Error::usage("--reconnect is for messages, and bytes without a framing have none");
        return Err(error.with_hint("-f names the framing, such as -f line"));
    }
    if !target.faults.plan.is_empty() {
        let error =
            Error::usage("--reconnect and --fault cannot be used together: what a fault left out cannot be counted");
        return Err(error.with_hint("a second bridge in front of this one can inject the faults"));
    }
    if matches!(target.address, Address::Stdio | Address::Mem(_) | Address::Udp(_)) {
        let what = format!("--reconnect is for addresses that can be connected to again, not for {}", target.address);
        return Err(Error::usage(what));
    }
    let mut how = Reconnect::default();
    how.attempts = asked.reconnect_attempts;
    Ok(Some(how))
}

/// The client's framing: its own, or that of `-f`, else none. The program at the first address is the client, and we speak to
/// it as its server, whichever side connected: of two servers, neither would begin.
fn client_framings(near: &FramedAddress, far: &FramedAddress, wire: &WireArgs) -> Result<Option<Framings>> {
    if !near.address.is_stream() && far.address.is_stream() {
        return Ok(None); // -f is for the target.
    }
    framing::framings(near, wire, "raw", Role::Server)
}

/// The target's framing: its own, or that of `--to-frame`, else that of `-f`, seen from the other side.
fn server_framings(
    far: &FramedAddress,
    client: Option<&Framings>,
    wire: &WireArgs,
    asked: &BridgeArgs,
    client_has_its_own: bool,
) -> Result<Option<Framings>> {
    let to_frame = asked.to_frame.as_deref().map(Framing::parse).transpose()?;
    if !far.address.is_stream() {
        return match to_frame {
            Some(framing) => {
                Err(Error::usage(format!("{} is not a stream: it takes no --to-frame {framing}", far.address))
                    .with_hint("a datagram already is a whole message"))
            }
            None => Ok(None),
        };
    }
    if let (Some(own), Some(framing)) = (&far.framing, &to_frame) {
        return Err(Error::usage(format!(
            "--to-frame {framing} is for an address without a framing, and this one has {own}"
        ))
        .with_hint("name one of them"));
    }
    if let Some(framing) = to_frame.or_else(|| far.framing.clone()) {
        let framings = Framings::both(framing).as_seen_by(Role::Client);
        framings.outbound.encoder()?;
        return Ok(Some(framings));
    }
    match client {
        Some(client) if !client_has_its_own => {
            Ok(Some(Framings { inbound: client.outbound.clone(), outbound: client.inbound.clone() }))
        }
        _ => framing::framings(far, wire, "raw", Role::Client),
    }
}

/// Warns if messages consist of whatever one read returns.
fn warn(near: &Address, target: &Target) {
    let guessed = |framings: &Option<Framings>| framings.as_ref().is_some_and(|framings| framings.inbound.is_raw());
    if target.is_alike() {
        return;
    }
    for (address, framings) in [(near, &target.client), (&target.address, &target.server)] {
        if guessed(framings) {
            output::notice(&format!(
                "{address} has no framing: each read of it becomes a message, wherever it was cut"
            ));
        }
    }
}
