//! `ask`: sends one message and prints its reply.

use std::io::{IsTerminal, Read};
use std::time::{Duration, Instant};

use bytes::Bytes;
use unstick::limits::{FINAL_FLUSH_TIMEOUT, HALF_CLOSE_PATIENCE};
use unstick::wire::quantity::parse_number;
use unstick::wire::{Framing, Role};
use unstick::{Address, Error, FramedAddress, Framings, HalfClose, Options, Receiver, Result, Sender, Unfinished};

use crate::args::Ask;
use crate::deadline::within;
use crate::frontend::pipe;
use crate::frontend::terminal::Notices;
use crate::frontend::terminal::render::{damaged, quoted};
use crate::io_format::Format;
use crate::options::endpoint::EndpointOptions;
use crate::options::{connection, framing, payload, proxy, sendable, tls, udp, websocket};
use crate::recorder::About;
use crate::report;
use crate::status::Status;
use crate::{output, sanitize};

/// How long to wait for the reply by default.
const DEADLINE: Duration = Duration::from_secs(10);

/// A question to ask.
pub struct Question {
    address: Address,
    framings: Option<Framings>,
    options: Options,
    message: Bytes,
    /// The format of the printed reply, if the user named one.
    format: Option<Format>,
    deadline: Option<Duration>,
    half_close: HalfClose,
}

impl Question {
    /// Reads the arguments of `ask`, and standard input if the message is there.
    pub fn new(args: &Ask) -> Result<Self> {
        let target: FramedAddress = args.address.parse().map_err(|error| two_words(error, args))?;
        if matches!(target.address, Address::Stdio) {
            return Err(Error::usage("ask prints the reply on standard output, and with - that is the connection")
                .with_hint("connect - --send MESSAGE speaks on standard input and output"));
        }
        let framings = framing::framings(&target, &args.wire, "line", Role::Client)?;
        connection::check_family(&args.wire, &[&target.address])?;
        let mut options = connection::options(&args.wire);
        connection::check_connecting(&args.connecting, &[&target.address])?;
        connection::connecting(&args.connecting, &mut options)?;
        let mut end = [EndpointOptions { address: &target.address, options: &mut options }];
        udp::udp(&args.udp, &mut end)?;
        proxy::through(&args.connecting.through, &mut end)?;
        websocket::client(&args.web, &args.connecting.request, &mut end)?;
        tls::client(&args.tls, &args.connecting.verify, &mut end)?;
        let half_close = args.half_close.unwrap_or(HalfClose::Never);
        let asked: Option<Format> = args.io.as_deref().map(str::parse).transpose()?;
        // Text is printed unchanged, because there is only one reply.
        let usual = framing::usual(framings.as_ref());
        let message = message(args, asked.as_ref().or(usual.as_ref()), framings.as_ref())?;
        let format = asked.or(usual.filter(|format| *format == Format::Hex));
        sendable::check(&target.address, framings.as_ref(), &options, std::slice::from_ref(&message), None)?;
        let (address, about) = (target.address.clone(), framings.clone());
        args.record
            .apply(About { verb: "ask", role: Role::Client, address, to: None, framings: about }, &mut options)?;
        Ok(Self { address: target.address, framings, options, message, format, deadline: args.deadline, half_close })
    }
}

/// Adds a hint for `ask HOST PORT MESSAGE`, which is a good guess, and wrong.
fn two_words(error: Error, args: &Ask) -> Error {
    let port = args.message.as_deref().filter(|word| parse_number::<u16>(word).is_some());
    match port {
        Some(port) if error.is_usage() && !args.address.contains(':') => {
            error.with_hint(format!("ask takes the address in one word: {}:{port}", args.address))
        }
        _ => error,
    }
}

fn message(args: &Ask, format: Option<&Format>, framings: Option<&Framings>) -> Result<Bytes> {
    match (&args.message, &args.send_hex, &args.send_file) {
        (_, Some(hex), _) => payload::hex(hex),
        (_, _, Some(path)) => {
            Ok(payload::without_line_end(payload::file(path)?, framings.map(|framings| &framings.outbound)))
        }
        (Some(text), ..) if text == "-" => read_message(format, framings.map(|framings| &framings.outbound)),
        (Some(text), ..) => Ok(text.clone().into()),
        (None, None, None) => Err(Error::usage("a message is missing")),
    }
}

