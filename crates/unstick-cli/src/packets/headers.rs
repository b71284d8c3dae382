//! The headers of IP, TCP and UDP, with their checksums.
//!
//! Sources: RFC 791, 8200 (IP), 9293 (TCP), 768 (UDP), 1071 (the checksum).

use std::net::{IpAddr, SocketAddr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const HOPS: u8 = 64;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// The shift of the window: with it, 65,535 announce 1 GiB. The kernel's room is not known, and Wireshark would report a full window.
const WINDOW_SHIFT: u8 = 14;

/// What a TCP segment says besides its data.
pub struct Segment {
    pub flags: u8,
    pub sequence: u32,
    pub acknowledged: u32,
}

/// Returns the headers of a TCP segment with this data.
pub fn tcp(from: SocketAddr, to: SocketAddr, segment: &Segment, data: &[u8]) -> Vec<u8> {
    // The maximum segment size is that of loopback: what was recorded may come in large segments.
    let options: &[u8] = if segment.flags & SYN != 0 { &[2, 4, 0xff, 0xd7, 3, 3, WINDOW_SHIFT, 1] } else { &[] };
    let mut header = Vec::with_capacity(28);
    header.extend(from.port().to_be_bytes());
    header.extend(to.port().to_be_bytes());
    header.extend(segment.sequence.to_be_bytes());
    header.extend(segment.acknowledged.to_be_bytes());
    header.extend([((20 + options.len() as u8) / 4) << 4, segment.flags]);
    header.extend(u16::MAX.to_be_bytes());
    header.extend([0; 4]); // the checksum, no urgent data
    header.extend(options);
    let sum = checksum(from.ip(), to.ip(), TCP, &[&header, data]);
    header[16..18].copy_from_slice(&sum.to_be_bytes());
    under_ip(from.ip(), to.ip(), TCP, &header, data.len())
}

/// Returns the headers of a UDP datagram with this data.
pub fn udp(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(8);
    header.extend(from.port().to_be_bytes());
    header.extend(to.port().to_be_bytes());
    header.extend(((8 + data.len()) as u16).to_be_bytes());
    header.extend([0; 2]);
    // 0 means that there is none.
    let sum = match checksum(from.ip(), to.ip(), UDP, &[&header, data]) {
        0 => u16::MAX,
        sum => sum,
    };
    header[6..8].copy_from_slice(&sum.to_be_bytes());
    under_ip(from.ip(), to.ip(), UDP, &header, data.len())
}

/// Puts the IP header in front.
fn under_ip(from: IpAddr, to: IpAddr, protocol: u8, header: &[u8], data: usize) -> Vec<u8> {
    let length = (header.len() + data) as u16;
    let mut packet = Vec::with_capacity(40 + header.len());
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0]);
            packet.extend((20 + length).to_be_bytes());
            packet.extend([0, 0, 0x40, 0, HOPS, protocol, 0, 0]); // not to be fragmented
            packet.extend(from.octets());
            packet.extend(to.octets());
            let sum = folded(sum(0, &packet));
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (from, to) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(length.to_be_bytes());
            packet.extend([protocol, HOPS]);
            packet.extend(mapped(from));
            packet.extend(mapped(to));
        }
    }
    packet.extend(header);
    packet
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The checksum of a header and its data, with what IP adds to it.
fn checksum(from: IpAddr, to: IpAddr, protocol: u8, parts: &[&[u8]; 2]) -> u16 {
    let mut total = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(sum(0, &from.octets()), &to.octets()),
        (from, to) => sum(sum(0, &mapped(from)), &mapped(to)),
    };
    total += u64::from(protocol) + parts.iter().map(|part| part.len() as u64).sum::<u64>();
    // Headers have an even length, so the data begins with a whole word.
    folded(parts.iter().fold(total, |total, part| sum(total, part)))
}

/// Adds words of 16 bits, the last of which may lack its second byte.
fn sum(total: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
    total + words + rest.iter().map(|byte| u64::from(*byte) << 8).sum::<u64>()
}

fn folded(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // Section 3: the sum is ddf2 before it is inverted.
        assert_eq!(folded(sum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), !0xddf2);
        assert_eq!(folded(sum(0, &[0x12])), !0x1200);
    }
}
