//! Datagrams that have arrived and wait to be taken: many in one buffer, so that none costs an allocation.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};

use crate::error::Result;

/// The receiving side of a conversation in datagrams.
pub(crate) trait RecvDatagrams: Send {
    /// Puts what has arrived into `batch`, which is empty; false when the conversation has ended. An error concerns one
    /// datagram that was sent: the conversation goes on.
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>>;

    /// Datagrams that arrived faster than they were taken, and are gone.
    fn dropped(&self) -> u64;
}

/// Datagrams in order of arrival, end to end in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: BytesMut,
    waiting: VecDeque<Entry>,
    /// Bytes at the front of `bytes` that were lent out by [`next`](Self::next).
    lent: usize,
    cut_short: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    length: u32,
    cut_short: bool,
    /// It came as a binary message, or as text; `None` where the transport knows no such thing.
    binary: Option<bool>,
}

impl Batch {
    /// Appends one datagram.
    pub(crate) fn push(&mut self, datagram: &[u8], cut_short: bool) {
        self.append(datagram, cut_short, None);
    }

    /// Appends a message of a transport that tells binary ones from text.
    pub(crate) fn push_message(&mut self, message: &[u8], binary: bool) {
        self.append(message, false, Some(binary));
    }

    fn append(&mut self, message: &[u8], cut_short: bool, binary: Option<bool>) {
        self.bytes.extend_from_slice(message);
        let length = u32::try_from(message.len()).expect("a message is shorter than 4 GiB");
        self.waiting.push_back(Entry { length, cut_short, binary });
    }

    /// Whether the next one came as a binary message.
    pub(crate) fn next_is_binary(&self) -> Option<bool> {
        self.waiting.front().and_then(|entry| entry.binary)
    }

    /// The next datagram, borrowed.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let length = self.advance()?;
        self.lent = length;
        Some(&self.bytes[..length])
    }

    /// The next datagram, owned: a slice of the buffer that keeps it alive.
    pub(crate) fn next_bytes(&mut self) -> Option<Bytes> {
        let length = self.advance()?;
        Some(self.bytes.split_to(length).freeze())
    }

    #[inline]
    fn advance(&mut self) -> Option<usize> {
        self.bytes.advance(std::mem::take(&mut self.lent));
        let entry = self.waiting.pop_front()?;
        self.cut_short += u64::from(entry.cut_short);
        Some(entry.length as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Datagrams that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that they occupy.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.waiting.len() * size_of::<Entry>()
    }

    /// Datagrams taken so far that were longer than what could be received.
    pub(crate) fn truncated(&self) -> u64 {
        self.cut_short
    }

    /// Exchanges the datagrams that wait in each, the counters aside.
    pub(crate) fn swap(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.bytes, &mut other.bytes);
        std::mem::swap(&mut self.waiting, &mut other.waiting);
        std::mem::swap(&mut self.lent, &mut other.lent);
    }

    /// Readies the buffer of an empty batch for use from its start.
    pub(crate) fn clear(&mut self) {
        self.lent = 0;
        self.bytes.clear();
        self.waiting.clear();
    }

    /// Gives the memory of an empty batch back: conversations may be idle for long.
    pub(crate) fn release(&mut self) {
        if self.waiting.is_empty() && self.bytes.capacity() > 0 {
            *self = Self { cut_short: self.cut_short, ..Self::default() };
        }
    }
}
