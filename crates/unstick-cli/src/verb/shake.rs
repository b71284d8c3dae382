//! `shake`: reads the options, shows progress while it runs, and prints its report.

mod colour;
mod junit;
mod page;
mod recording;
mod rerun;
mod target;

use std::io::IsTerminal;
use std::time::Duration;

use clap::ArgMatches;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use unstick::wire::shake::Case;
use unstick::wire::{Framing, Role};
use unstick::{Error, FramedAddress, Result};
use unstick_shake::{Direction, Finding, Outcome, Progress, Report, Shake, Stop, Verdict};

use crate::advice;
use crate::args;
use crate::count::Count;
use crate::options::payload;
use crate::options::sendable;
use crate::output;
use crate::sanitize;
use crate::signals;
use crate::status::Status;

/// Tests the program, and reports.
pub async fn shake(args: &args::Shake, matches: &ArgMatches) -> Result<Status> {
    let bar = bar();
    let told = bar.clone();
    let stop = Stop::default();
    let shake = asked(args, matches).await?.stopped_by(&stop).on_progress(move |progress| tell(&told, progress));
    let end = signals::stop();
    let report = {
        let mut run = std::pin::pin!(shake.run());
        tokio::select! {
            report = &mut run => report,
            // A signal stops the cases; what was found so far is reported.
            () = end.comes() => {
                stop.now();
                run.await
            }
        }
    };
    bar.finish_and_clear();
    let report = match report {
        // A program that does not start was not tested: that is neither a pass nor a fault that cuts cause.
        Err(error) if !(error.is_usage() || error.is_unreachable() || error.is_timeout()) => {
            output::error(&error);
            return Ok(Status::Inconclusive);
        }
        report => report?,
    };
    if let Some(path) = &args.junit {
        junit::write(path, &report)?;
    }
    if let Some(path) = &args.html {
        page::of(&report).write(path)?;
    }
    let typed: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let again = |finding: &Finding| rerun::command(&typed, &finding.base, &finding.smallest);
    let text = match args.json {
        true => crate::json_lines::safe(as_json(&report, again).to_string()) + "\n",
        false => {
            let told = sanitize::lines(&report.told(|finding| Some(again(finding)), advice::in_options)).into_owned();
            if output::colour_on(&std::io::stdout()) { colour::report(&told, report.verdict) } else { told }
        }
    };
    match output::print(&text) {
        Status::Done => Ok(match report.verdict {
            Verdict::Same => Status::Done,
            Verdict::Broken => Status::Check,
            _ => Status::Inconclusive,
        }),
        other => Ok(other),
    }
}

/// Turns the options into a [`Shake`].
async fn asked(args: &args::Shake, matches: &ArgMatches) -> Result<Shake> {
    let target = args.to.as_deref().map(str::parse::<FramedAddress>).transpose()?;
    let own = target.as_ref().and_then(|target| target.framing.clone());
    let framing = match &args.frame {
        Some(spec) => Some(Framing::parse(spec)?),
        None => own,
    };
    let mut writes = writes(args, framing.as_ref(), matches)?.into_iter();
    let first = writes.next();
    let sends = first.is_some() || args.recording.is_some();
    let first = first.unwrap_or_default();
    let mut shake = match &target {
        None => {
            target::on_pipes(args)?;
            Shake::pipes(&args.command, first)
        }
        Some(target) => {
            let address = target::find(args, &target.address).await?;
            match (args.command.is_empty(), sends) {
                (false, true) => {
                    let sending = if args.recording.is_some() { "--recording" } else { "--send" };
                    return Err(Error::usage(format!("a client command and {sending} exclude each other"))
                        .with_hint(format!("leave out {sending}, or the command after --")));
                }
                (true, false) => {
                    return Err(Error::usage("nothing is sent to the server").with_hint(
                        "give the client's command after --, or --send TEXT, --send-file PATH, or --recording FILE",
                    ));
                }
                (true, true) => Shake::server(first, address),
                (false, false) => Shake::client(&args.command, address),
            }
        }
    };
    shake = writes.fold(shake, Shake::then);
    if let Some(start) = &args.start {
        shake = shake.start(start);
    }
    if let Some(path) = &args.recording {
        shake = recording::of(path, framing.as_ref(), args.connection, shake)?;
    } else if let Some(framing) = framing {
        shake = shake.framing(framing);
    }
    let cases: Vec<Case> = args.case.iter().map(|case| case.parse()).collect::<Result<_, _>>()?;
    shake = shake.only(cases).half_close(!args.no_half_close).compare_output(args.output).strict_end(args.strict_end);
    shake = args.against.iter().try_fold(shake, |shake, case| Ok::<_, Error>(shake.against(case.parse()?)))?;
    shake = shake.seed(args.seed.unwrap_or(0));
    shake = args.depth.into_iter().fold(shake, Shake::depth);
    shake = args.time.into_iter().fold(shake, Shake::time);
    shake = args.cases.into_iter().fold(shake, Shake::random);
    shake = args.jobs.into_iter().fold(shake, |shake, jobs| shake.jobs(jobs as usize));
    Ok(args.timeout.into_iter().fold(shake, Shake::timeout))
}

