//! A client that sends the recorded requests in order, and compares the answers.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::config::Config;
use super::event::{Event, Outcome, Place, Reporter, Tell};
use super::plan::Replay;
use super::speech::{Carriage, Speech};

use crate::wire::Role;
use crate::wire::replay::{Asker, Difference, Playbook};
use crate::{Address, Receiver, Result};

/// How long to wait for one answer more than there should be, where the client ends first.
const AFTER_THE_END: Duration = Duration::from_secs(1);

/// Where a message is missing, or one more.
const FROM_THE_START: Difference = Difference { recorded: 0, received: 0 };

/// What is known so far.
struct Run {
    book: Playbook,
    config: Config,
    carriage: Carriage,
    reporter: Reporter,
    /// Answers of this connection that were compared.
    compared: usize,
}

impl Replay {
    /// Sends the requests of each connection, one connection after the other, and compares the answers.
    ///
    /// # Errors
    ///
    /// If a connection cannot be opened, or if `tell` fails.
    pub async fn ask(
        self,
        address: &Address,
        tell: impl FnMut(Event<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Outcome> {
        ask(self, address, Box::new(tell)).await
    }
}

/// Replays each connection, one after the other.
async fn ask(replay: Replay, address: &Address, tell: Tell) -> Result<Outcome> {
    let Replay { framings, book, config } = replay;
    let framings = framings.filter(|_| address.is_stream());
    let carriage = Carriage::new(framings.as_ref(), Role::Client, &book, &config.faults)?;
    let mut run = Run { book, config, carriage, reporter: Reporter::new(tell), compared: 0 };
    for number in 0..run.book.scripts().len() {
        let begun = Instant::now();
        let link = crate::connect(address, run.carriage.framings.as_ref(), &run.config.options).await?;
        let (sender, mut receiver) = link.split();
        let mut speech = run.carriage.speech(sender, &run.config);
        run.compared = 0;
        let peer = number as u64 + 1;
        let same = run.converse(peer, number, &mut speech, &mut receiver).await?;
        if let Some((taken, counts)) = speech.faults() {
            let (from, unit) = (Role::Client, speech.unit);
            run.reporter.put(Event::Faulted { peer, from, unit, taken, counts: &counts })?;
        }
        let (connection, messages, took) = (run.book.scripts()[number].connection, run.compared, begun.elapsed());
        run.reporter.put(Event::Closed { peer, connection, messages, same, took })?;
    }
    Ok(run.reporter.outcome())
}

impl Run {
    /// Replays one connection. Returns whether all was as it was recorded: the first difference ends it, and so does a fault.
    async fn converse(
        &mut self,
        peer: u64,
        number: usize,
        speech: &mut Speech,
        receiver: &mut Receiver,
    ) -> Result<bool> {
        let (mut at, mut asker) = (0, Asker::new(number));
        while let Some(step) = self.book.scripts()[number].steps.get(at) {
            let connection = self.book.scripts()[number].connection;
            let place = Place { peer, connection, message: at + 1, from: step.from };
            if step.from == Role::Client {
                self.config.speed.wait(step.after).await;
                let message = asker.request(&self.book, at).unwrap_or_else(|| step.message.clone());
                let said = speech.say(&self.carriage.bytes_of(step, message)).await;
                if !matches!(said, Ok(true)) {
                    return self.spoken(peer, said);
                }
                at += 1;
                continue;
            }
            let settled = speech.settle().await;
            if !matches!(settled, Ok(true)) {
                return self.spoken(peer, settled);
            }
            let answer = match timeout(self.config.patience, receiver.recv()).await {
                Err(_) => None,
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    self.reporter.put(Event::Failed { peer: Some(peer), error: &error })?;
                    None
                }
            };
            let recorded = Some(&*step.message);
            let Some(answer) = answer else {
                self.reporter.put(Event::Differs { place, recorded, received: None, at: FROM_THE_START })?;
                return Ok(false);
            };
            self.compared += 1;
            if let Some(at) = self.book.difference(number, at, &answer) {
                self.reporter.put(Event::Differs { place, recorded, received: Some(&answer), at })?;
                return Ok(false);
            }
            asker.answered(&self.book, at, &answer);
            at += 1;
        }
        let settled = speech.settle().await;
        if !matches!(settled, Ok(true)) {
            return self.spoken(peer, settled);
        }
        self.end(peer, number, speech, receiver).await
    }

    /// A request could not be sent, or a fault ended the connection.
    fn spoken(&mut self, peer: u64, said: Result<bool>) -> Result<bool> {
        match said {
            Ok(_) => Ok(true),
            Err(error) => {
                self.reporter.put(Event::Failed { peer: Some(peer), error: &error })?;
                Ok(false)
            }
        }
    }

    /// Ends as the recording does, and looks for an answer that it does not have.
    async fn end(&mut self, peer: u64, number: usize, speech: &Speech, receiver: &mut Receiver) -> Result<bool> {
        let script = &self.book.scripts()[number];
        let (connection, message) = (script.connection, script.steps.len() + 1);
        if !script.server_ends_first {
            speech.sender.end();
        }
        let place = Place { peer, connection, message, from: Role::Server };
        match timeout(AFTER_THE_END, receiver.recv()).await {
            Ok(Ok(Some(answer))) => {
                let event = Event::Differs { place, recorded: None, received: Some(&answer), at: FROM_THE_START };
                self.reporter.put(event)?;
                Ok(false)
            }
            Ok(Ok(None) | Err(_)) => Ok(true),
            Err(_) if script.server_ends_first => {
                self.reporter.put(Event::NotEnded { peer, connection })?;
                Ok(false)
            }
            Err(_) => Ok(true),
        }
    }
}
