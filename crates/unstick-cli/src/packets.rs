//! Recorded conversations as packets in a pcapng file: a view for Wireshark.
//!
//! Only what was said is recorded, so everything else is made up: handshakes, sequence numbers, acknowledgements. `docs/recording.md` says how.

mod block;
mod headers;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use unstick::wire::{Preset, Role};

use crate::count::Count;
use headers::{ACK, FIN, PSH, RST, SYN, Segment};

/// Bytes of data in a TCP segment: an IP packet has at most 65,535 bytes, with its headers.
const MAX_SEGMENT: usize = 60 << 10;

/// Bytes of data in a UDP datagram over IPv4.
const MAX_DATAGRAM: usize = 65_507;

/// Bytes after which the other side acknowledges, if it sends nothing: less than the window.
const ACKNOWLEDGED_AFTER: u32 = 1 << 20;

/// The hosts of a conversation that has no IP addresses.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// The server's port, where there is none and the framing has none either.
const SOME_PORT: u16 = 9_999;

/// The client's first port, where there is none: each connection has another one.
const FIRST_PORT: u64 = 20_000;
const PORTS: u64 = 40_000;

/// What opens a connection.
pub struct Opened<'a> {
    pub client: &'a str,
    pub server: &'a str,
    pub protocol: &'a str,
    /// Whether its beginning is in an earlier file.
    pub continued: bool,
}

/// Writes packets into `out`, which its owner empties.
pub struct Packets {
    pub out: Vec<u8>,
    /// The framing, and the port by which Wireshark knows its protocol.
    framing: Option<String>,
    port: Option<u16>,
    open: BTreeMap<u64, Connection>,
    time: u64,
}

struct Connection {
    is_udp: bool,
    /// Of the client and of the server.
    ends: [End; 2],
    /// The comment of the next packet.
    comment: String,
    was_reset: bool,
}

struct End {
    address: SocketAddr,
    /// The sequence number of the next byte.
    next: u32,
    /// What it has acknowledged of the other side.
    acknowledged: u32,
    has_ended: bool,
}

impl Packets {
    /// Conversations in this framing. The file [begins](Self::begin) separately.
    pub fn new(framing: Option<&str>) -> Self {
        let preset =
            framing.and_then(|spec| Preset::all().find(|preset| preset.name == spec || preset.aliases.contains(&spec)));
        let port = preset.map(|preset| preset.port).filter(|port| *port != 0);
        let mut this =
            Self { out: Vec::new(), framing: framing.map(str::to_owned), port, open: BTreeMap::new(), time: 0 };
        this.begin();
        this
    }

    /// Begins a file. Connections that are open go on in it.
    pub fn begin(&mut self) {
        let framing = self.framing.as_deref().map(|spec| format!(", framing {spec}")).unwrap_or_default();
        block::begin(
            &mut self.out,
            &format!("recorded conversations{framing}; handshakes and acknowledgements are made up"),
        );
    }

    /// The time of what follows, in nanoseconds since 1970. Without one, the last one holds.
    pub fn at(&mut self, time: Option<u64>) {
        self.time = time.unwrap_or(self.time);
    }

    /// A connection opens.
    pub fn open(&mut self, peer: u64, opened: &Opened<'_>) {
        let mut comment = String::new();
        if !matches!(opened.protocol, "tcp" | "udp") {
            comment = format!("{}: what is inside it; ", opened.protocol);
        }
        let (client, server) = match (opened.client.parse(), opened.server.parse()) {
            (Ok(client), Ok(server)) => (client, server),
            _ => {
                comment += &format!("{} to {}: these addresses are made up; ", opened.client, opened.server);
                let port = FIRST_PORT + peer % PORTS;
                (SocketAddr::from((CLIENT, port as u16)), SocketAddr::from((SERVER, self.port.unwrap_or(SOME_PORT))))
            }
        };
        let (client, mut server): (SocketAddr, SocketAddr) = (client, server);
        if let Some(port) = self.port.filter(|port| *port != server.port()) {
            comment += &format!("the server's port is {}, shown as {port}; ", server.port());
            server.set_port(port);
        }
        comment.truncate(comment.trim_end_matches("; ").len());
        let is_udp = matches!(opened.protocol, "udp" | "unix-dgram");
        let ends = [client, server].map(|address| End { address, next: 0, acknowledged: 0, has_ended: false });
        self.open.insert(peer, Connection { is_udp, ends, comment, was_reset: false });
        if !is_udp && !opened.continued {
            self.tcp(peer, Role::Client, SYN, &[]);
            self.tcp(peer, Role::Server, SYN | ACK, &[]);
            self.tcp(peer, Role::Client, ACK, &[]);
        }
    }

