//! The receiver's side of one connection. It connects the protocol to the network on one side and to the disk on the
//! other.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use unstick_wire::transfer::{Arrival, Manifest, Message, Naming, Reason, Receiver};

use super::conversation::{Conversation, Heard, broken, check_side, cut, refused};
use super::event::{Event, Observer, Tally};
use super::inbox::Inbox;
use super::outlet::Outlet;
use super::verdict::Verdict;
use super::writer::{self, Job};
use crate::error::{Error, Result};

/// Where received files go.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Inbox(Arc<Inbox>),
    Outlet(Arc<Outlet>),
}

impl Target {
    fn start(&self) -> (mpsc::Sender<Job>, mpsc::Receiver<Verdict>) {
        match self {
            Self::Inbox(inbox) => writer::start(Arc::clone(inbox)),
            Self::Outlet(outlet) => Arc::clone(outlet).start(),
        }
    }

    /// Why this target does not accept a list that keeps all rules of the protocol.
    fn refuses(&self, manifest: &Manifest) -> Option<String> {
        match (self, manifest.entries()) {
            (Self::Outlet(_), [one]) if one.has_content() => None,
            (Self::Outlet(_), _) => {
                Some("the receiver takes one file and no directory, for its standard output".into())
            }
            // Asks the file system only if the answer matters, because asking creates a directory.
            (Self::Inbox(inbox), _) => {
                manifest.check_folded().err().filter(|_| inbox.folds()).map(|why| why.to_string())
            }
        }
    }
}

/// Receives everything that one connection brings.
///
/// # Errors
///
/// If the connection is lost before every entry is resolved. What has arrived is kept.
pub(super) async fn run(mut talk: Conversation, target: &Target, hello: bool, observer: &Observer) -> Result<Tally> {
    if hello {
        check_side(&talk.hello().await?, unstick_wire::transfer::Side::Receiver)?;
    }
    let (jobs, mut verdicts) = target.start();
    let mut side =
        Side { machine: Receiver::new(Naming::Unix), queue: VecDeque::new(), next: None, tally: Tally::default() };
    let mut flushing = false;
    loop {
        if side.machine.is_complete() && !flushing {
            flushing = true;
            side.queue.push_back(Job::Flush { clean: side.tally.failed == 0 });
        }
        tokio::select! {
            biased;
            Some(verdict) = verdicts.recv() => {
                if let Some(message) = side.verdict(verdict, observer)? {
                    match talk.send(&message).await {
                        // As below: all files are flushed.
                        Err(_) if side.tally.flushed => return Ok(side.tally.unconfirmed()),
                        sent => sent?,
                    }
                }
            }
            permit = jobs.reserve(), if side.has_job() => match (permit, side.job()) {
                (Ok(permit), Some(job)) => permit.send(job),
                _ => return Err(Error::panicked("the writer of files")),
            },
            heard = talk.hear_if(!side.has_job()) => match heard {
                Ok(Heard::Message(message)) => match side.machine.receive(message) {
                    Ok(Arrival::Over) => {
                        talk.finish().await;
                        return Ok(side.tally);
                    }
                    Ok(Arrival::Refused { text, .. }) => return Err(refused(&text)),
                    Ok(Arrival::Listed) => {
                        if let Some(why) = target.refuses(side.machine.manifest()) {
                            return Err(refuse(talk, why.clone(), Error::other(why)).await);
                        }
                        side.arrival(Arrival::Listed, observer);
                    }
                    Ok(arrival) => side.arrival(arrival, observer),
                    Err(why) => return Err(refuse(talk, why.to_string(), broken(why)).await),
                },
                // All files are flushed. If the sender does not know that yet, it asks again.
                Ok(Heard::Ended) | Err(_) if side.tally.flushed => return Ok(side.tally.unconfirmed()),
                Ok(Heard::Ended) => return Err(cut("it ended before everything had come")),
                Err(error) => return Err(error),
            },
        }
    }
}

/// Tells the sender why the whole transfer is refused.
async fn refuse(mut talk: Conversation, why: String, error: Error) -> Error {
    let _ = talk.send(&Message::Refused { reason: Reason::Manifest, text: why.into() }).await;
    talk.finish().await;
    error
}

