//! From a captured frame to the TCP segment or UDP datagram in it: link layers, IPv4 and IPv6.
//!
//! Every function takes bytes that may be forged, and returns `None` if they are not what it reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::MAX_HEADERS;

/// LINKTYPE values of tcpdump.org.
const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const RAW: [u16; 3] = [101, 12, 14];
const LOOP: u16 = 108;
const SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const SLL2: u16 = 276;

/// Ethertypes: IP, and VLAN tags of IEEE 802.1Q, 802.1ad and before.
const IPV4_TYPE: u16 = 0x0800;
const IPV6_TYPE: u16 = 0x86dd;
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// Numbers of protocols in IP.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Whether packets of this LINKTYPE can be read.
pub(crate) fn is_known(link: u16) -> bool {
    [NULL, ETHERNET, LOOP, SLL, IPV4, IPV6, SLL2].contains(&link) || RAW.contains(&link)
}

/// What an IP packet carries: its payload, as far as it was captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ip<'a> {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) payload: &'a [u8],
    /// Number of bytes of the payload on the wire.
    pub(crate) length: usize,
    /// If it is a part of a datagram: which.
    pub(crate) fragment: Option<Fragment>,
}

/// A part of a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment {
    pub(crate) id: u32,
    /// Where it begins, in bytes.
    pub(crate) offset: usize,
    /// Whether others come behind it.
    pub(crate) more: bool,
}

/// A TCP segment or a UDP datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport<'a> {
    Tcp(Tcp<'a>),
    Udp(Udp<'a>),
}

/// A TCP segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tcp<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: Option<u32>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) reset: bool,
    pub(crate) payload: &'a [u8],
    /// Number of bytes of the payload on the wire.
    pub(crate) length: u32,
}

/// A UDP datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Udp<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) payload: &'a [u8],
    pub(crate) length: u32,
}

/// The IP packet in a frame of this LINKTYPE, which had `length` bytes on the wire.
pub(crate) fn ip(link: u16, frame: &[u8], length: usize) -> Option<Ip<'_>> {
    let before = match link {
        ETHERNET => behind_type(frame, 12)?,
        // The family comes in the byte order of the machine, and IP tells its version itself.
        NULL | LOOP => 4,
        SLL => behind_type(frame, 14)?,
        SLL2 => (is_ip(short(frame, 0)?)).then_some(20)?,
        IPV4 | IPV6 => 0,
        link if RAW.contains(&link) => 0,
        _ => return None,
    };
    let (packet, length) = (frame.get(before..)?, length.saturating_sub(before));
    match packet.first()? >> 4 {
        4 => ipv4(packet, length),
        6 => ipv6(packet, length),
        _ => None,
    }
}

/// Where IP begins behind an ethertype at this place, and the VLAN tags behind it.
fn behind_type(frame: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..MAX_HEADERS {
        match short(frame, at)? {
            kind if is_ip(kind) => return Some(at + 2),
            kind if TAGS.contains(&kind) => at += 4,
            _ => return None,
        }
    }
    None
}

fn is_ip(kind: u16) -> bool {
    kind == IPV4_TYPE || kind == IPV6_TYPE
}

/// RFC 791, section 3.1.
fn ipv4(packet: &[u8], on_wire: usize) -> Option<Ip<'_>> {
    let header = usize::from(packet.first()? & 15) * 4;
    let total = match short(packet, 2)? {
        // A network card that cuts segments itself gets them without their length.
        0 => on_wire,
        total => usize::from(total),
    };
    if header < 20 || total < header {
        return None;
    }
    let flags = short(packet, 6)?;
    let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
    let id = short(packet, 4)?.into();
    let address = |at: usize| Some(IpAddr::from(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?)));
    Some(Ip {
        from: address(12)?,
        to: address(16)?,
        protocol: *packet.get(9)?,
        payload: packet.get(header..total.min(packet.len()))?,
        length: total - header,
        fragment: (offset > 0 || more).then_some(Fragment { id, offset, more }),
    })
}

