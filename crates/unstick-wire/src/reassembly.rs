//! TCP reassembly without I/O: captured segments of one direction in, its bytes in order and the gaps between them out.
//!
//! The rules are those of RFC 9293 (section 3.4, sequence numbers; section 3.10.7.4, which bytes of a segment are new), as a
//! receiver applies them. Not here: packets and addresses, which are read elsewhere, and messages, which
//! [`Transcript`](crate::Transcript) finds in what comes out.

use std::collections::BTreeMap;

use crate::limits::{MAX_AHEAD, MAX_LATE_PACKETS, MAX_REORDERED, MAX_REORDERED_SEGMENTS};

/// Bytes of memory that a waiting segment takes besides its own: its entry in the map, and the rounding of the allocator.
const WAITING_COST: usize = 96;

/// A captured segment. `T` travels with its bytes, such as the time at which it was captured.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a, T> {
    /// The sequence number of the first byte, or of the SYN.
    pub sequence: u32,
    /// Whether the segment opens the direction (SYN).
    pub syn: bool,
    /// Whether the segment ends the direction (FIN).
    pub fin: bool,
    /// What was captured of the payload.
    pub payload: &'a [u8],
    /// Number of bytes of the payload on the wire: more than were captured if the capture cuts packets short.
    pub length: u32,
    /// What travels with the bytes.
    pub tag: T,
}

/// What comes out, in the order of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ordered<'a, T> {
    /// Bytes of one segment: all that are new in it.
    Bytes(&'a [u8], T),
    /// Number of bytes that were sent and never captured.
    Gap(u64),
    /// The sender has ended the direction.
    End(T),
}

/// One direction of a TCP connection.
///
/// ```
/// use unstick_wire::reassembly::{Ordered, Reassembly, Segment};
///
/// let mut direction = Reassembly::new();
/// let segment = |sequence, payload| {
///     Segment { sequence, syn: false, fin: false, payload, length: 3, tag: () }
/// };
/// let mut out = Vec::new();
/// let mut note = |ordered: Ordered<'_, ()>| {
///     if let Ordered::Bytes(bytes, ()) = ordered {
///         out.extend_from_slice(bytes);
///     }
/// };
/// direction.open(u32::MAX - 1); // the numbers wrap around
/// direction.segment(&segment(2, b"def"), &mut note);
/// direction.segment(&segment(u32::MAX, b"abc"), &mut note);
/// assert_eq!(out, b"abcdef");
/// ```
#[derive(Debug)]
pub struct Reassembly<T> {
    /// The sequence number at the stream's offset 0, once it is known.
    first: Option<u32>,
    /// Offset of the next byte in order.
    next: u64,
    /// Segments after missing bytes, by the offset of their first byte. No two of them overlap.
    waiting: BTreeMap<u64, (Vec<u8>, T)>,
    /// Number of their bytes.
    held: usize,
    /// Offset of the end of the direction, and its tag, once the FIN has come.
    fin: Option<(u64, T)>,
    ended: bool,
    /// Offset up to which the receiver has acknowledged bytes.
    acknowledged: u64,
    /// Packets since an acknowledgement was for bytes that are missing.
    late: u32,
    /// Segments that lie outside any window.
    strays: u64,
}

impl<T> Default for Reassembly<T> {
    fn default() -> Self {
        Self {
            first: None,
            next: 0,
            waiting: BTreeMap::new(),
            held: 0,
            fin: None,
            ended: false,
            acknowledged: 0,
            late: 0,
            strays: 0,
        }
    }
}

impl<T: Copy> Reassembly<T> {
    /// Makes a direction of which nothing is known. If no SYN opens it, it begins with the first segment that comes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the direction at the sequence number of its SYN, if that is known by other means.
    pub fn open(&mut self, initial: u32) {
        self.first.get_or_insert(initial.wrapping_add(1));
    }

    /// Whether it is known where the direction begins.
    pub fn is_open(&self) -> bool {
        self.first.is_some()
    }

    /// Whether all bytes up to the sender's end have come out.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Number of bytes that wait for bytes before them.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Number of bytes of memory that the waiting segments take, with what each costs besides its bytes.
    pub fn memory(&self) -> usize {
        self.held + self.waiting.len() * WAITING_COST
    }