struct Side {
    machine: Receiver,
    queue: VecDeque<Job>,
    /// The next entry to decide about.
    next: Option<u32>,
    tally: Tally,
}

impl Side {
    fn has_job(&self) -> bool {
        self.next.is_some() || !self.queue.is_empty()
    }

    fn job(&mut self) -> Option<Job> {
        let Some(file) = self.next else { return self.queue.pop_front() };
        let entry = self.machine.manifest().get(file)?.clone();
        self.next = Some(file + 1).filter(|next| (*next as usize) < self.machine.manifest().entries().len());
        Some(Job::Decide { file, entry })
    }

    fn arrival(&mut self, arrival: Arrival, observer: &Observer) {
        match arrival {
            Arrival::Listed => {
                let manifest = self.machine.manifest();
                observer(Event::Listed { entries: manifest.entries().len(), size: manifest.size() });
                self.next = Some(0);
            }
            Arrival::Write { file, offset, bytes } => {
                if let Some(entry) = self.machine.manifest().get(file) {
                    let bytes = bytes.len() as u64;
                    observer(Event::Moved { bytes, entry, offset: offset + bytes });
                }
                self.queue.push_back(Job::Write { file, offset, bytes });
            }
            Arrival::Skip { file, offset, length } => {
                if let Some(entry) = self.machine.manifest().get(file) {
                    let bytes = u64::from(length);
                    observer(Event::Moved { bytes, entry, offset: offset + bytes });
                }
                self.queue.push_back(Job::Skip { file, offset, length });
            }
            Arrival::Check { file, value, .. } => self.queue.push_back(Job::Check { file, value }),
            Arrival::Finish { file, hash, .. } => self.queue.push_back(Job::Finish { file, hash }),
            Arrival::Restart { file } => {
                self.queue.push_back(Job::Forget { file });
                if let Some(entry) = self.machine.manifest().get(file).cloned() {
                    self.queue.push_back(Job::Decide { file, entry });
                }
            }
            Arrival::Failed { file, reason, text } => {
                self.queue.push_back(Job::Forget { file });
                self.failed(file, reason, &String::from_utf8_lossy(&text), observer);
            }
            Arrival::Nothing | Arrival::Refused { .. } | Arrival::Over => {}
        }
    }

    fn verdict(&mut self, verdict: Verdict, observer: &Observer) -> Result<Option<Message>> {
        let message = match verdict {
            // The sender may have given it up while the disk thread was busy.
            Verdict::Want { file, .. }
            | Verdict::Compare { file }
            | Verdict::Resolved { file, .. }
            | Verdict::Failed { file, .. }
                if self.machine.is_over(file).map_err(broken)? =>
            {
                return Ok(None);
            }
            Verdict::Want { file, from, tree } => {
                observer(Event::Kept { bytes: from });
                self.machine.want(file, from, tree)
            }
            Verdict::Compare { file } => self.machine.compare(file),
            Verdict::Directory { file } => {
                self.machine.directory(file).map_err(broken)?;
                return Ok(None);
            }
            Verdict::Resolved { file, outcome, hash } => {
                let message = self.machine.resolve(file, outcome, hash).map_err(broken)?;
                if let Some(entry) = self.machine.manifest().get(file) {
                    observer(Event::Resolved { path: &entry.path, size: entry.size, hash, outcome });
                }
                self.tally.resolved += 1;
                Ok(message)
            }
            Verdict::Failed { file, reason, text } => {
                let message = self.machine.fail(file, reason, &text).map_err(broken)?;
                self.failed(file, reason, &text, observer);
                Ok(message)
            }
            Verdict::Gone => return Err(Error::panicked("the writer of files")),
            Verdict::Flushed => {
                self.tally.flushed = true;
                self.machine.finish()
            }
        };
        message.map(Some).map_err(broken)
    }

    fn failed(&mut self, file: u32, reason: Reason, text: &str, observer: &Observer) {
        self.tally.failed(reason);
        let path = self.machine.manifest().get(file).map(|entry| entry.path.clone()).unwrap_or_default();
        observer(Event::Failed { path: &path, reason, text });
    }
}
