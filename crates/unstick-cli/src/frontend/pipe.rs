//! Reads and writes messages on standard input and output, message by message.

use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;

use unstick::internal::try_recv_ref;
use unstick::limits::FINAL_FLUSH_TIMEOUT;
use unstick::service::talk::{Command, Event, Input, Output, Recipient};
use unstick::{Address, Error, Options, Receiver, Result, Sender};

use crate::frontend::terminal::Notices;
use crate::frontend::terminal::render::now_with_offset;
use crate::io_format::Format;
use crate::output::{unread, unwritten};
use crate::signals;

/// Most bytes of standard input that become one message (`--io raw`). They stay in memory until the input ends.
const MAX_WHOLE: usize = 1 << 30;

/// Reads standard input, message by message.
pub struct PipeInput {
    format: Format,
    receiver: Receiver,
    /// All of standard input, if it is one message.
    whole: Option<Vec<u8>>,
}

/// Writes standard output, message by message; everything else goes to standard error.
pub struct PipeOutput {
    format: Format,
    sender: Sender,
    notices: Notices,
    /// Whether standard output is a terminal.
    screen: bool,
    /// Whether the local time precedes each line.
    times: bool,
    scratch: Vec<u8>,
}

/// Opens standard input and output as messages.
pub async fn open(format: Format, notices: Notices) -> Result<(PipeInput, PipeOutput)> {
    let link = unstick::connect(&Address::Stdio, Some(&format.framings()?), &Options::default()).await?;
    let (sender, receiver) = link.split();
    let whole = (format == Format::Raw).then(Vec::new);
    let input = PipeInput { format: format.clone(), receiver, whole };
    let screen = std::io::stdout().is_terminal();
    Ok((input, PipeOutput { format, sender, notices, screen, times: false, scratch: Vec::new() }))
}

impl PipeInput {
    fn command(&self, written: &[u8]) -> Result<Command> {
        let message = self.format.parse_message(written)?;
        Ok(Command::Send { to: Recipient::Latest, message })
    }

    /// Reads the rest of an input that is one message.
    async fn next_whole(&mut self) -> Result<Option<Command>> {
        let Some(whole) = &mut self.whole else { return Ok(None) };
        while let Some(part) = self.receiver.recv().await.map_err(unread)? {
            if whole.len() + part.len() > MAX_WHOLE {
                return Err(Error::other("standard input is over 1 GiB, the largest message")
                    .with_hint("--io raw takes all of it as one message; without --io it is passed on as it is"));
            }
            whole.extend_from_slice(&part);
        }
        let message = self.whole.take().filter(|whole| !whole.is_empty());
        Ok(message.map(|message| Command::Send { to: Recipient::Latest, message: message.into() }))
    }
}

impl Input for PipeInput {
    async fn next(&mut self) -> Result<Option<Command>> {
        if self.format == Format::Raw {
            return self.next_whole().await;
        }
        match self.receiver.recv().await.map_err(unread)? {
            Some(message) if self.format.stands(&message) => Ok(Some(Command::Send { to: Recipient::Latest, message })),
            Some(written) => self.command(&written).map(Some),
            None => Ok(None),
        }
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        if self.format == Format::Raw {
            return Ok(None);
        }
        match self.receiver.try_recv().map_err(unread)? {
            Some(message) if self.format.stands(&message) => Ok(Some(Command::Send { to: Recipient::Latest, message })),
            Some(written) => self.command(&written).map(Some),
            None => Ok(None),
        }
    }

    fn pass_on(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        if self.format.is_verbatim() && self.format != Format::Raw {
            while let Some(message) = try_recv_ref(&mut self.receiver).map_err(unread)? {
                let taken = match self.format.stands(message) {
                    true => take(message),
                    false => take(&self.format.parse_message(message)?),
                };
                if !taken {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl PipeOutput {
    /// Returns the sender to standard output, so that the end of the run can wait for it.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Puts the local time before each line, if the user asked for it.
    pub fn with_times(mut self, times: bool) -> Self {
        self.times = times;
        self
    }

    /// Writes one message. The error is [`Error::is_message_rejected`] if it does not fit the format, and
    /// [`Error::is_closed`] if the reader has gone.
    pub fn message(&mut self, message: &[u8]) -> Result<()> {
        let quotes = self.format == Format::Quoted;
        let stands = self.format.stands(message);
        if stands && !self.times && !self.screen {
            match self.sender.force_send(message) {
                Err(error) if quotes && error.is_message_rejected() => {}
                written => return written.map_err(|error| output_error(error, &self.format)),
            }
        }
        self.scratch.clear();
        if self.times {
            self.scratch.extend_from_slice(now_with_offset().as_bytes());
            self.scratch.push(b' ');
        }
        self.format.write_for(message, self.screen, &mut self.scratch);
        self.sender.force_send(&self.scratch).map_err(|error| output_error(error, &self.format))
    }
}

/// A message that does not fit the format concerns its peer, with a hint; a closed pipe ends the run quietly.
fn output_error(error: Error, format: &Format) -> Error {
    if error.is_message_rejected() { format.unfit(error) } else { unwritten(error) }
}

impl Output for PipeOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Message { message, .. } => return self.message(message),
            other => self.notices.say(&other),
        }
        Ok(())
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        if !self.sender.is_full() {
            return None;
        }
        let sender = self.sender.clone();
        Some(Box::pin(async move { sender.writable().await }))
    }
}

/// Waits until standard output has taken everything. A reader that has gone is not an error.
pub async fn finish(sender: Sender) -> Result<()> {
    match sender.flush().await {
        Err(error) => match unwritten(error) {
            error if error.is_closed() => Ok(()),
            error => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

/// Like [`finish`], but only briefly if `hurry`, and never longer than a run that a signal ended may take.
pub async fn finish_in_time(sender: Sender, hurry: bool) -> Result<()> {
    let stop = signals::stop();
    tokio::select! {
        written = finish(sender) => written,
        () = tokio::time::sleep(FINAL_FLUSH_TIMEOUT), if hurry => Ok(()),
        () = stop.overdue() => Ok(()),
    }
}