/// Returns what unstick itself sends, each message apart, in a frame if there is a framing.
fn writes(args: &args::Shake, framing: Option<&Framing>, matches: &ArgMatches) -> Result<Vec<Vec<u8>>> {
    let messages = payload::in_order(&args.send, &args.send_hex, &args.send_file, framing, matches)?;
    let Some(framing) = framing else {
        return Ok(messages.into_iter().filter(|message| !message.is_empty()).map(Vec::from).collect());
    };
    let mut encoder = framing.sent_by(Role::Client).encoder()?;
    let frame = |message: &bytes::Bytes| {
        let mut bytes = Vec::new();
        encoder.encode(message, &mut bytes).map_err(|error| sendable::unsendable(message, framing, &error))?;
        Ok(bytes)
    };
    messages.iter().map(frame).collect()
}

/// Runs longer than this are announced with their time.
const LONG: Duration = Duration::from_secs(10);

/// Returns a progress bar, hidden if there is no terminal.
fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style("{spinner} {elapsed}  {msg}"));
    bar.set_message("runs without cuts");
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn tell(bar: &ProgressBar, progress: &Progress) {
    if let Some(estimate) = progress.estimate.filter(|estimate| *estimate >= LONG) {
        let about = match estimate.as_secs() {
            seconds @ ..120 => format!("{seconds} s"),
            seconds => format!("{} min", seconds.div_ceil(60)),
        };
        let shorter = "--depth and --time make it shorter";
        bar.suspend(|| {
            let cases = Count(progress.planned, "case");
            output::notice(&format!("{cases} will take about {about} in all; {shorter}"))
        });
    }
    if bar.length() == Some(0) && progress.planned > 0 {
        bar.set_style(style("{bar:20} {pos}/{len}  {msg}"));
    }
    bar.set_length(progress.planned);
    bar.set_position(progress.done);
    let stage = progress.stage.map_or("runs without cuts".to_owned(), |stage| stage.to_string());
    bar.set_message(match progress.suspects {
        0 => stage,
        suspects => format!("{stage}; {suspects} differed"),
    });
}

fn as_json(report: &Report, again: impl Fn(&Finding) -> String) -> Value {
    let tally = report.tally;
    json!({
        "version": 1,
        "verdict": match report.verdict {
            Verdict::Same => "same",
            Verdict::Broken => "broken",
            _ => "inconclusive",
        },
        "findings": report.findings.iter().map(|finding| finding_json(finding, &again)).collect::<Vec<_>>(),
        "half_close": report.half_close.as_ref().map(|finding| finding_json(finding, &again)),
        "cases": report.cases,
        "planned": tally.planned,
        "delivered": tally.delivered,
        "impossible": tally.gone + tally.impossible,
        "unproven": tally.unproven,
        "unread": tally.unread,
        "untried": tally.untried,
        "notes": report.notes.iter().map(|note| note.told(advice::in_options)).collect::<Vec<_>>(),
        "unrepeated": report.unrepeated.iter().map(|once| json!({
            "case": once.case.to_string(),
            "headline": once.headline,
            "runs": once.runs,
            "otherwise": once.otherwise,
        })).collect::<Vec<_>>(),
        "seconds": report.took.as_secs_f64(),
    })
}

fn finding_json(finding: &Finding, again: &impl Fn(&Finding) -> String) -> Value {
    json!({
        "case": finding.smallest.to_string(),
        "headline": finding.headline(),
        "pattern": finding.pattern,
        "cause": finding.cause,
        "again": again(finding),
        "failing": finding.failing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "evidence": finding.evidence.map(|evidence| json!({
            "runs": evidence.runs,
            "otherwise": evidence.otherwise,
            "chance": evidence.chance,
        })),
        "baseline": outcome_json(&finding.baseline),
        "outcome": outcome_json(&finding.outcome),
    })
}

fn outcome_json(outcome: &Outcome) -> Value {
    let side = |exchange: &unstick_shake::Exchange, way| {
        let side = exchange.of(way);
        let bytes = &side.recording.bytes;
        json!({ "bytes": bytes.len(), "ending": side.ending.to_string(), "sent": crate::json_lines::text_or_base64(bytes) })
    };
    let connections = outcome.exchanges.iter().map(|exchange| {
        json!({
            "c2s": side(exchange, Direction::ClientToServer),
            "s2c": side(exchange, Direction::ServerToClient),
        })
    });
    json!({
        "connections": connections.collect::<Vec<_>>(),
        "exit": outcome.exit.map(|exit| exit.to_string()),
        "late": outcome.late,
        "program_said": outcome.client_said,
        "server_said": outcome.server_said,
    })
}
