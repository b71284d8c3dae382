//! The sender's side of one connection. It connects the protocol to the network on one side and to the disk on the
//! other.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use unstick_wire::transfer::{Hash, Message, Reason, Request, Sender, Violation};

use super::conversation::{Conversation, Heard, broken, check_side, cut, refused};
use super::event::{Event, Observer, Tally};
use super::outgoing::Outgoing;
use super::pieces::{Output, encoded};
use super::reader::{self, Job};
use crate::error::{Error, Result};

/// Sends everything over one connection. `hello`: the other side has yet to say hello.
///
/// # Errors
///
/// If the connection is lost before every entry is resolved.
pub(super) async fn run(
    mut talk: Conversation,
    files: &Outgoing,
    mut hello: bool,
    observer: &Observer,
) -> Result<Tally> {
    let (jobs, mut outputs) = reader::start();
    let machine = Sender::new(files.manifest()?);
    observer(Event::Listed { entries: machine.manifest().entries().len(), size: machine.manifest().size() });
    let mut side = Side { machine, files, queue: VecDeque::new(), tally: Tally::default() };
    let mut list = Some(0);
    loop {
        let (room_for_list, room) = (talk.writable(), talk.writable());
        tokio::select! {
            biased;
            heard = hear(&mut talk, hello) => match heard? {
                None => hello = false,
                Some(Heard::Ended) => return Err(cut("it ended before everything was sent")),
                Some(Heard::Message(message)) => match side.machine.receive(message).map_err(broken)? {
                    Request::Over => {
                        // The receiver has everything on its disk. A connection that is lost now is not made again: nobody may
                        // listen there any more.
                        let _ = talk.send(&Message::Done).await;
                        talk.finish().await;
                        return Ok(side.tally);
                    }
                    Request::Refused { text, .. } => return Err(refused(&text)),
                    request => side.request(request, observer),
                },
            },
            permit = jobs.reserve(), if !side.queue.is_empty() => match permit {
                Ok(permit) => side.job().map_err(broken)?.map_or((), |job| permit.send(job)),
                Err(_) => return Err(Error::panicked("the reader of files")),
            },
            () = room_for_list, if list.is_some() => {
                let next = list.and_then(|from| side.machine.list(from));
                list = next.as_ref().map(|(_, behind)| *behind);
                if let Some((message, _)) = next {
                    talk.send(&message).await?;
                }
            }
            Some(output) = next(&mut outputs, room), if list.is_none() => {
                if let Some(message) = side.output(output, observer).map_err(broken)? {
                    talk.send_bytes(&message).await?;
                }
            }
        }
    }
}

/// Receives the next message; `None` if that was the hello.
async fn hear(talk: &mut Conversation, hello: bool) -> Result<Option<Heard>> {
    if !hello {
        return talk.hear().await.map(Some);
    }
    check_side(&talk.hello().await?, unstick_wire::transfer::Side::Sender).map(|()| None)
}

/// Waits until the connection has room, then takes the next thing that was read. Cancel safe.
async fn next(outputs: &mut mpsc::Receiver<Output>, writable: impl Future<Output = ()>) -> Option<Output> {
    writable.await;
    outputs.recv().await
}

/// An entry, the offset to send from, and the chaining values of the bytes before it. `None` if only the hash is
/// wanted.
type Asked = (u32, Option<(u64, Vec<Hash>)>);

struct Side<'a> {
    machine: Sender,
    files: &'a Outgoing,
    /// What the receiver has requested. The path of a file is added when its turn comes.
    queue: VecDeque<Asked>,
    tally: Tally,
}

impl Side<'_> {
    /// The next file to read. Skips files that the receiver has given up meanwhile.
    fn job(&mut self) -> Result<Option<Job>, Violation> {
        while let Some((file, from)) = self.queue.pop_front() {
            if let Some(entry) = self.machine.manifest().get(file)
                && !self.machine.is_over(file)?
            {
                return Ok(Some(Job {
                    file,
                    entry: entry.clone(),
                    path: self.files.path(file).to_owned(),
                    stream: self.files.stream(file),
                    from,
                }));
            }
        }
        Ok(None)
    }

    fn request(&mut self, request: Request, observer: &Observer) {
        match request {
            Request::Send { file, from, tree } => {
                observer(Event::Kept { bytes: from });
                self.queue.push_back((file, Some((from, tree))));
            }
            Request::Hash { file } => self.queue.push_back((file, None)),
            Request::Resolved { file, outcome, hash } => {
                self.tally.resolved += 1;
                if let Some(entry) = self.machine.manifest().get(file) {
                    observer(Event::Resolved { path: &entry.path, size: entry.size, hash, outcome });
                }
            }
            Request::Failed { file, reason, text } => {
                if let Some(stream) = self.files.stream(file) {
                    stream.unwanted();
                }
                self.failed(file, reason, &String::from_utf8_lossy(&text), observer);
            }
            Request::Nothing | Request::Refused { .. } | Request::Over => {}
        }
    }

    /// Makes a message of what was read.
    fn output(&mut self, output: Output, observer: &Observer) -> Result<Option<Vec<u8>>, Violation> {
        let message = match output {
            Output::Message(message, bytes) => {
                if let Some((file, offset)) = unstick_wire::transfer::placed(&message).filter(|_| bytes > 0)
                    && let Some(entry) = self.machine.manifest().get(file)
                {
                    observer(Event::Moved { bytes, entry, offset: offset + bytes });
                }
                return Ok(Some(message));
            }
            // The entry failed at the receiver while it was read here.
            Output::End { file, .. } | Output::Changed { file, .. } | Output::Failed { file, .. }
                if self.machine.is_over(file)? =>
            {
                return Ok(None);
            }
            Output::End { file, size, hash } => self.machine.end(file, size, hash)?,
            Output::Changed { file, entry } => match self.machine.changed(file, entry)? {
                Some(message) => message,
                None => self.fail(file, Reason::Changing, "it kept changing while it was sent", observer)?,
            },
            Output::Failed { file, reason, text } => self.fail(file, reason, &text, observer)?,
        };
        Ok(Some(encoded(&message)))
    }

    fn fail(&mut self, file: u32, reason: Reason, text: &str, observer: &Observer) -> Result<Message, Violation> {
        self.failed(file, reason, text, observer);
        self.machine.fail(file, reason, text)
    }

    fn failed(&mut self, file: u32, reason: Reason, text: &str, observer: &Observer) {
        self.tally.failed(reason);
        let path = self.machine.manifest().get(file).map(|entry| entry.path.clone()).unwrap_or_default();
        observer(Event::Failed { path: &path, reason, text });
    }
}
