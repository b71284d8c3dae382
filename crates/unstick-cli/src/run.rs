//! Each verb, from its arguments to its status.

use std::time::{Duration, Instant};

use clap::ArgMatches;
use unstick::endpoint::{End, StreamEnd};
use unstick::limits::LAST_CALL;
use unstick::service;
use unstick::service::pipe::Ended;
use unstick::service::talk::{Input, Outcome, Output, Party, Silence, talk};
use unstick::{Error, Result, Sender};

use crate::args::{Cli, Verb};
use crate::ask::{Question, ask};
use crate::bridge::Bridge;
use crate::plan::{Front, Plan};
use crate::report::{Peers, Status};
use crate::shake::shake;
use crate::terminal::{Notices, TerminalOutput};
use crate::{framings, generate, json, lab, output, pipe, prompt, report, signals, terminal};

/// Does what was asked.
pub fn run(cli: Cli, matches: &ArgMatches) -> Result<Status> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    match cli.verb {
        Verb::Listen(args) if args.bridge.to.is_some() => block_on(Bridge::listen(&args)?.run()),
        Verb::Connect(args) if args.bridge.to.is_some() => block_on(Bridge::connect(&args)?.run()),
        Verb::Listen(args) => block_on(converse(Plan::listen(&args, matches)?)),
        Verb::Connect(args) => block_on(converse(Plan::connect(&args, matches)?)),
        Verb::Ask(args) => block_on(ended(ask(Question::new(&args)?))),
        Verb::Lab(args) => block_on(ended(lab::lab(args))),
        Verb::Shake(args) => block_on(shake(&args, matches)),
        Verb::Framings(args) => framings::framings(&args),
        Verb::Generate(args) => generate::generate(&args),
    }
}

/// Runs a verb on one thread, until it ends or a signal does.
fn block_on(verb: impl Future<Output = Result<Status>>) -> Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::other(format!("cannot start: {e}")))?;
    // Before the verb says that it is there to be ended.
    signals::catch()?;
    let result = runtime.block_on(async {
        let result = tokio::select! {
            result = verb => result,
            () = signals::overdue() => Ok(Status::Terminated),
        };
        let status = signals::status_of_end();
        unstick::end_processes(if status.is_some() { Duration::ZERO } else { LAST_CALL }).await;
        status.map_or(result, Ok)
    });
    // A thread may still wait for standard input: it is not waited for.
    runtime.shutdown_background();
    result
}

/// A verb that a signal ends at once.
async fn ended(verb: impl Future<Output = Result<Status>>) -> Result<Status> {
    signals::unless_ended(verb).await.unwrap_or(Ok(Status::Terminated))
}

/// Opens the address, and holds the conversation.
async fn converse(mut plan: Plan) -> Result<Status> {
    if let Front::Raw = plan.front {
        return raw(&plan).await;
    }
    let asked = plan.rules.clone();
    let start = Instant::now();
    let Some(party) = signals::unless_ended(within(asked.deadline, open(&plan))).await else {
        return Ok(Status::Terminated);
    };
    let Some(party) = party else {
        let late = Outcome::Deadline(start.elapsed());
        if let Front::Json = plan.front {
            json::not_begun(&Error::other(report::late(asked.deadline)));
        }
        return Ok(report::outcome(&late, &asked, Peers::Unsaid));
    };
    if let (Front::Json, Err(error)) = (&plan.front, &party) {
        json::not_begun(error);
    }
    let party = party?;
    plan.rules.deadline = asked.deadline.map(|after| after.saturating_sub(start.elapsed()));
    plan.rules.stop = signals::stop();
    let single = matches!(party, Party::One(_)) || plan.rules.once;
    let goes_on = plan.rules.has_another_end() || plan.rules.once;
    let notices = Notices::new(plan.look.verbose, single);
    let (outcome, peers) = match &plan.front {
        Front::Prompt => {
            let framing = plan.framings.as_ref().map(|framings| framings.outbound.clone());
            let (input, output) = prompt::start(plan.look.clone(), plan.listening, framing, goes_on)?;
            let outcome = talk(party, input, output, plan.rules).await;
            if prompt::finish() {
                return Ok(Status::Interrupted);
            }
            (outcome, Peers::Said)
        }
        Front::Pipe(format) => {
            let (input, output) = pipe::open(format.clone(), notices).await?;
            let output = output.with_times(plan.look.time);
            let sender = output.sender();
            let outcome = hold(party, input, output, &plan).await;
            written(sender, &outcome).await?;
            (outcome, Peers::Unsaid)
        }
        Front::Screen(format) => {
            // Kept until the end: with it standard output would be closed.
            let (input, _output) = pipe::open(format.clone(), notices).await?;
            (hold(party, input, TerminalOutput::plain(plan.look.clone(), !plan.listening), &plan).await, Peers::Said)
        }
        Front::Json => {
            let (input, output) = json::open().await?;
            let sender = output.sender();
            let outcome = hold(party, input, output, &plan).await;
            written(sender, &outcome).await?;
            (outcome, Peers::Said)
        }
        Front::Aside => (talk(party, Silence, notices, plan.rules).await, Peers::Unsaid),
        Front::Raw => unreachable!("a raw pipe was told apart above"),
    };
    Ok(report::outcome(&outcome, &asked, peers))
}