    /// Bytes, or a message.
    pub fn data(&mut self, peer: u64, from: Role, bytes: &[u8]) {
        let Some(connection) = self.open.get_mut(&peer) else { return };
        if !connection.is_udp {
            bytes.chunks(MAX_SEGMENT).for_each(|segment| self.tcp(peer, from, PSH | ACK, segment));
            return;
        }
        if bytes.len() > MAX_DATAGRAM {
            connection.say(&format!("{} of it are left out", Count((bytes.len() - MAX_DATAGRAM) as u64, "byte")));
        }
        let data = &bytes[..bytes.len().min(MAX_DATAGRAM)];
        let [sender, receiver] = [from, from.other()].map(|role| connection.ends[role as usize].address);
        let headers = headers::udp(sender, receiver, data);
        block::packet(&mut self.out, self.time, &headers, data, &std::mem::take(&mut connection.comment));
    }

    /// The next datagram is not recorded as a whole.
    pub fn say_cut_short(&mut self, peer: u64) {
        if let Some(connection) = self.open.get_mut(&peer) {
            connection.say("the datagram was longer than what was recorded");
        }
    }

    /// Adds a comment to the next packet of every open connection.
    pub fn say_of_all(&mut self, what: &str) {
        self.open.values_mut().for_each(|connection| connection.say(what));
    }

    /// Bytes that were not recorded: the sequence numbers go on behind them.
    pub fn gap(&mut self, peer: u64, from: Role, bytes: u64) {
        let Some(connection) = self.open.get_mut(&peer) else { return };
        let way = if from == Role::Client { "client" } else { "server" };
        connection.say(&format!("before this, {} of the {way} were not recorded", Count(bytes, "byte")));
        let end = &mut connection.ends[from as usize];
        end.next = end.next.wrapping_add(bytes as u32); // a sequence number has 32 bits
    }

    /// A side ends its direction.
    pub fn end(&mut self, peer: u64, from: Role) {
        let Some(connection) = self.open.get_mut(&peer) else { return };
        if !connection.is_udp && !std::mem::replace(&mut connection.ends[from as usize].has_ended, true) {
            self.tcp(peer, from, FIN | ACK, &[]);
            self.tcp(peer, from.other(), ACK, &[]);
        }
    }

    /// A side resets the connection.
    pub fn reset(&mut self, peer: u64, from: Role) {
        let Some(connection) = self.open.get_mut(&peer) else { return };
        if !connection.is_udp && !connection.was_reset {
            self.tcp(peer, from, RST | ACK, &[]);
        }
        if let Some(connection) = self.open.get_mut(&peer) {
            connection.was_reset = true;
        }
    }

    /// A connection fails in another way than by a reset.
    pub fn fail(&mut self, peer: u64, error: &str) {
        let Some(connection) = self.open.get_mut(&peer) else { return };
        connection.say(&format!("the connection failed: {error}"));
        if !connection.is_udp {
            self.tcp(peer, Role::Client, ACK, &[]);
        }
    }

    /// Nothing more comes of a connection.
    pub fn close(&mut self, peer: u64) {
        self.open.remove(&peer);
    }

    /// Writes a segment, and an acknowledgement if the other side has not sent one for long.
    fn tcp(&mut self, peer: u64, from: Role, flags: u8, data: &[u8]) {
        let Some(connection) = self.open.get_mut(&peer) else { return };
        if connection.was_reset {
            return;
        }
        let comment = std::mem::take(&mut connection.comment);
        let [client, server] = &mut connection.ends;
        let (sender, receiver) = if from == Role::Client { (client, server) } else { (server, client) };
        let has_acknowledged = flags & ACK != 0;
        let acknowledged = if has_acknowledged { receiver.next } else { 0 };
        let segment = Segment { flags, sequence: sender.next, acknowledged };
        let headers = headers::tcp(sender.address, receiver.address, &segment, data);
        let counted = data.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        sender.next = sender.next.wrapping_add(counted);
        sender.acknowledged = acknowledged;
        block::packet(&mut self.out, self.time, &headers, data, &comment);
        if !data.is_empty() && sender.next.wrapping_sub(receiver.acknowledged) >= ACKNOWLEDGED_AFTER {
            self.tcp(peer, from.other(), ACK, &[]);
        }
    }
}

impl Connection {
    fn say(&mut self, what: &str) {
        if self.comment.len() > block::MAX_COMMENT {
            return; // The packet that it is for may never come.
        }
        if !self.comment.is_empty() {
            self.comment += "; ";
        }
        self.comment += what;
    }
}
