//! A peer that has half-closed: how long this end goes on sending to it, and whether the peer accepted the last data.

use tokio::time::{Instant, timeout};

use super::super::event::{Event, Reason};
use super::{PeerTask, SendingSide};
use crate::activity::sleep_until;
use crate::error::{Error, Result};
use crate::half_close::HalfClose;
use crate::limits;
use crate::link::Receiver;

impl PeerTask {
    /// The peer has half-closed and may still read. This end goes on sending until it has had nothing to send for a while. People
    /// see a peer leave at once. Data that the peer refuses with a reset was lost, and this reports it.
    pub(super) async fn linger(&mut self) -> Result<Reason> {
        if let Some((error, _)) = self.failed.take() {
            return Err(error);
        }
        let ended = Instant::now();
        if self.side == SendingSide::Ended {
            self.report_no_answer();
        }
        // How the connection has failed since, if it has.
        let (mut lost, mut watched) = (None, true);
        loop {
            let peer_state = self.hub.peer_state(self.id);
            match peer_state.ending {
                Some(Reason::Failed(error)) => return Err(error),
                Some(reason) => return Ok(reason),
                None => {}
            }
            let deaf = self.sender.is_datagram() || !self.sender.has_half_close();
            let done = !self.hub.is_silent() || deaf || peer_state.mute || self.has_no_more_to_say(&peer_state);
            let quiet_at = match self.hub.rules.leave_at_end || self.hub.reconnects() {
                true => ended,
                false => peer_state.sent.unwrap_or(ended).max(ended) + self.hub.rules.linger,
            };
            let sent_since = |then: Instant| peer_state.sent.is_some_and(|sent| sent >= then);
            // The last before the end may have crossed it on its way.
            if let Some(error) = lost.take()
                && sent_since(ended.checked_sub(limits::ANSWER_PAUSE).unwrap_or(ended))
            {
                return Err(error);
            }
            if !peer_state.sending && (done || Instant::now() >= quiet_at) {
                return if sent_since(ended) { self.is_taken().await } else { Ok(Reason::Ended) };
            }
            let receiver = &mut self.receiver;
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep_until((!peer_state.sending).then_some(quiet_at)) => {}
                error = refused(receiver), if watched => (lost, watched) = (Some(error), false),
            }
        }
    }

    /// Ends in order, unless the peer refuses what it was sent after its end.
    async fn is_taken(&mut self) -> Result<Reason> {
        self.hub.backlog_is_sent(self.id).await;
        match self.hub.finish(&self.sender).await {
            Err(error) if error.is_timeout() => {
                self.hub.close(self.id, Reason::Slow);
                Ok(Reason::Slow)
            }
            Ok(()) if self.receiver.unacknowledged() != Some(0) => {
                let refused = timeout(limits::ANSWER_PAUSE, refused(&mut self.receiver)).await;
                refused.map_or(Ok(Reason::Ended), Err)
            }
            _ => Ok(Reason::Ended),
        }
    }

    /// A peer has been waited for in vain, as long as an answer is waited for.
    pub(super) fn report_no_answer(&mut self) {
        let waited = self.hub.rules.half_close == HalfClose::Answered && !self.sender.is_datagram();
        let mut state = self.hub.lock();
        if waited && state.received == 0 && state.peers.get(&self.id).is_some_and(|peer| peer.sent.is_some()) {
            state.emit(Event::NoAnswer { peer: self.id });
        }
    }
}

/// Resolves when the connection fails of a peer that has ended its side.
async fn refused(receiver: &mut Receiver) -> Error {
    match receiver.connection_lost() {
        Some(lost) => Error::io("sending", lost.await),
        None => std::future::pending().await,
    }
}
