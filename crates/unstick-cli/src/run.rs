//! Each verb, from its arguments to its status.

use clap::ArgMatches;
use tokio::signal::unix::{SignalKind, signal};
use unstick::endpoint::End;
use unstick::service::pipe::{self, Ended};
use unstick::service::talk::{Input, Outcome, Output, Party, Silence, talk};
use unstick::{Error, Result};

use crate::args::{Cli, Verb};
use crate::plan::{Front, Plan};
use crate::report::Status;
use crate::terminal::TerminalOutput;
use crate::{ask, framings, generate, json, output, prompt, report, terminal};

/// Does what was asked.
pub fn run(cli: Cli, matches: &ArgMatches) -> Result<Status> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    match cli.verb {
        Verb::Listen(args) => block_on(converse(Plan::listen(&args, matches)?)),
        Verb::Connect(args) => block_on(converse(Plan::connect(&args, matches)?)),
        Verb::Ask(args) => block_on(ask::ask(&args, matches)),
        Verb::Framings(args) => framings::framings(&args),
        Verb::Generate(args) => generate::generate(&args),
    }
}

/// Runs a verb on one thread, until it ends or a signal does.
fn block_on(verb: impl Future<Output = Result<Status>>) -> Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::other(format!("cannot start: {e}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = verb => result,
            status = signalled() => status,
        }
    });
    // A thread may still wait for standard input: it is not waited for.
    runtime.shutdown_background();
    result
}

/// Resolves when the program is to end from outside.
async fn signalled() -> Result<Status> {
    let listen = |kind| signal(kind).map_err(|e| Error::other(format!("signals: {e}")));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(Status::Interrupted),
        _ = terminate.recv() => Ok(Status::Terminated),
        _ = hangup.recv() => Ok(Status::HungUp),
    }
}

/// Opens the address, and holds the conversation.
async fn converse(plan: Plan) -> Result<Status> {
    if let Front::Raw = plan.front {
        return raw(&plan).await;
    }
    let party = if plan.listening {
        unstick::limits::raise_open_files();
        Party::Many(unstick::listen(&plan.address, plan.framings.as_ref(), &plan.options).await?)
    } else {
        Party::One(unstick::connect(&plan.address, plan.framings.as_ref(), &plan.options).await?)
    };
    match &plan.front {
        Front::Prompt => {
            let (input, output) = prompt::start(plan.look.clone(), plan.listening)?;
            let outcome = talk(party, input, output, plan.rules).await;
            let interrupted = prompt::finish();
            let status = report::outcome(&outcome, true);
            Ok(if interrupted { Status::Interrupted } else { status })
        }
        Front::Pipe(format) => {
            let (input, output) = crate::pipe::open(format.clone(), plan.look.verbose).await?;
            let sender = output.sender();
            let outcome = hold(party, input, output, &plan).await;
            crate::pipe::finish(sender).await?;
            Ok(report::outcome(&outcome, false))
        }
        Front::Screen => {
            // Kept until the end: with it standard output would be closed.
            let (input, _output) = crate::pipe::open(crate::pipe::Format::default(), false).await?;
            let outcome = hold(party, input, TerminalOutput::plain(plan.look.clone()), &plan).await;
            Ok(report::outcome(&outcome, false))
        }
        Front::Json => {
            let (input, output) = json::open().await?;
            let sender = output.sender();
            let outcome = hold(party, input, output, &plan).await;
            crate::pipe::finish(sender).await?;
            Ok(report::outcome(&outcome, true))
        }
        Front::Raw => Ok(Status::Failed),
    }
}

/// The conversation, with standard input where it is read.
async fn hold(party: Party, input: impl Input, output: impl Output, plan: &Plan) -> Outcome {
    if plan.input_unread {
        return talk(party, Silence, output, plan.rules.clone()).await;
    }
    talk(party, input, output, plan.rules.clone()).await
}

/// nc's pipe.
async fn raw(plan: &Plan) -> Result<Status> {
    let end = if plan.listening {
        let mut listener = unstick::listen(&plan.address, plan.framings.as_ref(), &plan.options).await?;
        output::notice(&terminal::listening(listener.addresses()));
        listener.accept_end().await?
    } else {
        unstick::endpoint::connect(&plan.address, &plan.options).await?
    };
    let End::Stream(end) = end else {
        return Err(Error::usage("a raw pipe is for streams"));
    };
    let mut rules = pipe::Rules::default();
    rules.ends_with_peer = plan.listening;
    rules.wait = plan.rules.wait;
    rules.linger = plan.rules.linger;
    rules.idle = plan.rules.idle;
    rules.deadline = plan.rules.deadline;
    let filter = plan.screen.then(|| Box::new(crate::visible::stream()) as pipe::Filter);
    Ok(match pipe::pipe(end, rules, filter).await? {
        Ended::Idle(after) => report::outcome(&Outcome::Idle(after), false),
        Ended::Deadline(after) => report::outcome(&Outcome::Deadline(after), false),
        _ => Status::Done,
    })
}
