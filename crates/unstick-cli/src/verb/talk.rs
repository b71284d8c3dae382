//! `listen` and `connect`: runs one conversation, from its plan to its exit status.

mod guessed;
pub mod plan;

use std::time::Instant;

use unstick::endpoint::{StreamTransport, Transport};
use unstick::service;
use unstick::service::pipe::Ended;
use unstick::service::talk::{Input, NoInput, Outcome, Output, Peers, talk};
use unstick::{Error, Result, Sender};

use crate::deadline::within;
use crate::frontend::terminal::render::{listening, no_answer};
use crate::frontend::terminal::{Notices, TerminalOutput};
use crate::frontend::{json, pipe, prompt};
use crate::report::{self, PeerErrors};
use crate::status::Status;
use crate::{output, sanitize, signals};
use plan::{Frontend, Plan};

/// Opens the address, and runs the conversation.
pub async fn converse(mut plan: Plan) -> Result<Status> {
    if let Frontend::Raw = plan.front {
        return raw(&plan).await;
    }
    let asked = plan.rules.clone();
    let start = Instant::now();
    let Some(party) = signals::unless_ended(within(asked.deadline, open(&plan))).await else {
        return Ok(Status::Terminated);
    };
    let Some(party) = party else {
        let late = Outcome::Deadline(start.elapsed());
        if let Frontend::Json = plan.front {
            json::not_begun(&Error::other(report::late(asked.deadline)));
        }
        return Ok(report::outcome(&late, &asked, PeerErrors::Unsaid));
    };
    if let (Frontend::Json, Err(error)) = (&plan.front, &party) {
        json::not_begun(error);
    }
    let party = party?;
    plan.rules.deadline = asked.deadline.map(|after| after.saturating_sub(start.elapsed()));
    plan.rules.stop = signals::stop();
    let single = matches!(party, Peers::One(_)) || plan.rules.once;
    let goes_on = plan.rules.has_another_end() || plan.rules.once;
    let notices = Notices::new(plan.look.verbose, single);
    let (outcome, peers) = match &plan.front {
        Frontend::Prompt => {
            let framing = plan.framings.as_ref().map(|framings| framings.outbound.clone());
            let (input, output) = prompt::start(plan.look.clone(), plan.listening, framing, goes_on)?;
            let outcome = talk(party, input, output, plan.rules).await;
            if prompt::finish() {
                return Ok(Status::Interrupted);
            }
            (outcome, PeerErrors::Said)
        }
        Frontend::Pipe(format) => {
            let (input, output) = pipe::open(format.clone(), notices).await?;
            let output = output.with_times(plan.look.time);
            let sender = output.sender();
            let outcome = hold(party, input, output, &plan).await;
            written(sender, &outcome).await?;
            (outcome, PeerErrors::Unsaid)
        }
        Frontend::Screen(format) => {
            // Kept until the end: dropping it would close standard output.
            let (input, _output) = pipe::open(format.clone(), notices).await?;
            (hold(party, input, TerminalOutput::new(plan.look.clone(), !plan.listening), &plan).await, PeerErrors::Said)
        }
        Frontend::Json => {
            let (input, output) = json::open().await?;
            let sender = output.sender();
            let outcome = hold(party, input, output, &plan).await;
            written(sender, &outcome).await?;
            (outcome, PeerErrors::Said)
        }
        Frontend::None => (talk(party, NoInput, notices, plan.rules).await, PeerErrors::Unsaid),
        Frontend::Raw => unreachable!("a raw pipe was told apart above"),
    };
    Ok(report::outcome(&outcome, &asked, peers))
}

async fn open(plan: &Plan) -> Result<Peers> {
    let (address, framings, options) = (&plan.address, plan.framings.as_ref(), &plan.options);
    if plan.listening {
        unstick::limits::raise_open_files();
        let mut listener = unstick::listen(address, framings, options).await?;
        return match listener.serves_one() {
            true => listener.accept().await.map(Peers::One),
            false => Ok(Peers::Many(listener)),
        };
    }
    let link = unstick::connect(address, framings, options).await?;
    Ok(match &plan.reconnect {
        Some(how) => Peers::Again(link, how.clone()),
        None => Peers::One(link),
    })
}

/// Runs the conversation, with standard input if it is read.
async fn hold(party: Peers, input: impl Input, output: impl Output, plan: &Plan) -> Outcome {
    if plan.input_unread {
        return talk(party, NoInput, output, plan.rules.clone()).await;
    }
    talk(party, input, output, plan.rules.clone()).await
}

/// Waits until standard output has taken everything, but only briefly if the time is over.
async fn written(sender: Sender, outcome: &Outcome) -> Result<()> {
    pipe::finish_in_time(sender, matches!(outcome, Outcome::Idle(_) | Outcome::Deadline(_))).await
}

/// Runs a raw pipe, as nc does.
async fn raw(plan: &Plan) -> Result<Status> {
    let begun = Instant::now();
    if plan.explains_raw {
        output::notice("raw pipe, one connection: standard input is not a terminal; -f makes messages of it");
    }
    // A pipe has one peer: its silence is that of the run.
    let idle = plan.rules.idle.into_iter().chain(plan.rules.peer_idle).min();
    let limit = plan.rules.deadline.into_iter().chain(idle).min();
    let Some(opened) = signals::unless_ended(within(limit, open_end(plan))).await else {
        return Ok(Status::Terminated);
    };
    let outcome = match opened {
        Some(end) => {
            let mut rules = service::pipe::Config::default();
            rules.wait = plan.rules.wait;
            rules.linger = plan.rules.linger;
            rules.half_close = plan.rules.half_close;
            rules.serve_on = plan.listening && plan.rules.serve_on;
            rules.input = !plan.input_unread;
            rules.idle = idle;
            rules.stop = signals::stop();
            rules.deadline = plan.rules.deadline.map(|after| after.saturating_sub(begun.elapsed()));
            let filter = plan.screen.then(|| Box::new(sanitize::stream()) as service::pipe::Filter);
            match service::pipe::pipe(end?, rules, filter).await? {
                Ended::Idle(after) => Outcome::Idle(after),
                Ended::Deadline(after) => Outcome::Deadline(after),
                Ended::NoAnswer => {
                    output::notice(&no_answer());
                    Outcome::Ended
                }
                _ => Outcome::Ended,
            }
        }
        None if limit == plan.rules.deadline => Outcome::Deadline(begun.elapsed()),
        None => Outcome::Idle(limit.unwrap_or_default()),
    };
    Ok(report::outcome(&outcome, &plan.rules, PeerErrors::Unsaid))
}

async fn open_end(plan: &Plan) -> Result<StreamTransport> {
    let end = if plan.listening {
        let mut listener = unstick::listen(&plan.address, plan.framings.as_ref(), &plan.options).await?;
        output::notice(&listening(listener.addresses()));
        loop {
            match listener.accept_transport().await {
                // A client whose handshake failed is not the awaited one.
                Err(error) if error.is_handshake() => output::error(&error),
                other => break other?,
            }
        }
    } else {
        unstick::endpoint::connect(&plan.address, &plan.options).await?
    };
    match end {
        Transport::Stream(end) => Ok(end),
        Transport::Datagram(_) | Transport::Message(_) => Err(Error::usage("a raw pipe is for streams")),
    }
}