/// Reads all of standard input. The LF at the very end is not content, unless the format takes every byte.
fn read_message(format: Option<&Format>, framing: Option<&Framing>) -> Result<Bytes> {
    let mut whole = Vec::new();
    std::io::stdin()
        .read_to_end(&mut whole)
        .map_err(|e| Error::other(format!("standard input: {}", output::reason(&e))))?;
    let format = format.unwrap_or(&Format::Line);
    if !matches!(format, Format::Raw | Format::Framed(_)) {
        let without = framing.map_or(whole.len(), |framing| framing.without_line_end(&whole).len());
        let without_lf = whole.strip_suffix(b"\n").map_or(whole.len(), <[u8]>::len);
        whole.truncate(without.min(without_lf));
    }
    format.parse_message(&whole)
}

/// Sends the message, and prints the reply.
pub async fn ask(question: Question) -> Result<Status> {
    let begun = Instant::now();
    let connecting = unstick::connect(&question.address, question.framings.as_ref(), &question.options);
    // If the user names a time, it limits everything, connecting included.
    let Some(link) = within(question.deadline, connecting).await else { return Ok(late(&question, &[])) };
    let (sender, mut receiver) = link?.split();
    let patience = question.deadline.map_or(DEADLINE, |after| after.saturating_sub(begun.elapsed()));
    match within(Some(patience), exchange(&sender, &mut receiver, &question)).await {
        Some(Ok(Some(reply))) => print(question.format, &reply).await,
        Some(Ok(None)) => {
            output::problem("the peer closed without a reply");
            Ok(Status::Check)
        }
        Some(Err(error)) => Err(error),
        None => Ok(late(&question, receiver.pending())),
    }
}

/// Reports that no reply came in time, and shows the part of one that had arrived.
fn late(question: &Question, arrived: &[u8]) -> Status {
    let what = format!("no reply within {:?}", question.deadline.unwrap_or(DEADLINE));
    let lost = Unfinished::new(arrived).map(|lost| format!("\n  {}", sanitize::lost_message(&lost)));
    report::timed_out(&(what + &lost.unwrap_or_default()))
}

async fn exchange(sender: &Sender, receiver: &mut Receiver, question: &Question) -> Result<Option<Bytes>> {
    sender.send(&question.message).await?;
    let arrival = tokio::select! {
        arrival = receiver.readable() => Some(arrival),
        () = half_closed(sender, question.half_close) => None,
    };
    let arrival = match arrival {
        Some(arrival) => arrival,
        None => receiver.readable().await,
    };
    let reply = match arrival {
        Ok(_) => {
            if let Some(question) = receiver.guess_protocol() {
                output::error(&question);
            }
            receiver.recv().await
        }
        Err(error) => Err(error),
    };
    if let Some(damage) = receiver.take_damage(true) {
        output::loss(&damaged(&damage, quoted));
    }
    if !sender.has_half_close() {
        // Such a peer treats an unannounced end as a fault.
        let goodbye = async {
            let _ = sender.finish().await;
            while matches!(receiver.recv().await, Ok(Some(_))) {}
        };
        let _ = tokio::time::timeout(FINAL_FLUSH_TIMEOUT, goodbye).await;
    }
    reply
}

/// Shuts down the sending side when it is time: never, if the transport cannot half-close.
async fn half_closed(sender: &Sender, when: HalfClose) {
    match when {
        _ if !sender.has_half_close() => std::future::pending().await,
        HalfClose::Never => std::future::pending().await,
        HalfClose::Now => {}
        HalfClose::Answered => tokio::time::sleep(HALF_CLOSE_PATIENCE).await,
    }
    sender.end();
}

/// There is one reply, so its end is the end of the output, however many lines it has. A format that the user names is kept.
async fn print(format: Option<Format>, reply: &[u8]) -> Result<Status> {
    if format.is_none() && std::io::stdout().is_terminal() {
        return Ok(output::print(&format!("{}\n", sanitize::text(reply))));
    }
    let (format, printed) = match format {
        Some(format) => (format, reply.to_vec()),
        None => (Format::Raw, [reply, b"\n"].concat()),
    };
    let (_, mut output) = pipe::open(format, Notices::new(false, true)).await?;
    match output.message(&printed) {
        Err(error) if error.is_closed() => return Ok(Status::Done),
        other => other?,
    }
    pipe::finish(output.sender()).await.map(|()| Status::Done)
}
