//! From packets to connections: which packet belongs to which, who is the client, and what comes out in order.

mod connection;
mod event;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use unstick_wire::Role;
use unstick_wire::reassembly::Segment;

use crate::file::Captured;
use crate::fragments::Fragments;
use crate::limits::{MAX_CONNECTIONS, MAX_WAITING};
use crate::packet::{self, Ip, Tcp, Transport, Udp};
use connection::Connection;
pub use event::{CloseReason, Event, Protocol};

/// Which connections are looked at.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Ports, one of which is at one end; all if there are none. An end with such a port is the server.
    pub ports: Vec<u16>,
    /// Addresses, one of which is at one end; all if there are none.
    pub hosts: Vec<IpAddr>,
}

impl Filter {
    fn takes(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let ends = [one, other];
        let port = self.ports.is_empty() || ends.iter().any(|end| self.ports.contains(&end.port()));
        port && (self.hosts.is_empty() || ends.iter().any(|end| self.hosts.contains(&end.ip().to_canonical())))
    }

    /// Whether the receiver of a packet is the server, where no handshake tells.
    fn is_server(&self, from: SocketAddr, to: SocketAddr) -> bool {
        match (self.ports.contains(&from.port()), self.ports.contains(&to.port())) {
            (false, true) => true,
            (true, false) => false,
            _ => to.port() <= from.port(),
        }
    }
}

/// Packets and datagrams that are in no connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Number of packets of a link that is not known here.
    pub unknown_link: u64,
    /// The last such link, as a LINKTYPE value.
    pub link: u16,
    /// Number of packets that are no TCP and no UDP, or malformed.
    pub other: u64,
    /// Number of IP datagrams of which fragments are missing.
    pub fragmented: u64,
}

/// Both ends and the protocol, the lesser end first. In few bytes, because the key of every packet is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    addresses: [u128; 2],
    ports: [u16; 2],
    is_ipv6: bool,
    protocol: Protocol,
}

impl Key {
    fn new(one: SocketAddr, other: SocketAddr, protocol: Protocol) -> Self {
        let ends = [one.min(other), one.max(other)];
        let addresses = ends.map(|end| match end.ip() {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        });
        Self { addresses, ports: ends.map(|end| end.port()), is_ipv6: one.is_ipv6(), protocol }
    }
}

/// The connections of a capture.
#[derive(Debug, Default)]
pub struct Connections {
    filter: Filter,
    open: HashMap<Key, Connection>,
    fragments: Fragments,
    /// Number of connections so far, which is the number of the last.
    count: u64,
    /// Number of packets so far.
    packets: u64,
    /// Bytes of memory of the segments that wait for bytes before them.
    waiting: usize,
    left_out: LeftOut,
}

impl Connections {
    /// Looks at the connections that this filter takes.
    pub fn new(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// What was in no connection.
    pub fn left_out(&self) -> LeftOut {
        LeftOut { fragmented: self.fragments.lost(), ..self.left_out }
    }

    /// Takes a packet, and hands out what comes of it.
    pub fn packet(&mut self, captured: &Captured<'_>, out: &mut dyn FnMut(Event<'_>)) {
        self.packets += 1;
        if !packet::is_known(captured.link) {
            self.left_out.unknown_link += 1;
            self.left_out.link = captured.link;
            return;
        }
        let Some(ip) = packet::ip(captured.link, captured.data, captured.length as usize) else {
            self.left_out.other += 1;
            return;
        };
        let Some(fragment) = ip.fragment else { return self.ip(&ip, captured.time, out) };
        if let Some(bytes) = self.fragments.add(&ip, &fragment, captured.time) {
            self.ip(&Ip { payload: &bytes, length: bytes.len(), fragment: None, ..ip }, captured.time, out);
        }
    }

    /// Says that the capture has ended: what waits for missing bytes comes out, and every connection is closed.
    pub fn finish(&mut self, out: &mut dyn FnMut(Event<'_>)) {
        let mut left: Vec<_> = self.open.drain().map(|(_, connection)| connection).collect();
        left.sort_by_key(|connection| connection.number);
        for mut connection in left {
            connection.close(CloseReason::CaptureEnded, None, out);
        }
        self.waiting = 0;
    }

    fn ip(&mut self, ip: &Ip<'_>, time: Option<u64>, out: &mut dyn FnMut(Event<'_>)) {
        match packet::transport(ip) {
            Some(Transport::Tcp(tcp)) if self.filter.takes(tcp.from, tcp.to) => self.tcp(&tcp, time, out),
            Some(Transport::Udp(udp)) if self.filter.takes(udp.from, udp.to) => self.udp(&udp, time, out),
            Some(_) => {}
            None => self.left_out.other += 1,
        }
    }

