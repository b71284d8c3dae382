//! Runs the typed verb until it ends or a signal ends it.

use std::time::Duration;

use clap::ArgMatches;
use unstick::limits::FINAL_FLUSH_TIMEOUT;
use unstick::{Error, Result};

use crate::args::{Cli, Verb};
use crate::status::Status;
use crate::verb::ask::{Question, ask};
use crate::verb::bridge::Bridge;
use crate::verb::shake::shake;
use crate::verb::talk::converse;
use crate::verb::talk::plan::Plan;
use crate::verb::{decode, encode, framings, generate, guess, lab, replay, transfer};
use crate::{recorder, signals};

/// Runs the verb with its arguments.
pub fn run(cli: Cli, matches: &ArgMatches) -> Result<Status> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    match cli.verb {
        Verb::Listen(args) if args.bridge.to.is_some() => block_on(Bridge::listen(&args)?.run()),
        Verb::Connect(args) if args.bridge.to.is_some() => block_on(Bridge::connect(&args)?.run()),
        Verb::Listen(args) => block_on(converse(Plan::listen(&args, matches)?)),
        Verb::Connect(args) => block_on(converse(Plan::connect(&args, matches)?)),
        Verb::Ask(args) => block_on(ended(ask(Question::new(&args)?))),
        Verb::Send(args) => block_on(ended(transfer::send(args))),
        Verb::Receive(args) => block_on(ended(transfer::receive(args))),
        Verb::Lab(args) => block_on(ended(lab::lab(args))),
        Verb::Shake(args) => block_on(shake(&args, matches)),
        Verb::Decode(args) => decode::decode(&args),
        Verb::Encode(args) => encode::encode(&args),
        Verb::Replay(args) => block_on(ended(replay::replay(args))),
        Verb::Guess(args) => guess::guess(&args),
        Verb::Framings(args) => framings::framings(&args),
        Verb::Generate(args) => generate::generate(&args),
    }
}

/// Runs a verb on one thread, until it ends or a signal ends it.
fn block_on(verb: impl Future<Output = Result<Status>>) -> Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::other(format!("cannot start: {e}")))?;
    // Before the verb reports that it is ready: a signal may arrive from then on.
    signals::catch()?;
    recorder::begin()?;
    let result = runtime.block_on(async {
        let result = tokio::select! {
            result = verb => result,
            () = signals::overdue() => Ok(Status::Terminated),
        };
        let status = signals::status_of_end();
        unstick::end_processes(if status.is_some() { Duration::ZERO } else { FINAL_FLUSH_TIMEOUT }).await;
        status.map_or(result, Ok)
    });
    // A thread may still read standard input: the program does not wait for it.
    runtime.shutdown_background();
    recorder::finish();
    result
}

/// Runs a verb that a signal ends at once.
async fn ended(verb: impl Future<Output = Result<Status>>) -> Result<Status> {
    signals::unless_ended(verb).await.unwrap_or(Ok(Status::Terminated))
}
