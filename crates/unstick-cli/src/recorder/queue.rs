//! The queue between the conversations and the thread that writes the file. Nobody waits for room in it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use unstick::wire::Role;

use super::events::{Event, What, now};
use crate::unpoisoned::unpoisoned;

/// Bytes that may wait for the file, with what is being written. Beyond it, segments and messages are lost, and counted.
pub const MAX_RECORDED_AHEAD: usize = 24 << 20;

/// Bytes beyond that for what opens and ends connections: little, and worth more than a segment.
const RESERVE: usize = 2 << 20;

#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    /// Signals that there is something to write, or that it was the last.
    more: Condvar,
    /// Signals that everything is written.
    done: Condvar,
}

#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    /// Bytes of these events, and of those that are taken and not yet written.
    bytes: usize,
    /// What found no room, by connection, of the client and of the server.
    lost: BTreeMap<u64, [Lost; 2]>,
    /// What opened or ended connections and found no room either.
    lost_others: u64,
    opened: u64,
    finished: bool,
    all_written: bool,
}

#[derive(Default)]
struct Lost {
    bytes: u64,
    events: u64,
}

impl Waiting {
    fn push(&mut self, connection: u64, what: What, time: u64) {
        let event = Event { connection, time, what };
        self.bytes += event.size();
        self.events.push(event);
    }

    /// Puts in what was lost of a connection, before anything else of it.
    fn note_lost(&mut self, connection: u64, time: u64) {
        let lost = self
            .lost
            .remove(&connection)
            .into_iter()
            .flat_map(|sides| [Role::Client, Role::Server].into_iter().zip(sides));
        for (from, Lost { bytes, events }) in lost.filter(|(_, lost)| lost.events > 0) {
            self.push(connection, What::Lost { from, bytes, events }, time);
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        unpoisoned(self.waiting.lock())
    }

    /// A connection opens. Returns its number.
    pub fn open(&self, what: What) -> u64 {
        let mut waiting = self.lock();
        waiting.opened += 1;
        let connection = waiting.opened;
        drop(waiting);
        self.put(connection, what, now());
        connection
    }

    /// Something other than bytes.
    pub fn put(&self, connection: u64, what: What, time: u64) {
        let mut waiting = self.lock();
        waiting.note_lost(connection, time);
        if waiting.bytes + size_of::<Event>() + what.size() > MAX_RECORDED_AHEAD + RESERVE {
            waiting.lost_others += 1;
            return;
        }
        waiting.push(connection, what, time);
        self.tell(waiting);
    }

    /// What one read or write carried.
    pub fn segment(&self, connection: u64, from: Role, bytes: &[u8]) {
        self.bytes(connection, from, bytes.len(), || What::Segment { from, bytes: bytes.to_vec() });
    }

    /// A message of a transport that has messages.
    pub fn message(&self, connection: u64, from: Role, message: &[u8], binary: Option<bool>, cut_short: bool) {
        self.bytes(connection, from, message.len(), || What::Message {
            from,
            message: message.to_vec(),
            binary,
            cut_short,
        });
    }

    fn bytes(&self, connection: u64, from: Role, length: usize, what: impl FnOnce() -> What) {
        let time = now();
        let mut waiting = self.lock();
        if waiting.bytes + size_of::<Event>() + length > MAX_RECORDED_AHEAD {
            let lost = &mut waiting.lost.entry(connection).or_default()[from as usize];
            lost.bytes += length as u64;
            lost.events += 1;
            return;
        }
        waiting.note_lost(connection, time);
        waiting.push(connection, what(), time);
        self.tell(waiting);
    }

    fn tell(&self, waiting: MutexGuard<'_, Waiting>) {
        drop(waiting);
        self.more.notify_one();
    }

    /// Waits for something to write; `None` after the last.
    pub fn take(&self) -> Option<Vec<Event>> {
        let mut waiting = self.lock();
        loop {
            while let Some((&connection, _)) = waiting.lost.first_key_value() {
                waiting.note_lost(connection, now());
            }
            if let events @ 1.. = std::mem::take(&mut waiting.lost_others) {
                waiting.push(0, What::LostOthers { events }, now());
            }
            if !waiting.events.is_empty() {
                return Some(std::mem::take(&mut waiting.events));
            }
            if waiting.finished {
                waiting.all_written = true;
                self.done.notify_all();
                return None;
            }
            waiting = unpoisoned(self.more.wait(waiting));
        }
    }

    /// Events of this [size](Event::size) are written: there is room for others.
    pub fn written(&self, size: usize) {
        self.lock().bytes -= size;
    }

    /// Waits until everything is written, or this time has passed.
    pub fn finish(&self, patience: Duration) {
        let mut waiting = self.lock();
        waiting.finished = true;
        self.more.notify_one();
        let waited = self.done.wait_timeout_while(waiting, patience, |waiting| !waiting.all_written);
        drop(unpoisoned(waited));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(batch: &[Event]) -> Vec<String> {
        let of = |event: &Event| match &event.what {
            What::Segment { from, bytes } => format!("{from:?} {}", bytes.len()),
            What::Lost { from, bytes, events } => format!("{from:?} lost {bytes} in {events}"),
            What::LostOthers { events } => format!("lost {events}"),
            What::Close => "close".to_owned(),
            _ => "other".to_owned(),
        };
        batch.iter().map(of).collect()
    }

    /// A quarter of what may wait, with what each event costs.
    const QUARTER: usize = MAX_RECORDED_AHEAD / 4 - size_of::<Event>();

    #[test]
    fn what_finds_no_room_is_counted_where_it_is_missing() {
        let queue = Queue::default();
        let bytes = vec![0; QUARTER];
        for _ in 0..5 {
            queue.segment(1, Role::Client, &bytes);
        }
        queue.segment(1, Role::Server, b"late");
        queue.put(1, What::Close, 0);
        let batch = queue.take().unwrap();
        let whole = format!("Client {QUARTER}");
        let lost = format!("Client lost {QUARTER} in 1");
        assert_eq!(said(&batch), [&*whole, &whole, &whole, &whole, &lost, "Server lost 4 in 1", "close"]);
        queue.written(batch.iter().map(Event::size).sum());
        queue.segment(1, Role::Server, b"again");
        assert_eq!(said(&queue.take().unwrap()), ["Server 5"]);
    }

    #[test]
    fn what_opens_and_ends_connections_has_a_reserve_with_an_end() {
        let queue = Queue::default();
        queue.segment(1, Role::Client, &vec![0; MAX_RECORDED_AHEAD - size_of::<Event>()]);
        let most = RESERVE / size_of::<Event>();
        for _ in 0..most + 3 {
            queue.put(2, What::Close, 0);
        }
        let batch = queue.take().unwrap();
        assert_eq!(batch.len(), 1 + most + 1);
        assert_eq!(said(&batch).last().unwrap(), "lost 3");
    }

    #[test]
    fn the_end_waits_for_the_last_event_and_not_for_ever() {
        let queue = Queue::default();
        queue.segment(1, Role::Client, b"last");
        queue.finish(Duration::from_millis(1));
        assert_eq!(said(&queue.take().unwrap()), ["Client 4"]);
        assert!(queue.take().is_none());
        queue.finish(Duration::MAX);
    }
}
