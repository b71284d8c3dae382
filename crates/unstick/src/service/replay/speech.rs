//! Sends the messages of the side that is played, with faults if there are any.

use std::time::Instant;

use bytes::Bytes;

use super::config::Config;
use crate::wire::faults::{FaultInjector, Next, Plan, Unit};
use crate::wire::replay::{Playbook, Step};
use crate::wire::{Framing, Role};
use crate::{Framings, Result, Sender};

/// How a link carries what is replayed, for one side of it.
#[derive(Debug, Clone)]
pub(super) struct Carriage {
    role: Role,
    /// `None` for datagrams and messages.
    pub(super) framings: Option<Framings>,
    /// Whether the bytes of the recorded frames are sent. Otherwise messages are framed anew.
    frames: bool,
    /// What faults count.
    unit: Unit,
}

impl Carriage {
    /// The frames of the recording are sent byte by byte, except where the other direction depends on what was sent, where
    /// messages change on the way or were recorded without frames, or where a fault is for messages.
    ///
    /// # Errors
    ///
    /// If a fault has no meaning here, or if frames must be made anew and the framing can only be read.
    pub(super) fn new(framings: Option<&[Framing; 2]>, role: Role, book: &Playbook, faults: &Plan) -> Result<Self> {
        let Some(sides) = framings else {
            faults.check(role, Unit::Messages)?;
            return Ok(Self { role, framings: None, frames: false, unit: Unit::Messages });
        };
        let [ours, theirs] = [role, role.other()].map(|side| sides[side as usize].sent_by(side));
        let frameless = |step: &Step| step.from == role && step.frame.is_empty();
        let changes =
            !book.rules().copies.is_empty() || book.scripts().iter().flat_map(|script| &script.steps).any(frameless);
        let depends = ours.depends_on_requests() || theirs.depends_on_requests();
        let messages = faults.check(role, Unit::Messages);
        if !(depends || changes) && (faults.is_empty() || messages.is_err()) {
            if faults.check(role, Unit::Bytes).is_err() {
                messages?; // Its hints are those for messages.
            }
            let framings = Some(Framings { inbound: theirs, outbound: Framing::parse("raw")? });
            return Ok(Self { role, framings, frames: true, unit: Unit::Bytes });
        }
        messages?;
        ours.encoder()?;
        let framings = Some(Framings { inbound: theirs, outbound: ours });
        Ok(Self { role, framings, frames: false, unit: Unit::Messages })
    }

    /// What is sent of a step whose message may have been changed.
    pub(super) fn bytes_of(&self, step: &Step, message: Bytes) -> Bytes {
        if self.frames { step.frame.clone() } else { message }
    }

    /// What sends on a connection.
    pub(super) fn speech(&self, sender: Sender, config: &Config) -> Speech {
        let faults = (!config.faults.is_empty()).then(|| config.faults.injector(self.role, self.unit, config.seed));
        Speech { sender, unit: self.unit, faults }
    }
}

/// What sends on one connection.
pub(super) struct Speech {
    pub(super) sender: Sender,
    pub(super) unit: Unit,
    faults: Option<FaultInjector>,
}

impl Speech {
    /// Sends a message, or what faults make of it. Returns whether the connection goes on: a fault may have ended it.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<bool> {
        let Some(faults) = &mut self.faults else { return self.sender.send(bytes).await.map(|()| true) };
        faults.take(bytes, Instant::now());
        let waits = faults.is_full();
        self.drain(waits).await
    }

    /// Waits until everything that faults hold back was sent. Returns whether the connection goes on.
    pub(super) async fn settle(&mut self) -> Result<bool> {
        self.drain(true).await
    }

    async fn drain(&mut self, waits: bool) -> Result<bool> {
        let Some(faults) = &mut self.faults else { return Ok(true) };
        loop {
            match faults.next(Instant::now()) {
                Next::Deliver(bytes) => match self.sender.send(&bytes).await {
                    Ok(()) if faults.cuts() => self.sender.flush().await?,
                    Ok(()) => {}
                    // Left out: a fault made of it what cannot be sent.
                    Err(error) if error.is_message_rejected() && faults.leave_out() => {}
                    Err(error) => return Err(error),
                },
                Next::Wait(until) if waits => tokio::time::sleep_until(until.into()).await,
                Next::Wait(_) | Next::Input => return Ok(true),
                Next::End | Next::Close => {
                    let _ = tokio::time::timeout(crate::limits::FINAL_FLUSH_TIMEOUT, self.sender.finish()).await;
                    return Ok(false);
                }
                Next::Reset => {
                    let _ = tokio::time::timeout(crate::limits::FINAL_FLUSH_TIMEOUT, self.sender.flush()).await;
                    self.sender.abort();
                    return Ok(false);
                }
            }
        }
    }

    /// How much there was to send, and which faults were injected; `None` without faults.
    pub(super) fn faults(&self) -> Option<(u64, Vec<(&'static str, u64)>)> {
        self.faults.as_ref().map(|faults| (faults.taken(), faults.counts().collect()))
    }
}
