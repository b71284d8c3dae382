//! Reads commands ahead while an earlier one waits for a peer, so that commands that close a peer or end the run need
//! not wait.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::run::PeerId;
use super::config::{Command, Recipient};
use super::input::AnyInput;
use crate::endpoint::Closing;
use crate::error::Result;
use crate::limits;

/// An input, and the commands that have been read ahead.
pub(super) struct Ahead<'a> {
    input: &'a mut dyn AnyInput,
    held: VecDeque<Command>,
    /// Bytes of the messages in these commands.
    bytes: usize,
    /// How the input has ended. This counts once the held commands have been carried out.
    ended: Option<Result<()>>,
}

/// A command that is carried out at once.
pub(super) enum Overtaking {
    Quit,
    Close(PeerId, Option<Closing>, Option<Arc<str>>),
}

impl<'a> Ahead<'a> {
    pub(super) fn new(input: &'a mut dyn AnyInput) -> Self {
        Self { input, held: VecDeque::new(), bytes: 0, ended: None }
    }

    /// Whether something has been read ahead.
    pub(super) fn holds_some(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns the next command in order. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Command>> {
        match self.release() {
            Some(command) => Ok(Some(command)),
            None => match self.ended.take() {
                Some(ended) => ended.map(|()| None),
                None => self.input.next().await,
            },
        }
    }

    pub(super) fn try_next(&mut self) -> Result<Option<Command>> {
        match self.release() {
            Some(command) => Ok(Some(command)),
            None if self.ended.is_some() => Ok(None),
            None => self.input.try_next(),
        }
    }

    pub(super) fn pass_on(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        if self.held.is_empty() && self.ended.is_none() { self.input.pass_on(take) } else { Ok(()) }
    }

    /// Reads on until a command comes that need not wait for a message for which the `blocking` peers have no room.
    /// Cancel safe.
    pub(super) async fn overtaking(&mut self, blocking: &[PeerId]) -> Overtaking {
        while self.input.has_commands() && self.has_room() && self.ended.is_none() {
            match self.input.next().await {
                Ok(Some(command)) => match self.overtakes(&command, blocking) {
                    Some(overtaking) => return overtaking,
                    None => self.hold(command),
                },
                Ok(None) => self.ended = Some(Ok(())),
                Err(error) => self.ended = Some(Err(error)),
            }
        }
        self.input.quits().await;
        Overtaking::Quit
    }

    /// Returns what can be done at once. A peer that holds up the message is closed at once; another peer only after
    /// what was sent to it before.
    fn overtakes(&self, command: &Command, blocking: &[PeerId]) -> Option<Overtaking> {
        let may_close = |id| blocking.contains(id) || !self.held.iter().any(|held| held.may_reach(*id));
        match command {
            Command::Quit => Some(Overtaking::Quit),
            Command::Close(id) if may_close(id) => Some(Overtaking::Close(*id, None, None)),
            Command::CloseWith(id, closing) if may_close(id) => {
                Some(Overtaking::Close(*id, Some(closing.clone()), None))
            }
            Command::Tagged { id, command } => match self.overtakes(command, blocking)? {
                Overtaking::Close(peer, closing, _) => Some(Overtaking::Close(peer, closing, Some(Arc::clone(id)))),
                Overtaking::Quit => Some(Overtaking::Quit),
            },
            _ => None,
        }
    }

    fn has_room(&self) -> bool {
        let has_memory = self.bytes < limits::BYTES_AHEAD || self.input.is_in_memory();
        self.held.len() < limits::COMMANDS_AHEAD && has_memory
    }

    fn hold(&mut self, command: Command) {
        self.bytes += command.bytes();
        self.held.push_back(command);
    }

    /// Puts back the command that was being carried out, in front of those that follow it.
    pub(super) fn put_back(&mut self, command: Command) {
        self.bytes += command.bytes();
        self.held.push_front(command);
    }

    fn release(&mut self) -> Option<Command> {
        let command = self.held.pop_front()?;
        self.bytes -= command.bytes();
        Some(command)
    }
}

impl Drop for Ahead<'_> {
    /// Gives back the commands that were read ahead and not carried out, because the run has ended.
    fn drop(&mut self) {
        self.held.drain(..).for_each(|command| self.input.take_back(command));
    }
}

impl Command {
    /// Bytes of its message.
    fn bytes(&self) -> usize {
        match self {
            Self::Send { message, .. } | Self::SendBinary { message, .. } => message.len(),
            Self::Tagged { command, .. } => command.bytes(),
            Self::Close(_) | Self::CloseWith(..) | Self::Quit => 0,
        }
    }

    /// Whether it sends a message that may be for this peer.
    fn may_reach(&self, id: PeerId) -> bool {
        match self {
            Self::Send { to, .. } | Self::SendBinary { to, .. } => match to {
                Recipient::Peer(peer) => *peer == id,
                Recipient::Peers(peers) => peers.contains(&id),
                Recipient::Except(peers) => !peers.contains(&id),
                Recipient::Latest | Recipient::All => true,
            },
            Self::Tagged { command, .. } => command.may_reach(id),
            Self::Close(_) | Self::CloseWith(..) | Self::Quit => false,
        }
    }
}
