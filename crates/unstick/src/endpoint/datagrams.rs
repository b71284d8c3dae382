//! Datagrams that have arrived and wait to be taken. Many share one buffer, so that they need no allocation each.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};

use crate::error::Result;

/// The receiving side of a conversation in datagrams.
pub(crate) trait RecvDatagrams: Send {
    /// Puts what has arrived into `batch`, which is empty; returns false when the conversation has ended. An error
    /// concerns one sent datagram: the conversation goes on.
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>>;

    /// Number of datagrams that arrived faster than they were taken, and were dropped.
    fn dropped(&self) -> u64;
}

/// Datagrams in order of arrival, end to end in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: BytesMut,
    waiting: VecDeque<Entry>,
    /// Number of bytes at the front of `bytes` that [`next`](Self::next) lent out.
    lent: usize,
    cut_short: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    length: u32,
    cut_short: bool,
    /// Whether it came as a binary message or as text; `None` if the transport makes no such difference.
    binary: Option<bool>,
}

impl Batch {
    /// Appends one datagram.
    pub(crate) fn push(&mut self, datagram: &[u8], cut_short: bool) {
        self.append(datagram, cut_short, None);
    }

    /// Appends a message of a transport that distinguishes binary messages from text.
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

    /// Looks at all that wait: their content, whether they were cut short, and whether they came as binary messages.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&[u8], bool, Option<bool>)) {
        let mut rest = &self.bytes[self.lent..];
        for entry in &self.waiting {
            let Some((message, behind)) = rest.split_at_checked(entry.length as usize) else { return };
            look(message, entry.cut_short, entry.binary);
            rest = behind;
        }
    }

    /// Takes the next datagram, borrowed.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let length = self.advance()?;
        self.lent = length;
        Some(&self.bytes[..length])
    }

    /// Takes the next datagram, owned: a slice that keeps the buffer alive.
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

    /// Number of datagrams that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Number of bytes that they occupy.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.waiting.len() * size_of::<Entry>()
    }

    /// Number of datagrams taken so far that were too long to be received whole.
    pub(crate) fn truncated(&self) -> u64 {
        self.cut_short
    }

    /// Exchanges the datagrams that wait in each, but not the counters.
    pub(crate) fn swap(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.bytes, &mut other.bytes);
        std::mem::swap(&mut self.waiting, &mut other.waiting);
        std::mem::swap(&mut self.lent, &mut other.lent);
    }

    /// Resets the buffer, to use it from its start.
    pub(crate) fn clear(&mut self) {
        self.lent = 0;
        self.bytes.clear();
        self.waiting.clear();
    }

    /// Frees the memory of an empty batch: conversations may be idle for long.
    pub(crate) fn release(&mut self) {
        if self.waiting.is_empty() && self.bytes.capacity() > 0 {
            *self = Self { cut_short: self.cut_short, ..Self::default() };
        }
    }
}