    /// Number of segments that were left out, because they lie outside any window of this direction.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Takes a segment, and hands out what is in order now.
    pub fn segment(&mut self, segment: &Segment<'_, T>, mut out: impl FnMut(Ordered<'_, T>)) {
        let begins = segment.sequence.wrapping_add(u32::from(segment.syn));
        let first = *self.first.get_or_insert(begins);
        let Some(at) = self.offset_of(begins, first) else {
            self.strays += u64::from(segment.length > 0);
            return self.count_packet(&mut out);
        };
        if self.ended {
            return;
        }
        if segment.fin && self.fin.is_none() {
            self.fin = u64::try_from(at.saturating_add(segment.length.into())).ok().map(|end| (end, segment.tag));
        }
        self.take(at, segment.payload, segment.tag, &mut out);
        self.settle(&mut out);
        self.give_up_cut(segment, at, &mut out);
        self.count_packet(&mut out);
    }

    /// Takes the receiver's acknowledgement of everything before this sequence number. Bytes that were acknowledged and
    /// are not there after some further packets were never captured.
    pub fn acknowledge(&mut self, number: u32, mut out: impl FnMut(Ordered<'_, T>)) {
        let Some(first) = self.first else { return };
        if let Some(upto) = self.offset_of(number, first).and_then(|at| u64::try_from(at).ok()) {
            self.acknowledged = self.acknowledged.max(upto);
        }
        self.count_packet(&mut out);
    }

    /// Says that no more segments come: what is missing before those that wait is lost, and so is what was acknowledged
    /// and never came. A single byte may have been the end of the direction (FIN), which is acknowledged like a byte.
    pub fn finish(&mut self, mut out: impl FnMut(Ordered<'_, T>)) {
        while !self.ended && self.has_hole() {
            self.give_up_hole(&mut out);
        }
        let unseen = self.acknowledged.saturating_sub(self.next);
        if !self.ended && unseen > 1 {
            out(Ordered::Gap(unseen));
            self.next = self.acknowledged;
        }
    }

    /// The offset of a sequence number, which may lie before the stream; `None` if it lies outside any window.
    fn offset_of(&self, number: u32, first: u32) -> Option<i64> {
        let expected = first.wrapping_add(self.next as u32);
        let distance = i64::from(number.wrapping_sub(expected) as i32);
        let is_near = distance.unsigned_abs() <= MAX_AHEAD;
        is_near.then(|| i64::try_from(self.next).ok()?.checked_add(distance)).flatten()
    }

    /// Takes what is new of the bytes that begin at this offset.
    fn take(&mut self, at: i64, bytes: &[u8], tag: T, out: &mut impl FnMut(Ordered<'_, T>)) {
        let before = (self.next as i64).saturating_sub(at).max(0);
        let Some(bytes) = usize::try_from(before).ok().and_then(|before| bytes.get(before..)) else { return };
        // The sender's own end counts first: bytes after it are not part of the stream.
        let at = at.max(0).max(self.next as i64) as u64;
        let room = self.fin.map_or(u64::MAX, |(end, _)| end.saturating_sub(at));
        let bytes = &bytes[..bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        if bytes.is_empty() {
            return;
        }
        if at == self.next && self.waiting.is_empty() {
            self.next += bytes.len() as u64;
            return out(Ordered::Bytes(bytes, tag));
        }
        self.keep(at, bytes, tag);
    }

    /// Keeps the parts of bytes that no waiting segment has: what came first counts, as it does for most receivers.
    fn keep(&mut self, mut at: u64, mut bytes: &[u8], tag: T) {
        if let Some((start, (held, _))) = self.waiting.range(..=at).next_back() {
            let over = (start + held.len() as u64).saturating_sub(at);
            let over = bytes.len().min(usize::try_from(over).unwrap_or(usize::MAX));
            at += over as u64;
            bytes = &bytes[over..];
        }
        while !bytes.is_empty() {
            let (free, held) = match self.waiting.range(at..).next() {
                Some((start, (held, _))) => (start - at, held.len()),
                None => (u64::MAX, 0),
            };
            let free = bytes.len().min(usize::try_from(free).unwrap_or(usize::MAX));
            if free > 0 {
                self.held += free;
                self.waiting.insert(at, (bytes[..free].to_vec(), tag));
            }
            let passed = bytes.len().min(free.saturating_add(held));
            at += passed as u64;
            bytes = &bytes[passed..];
        }
    }

    /// Hands out what is in order, and gives up missing bytes if too much waits behind them.
    fn settle(&mut self, out: &mut impl FnMut(Ordered<'_, T>)) {
        loop {
            self.release(out);
            if self.held <= MAX_REORDERED && self.waiting.len() <= MAX_REORDERED_SEGMENTS {
                return;
            }
            self.give_up_hole(out);
        }
    }

    /// Hands out the waiting segments that are in order now, and the end.
    fn release(&mut self, out: &mut impl FnMut(Ordered<'_, T>)) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() != self.next {
                break;
            }
            let (bytes, tag) = entry.remove();
            self.held -= bytes.len();
            self.next += bytes.len() as u64;
            self.late = 0;
            out(Ordered::Bytes(&bytes, tag));
        }
        if let Some((end, tag)) = self.fin
            && end <= self.next
            && !self.ended
        {
            self.ended = true;
            (self.waiting, self.held) = (BTreeMap::new(), 0);
            out(Ordered::End(tag));
        }
    }

    /// Counts the bytes up to the next known ones as lost.
    fn give_up_hole(&mut self, out: &mut impl FnMut(Ordered<'_, T>)) {
        let waiting = self.waiting.first_key_value().map(|(at, _)| *at);
        let end = self.fin.map(|(end, _)| end);
        let Some(to) = waiting.into_iter().chain(end).min() else { return };
        if to > self.next {
            out(Ordered::Gap(to - self.next));
            self.next = to;
        }
        self.late = 0;
        self.release(out);
    }

    /// Counts bytes as lost that the capture has cut off a segment in order: another copy would be cut short too.
    fn give_up_cut(&mut self, segment: &Segment<'_, T>, at: i64, out: &mut impl FnMut(Ordered<'_, T>)) {
        let cut = u64::from(segment.length).saturating_sub(segment.payload.len() as u64);
        let captured_to = at.saturating_add(segment.payload.len() as i64);
        if cut > 0 && captured_to == self.next as i64 && self.waiting.is_empty() && !self.ended {
            out(Ordered::Gap(cut));
            self.next += cut;
            self.release(out);
        }
    }

    /// Counts a packet of the connection, and gives up bytes that were acknowledged long enough ago.
    fn count_packet(&mut self, out: &mut impl FnMut(Ordered<'_, T>)) {
        if self.ended || self.acknowledged <= self.next || !self.has_hole() {
            self.late = 0;
            return;
        }
        self.late += 1;
        if self.late > MAX_LATE_PACKETS {
            self.give_up_hole(out);
        }
    }

    /// Whether bytes are known to be missing: something waits behind them.
    fn has_hole(&self) -> bool {
        !self.waiting.is_empty() || self.fin.is_some_and(|(end, _)| end > self.next)
    }
}
