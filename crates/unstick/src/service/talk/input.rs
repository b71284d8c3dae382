//! The input of a conversation: the source of this end's commands.

use std::future::Future;
use std::pin::Pin;

use super::config::Command;
use crate::error::Result;

/// A source of commands.
pub trait Input: Send {
    /// Returns the next command; `None` when the input has ended.
    ///
    /// Must be cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Command>>> + Send;

    /// Returns another command, if that needs no waiting.
    fn try_next(&mut self) -> Result<Option<Command>> {
        Ok(None)
    }

    /// Whether there will never be a command. The run then does not wait for a peer that has ended its side.
    fn is_silent(&self) -> bool {
        false
    }

    /// Whether there may be commands other than messages. The run then looks for them while a message waits for a peer
    /// that does not read.
    fn has_commands(&self) -> bool {
        false
    }

    /// Whether messages are in memory before they are read. Reading them ahead then costs no more, and
    /// [`BYTES_AHEAD`](crate::limits::BYTES_AHEAD) does not stop it.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Waits until the run should end now, even if earlier commands have not been read. Cancel safe.
    fn quits(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Takes back a command that was read ahead but not carried out, because the run ended.
    fn take_back(&mut self, command: Command) {
        drop(command);
    }

    /// Hands over messages for [`Recipient::Latest`](super::Recipient::Latest), in order and without waiting, until
    /// there are no more or `take` accepts no more. This is for inputs with many messages: none is copied on its way. A
    /// message that was handed over counts as taken.
    fn pass_on(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let _ = take;
        Ok(())
    }
}

/// An [`Input`] as a trait object, so that the code of a run is compiled once, not for each input. Only calls that wait need a
/// box; the others cost no more.
pub(super) trait AnyInput: Send {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Command>>> + Send + '_>>;
    fn try_next(&mut self) -> Result<Option<Command>>;
    fn is_silent(&self) -> bool;
    fn has_commands(&self) -> bool;
    fn is_in_memory(&self) -> bool;
    fn quits(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn take_back(&mut self, command: Command);
    fn pass_on(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<()>;
}

impl<I: Input> AnyInput for I {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Command>>> + Send + '_>> {
        Box::pin(Input::next(self))
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        Input::try_next(self)
    }

    fn is_silent(&self) -> bool {
        Input::is_silent(self)
    }

    fn has_commands(&self) -> bool {
        Input::has_commands(self)
    }

    fn is_in_memory(&self) -> bool {
        Input::is_in_memory(self)
    }

    fn quits(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Input::quits(self))
    }

    fn take_back(&mut self, command: Command) {
        Input::take_back(self, command);
    }

    fn pass_on(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        Input::pass_on(self, take)
    }
}

/// An input without commands, which never ends either.
pub struct NoInput;

impl Input for NoInput {
    async fn next(&mut self) -> Result<Option<Command>> {
        std::future::pending().await
    }

    fn is_silent(&self) -> bool {
        true
    }
}
