//! A server that plays the recorded answers to every client.

use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use unstick::limits::FINAL_FLUSH_TIMEOUT;
use unstick::wire::Role;
use unstick::{Address, Link, Options, Receiver, Result, Sender};

use super::difference::first_difference;
use super::player::Player;
use super::report::{Place, Report};
use super::script::{Script, Scripts, framings};
use crate::options::replay::{OnMismatch, Replay, Speed};
use crate::recording::Sides;
use crate::status::Status;
use crate::unpoisoned::unpoisoned;
use crate::{output, signals};

/// The pause after a connection that could not be accepted: there may be no open files left.
const PAUSE: Duration = Duration::from_millis(100);

/// What all clients share.
struct Room {
    scripts: Vec<Script>,
    masks: Vec<Range<usize>>,
    speed: Speed,
    on_mismatch: OnMismatch,
    /// Whether answers are sent as the frames that were recorded.
    sends_frames: bool,
    state: Mutex<State>,
}

struct State {
    /// How many clients have got each connection.
    uses: Vec<u64>,
    report: Report,
    /// Clients that differed from the recording.
    differing: u64,
}

/// Serves every client until a signal comes, or only one (`--once`).
pub async fn serve(
    args: Replay,
    address: Address,
    framing: Option<Sides>,
    scripts: Scripts,
    mut report: Report,
) -> Result<Status> {
    unstick::limits::raise_open_files();
    let framings = framing.map(|framing| framings(&framing, Role::Server)).transpose()?;
    let both = framings.as_ref().map(|(framings, _)| framings);
    let mut listener = unstick::listen(&address, both, &Options::default()).await?;
    report.listening(listener.addresses())?;
    let state = Mutex::new(State { uses: vec![0; scripts.scripts.len()], report, differing: 0 });
    let room = Arc::new(Room {
        scripts: scripts.scripts,
        masks: args.mask,
        speed: args.speed,
        on_mismatch: args.on_mismatch,
        sends_frames: framings.as_ref().is_some_and(|(_, frames)| *frames),
        state,
    });
    let mut clients = JoinSet::new();
    let stop = signals::stop();
    let mut stopped = pin!(stop.comes());
    let mut peer = 0;
    loop {
        tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok(link) => {
                    peer += 1;
                    if args.once {
                        room.serve(peer, link).await?;
                        break;
                    }
                    let room = Arc::clone(&room);
                    clients.spawn(async move { room.serve(peer, link).await });
                }
                Err(error) => {
                    output::error(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(ended) = clients.join_next() => if let Ok(served) = ended {
                // Nobody reads the output any more, if this fails.
                served?;
            },
        }
    }
    let differing = unpoisoned(room.state.lock()).differing;
    Ok(if differing > 0 { Status::Check } else { Status::Done })
}

impl Room {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = unpoisoned(self.state.lock());
        act(&mut state)
    }

    /// The connections in the order in which a new client gets them: those that the fewest have got, in the recorded order.
    fn order(&self) -> Vec<usize> {
        self.with(|state| {
            let mut order: Vec<usize> = (0..self.scripts.len()).collect();
            order.sort_by_key(|one| state.uses[*one]);
            state.uses[order[0]] += 1;
            order
        })
    }

    async fn serve(&self, peer: u64, link: Link) -> Result<()> {
        let (sender, mut receiver) = link.split();
        let mut player = Player::new(&self.scripts, &self.masks, self.order());
        let is_same = self.play(peer, &mut player, &sender, &mut receiver).await?;
        if is_same {
            let _ = tokio::time::timeout(FINAL_FLUSH_TIMEOUT, sender.finish()).await;
            // What still comes is read, so that the end is no reset.
            let rest = async { while matches!(receiver.recv().await, Ok(Some(_))) {} };
            let _ = tokio::time::timeout(FINAL_FLUSH_TIMEOUT, rest).await;
        } else if self.on_mismatch == OnMismatch::Error {
            let _ = tokio::time::timeout(FINAL_FLUSH_TIMEOUT, sender.flush()).await;
            sender.abort();
        } else {
            let _ = tokio::time::timeout(FINAL_FLUSH_TIMEOUT, sender.finish()).await;
        }
        self.with(|state| {
            state.differing += u64::from(!is_same);
            state.report.connection(peer, player.script().peer, player.at(), is_same)
        })
    }

    /// Plays until the client ends, or sends what was not recorded. Returns whether all was as it was recorded.
    async fn play(&self, peer: u64, player: &mut Player<'_>, sender: &Sender, receiver: &mut Receiver) -> Result<bool> {
        loop {
            if let Some(step) = player.next().filter(|step| step.from == Role::Server) {
                self.speed.wait(step.after).await;
                if let Err(error) = sender.send(if self.sends_frames { &step.frame } else { &step.message }).await {
                    self.with(|state| state.report.failed(peer, &error))?;
                    return Ok(false);
                }
                player.answered();
                continue;
            }
            if player.next().is_none() && player.script().server_ends_first {
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
                    self.with(|state| state.report.failed(peer, &error))?;
                    return Ok(false);
                }
            }
        }
    }

    /// A client has ended: in time, or before the recording did. One that has sent nothing only looked whether somebody is
    /// there.
    fn ended(&self, peer: u64, player: &Player<'_>) -> Result<bool> {
        let Some(step) = player.next().filter(|_| player.at() > 0) else { return Ok(true) };
        let place = Place::of(peer, player);
        self.with(|state| state.report.differs(&place, Some(&step.message), None, 0))?;
        Ok(false)
    }

    fn mismatch(&self, peer: u64, player: &Player<'_>, request: &[u8]) -> Result<()> {
        let recorded = player.next().map(|step| &*step.message);
        let at = recorded.and_then(|recorded| first_difference(recorded, request, &self.masks)).unwrap_or(0);
        let place = Place::of(peer, player);
        self.with(|state| state.report.differs(&place, recorded, Some(request), at))
    }
}

impl Place {
    fn of(peer: u64, player: &Player<'_>) -> Self {
        Self { peer, connection: player.script().peer, message: player.at() + 1, from: Role::Client }
    }
}
