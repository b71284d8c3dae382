//! A server that plays the recorded answers to every client.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::config::{Config, OnMismatch};
use super::event::{Event, Outcome, Place, Reporter, Tell};
use super::plan::Replay;
use super::speech::{Carriage, Speech};

use crate::limits::FINAL_FLUSH_TIMEOUT;
use crate::wire::Role;
use crate::wire::replay::{Difference, Playbook, Player};
use crate::{Address, Link, Receiver, Result};

/// The pause after a connection that could not be accepted: there may be no open files left.
const PAUSE: Duration = Duration::from_millis(100);

/// What all clients share.
struct Room {
    book: Playbook,
    config: Config,
    carriage: Carriage,
    state: Mutex<State>,
}

struct State {
    /// How many clients have got each connection.
    uses: Vec<u64>,
    reporter: Reporter,
}

impl Replay {
    /// Serves clients: every one gets the answers of a recorded connection, as long as its requests are those of the recording.
    /// Returns when [`Config::stop`] comes, or after one client with [`Config::once`].
    ///
    /// # Errors
    ///
    /// If the address cannot be opened, or if `tell` fails.
    pub async fn serve(
        self,
        address: &Address,
        tell: impl FnMut(Event<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Outcome> {
        serve(self, address, Box::new(tell)).await
    }
}

/// Serves every client until it is told to stop, or only one.
async fn serve(replay: Replay, address: &Address, tell: Tell) -> Result<Outcome> {
    crate::limits::raise_open_files();
    let Replay { framings, book, config } = replay;
    let framings = framings.filter(|_| address.is_stream());
    let carriage = Carriage::new(framings.as_ref(), Role::Server, &book, &config.faults)?;
    let mut listener = crate::listen(address, carriage.framings.as_ref(), &config.options).await?;
    let state = Mutex::new(State { uses: vec![0; book.scripts().len()], reporter: Reporter::new(tell) });
    let room = Arc::new(Room { book, config, carriage, state });
    room.put(Event::Listening(listener.addresses()))?;
    let mut clients = JoinSet::new();
    let mut stopped = pin!(room.config.stop.comes());
    let mut peer = 0;
    loop {
        tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept(), if !(room.config.once && peer > 0) => match accepted {
                Ok(link) => {
                    peer += 1;
                    let room = Arc::clone(&room);
                    clients.spawn(async move { room.serve(peer, link).await });
                }
                Err(error) => {
                    room.put(Event::Failed { peer: None, error: &error })?;
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(ended) = clients.join_next() => {
                if let Ok(served) = ended {
                    // Nobody is told any more, if this fails.
                    served?;
                }
                if room.config.once {
                    break;
                }
            },
        }
    }
    drop(listener);
    let _ = timeout(room.config.grace, async { while clients.join_next().await.is_some() {} }).await;
    Ok(room.with(|state| state.reporter.outcome()))
}

impl Room {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, event: Event<'_>) -> Result<()> {
        self.with(|state| state.reporter.put(event))
    }

    /// The connections in the order in which a new client gets them: those that the fewest have got, in the recorded order.
    fn order(&self) -> Vec<usize> {
        self.with(|state| {
            let mut order: Vec<usize> = (0..state.uses.len()).collect();
            order.sort_by_key(|one| state.uses[*one]);
            if let Some(first) = order.first() {
                state.uses[*first] += 1;
            }
            order
        })
    }

    async fn serve(&self, peer: u64, link: Link) -> Result<()> {
        let begun = Instant::now();
        let (sender, mut receiver) = link.split();
        let mut speech = self.carriage.speech(sender, &self.config);
        let mut player = Player::new(&self.book, self.order());
        let same = self.play(peer, &mut player, &mut speech, &mut receiver).await?;
        let sender = &speech.sender;
        if same {
            let _ = timeout(FINAL_FLUSH_TIMEOUT, sender.finish()).await;
            // What still comes is read, so that the end is no reset.
            let rest = async { while matches!(receiver.recv().await, Ok(Some(_))) {} };
            let _ = timeout(FINAL_FLUSH_TIMEOUT, rest).await;
        } else if self.config.on_mismatch == OnMismatch::Reset {
            let _ = timeout(FINAL_FLUSH_TIMEOUT, sender.flush()).await;
            sender.abort();
        } else {
            let _ = timeout(FINAL_FLUSH_TIMEOUT, sender.finish()).await;
        }
        if let Some((taken, counts)) = speech.faults() {
            self.put(Event::Faulted { peer, from: Role::Server, unit: speech.unit, taken, counts: &counts })?;
        }
        let connection = player.script().map_or(0, |script| script.connection);
        self.put(Event::Closed { peer, connection, messages: player.at(), same, took: begun.elapsed() })
    }

    /// Plays until the client ends, or sends what was not recorded. Returns whether all was as it was recorded.
    async fn play(
        &self,
        peer: u64,
        player: &mut Player<'_>,
        speech: &mut Speech,
        receiver: &mut Receiver,
    ) -> Result<bool> {
        loop {
            let said = match player.next().zip(player.answer()) {
                Some((step, answer)) => {
                    self.config.speed.wait(step.after).await;
                    let said = speech.say(&self.carriage.bytes_of(step, answer)).await;
                    player.answered();
                    said.map(|goes_on| (goes_on, true))
                }
                None => speech.settle().await.map(|goes_on| (goes_on, false)),
            };
            match said {
                Ok((true, true)) => continue,
                Ok((true, false)) => {}
                Ok((false, _)) => return Ok(true), // A fault ended the connection.
                Err(error) => {
                    self.put(Event::Failed { peer: Some(peer), error: &error })?;
                    return Ok(false);
                }
            }
            if player.next().is_none() && player.script().is_some_and(|script| script.server_ends_first) {
                return Ok(true);
            }
            match receiver.recv().await {
                Ok(Some(request)) => {
                    let before = player.current();
                    if !player.takes(&request) {
                        self.mismatch(peer, player, &request)?;
                        return Ok(false);
                    }
                    let now = player.current();
                    self.with(|state| {
                        state.uses[before] -= 1;
                        state.uses[now] += 1;
                    });
                }
                Ok(None) => return self.ended(peer, player),
                Err(error) => {
                    self.put(Event::Failed { peer: Some(peer), error: &error })?;
                    return Ok(false);
                }
            }
        }
    }

    /// A client has ended: in time, or before the recording did. One that has sent nothing only looked whether somebody is
    /// there.
    fn ended(&self, peer: u64, player: &Player<'_>) -> Result<bool> {
        let Some(step) = player.next().filter(|_| player.at() > 0) else { return Ok(true) };
        let at = Difference { recorded: 0, received: 0 };
        self.put(Event::Differs { place: place(peer, player), recorded: Some(&step.message), received: None, at })?;
        Ok(false)
    }

    fn mismatch(&self, peer: u64, player: &Player<'_>, request: &[u8]) -> Result<()> {
        let recorded = player.next().map(|step| &*step.message);
        let at = player.difference(request).unwrap_or(Difference { recorded: 0, received: 0 });
        self.put(Event::Differs { place: place(peer, player), recorded, received: Some(request), at })
    }
}

fn place(peer: u64, player: &Player<'_>) -> Place {
    let connection = player.script().map_or(0, |script| script.connection);
    Place { peer, connection, message: player.at() + 1, from: Role::Client }
}
