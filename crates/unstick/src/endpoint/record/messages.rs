//! The halves of a recorded conversation in datagrams or messages.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::recorder::{Recorded, Tape, Way};
use crate::endpoint::closing::Closings;
use crate::endpoint::datagrams::{Batch, RecvDatagrams};
use crate::endpoint::transport::SendDatagram;
use crate::error::{Error, Result};

/// What comes, in datagrams or messages.
pub(super) struct RecordedIncoming {
    inner: Box<dyn RecvDatagrams>,
    tape: Arc<Tape>,
    /// How a WebSocket is closed. Datagrams have none.
    closings: Option<Arc<Closings>>,
    ended: bool,
}

impl RecordedIncoming {
    pub(super) fn of_datagrams(inner: Box<dyn RecvDatagrams>, tape: Arc<Tape>) -> Self {
        Self { inner, tape, closings: None, ended: false }
    }

    pub(super) fn of_messages(inner: Box<dyn RecvDatagrams>, tape: Arc<Tape>, closings: Arc<Closings>) -> Self {
        Self { inner, tape, closings: Some(closings), ended: false }
    }

    fn end(&mut self, error: Option<&Error>) {
        // An error of a datagram ends nothing.
        if (error.is_some() && self.closings.is_none()) || std::mem::replace(&mut self.ended, true) {
            return;
        }
        let closing = self.closings.as_ref().and_then(|closings| closings.theirs());
        self.tape.record(match error {
            Some(error) if error.is_reset() => Recorded::Reset { way: Way::In },
            Some(error) if closing.is_none() => Recorded::Failed { way: Way::In, error },
            _ => Recorded::End { way: Way::In, closing: closing.as_ref() },
        });
    }
}

impl RecvDatagrams for RecordedIncoming {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        let filled = ready!(self.inner.poll_fill(cx, batch));
        match &filled {
            Ok(true) => batch.for_each(|message, cut_short, binary| {
                self.tape.record(Recorded::Message { way: Way::In, message, binary, cut_short });
            }),
            Ok(false) => self.end(None),
            Err(error) => self.end(Some(error)),
        }
        Poll::Ready(filled)
    }

    fn dropped(&self) -> u64 {
        self.inner.dropped()
    }
}

/// The datagrams that are sent.
pub(super) struct RecordedDatagrams {
    inner: Arc<dyn SendDatagram>,
    tape: Arc<Tape>,
}

impl RecordedDatagrams {
    pub(super) fn new(inner: Arc<dyn SendDatagram>, tape: Arc<Tape>) -> Self {
        Self { inner, tape }
    }
}

impl SendDatagram for RecordedDatagrams {
    fn try_send(&self, message: &[u8]) -> io::Result<()> {
        self.inner.try_send(message)?;
        self.tape.record(Recorded::Message { way: Way::Out, message, binary: None, cut_short: false });
        Ok(())
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        self.inner.writable()
    }

    fn ends(&self) -> bool {
        self.inner.ends()
    }

    fn finish(&self) {
        if self.inner.ends() {
            self.tape.record(Recorded::End { way: Way::Out, closing: None });
        }
        self.inner.finish();
    }

    fn failure(&self) -> Option<Error> {
        self.inner.failure()
    }

    fn too_large(&self) -> String {
        self.inner.too_large()
    }
}
