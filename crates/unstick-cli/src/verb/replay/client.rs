//! A client that sends the recorded requests in order, and compares the answers.

use std::time::Duration;

use unstick::wire::Role;
use unstick::{Address, Options, Receiver, Result, Sender};

use super::difference::first_difference;
use super::report::{Place, Report};
use super::script::{Script, Scripts, framings};
use crate::count::Count;
use crate::deadline::within;
use crate::options::replay::Replay;
use crate::output;
use crate::recording::Sides;
use crate::status::Status;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for one answer more than there should be, where the client ends first.
const AFTER_THE_END: Duration = Duration::from_secs(1);

/// What is known so far.
struct Run {
    args: Replay,
    report: Report,
    /// Answers that were compared.
    compared: usize,
}

/// Replays each connection, one after the other.
pub async fn ask(
    args: Replay,
    address: Address,
    framing: Option<Sides>,
    scripts: Scripts,
    report: Report,
) -> Result<Status> {
    let framings = framing.map(|framing| framings(&framing, Role::Client)).transpose()?;
    let mut options = Options::default();
    options.retry = args.retry;
    let mut run = Run { args, report, compared: 0 };
    let mut differing = 0;
    for (number, script) in (1..).zip(&scripts.scripts) {
        let both = framings.as_ref().map(|(framings, _)| framings);
        let link = unstick::connect(&address, both, &options).await?;
        let (sender, mut receiver) = link.split();
        let sends_frames = framings.as_ref().is_some_and(|(_, frames)| *frames);
        let before = run.compared;
        let is_same = run.converse(number, script, sends_frames, &sender, &mut receiver).await?;
        differing += usize::from(!is_same);
        run.report.connection(number, script.peer, run.compared - before, is_same)?;
    }
    let Run { mut report, compared, .. } = run;
    let (answers, connections) = (Count(compared, "answer"), Count(scripts.scripts.len(), "connection"));
    if differing > 0 {
        report.verdict("different", compared, &format!("{differing} of {connections}"))?;
        return Ok(Status::Check);
    }
    if compared == 0 {
        report.verdict("inconclusive", 0, "the recording has no answers to compare")?;
        return Ok(Status::Inconclusive);
    }
    report.verdict("same", compared, &format!("{answers} in {connections}"))?;
    Ok(Status::Done)
}

impl Run {
    /// Replays one connection. Returns whether all was as it was recorded: the first difference ends it.
    async fn converse(
        &mut self,
        peer: u64,
        script: &Script,
        sends_frames: bool,
        sender: &Sender,
        receiver: &mut Receiver,
    ) -> Result<bool> {
        for (at, step) in script.steps.iter().enumerate() {
            let place = Place { peer, connection: script.peer, message: at + 1, from: step.from };
            if step.from == Role::Client {
                self.args.speed.wait(step.after).await;
                let bytes = if sends_frames { &step.frame } else { &step.message };
                if let Err(error) = sender.send(bytes).await {
                    self.report.failed(peer, &error)?;
                    return Ok(false);
                }
                continue;
            }
            let answer = match within(Some(self.args.deadline.unwrap_or(PATIENCE)), receiver.recv()).await {
                None => None,
                Some(Ok(answer)) => answer,
                Some(Err(error)) => {
                    self.report.failed(peer, &error)?;
                    None
                }
            };
            let Some(answer) = answer else {
                self.report.differs(&place, Some(&step.message), None, 0)?;
                return Ok(false);
            };
            self.compared += 1;
            if let Some(at) = first_difference(&step.message, &answer, &self.args.mask) {
                self.report.differs(&place, Some(&step.message), Some(&answer), at)?;
                return Ok(false);
            }
        }
        self.end(peer, script, sender, receiver).await
    }

    /// Ends as the recording does, and looks for an answer that it does not have.
    async fn end(&mut self, peer: u64, script: &Script, sender: &Sender, receiver: &mut Receiver) -> Result<bool> {
        if !script.server_ends_first {
            sender.end();
        }
        let place = Place { peer, connection: script.peer, message: script.steps.len() + 1, from: Role::Server };
        match within(Some(AFTER_THE_END), receiver.recv()).await {
            Some(Ok(Some(answer))) => {
                self.report.differs(&place, None, Some(&answer), 0)?;
                Ok(false)
            }
            Some(Ok(None) | Err(_)) => Ok(true),
            None if script.server_ends_first => {
                output::loss(&format!("peer {peer}: the server has not ended, as connection {} did", script.peer));
                Ok(false)
            }
            None => Ok(true),
        }
    }
}
