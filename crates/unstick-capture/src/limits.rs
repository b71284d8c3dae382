//! Every bound, with its unit and its reason.

/// Bytes of one captured packet: a network carries less, and what libpcap itself takes is 262,144.
pub const MAX_PACKET: u32 = 1 << 20;

/// Bytes of a block of a pcapng file that is kept: one packet with its options. Longer blocks of other kinds are passed over.
pub const MAX_BLOCK: u32 = 4 << 20;

/// Interfaces of one section of a pcapng file: each costs some bytes.
pub const MAX_INTERFACES: usize = 65_536;

/// IP datagrams in fragments that wait for more: each holds at most 64 KiB.
pub const MAX_FRAGMENTED: usize = 256;

/// Connections that are kept. When there are more, those are forgotten that were silent for the longest time.
pub const MAX_CONNECTIONS: usize = 32_768;

/// Nanoseconds of the capture after which a fragment is not of the same IP datagram: senders use their numbers again, and
/// receivers wait for 60 to 120 seconds at most (RFC 1122, section 3.3.2).
pub const MAX_FRAGMENT_AGE: u64 = 120_000_000_000;

/// Bytes of memory of the segments of all connections together that wait for bytes before them.
pub const MAX_WAITING: usize = 64 << 20;

/// Headers of one frame before its IP header, and extension headers of IPv6: real packets have under five.
pub const MAX_HEADERS: usize = 16;