    fn tcp(&mut self, tcp: &Tcp<'_>, time: Option<u64>, out: &mut dyn FnMut(Event<'_>)) {
        let key = Key::new(tcp.from, tcp.to, Protocol::Tcp);
        let asks = tcp.syn && tcp.acknowledgement.is_none();
        if asks
            && let Some(old) = self.open.get_mut(&key)
            && !old.is_opened_by(tcp.from, tcp.sequence)
        {
            // The same ports again: another connection.
            self.waiting -= old.waiting();
            old.close(CloseReason::Replaced, time, out);
            self.open.remove(&key);
        }
        if self.pass(&key, tcp, time, asks, out) || !tcp.syn && tcp.length == 0 {
            return; // Or these are the last packets of a connection that is over, or a probe.
        }
        let is_client = if tcp.syn { asks } else { self.filter.is_server(tcp.from, tcp.to) };
        let (client, server) = if is_client { (tcp.from, tcp.to) } else { (tcp.to, tcp.from) };
        self.open_connection(key, client, server, tcp.syn, time, out);
        self.pass(&key, tcp, time, asks, out);
    }

    /// Passes a segment on to its connection. Returns whether there is one.
    fn pass(
        &mut self,
        key: &Key,
        tcp: &Tcp<'_>,
        time: Option<u64>,
        asks: bool,
        out: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let Some(connection) = self.open.get_mut(key) else { return false };
        connection.used = self.packets;
        let before = connection.waiting();
        connection.tcp(tcp, &segment(tcp, time), asks, out);
        self.waiting = self.waiting - before + connection.waiting();
        if self.waiting > MAX_WAITING {
            let before = connection.waiting();
            connection.give_up_waiting(out);
            self.waiting = self.waiting - before + connection.waiting();
        }
        true
    }

    fn udp(&mut self, udp: &Udp<'_>, time: Option<u64>, out: &mut dyn FnMut(Event<'_>)) {
        let key = Key::new(udp.from, udp.to, Protocol::Udp);
        if !self.open.contains_key(&key) {
            // Who speaks first asks, unless its port is a server's.
            let ports = &self.filter.ports;
            let is_server = ports.contains(&udp.from.port()) && !ports.contains(&udp.to.port());
            let (client, server) = if is_server { (udp.to, udp.from) } else { (udp.from, udp.to) };
            self.open_connection(key, client, server, true, time, out);
        }
        let Some(connection) = self.open.get_mut(&key) else { return };
        connection.used = self.packets;
        let from = connection.role_of(udp.from);
        let (bytes, length) = (udp.payload, udp.length);
        out(Event::Datagram { connection: connection.number, from, bytes, length, time });
    }

    fn open_connection(
        &mut self,
        key: Key,
        client: SocketAddr,
        server: SocketAddr,
        whole: bool,
        time: Option<u64>,
        out: &mut dyn FnMut(Event<'_>),
    ) {
        if self.open.len() >= MAX_CONNECTIONS {
            self.forget_some(time, out);
        }
        self.count += 1;
        self.open.insert(key, Connection::new(self.count, client));
        out(Event::Open { connection: self.count, protocol: key.protocol, client, server, whole, time });
    }

    /// Forgets a quarter of the connections: those that are over, then those that were silent for the longest time.
    fn forget_some(&mut self, time: Option<u64>, out: &mut dyn FnMut(Event<'_>)) {
        let rank = |connection: &Connection| (!connection.is_closed(), connection.used);
        let mut ranked: Vec<_> = self.open.iter().map(|(key, connection)| (rank(connection), *key)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        for (_, key) in ranked.into_iter().take(MAX_CONNECTIONS / 4) {
            if let Some(mut connection) = self.open.remove(&key) {
                self.waiting -= connection.waiting();
                connection.close(CloseReason::Forgotten, time, out);
            }
        }
    }
}

fn segment<'a>(tcp: &Tcp<'a>, time: Option<u64>) -> Segment<'a, Option<u64>> {
    let Tcp { sequence, syn, fin, payload, length, .. } = *tcp;
    Segment { sequence, syn, fin, payload, length, tag: time }
}

impl Connection {
    /// Takes a segment. `asks`: it opens the connection.
    fn tcp(&mut self, tcp: &Tcp<'_>, segment: &Segment<'_, Option<u64>>, asks: bool, out: &mut dyn FnMut(Event<'_>)) {
        if self.is_closed() {
            return;
        }
        let from = self.role_of(tcp.from);
        if asks {
            self.note_opening(tcp.sequence);
        }
        // Some hosts put any number into a reset.
        if let Some(number) = tcp.acknowledgement.filter(|_| tcp.syn || !tcp.reset) {
            self.acknowledge(from.other(), number, tcp.syn, out);
        }
        if tcp.syn || tcp.fin || tcp.length > 0 {
            self.segment(from, segment, out);
        }
        if tcp.reset {
            self.close(CloseReason::Reset(from), segment.tag, out);
        } else if [Role::Client, Role::Server].iter().all(|role| self.is_ended(*role)) {
            self.close(CloseReason::Ended, segment.tag, out);
        }
    }
}
