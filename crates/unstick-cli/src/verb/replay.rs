//! `replay`: plays one side of a recording again, as a server with the recorded answers or as a client with the requests.

mod difference;
mod junit;
mod report;

use std::sync::{Arc, Mutex};

use unstick::service::replay::{Config, Event, Outcome, Recorded, Replay};
use unstick::wire::Framing;
use unstick::wire::faults::Plan;
use unstick::wire::replay::{Pattern, Rules};
use unstick::{Address, Error, FramedAddress, Result};

use crate::count::Count;
use crate::input_file::InputFile;
use crate::options::endpoint::EndpointOptions;
use crate::options::replay::{Mask, ReplayArgs, pattern};
use crate::options::{tls, websocket};
use crate::status::Status;
use crate::unpoisoned::unpoisoned;
use crate::{output, signals};
use junit::Junit;
use report::Report;

/// Replays a recording.
pub async fn replay(args: ReplayArgs) -> Result<Status> {
    let address = args.to.as_deref().or(args.listen.as_deref()).unwrap_or_default();
    let address: FramedAddress = address.parse()?;
    if address.framing.is_some() {
        let error = Error::usage("the framing of a recording is that of its first line");
        return Err(error.with_hint("-f names another one"));
    }
    let address = address.address;
    let (name, recorded) = read(&args)?;
    let report = Arc::new(Mutex::new(Report::new(args.json, args.junit.clone().map(Junit::new))));
    unpoisoned(report.lock()).left_out(&name, &recorded)?;
    if recorded.scripts.is_empty() {
        let error = Error::usage(format!("{name}: no connection in it can be replayed"));
        return Err(match recorded.framings {
            None if !recorded.left_out.is_empty() => error.with_hint("-f names the framing, such as -f redis"),
            _ => error,
        });
    }
    if address.is_stream() && recorded.framings.is_none() {
        let error = Error::usage(format!("{name} names no framing, and without one nobody knows what a message is"));
        return Err(error.with_hint("-f names it, such as -f redis"));
    }
    let mut replay = Replay::with_rules(recorded, rules(&args)?);
    for other in &args.mask_from {
        learn(&mut replay, other, &args)?;
    }
    let config = &mut replay.config;
    options(&args, &address, config)?;
    let told = Arc::clone(&report);
    let tell = move |event: Event<'_>| unpoisoned(told.lock()).event(&event);
    let outcome = if args.listen.is_some() {
        config.stop = signals::stop();
        replay.serve(&address, tell).await
    } else {
        replay.ask(&address, tell).await
    };
    let mut report = unpoisoned(report.lock());
    match outcome {
        Ok(outcome) => verdict(&mut report, &outcome, args.listen.is_some()),
        Err(error) => {
            report.write_junit(Some(&error.to_string()))?;
            Err(error)
        }
    }
}

/// Applies the options of the connections.
fn options(args: &ReplayArgs, address: &Address, config: &mut Config) -> Result<()> {
    config.speed = args.speed;
    config.on_mismatch = args.on_mismatch;
    config.once = args.once;
    config.patience = args.deadline.unwrap_or(config.patience);
    config.faults = Plan::parse(&args.fault)?;
    config.seed = args.seed.unwrap_or_default();
    let (ours, theirs) = if args.listen.is_some() { ("s2c:", "c2s:") } else { ("c2s:", "s2c:") };
    if let Some(fault) =
        args.fault.iter().flat_map(|spec| spec.split_whitespace()).find(|spec| spec.starts_with(theirs))
    {
        let error = Error::usage(format!("{fault}: only what the replay itself sends can have faults"));
        return Err(error.with_hint(format!("{ours} is its direction")));
    }
    config.options.retry = args.retry;
    let mut end = EndpointOptions { address, options: &mut config.options };
    websocket::replayed(&args.speech, &args.request, args.listen.is_some(), &mut end)?;
    if args.listen.is_some() {
        if args.verify.is_asked() {
            let error =
                Error::usage("--pin, --sni and --insecure are for connecting, and --listen accepts connections");
            return Err(error.with_hint("--ca FILE makes it require certificates from its clients"));
        }
        return tls::server(&args.tls, &args.show, end);
    }
    if args.show.self_signed {
        return Err(Error::usage("--self-signed is for a listener, and --to connects"));
    }
    tls::client(&args.tls, &args.verify, &mut [end])
}

