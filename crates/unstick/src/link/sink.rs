//! A sender as a [`Sink`]: each item is a message.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_sink::Sink;

use super::sender::Sender;
use crate::error::{Error, Result};

/// A [`Sender`] as a `Sink` of messages, made by [`Sender::into_sink`].
///
/// Flushing waits until everything has been handed to the system; closing ends the sending side, as
/// [`Sender::finish`] does.
///
/// It goes on after a message that cannot be sent ([`Error::is_message_rejected`]).
#[derive(Debug)]
pub struct MessageSink {
    sender: Sender,
    waiting: Option<Waiting>,
}

/// An operation that has begun and has not ended.
struct Waiting(Pin<Box<dyn Future<Output = Result<()>> + Send>>);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting")
    }
}

impl Sender {
    /// Turns the sender into a `Sink`, for code that drives sinks. Clones of the sender go on sending to the same peer.
    pub fn into_sink(self) -> MessageSink {
        MessageSink { sender: self, waiting: None }
    }
}

impl MessageSink {
    /// Waits for the operation that has begun, if there is one.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(Waiting(begun)) = &mut self.waiting else { return Poll::Ready(Ok(())) };
        let outcome = ready!(begun.as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(outcome)
    }

    /// Begins an operation and waits for it.
    fn poll_begun<F>(&mut self, cx: &mut Context<'_>, begin: impl FnOnce(Sender) -> F) -> Poll<Result<()>>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        ready!(self.poll_waiting(cx))?;
        self.waiting = Some(Waiting(Box::pin(begin(self.sender.clone()))));
        self.poll_waiting(cx)
    }
}

impl<M: AsRef<[u8]>> Sink<M> for MessageSink {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_waiting(cx))?;
        if !self.sender.is_full() {
            return Poll::Ready(Ok(()));
        }
        self.poll_begun(cx, |sender| async move {
            sender.writable().await;
            Ok(())
        })
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<()> {
        match self.sender.force_send(message.as_ref()) {
            // The system cannot take this datagram yet. The next message waits for it.
            Err(error) if error.is_full() => {
                let (sender, message) = (self.sender.clone(), message.as_ref().to_vec());
                self.waiting = Some(Waiting(Box::pin(async move { sender.send(&message).await })));
                Ok(())
            }
            sent => sent,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.waiting.is_none() && self.sender.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        self.poll_begun(cx, |sender| async move { sender.flush().await })
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_begun(cx, |sender| async move { sender.finish().await })
    }
}