/// RFC 8200, sections 3 and 4.
fn ipv6(packet: &[u8], on_wire: usize) -> Option<Ip<'_>> {
    /// Extension headers: hop by hop, routing, fragment, authentication, destination, mobility, HIP, Shim6.
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const OTHERS: [u8; 6] = [0, 43, 60, 135, 139, 140];
    const HEADER: usize = 40;
    let total = match short(packet, 4)? {
        0 => on_wire,
        length => HEADER + usize::from(length),
    };
    let address = |at: usize| Some(IpAddr::from(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?)));
    let (from, to) = (address(8)?, address(24)?);
    let (mut at, mut protocol, mut fragment) = (HEADER, *packet.get(6)?, None);
    for _ in 0..MAX_HEADERS {
        let units = usize::from(packet.get(at + 1).copied().unwrap_or(0));
        let length = match protocol {
            FRAGMENT => {
                let place = short(packet, at + 2)?;
                let id = u32::from_be_bytes(*packet.get(at + 4..)?.first_chunk()?);
                fragment = Some(Fragment { id, offset: usize::from(place & 0xfff8), more: place & 1 != 0 });
                8
            }
            AUTHENTICATION => (units + 2) * 4,
            other if OTHERS.contains(&other) => (units + 1) * 8,
            _ => break,
        };
        protocol = *packet.get(at)?;
        at += length;
        // What stands behind the header of a later fragment is the datagram's own.
        if fragment.is_some_and(|fragment| fragment.offset > 0) {
            break;
        }
    }
    // One that is alone is no part.
    let fragment = fragment.filter(|fragment| fragment.offset > 0 || fragment.more);
    let payload = packet.get(at..total.min(packet.len()).max(at))?;
    Some(Ip { from, to, protocol, payload, length: total.checked_sub(at)?, fragment })
}

/// What an IP packet carries that is no fragment.
pub(crate) fn transport<'a>(ip: &Ip<'a>) -> Option<Transport<'a>> {
    match ip.protocol {
        TCP => tcp(ip).map(Transport::Tcp),
        UDP => udp(ip).map(Transport::Udp),
        _ => None,
    }
}

/// RFC 9293, section 3.1.
fn tcp<'a>(ip: &Ip<'a>) -> Option<Tcp<'a>> {
    let segment = ip.payload;
    let long = |at: usize| Some(u32::from_be_bytes(*segment.get(at..)?.first_chunk()?));
    let (sequence, acknowledgement) = (long(4)?, long(8)?);
    let header = usize::from(segment.get(12)? >> 4) * 4;
    let flags = *segment.get(13)?;
    if header < 20 || header > ip.length {
        return None;
    }
    Some(Tcp {
        from: SocketAddr::new(ip.from, short(segment, 0)?),
        to: SocketAddr::new(ip.to, short(segment, 2)?),
        sequence,
        acknowledgement: (flags & 0x10 != 0).then_some(acknowledgement),
        syn: flags & 2 != 0,
        fin: flags & 1 != 0,
        reset: flags & 4 != 0,
        payload: segment.get(header..).unwrap_or_default(),
        length: u32::try_from(ip.length - header).ok()?,
    })
}

/// RFC 768.
fn udp<'a>(ip: &Ip<'a>) -> Option<Udp<'a>> {
    const HEADER: usize = 8;
    let datagram = ip.payload;
    let length = match usize::from(short(datagram, 4)?) {
        0 => ip.length,
        length => length.min(ip.length),
    };
    let payload = datagram.get(HEADER..length.min(datagram.len())).unwrap_or_default();
    Some(Udp {
        from: SocketAddr::new(ip.from, short(datagram, 0)?),
        to: SocketAddr::new(ip.to, short(datagram, 2)?),
        payload,
        length: u32::try_from(length.checked_sub(HEADER)?).ok()?,
    })
}

/// The big-endian number of two bytes at this place.
fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