/// Reads the recording, and returns its name too.
fn read(args: &ReplayArgs) -> Result<(String, Recorded)> {
    let framing = args.frame.as_deref().map(Framing::parse).transpose()?;
    let (name, source) = InputFile::open(args.file.as_deref())?.into_parts();
    let recorded = Recorded::read(&name, source, framing.as_ref(), args.connection)?;
    Ok((name, recorded))
}

/// What is left out when messages are compared.
fn rules(args: &ReplayArgs) -> Result<Rules> {
    let mut rules = Rules::default();
    let mut patterns = Vec::new();
    for mask in &args.mask {
        match mask {
            Mask::Range(range) => rules.masks.push(range.clone()),
            Mask::Pattern(pattern) => patterns.push(pattern.as_str()),
        }
    }
    if !patterns.is_empty() {
        // One expression for all: a message is searched once.
        let whole = patterns.iter().map(|pattern| format!("(?:{pattern})")).collect::<Vec<_>>().join("|");
        let whole = pattern(&whole).map_err(|_| {
            Error::usage("these patterns cannot be used together").with_hint("one --mask may hold all of them: A|B")
        })?;
        rules.pattern = Some(Pattern::new(move |text, from| whole.find_at(text, from).map(|found| found.range())));
    }
    rules.copies.clone_from(&args.copy);
    Ok(rules)
}

/// Learns volatile bytes from another recording of the same conversation.
fn learn(replay: &mut Replay, other: &std::path::Path, args: &ReplayArgs) -> Result<()> {
    let (name, source) = InputFile::open(Some(other))?.into_parts();
    let framing = args.frame.as_deref().map(Framing::parse).transpose()?;
    let recorded = Recorded::read(&name, source, framing.as_ref(), args.connection)?;
    if let Some(left_out) = recorded.left_out.first() {
        let (connection, why) = (left_out.connection, &left_out.why);
        return Err(Error::usage(format!("{name}: connection {connection} cannot be compared: {why}")));
    }
    let learnt = replay.book.learn(&recorded.scripts).map_err(|unlike| {
        let error = Error::usage(format!("{name} is not a recording of the same conversation: {unlike}"));
        match unlike.is_length() {
            true => error.with_hint("--mask REGEX leaves out what has no fixed length, such as --mask 'at [0-9]+'"),
            false => error,
        }
    })?;
    let (bytes, messages) = (Count(learnt.bytes, "byte"), Count(learnt.messages, "message"));
    output::notice(&format!("{name}: {bytes} of {messages} are volatile, and are not compared"));
    Ok(())
}

/// Reports the end of the run.
fn verdict(report: &mut Report, outcome: &Outcome, listened: bool) -> Result<Status> {
    let (answers, connections) = (Count(outcome.compared, "answer"), Count(outcome.connections, "connection"));
    let said = |text: String| if listened { None } else { Some(text) };
    if outcome.differing > 0 {
        report.write_junit(None)?;
        let text = said(format!("{} of {connections}", outcome.differing));
        report.verdict("different", outcome, text.as_deref())?;
        return Ok(Status::Check);
    }
    if outcome.compared == 0 {
        let why = if listened { "no client has sent a request" } else { "the recording has no answers to compare" };
        report.write_junit(Some(&format!("inconclusive: {why}")))?;
        report.verdict("inconclusive", outcome, said(why.to_owned()).as_deref())?;
        return Ok(Status::Inconclusive);
    }
    report.write_junit(None)?;
    report.verdict("same", outcome, said(format!("{answers} in {connections}")).as_deref())?;
    Ok(Status::Done)
}
