//! `replay`: plays one side of a recording again, as a server with the recorded answers or as a client with the requests.

mod difference;
mod report;

use std::sync::{Arc, Mutex};

use unstick::service::replay::{Event, Outcome, Recorded, Replay};
use unstick::wire::Framing;
use unstick::wire::replay::{Pattern, Rules};
use unstick::{Error, FramedAddress, Result};

use crate::count::Count;
use crate::input_file::InputFile;
use crate::options::replay::{Mask, ReplayArgs};
use crate::status::Status;
use crate::unpoisoned::unpoisoned;
use crate::{output, signals};
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
    let report = Arc::new(Mutex::new(Report::new(args.json)));
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
    config.options.retry = args.retry;
    config.speed = args.speed;
    config.on_mismatch = args.on_mismatch;
    config.once = args.once;
    config.patience = args.deadline.unwrap_or(config.patience);
    let told = Arc::clone(&report);
    let tell = move |event: Event<'_>| unpoisoned(told.lock()).event(&event);
    let outcome = if args.listen.is_some() {
        config.stop = signals::stop();
        replay.serve(&address, tell).await?
    } else {
        replay.ask(&address, tell).await?
    };
    let mut report = unpoisoned(report.lock());
    if args.listen.is_some() {
        return Ok(if outcome.differing > 0 { Status::Check } else { Status::Done });
    }
    verdict(&mut report, &outcome)
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
        let whole = regex::bytes::Regex::new(&whole).map_err(|_| {
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

/// Reports the end of a client's run.
fn verdict(report: &mut Report, outcome: &Outcome) -> Result<Status> {
    let (answers, connections) = (Count(outcome.compared, "answer"), Count(outcome.connections, "connection"));
    if outcome.differing > 0 {
        report.verdict("different", outcome, &format!("{} of {connections}", outcome.differing))?;
        return Ok(Status::Check);
    }
    if outcome.compared == 0 {
        report.verdict("inconclusive", outcome, "the recording has no answers to compare")?;
        return Ok(Status::Inconclusive);
    }
    report.verdict("same", outcome, &format!("{answers} in {connections}"))?;
    Ok(Status::Done)
}
