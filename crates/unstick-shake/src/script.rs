//! The senders of one direction of a conversation: a peer's socket, or unstick itself from a script.

use std::collections::VecDeque;
use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::awaited::Gate;
use super::target::Inlet;
use unstick_wire::shake::Direction;

use super::outcome::{Ending, Outcome};
use unstick::internal::Half;

/// Where a direction's bytes come from.
pub(super) trait Sender {
    /// Reads some bytes; 0 at the end.
    async fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether what comes next is sent only once everything before it has been read.
    fn waits(&self) -> bool {
        false
    }
}

impl Sender for Inlet {
    async fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer).await
    }
}

impl Sender for Half<OwnedReadHalf> {
    async fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer).await
    }
}

/// The script for unstick as the client: its writes, one after the other, then the end.
#[derive(Debug)]
pub(super) struct Script {
    writes: VecDeque<Vec<u8>>,
    /// Number of bytes of the first write that have been sent.
    said: usize,
    /// What each write waits for.
    gate: Option<Gate>,
}

impl Script {
    pub(super) fn new(writes: &[Vec<u8>]) -> Self {
        Self { writes: writes.iter().filter(|bytes| !bytes.is_empty()).cloned().collect(), said: 0, gate: None }
    }

    /// Each write waits at this gate.
    pub(super) fn behind(self, gate: Option<Gate>) -> Self {
        Self { gate, ..self }
    }

    /// Takes the next bytes, without waiting; `None` when everything has been sent.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let first = self.writes.front()?;
        let count = (first.len() - self.said).min(buffer.len());
        buffer[..count].copy_from_slice(&first[self.said..self.said + count]);
        self.said += count;
        if self.said == first.len() {
            self.writes.pop_front();
            self.said = 0;
        }
        Some(count)
    }
}

impl Sender for Script {
    async fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.said == 0
            && let (Some(gate), Some(write)) = (&mut self.gate, self.writes.front())
        {
            gate.opens().await;
            gate.writes(write);
        }
        Ok(self.take(buffer).unwrap_or(0))
    }

    fn waits(&self) -> bool {
        self.said == 0 && !self.writes.is_empty()
    }
}

impl Outcome {
    /// Fills in what unstick sends, if it is the client. It is the same in each run, even if the receiver closes
    /// before it has read all of it: that is no difference between runs.
    pub(super) fn scripted(&mut self, writes: &[Vec<u8>], half_close: bool) {
        let Some(exchange) = self.exchanges.first_mut() else { return };
        let side = exchange.of_mut(Direction::ClientToServer);
        side.recording.bytes = writes.concat();
        side.recording.bytes.truncate(crate::limits::MAX_RECORDED);
        side.ending = if half_close { Ending::Fin } else { Ending::Open };
    }
}