async fn open(plan: &Plan) -> Result<Party> {
    let (address, framings, options) = (&plan.address, plan.framings.as_ref(), &plan.options);
    if plan.listening {
        unstick::limits::raise_open_files();
        let mut listener = unstick::listen(address, framings, options).await?;
        return match listener.serves_one() {
            true => listener.accept().await.map(Party::One),
            false => Ok(Party::Many(listener)),
        };
    }
    let link = unstick::connect(address, framings, options).await?;
    Ok(match &plan.reconnect {
        Some(how) => Party::Again(link, how.clone()),
        None => Party::One(link),
    })
}

/// What becomes of something in the time that is given; `None` where that was too short.
pub async fn within<T>(limit: Option<Duration>, doing: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, doing).await.ok(),
        None => Some(doing.await),
    }
}

/// The conversation, with standard input where it is read.
async fn hold(party: Party, input: impl Input, output: impl Output, plan: &Plan) -> Outcome {
    if plan.input_unread {
        return talk(party, Silence, output, plan.rules.clone()).await;
    }
    talk(party, input, output, plan.rules.clone()).await
}

/// Waits until standard output has everything; not for long where the time is over.
async fn written(sender: Sender, outcome: &Outcome) -> Result<()> {
    pipe::finish_in_time(sender, matches!(outcome, Outcome::Idle(_) | Outcome::Deadline(_))).await
}

/// nc's pipe.
async fn raw(plan: &Plan) -> Result<Status> {
    let begun = Instant::now();
    // A pipe has one peer: its silence is that of the run.
    let idle = plan.rules.idle.into_iter().chain(plan.rules.peer_idle).min();
    let limit = plan.rules.deadline.into_iter().chain(idle).min();
    let Some(opened) = signals::unless_ended(within(limit, open_end(plan))).await else {
        return Ok(Status::Terminated);
    };
    let outcome = match opened {
        Some(end) => {
            let mut rules = service::pipe::Rules::default();
            rules.wait = plan.rules.wait;
            rules.linger = plan.rules.linger;
            rules.half_close = plan.rules.half_close;
            rules.serve_on = plan.listening && plan.rules.serve_on;
            rules.input = !plan.input_unread;
            rules.idle = idle;
            rules.stop = signals::stop();
            rules.deadline = plan.rules.deadline.map(|after| after.saturating_sub(begun.elapsed()));
            let filter = plan.screen.then(|| Box::new(crate::visible::stream()) as service::pipe::Filter);
            match service::pipe::pipe(end?, rules, filter).await? {
                Ended::Idle(after) => Outcome::Idle(after),
                Ended::Deadline(after) => Outcome::Deadline(after),
                _ => Outcome::Ended,
            }
        }
        None if limit == plan.rules.deadline => Outcome::Deadline(begun.elapsed()),
        None => Outcome::Idle(limit.unwrap_or_default()),
    };
    Ok(report::outcome(&outcome, &plan.rules, Peers::Unsaid))
}

async fn open_end(plan: &Plan) -> Result<StreamEnd> {
    let end = if plan.listening {
        let mut listener = unstick::listen(&plan.address, plan.framings.as_ref(), &plan.options).await?;
        output::notice(&terminal::listening(listener.addresses()));
        loop {
            match listener.accept_end().await {
                // A client that was not let in is not the one that is waited for.
                Err(error) if error.is_handshake() => output::error(&error),
                other => break other?,
            }
        }
    } else {
        unstick::endpoint::connect(&plan.address, &plan.options).await?
    };
    match end {
        End::Stream(end) => Ok(end),
        End::Datagram(_) | End::Message(_) => Err(Error::usage("a raw pipe is for streams")),
    }
}
