//! Makes packets and capture files, and reads them back.

use std::io::Cursor;

use unstick_capture::{CaptureError, CaptureFile, Captured, CloseReason, Connections, Event, Filter, Protocol};
use unstick_wire::Role;

pub(crate) const ETHERNET: u16 = 1;
pub(crate) const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 50_000);
pub(crate) const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 9092);

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// A TCP segment, with the numbers of its payload and of what it acknowledges.
pub(crate) fn tcp(from: u16, to: u16, sequence: u32, acknowledgement: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledgement.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

pub(crate) fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let header = [from.to_be_bytes(), to.to_be_bytes(), length.to_be_bytes(), [0; 2]].concat();
    [&header, payload].concat()
}

/// An IPv4 packet. `place`: the field of flags and fragment offset.
pub(crate) fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, place: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 7]);
    packet.extend(place.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(payload);
    packet
}

/// An IPv6 packet whose addresses end in these bytes.
pub(crate) fn ipv6(from: u8, to: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for last in [from, to] {
        packet.extend([0xfd; 15]);
        packet.push(last);
    }
    packet.extend(payload);
    packet
}

pub(crate) fn ethernet(kind: u16, packet: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &kind.to_be_bytes(), packet].concat()
}

/// A segment of the conversation between [`CLIENT`] and [`SERVER`], in Ethernet.
pub(crate) fn said(from: Role, sequence: u32, acknowledgement: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (one, other) = if from == Role::Client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let segment = tcp(one.1, other.1, sequence, acknowledgement, flags, payload);
    ethernet(0x0800, &ipv4(one.0, other.0, 6, 0, &segment))
}

/// A number in a byte order.
fn number(value: u32, little: bool) -> [u8; 4] {
    if little { value.to_le_bytes() } else { value.to_be_bytes() }
}

/// A pcap file with one packet a second.
pub(crate) fn pcap(packets: &[Vec<u8>], link: u16, little: bool, nanoseconds: bool) -> Vec<u8> {
    let magic = if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let version = if little { [2, 0, 4, 0] } else { [0, 2, 0, 4] };
    let mut file = [number(magic, little), version].concat();
    for field in [0, 0, 65_535, u32::from(link)] {
        file.extend(number(field, little));
    }
    for (at, packet) in packets.iter().enumerate() {
        for field in [at as u32, 5, packet.len() as u32, packet.len() as u32] {
            file.extend(number(field, little));
        }
        file.extend(packet);
    }
    file
}

/// A block of a pcapng file.
pub(crate) fn block(kind: u32, body: &[u8], little: bool) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = number(body.len() as u32 + 12, little);
    [&number(kind, little)[..], &length, &body, &length].concat()
}

pub(crate) fn section(little: bool) -> Vec<u8> {
    let version = if little { [1, 0, 0, 0] } else { [0, 1, 0, 0] };
    block(0x0a0d_0d0a, &[&number(0x1a2b_3c4d, little)[..], &version, &[0xff; 8]].concat(), little)
}

/// The block of an interface, with these options.
pub(crate) fn interface(link: u16, options: &[u8], little: bool) -> Vec<u8> {
    let link = if little { link.to_le_bytes() } else { link.to_be_bytes() };
    block(1, &[&link[..], &[0; 2], &number(0, little), options].concat(), little)
}

/// The block of a packet.
pub(crate) fn packet(interface: u32, ticks: u64, data: &[u8], little: bool) -> Vec<u8> {
    let length = data.len() as u32;
    let fields = [interface, (ticks >> 32) as u32, ticks as u32, length, length];
    let mut body: Vec<u8> = fields.iter().flat_map(|field| number(*field, little)).collect();
    body.extend(data);
    block(6, &body, little)
}

/// What a file holds: the time, the link and the bytes of each packet.
pub(crate) type Packets = Vec<(Option<u64>, u16, Vec<u8>)>;

/// The packets of a file, and the error that ends it.
pub(crate) fn packets(file: &[u8]) -> (Packets, Option<CaptureError>) {
    let mut packets = Vec::new();
    let mut file = match CaptureFile::open(Cursor::new(file.to_vec())) {
        Ok(file) => file,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match file.next_packet() {
            Ok(Some(packet)) => packets.push((packet.time, packet.link, packet.data.to_vec())),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

/// What came out of a capture, in its order: each event in a few words.
pub(crate) fn told(packets: &[(u16, Vec<u8>)], filter: Filter) -> (Vec<String>, Connections) {
    let mut connections = Connections::new(filter);
    let mut told = Vec::new();
    for (at, (link, data)) in packets.iter().enumerate() {
        let captured = Captured::new(*link, data, data.len() as u32, Some(at as u64));
        connections.packet(&captured, &mut |event| told.push(words(&event)));
    }
    connections.finish(&mut |event| told.push(words(&event)));
    (told, connections)
}

/// The same of Ethernet without a filter.
pub(crate) fn of_ethernet(packets: &[Vec<u8>]) -> Vec<String> {
    let packets: Vec<_> = packets.iter().map(|packet| (ETHERNET, packet.clone())).collect();
    told(&packets, Filter::default()).0
}

fn words(event: &Event<'_>) -> String {
    let side = |role: Role| if role == Role::Client { "client" } else { "server" };
    match *event {
        Event::Open { connection, protocol, client, server, whole, .. } => {
            let protocol = if protocol == Protocol::Tcp { "tcp" } else { "udp" };
            format!("{connection} {protocol} {client} > {server}{}", if whole { "" } else { " from the middle" })
        }
        Event::Bytes { connection, from, bytes, .. } => {
            format!("{connection} {}: {}", side(from), String::from_utf8_lossy(bytes))
        }
        Event::Datagram { connection, from, bytes, length, .. } => {
            format!("{connection} {}: {} of {length}", side(from), String::from_utf8_lossy(bytes))
        }
        Event::Gap { connection, from, bytes } => format!("{connection} {} lacks {bytes}", side(from)),
        Event::End { connection, from, .. } => format!("{connection} {} ends", side(from)),
        Event::Close { connection, reason, .. } => {
            let reason = match reason {
                CloseReason::Reset(from) => format!("reset by the {}", side(from)),
                reason => format!("{reason:?}"),
            };
            format!("{connection} closed: {reason}")
        }
        _ => unreachable!(),
    }
}
