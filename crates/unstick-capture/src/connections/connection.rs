//! One connection: its ends, and each direction on its way into order.

use std::net::SocketAddr;

use unstick_wire::Role;
use unstick_wire::reassembly::{Ordered, Reassembly, Segment};

use super::event::{CloseReason, Event};

/// A connection, or two ends that exchange datagrams.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    /// The number of the packet in which it was last seen.
    pub(super) used: u64,
    client: SocketAddr,
    /// The sequence number of the client's SYN.
    opened_at: Option<u32>,
    directions: [Reassembly<Option<u64>>; 2],
    closed: bool,
}

impl Connection {
    pub(super) fn new(number: u64, client: SocketAddr) -> Self {
        let directions = [Reassembly::new(), Reassembly::new()];
        Self { number, used: 0, client, opened_at: None, directions, closed: false }
    }

    pub(super) fn role_of(&self, from: SocketAddr) -> Role {
        if from == self.client { Role::Client } else { Role::Server }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn is_ended(&self, role: Role) -> bool {
        self.directions[role as usize].is_ended()
    }

    /// Bytes of memory of the segments that wait for bytes before them.
    pub(super) fn waiting(&self) -> usize {
        self.directions.iter().map(Reassembly::memory).sum()
    }

    /// Whether a SYN is the one that opened this connection, sent again.
    pub(super) fn is_opened_by(&self, from: SocketAddr, sequence: u32) -> bool {
        !self.closed && from == self.client && self.opened_at == Some(sequence)
    }

    pub(super) fn note_opening(&mut self, sequence: u32) {
        self.opened_at = Some(sequence);
    }

    /// Takes an acknowledgement of what `of` has sent. That of a SYN tells where its direction begins.
    pub(super) fn acknowledge(&mut self, of: Role, number: u32, syn: bool, out: &mut dyn FnMut(Event<'_>)) {
        let connection = self.number;
        let direction = &mut self.directions[of as usize];
        if syn {
            direction.open(number.wrapping_sub(1));
            self.opened_at = self.opened_at.or((of == Role::Client).then_some(number.wrapping_sub(1)));
        }
        direction.acknowledge(number, |ordered| out(event(connection, of, ordered)));
    }

    pub(super) fn segment(&mut self, from: Role, segment: &Segment<'_, Option<u64>>, out: &mut dyn FnMut(Event<'_>)) {
        let connection = self.number;
        self.directions[from as usize].segment(segment, |ordered| out(event(connection, from, ordered)));
    }

    /// Counts what is missing as lost, and hands out what waits for it.
    pub(super) fn give_up_waiting(&mut self, out: &mut dyn FnMut(Event<'_>)) {
        let connection = self.number;
        for from in [Role::Client, Role::Server] {
            self.directions[from as usize].finish(|ordered| out(event(connection, from, ordered)));
        }
    }

    /// Hands out what waits, and that nothing more comes.
    pub(super) fn close(&mut self, reason: CloseReason, time: Option<u64>, out: &mut dyn FnMut(Event<'_>)) {
        if !self.closed {
            self.give_up_waiting(out);
            self.closed = true;
            // What is kept of it now is that it is over.
            self.directions = [Reassembly::new(), Reassembly::new()];
            out(Event::Close { connection: self.number, reason, time });
        }
    }
}

fn event(connection: u64, from: Role, ordered: Ordered<'_, Option<u64>>) -> Event<'_> {
    match ordered {
        Ordered::Bytes(bytes, time) => Event::Bytes { connection, from, bytes, time },
        Ordered::End(time) => Event::End { connection, from, time },
        Ordered::Gap(bytes) => Event::Gap { connection, from, bytes },
        _ => Event::Gap { connection, from, bytes: 0 },
    }
}
